import { expect, test } from "@jest/globals";
import { RecordBatch, recordAt, walkRecords } from "@saturnmq/store";
import { tagFilter } from "./filter.ts";
import {
  messageParts,
  readRecord,
  UnknownRecordError,
  writeDeadLetter,
  writeMessage,
  writeRecord,
} from "./record-codec.ts";
import type { ControlRecord } from "./shard-record.ts";
import { tagHash } from "./tag-hash.ts";

const run = { timeMs: 5, group: 4_000_000_000, topic: 3, queue: 2, offset: 2 ** 53 - 9, count: 8 };
const lease = { deadlineMs: 2 ** 41, term: 2 ** 40, counter: 7, attempt: 16, replacedMs: 77, lock: 0, holder: 0 };
const records: ControlRecord[] = [
  { kind: "leased", ...run, ...lease },
  { kind: "leased", ...run, ...lease, lock: 2 ** 32 - 1, holder: 2 ** 53 - 1 },
  { kind: "visibilityChanged", ...run, ...lease },
  { kind: "acked", ...run },
  { kind: "skipped", ...run },
  { kind: "parked", ...run },
  { kind: "cursorStarted", timeMs: 5, group: 1, topic: 2, queue: 3, offset: 2 ** 33, epoch: 4 },
  { kind: "trimmed", timeMs: 5, topic: 2, queue: 3, offset: 2 ** 33 },
  { kind: "logStartRaised", timeMs: 5, index: 2 ** 44 },
  { kind: "topicDeleted", timeMs: 5, topic: 2 ** 32 - 1 },
  { kind: "groupDeleted", timeMs: 5, group: 9 },
  { kind: "filterAdded", timeMs: 5, group: 9, topic: 2, number: 15, filter: tagFilter(["später", "b"]) },
  { kind: "filterRemoved", timeMs: 5, group: 9, topic: 2, number: 15 },
];

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

test("every record comes back as it was written", () => {
  const batch = new RecordBatch(64);
  for (const record of records) writeRecord(batch, record);
  const payload = batch.payload();
  const found: unknown[] = [];
  walkRecords(payload, (at) => found.push(readRecord(viewOf(payload.bytes), at)));
  expect(found).toEqual(records);
});

test("a dead letter says where it is and where it was, and its parts are found", () => {
  const batch = new RecordBatch(64);
  const place = { timeMs: 5, topic: 9, queue: 1, offset: 2 ** 40 + 1, storedAtMs: 1_700_000_000_123 };
  const record = { kind: "deadLettered", ...place, source: { group: 4, topic: 3, queue: 2, offset: 2 ** 50 } } as const;
  const bytes = Uint8Array.from([1, 2, 3, 4]);
  const message = { bytes, start: 0, length: 4, bodyStart: 1, bodyLength: 2, bodyCrc: 7 };
  writeDeadLetter(batch, record, message, new TextEncoder().encode("blue"), 1);
  const { bytes: written, length } = batch.payload();
  const found = written.subarray(0, length);
  expect(readRecord(viewOf(found), 0)).toEqual(record);
  const { messageStart, messageEnd, tagStart, tagLength, bodyCrc } = messageParts(found);
  expect([...found.subarray(messageStart, messageEnd)]).toEqual([1, 2, 3, 4]);
  expect(new TextDecoder().decode(found.subarray(tagStart, tagStart + tagLength))).toBe("blue");
  expect(bodyCrc).toBe(7);
});

test.each([
  { what: "a message", lock: 0, written: 1 },
  { what: "one of a message group", lock: 4_000_000_000, written: 2 },
])("$what: its parts are found in its record, with and without its body", ({ lock, written: found }) => {
  const batch = new RecordBatch(64);
  const tag = new TextEncoder().encode("blue");
  const bytes = Uint8Array.from([99, 1, 2, 3, 4, 5, 6, 99]);
  const place = { timeMs: 5, topic: 3, queue: 2, offset: 2 ** 40 + 1, storedAtMs: 1_700_000_000_123 };
  writeMessage(
    batch,
    place,
    { bytes, start: 1, length: 6, bodyStart: 2, bodyLength: 3, bodyCrc: 0xdeadbeef },
    tag,
    1,
    lock,
  );
  const { bytes: written, length } = batch.payload();
  const record = written.subarray(0, length);
  expect(readRecord(viewOf(record), 0)).toEqual({ kind: "message", ...place });
  const parts = messageParts(record);
  expect(parts).toMatchObject({ storedAtMs: place.storedAtMs, bodyCrc: 0xdeadbeef, lock });
  expect(record[recordAt.version]).toBe(found);
  expect([...record.subarray(parts.messageStart, parts.messageEnd)]).toEqual([1, 2, 3, 4, 5, 6]);
  expect(new TextDecoder().decode(record.subarray(parts.tagStart, parts.tagStart + parts.tagLength))).toBe("blue");
  const bodyStart = viewOf(record).getUint32(recordAt.bodyStart, true);
  expect([...record.subarray(bodyStart, bodyStart + 3)]).toEqual([3, 4, 5]);
});

test.each([
  [1_000, 1],
  [4, 2],
  [2, 3],
])("a record of kind %d version %d stops the process and names the version it needs", (kind, version) => {
  const batch = new RecordBatch(64);
  batch.add(kind, version, 32);
  expect(() => readRecord(batch.view, 0)).toThrow(UnknownRecordError);
  expect(() => readRecord(batch.view, 0)).toThrow(`kind ${kind} version ${version}`);
});

test("only the absent tag hashes to 0", () => {
  expect(tagHash(new Uint8Array(0))).toBe(0);
  expect(tagHash(new TextEncoder().encode("a"))).toBe(0xe40c292c);
});
