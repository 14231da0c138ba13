import { describe, expect, test } from "@jest/globals";
import { crc32 } from "@saturnmq/kit/node";
import { recordAt, recordFlags, recordHeadBytes, walkRecords } from "./record.ts";
import { RecordBatch } from "./record-batch.ts";
import { payloadFault } from "./record-check.ts";

/** Adds a message with properties around its body. */
function addMessage(batch: RecordBatch, offset: number, body: string): void {
  const bytes = Buffer.from(body);
  const at = batch.add(7, 1, bytes.length + 5);
  batch.bytes.set(Buffer.from("ab"), at);
  batch.bytes.set(bytes, at + 2);
  batch.bytes.set(Buffer.from("xyz"), at + 2 + bytes.length);
  batch.setBody(2, bytes.length, crc32(bytes, 0, bytes.length));
  batch.setMessage(5, 3, offset, 99);
}

describe("RecordBatch", () => {
  test("lays records back to back and grows without losing any", () => {
    const batch = new RecordBatch(64);
    for (let at = 0; at < 50; at += 1) addMessage(batch, 2 ** 40 + at, `body ${at} `.repeat(20));
    const control = batch.add(9, 2, 4);
    batch.view.setUint32(control, 42, true);
    const payload = batch.payload();
    const seen: number[] = [];
    const view = new DataView(payload.bytes.buffer);
    walkRecords(payload, (at) => seen.push(view.getUint16(at + recordAt.kind, true)));
    expect(seen).toEqual([...Array<number>(50).fill(7), 9]);
    expect(batch.count).toBe(51);
    expect(view.getUint8(recordAt.flags)).toBe(recordFlags.message);
    expect(view.getUint32(recordAt.offset + 4, true)).toBe(256);
    expect(payloadFault(payload.bytes, view, 0, payload.length, payload.crc, true)).toBeUndefined();
  });

  test("every flipped bit is found: in a body by the body's CRC, elsewhere without looking at bodies", () => {
    const batch = new RecordBatch();
    addMessage(batch, 1, "hello world");
    batch.add(9, 2, 0);
    const { bytes, length, crc } = batch.payload();
    const view = new DataView(bytes.buffer);
    const bodyStart = recordHeadBytes + 2;
    for (let bit = 0; bit < 8 * length; bit += 1) {
      const at = bit >> 3;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
      const inBody = at >= bodyStart && at < bodyStart + 11;
      expect(payloadFault(bytes, view, 0, length, crc, false) !== undefined).toBe(!inBody);
      expect(payloadFault(bytes, view, 0, length, crc, true)).toBeDefined();
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
    }
  });

  test("a summary's payload, its bodies left out, walks and checks the same", () => {
    const batch = new RecordBatch();
    addMessage(batch, 1, "hello world");
    addMessage(batch, 2, "again");
    const payload = batch.payload();
    const short = Buffer.concat([
      payload.bytes.subarray(0, 46),
      payload.bytes.subarray(57, 60),
      payload.bytes.subarray(60, 106),
      payload.bytes.subarray(111, 114),
    ]);
    const lengths: number[] = [];
    walkRecords({ bytes: short, start: 0, length: short.length }, (_, length) => lengths.push(length), true);
    expect(lengths).toEqual([49, 49]);
  });

  test("a broken payload is refused by the walk", () => {
    const batch = new RecordBatch();
    batch.add(9, 1, 10);
    const { bytes } = batch.payload();
    expect(() => walkRecords({ bytes, start: 0, length: 50 }, () => undefined)).toThrow(RangeError);
  });
});
