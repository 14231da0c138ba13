import { defined, SeededRandom } from "@saturnmq/kit";
import { crc32 } from "@saturnmq/kit/node";
import type { GroupId, StoredEntry } from "raft-ts";
import { getU64, viewOf } from "../bytes.ts";
import type { LogStore, QueueKey, RecordPosition } from "../ports.ts";
import { recordAt, recordFlags, recordHeadBytes, walkRecords } from "../record.ts";
import { RecordBatch } from "../record-batch.ts";

/** What an entry of a test says, so that it can be checked when it is read back. */
export type TestMessage = {
  readonly stream: number;
  readonly partition: number;
  readonly offset: number;
  readonly body: string;
};

/** A message's record: its body between a small head and tail that say the same once more. */
export function addMessage(batch: RecordBatch, { stream, partition, offset, body }: TestMessage): void {
  const bytes = new TextEncoder().encode(body);
  // Every other one ends with its body, as a record may.
  const tail = offset % 2 === 0 ? 0 : 4;
  const at = batch.add(7, 1, bytes.length + 4 + tail);
  batch.view.setUint32(at, offset, true);
  batch.bytes.set(bytes, at + 4);
  if (tail > 0) batch.view.setUint32(at + 4 + bytes.length, offset, true);
  batch.setBody(4, bytes.length, crc32(bytes, 0, bytes.length));
  batch.setMessage(stream, partition, offset, offset % 7);
}

/** Records, all of them. @throws {Error} the first that cannot be read */
export async function recordsAt(store: LogStore, positions: readonly RecordPosition[]): Promise<readonly Uint8Array[]> {
  const reads = await store.readRecords(positions);
  return reads.map((read) => {
    if (read instanceof Error) throw read;
    return read;
  });
}

/** The message in a record as `readRecords` gives it. */
export function readMessage(record: Uint8Array): TestMessage {
  const view = viewOf(record);
  const start = view.getUint32(recordAt.bodyStart, true);
  const length = view.getUint32(recordAt.bodyLength, true);
  return {
    stream: view.getUint32(recordAt.stream, true),
    partition: view.getUint32(recordAt.partition, true),
    offset: getU64(view, recordAt.offset),
    body: new TextDecoder().decode(record.subarray(start, start + length)),
  };
}

/** A writer that drives a store the way the Raft driver of a sole voter does: append, commit, apply. */
export class TestDriver {
  readonly store: LogStore;
  readonly batch = new RecordBatch();
  /** Next offset by "group/stream/partition". */
  #next = new Map<string, number>();
  readonly #random: SeededRandom;

  constructor(store: LogStore, seed = 1) {
    this.store = store;
    this.#random = new SeededRandom(seed);
  }

  /** A driver of another store, whose queues go on where those of this one are. */
  on(store: LogStore): TestDriver {
    const next = new TestDriver(store);
    next.#next = new Map(this.#next);
    return next;
  }

  /** The next message of each queue of the stream has this offset. */
  rewind(group: GroupId, stream: number, offset: number): void {
    for (const partition of [0, 1, 2]) this.skip(group, stream, partition, offset);
  }

  /** The queue's next message has this offset. */
  skip(group: GroupId, stream: number, partition: number, offset: number): void {
    this.#next.set(`${group}/${stream}/${partition}`, offset);
  }

  /** Stages an entry of `count` messages of about `bytes` each; what it says. */
  stage(group: GroupId, count: number, bytes: number, term = 1, stream = 1): readonly TestMessage[] {
    this.batch.reset();
    const messages = Array.from({ length: count }, (_, row) => this.#message(group, stream, row % 3, bytes));
    for (const message of messages) addMessage(this.batch, message);
    const index = this.store.view(group).lastIndex + 1;
    this.store.append(group, index, term, count === 0 ? undefined : this.batch.payload());
    return messages;
  }

  /** Stages an entry, commits and applies it. */
  async write(group: GroupId, count: number, bytes: number, term = 1): Promise<readonly TestMessage[]> {
    const messages = this.stage(group, count, bytes, term);
    await this.store.commit();
    await this.apply(group);
    return messages;
  }

  /** Applies the group's last entry. */
  async apply(group: GroupId): Promise<void> {
    await this.applyAt(group, this.store.view(group).lastIndex);
  }

  /** Applies one entry; those before have been. */
  async applyAt(group: GroupId, index: number): Promise<void> {
    applyEntry(this.store, group, await this.store.read(group, index));
    this.store.applied(group, index);
  }

  /** Commits what is staged and applies the group's first entries up to `last`. */
  async commitAndApply(group: GroupId, last: number): Promise<void> {
    await this.store.commit();
    for (let index = 1; index <= last; index += 1) await this.applyAt(group, index);
  }

  #message(group: GroupId, stream: number, partition: number, bytes: number): TestMessage {
    const key = `${group}/${stream}/${partition}`;
    const offset = this.#next.get(key) ?? 0;
    this.#next.set(key, offset + 1);
    const body = `${key}/${offset}:`.padEnd(bytes, String.fromCharCode(97 + this.#random.below(26)));
    return { stream, partition, offset, body };
  }
}

/** Indexes an entry's messages as the broker's apply does. */
export function applyEntry(store: LogStore, group: GroupId, entry: StoredEntry): void {
  if (entry.summary || entry.kind === "configuration") return;
  const view = viewOf(entry.payload.bytes);
  walkRecords(entry.payload, (at, length) => {
    if ((view.getUint8(at + recordAt.flags) & recordFlags.message) === 0) return;
    const key = {
      group,
      stream: view.getUint32(at + recordAt.stream, true),
      partition: view.getUint32(at + recordAt.partition, true),
    };
    const offset = entry.position.offset + at - entry.payload.start;
    const row = {
      segment: entry.position.segment,
      offset,
      length,
      tagHash: view.getUint32(at + recordAt.tagHash, true),
    };
    store.indexMessage(key, getU64(view, at + recordAt.offset), row);
  });
}

/** Replays a group from its newest checkpoint as a starting broker does; how many entries there were. */
export async function restore(store: LogStore, group: GroupId): Promise<number> {
  const from = ((await store.readCheckpoint(group))?.index ?? 0) + 1;
  const to = store.view(group).lastIndex;
  let count = 0;
  if (from <= to)
    await store.replay(group, from, to, (entry) => {
      applyEntry(store, group, entry);
      count += 1;
    });
  store.applied(group, to);
  return count;
}

/** Reads a queue from an offset to its end, message by message. */
export async function readQueue(store: LogStore, key: QueueKey, first = 0): Promise<readonly TestMessage[]> {
  const messages: TestMessage[] = [];
  for (let from = first; ; ) {
    const rows = await store.lookup(key, from, 10);
    for (const record of await recordsAt(store, rows)) messages.push(readMessage(record));
    if (rows.length === 0) return messages;
    from = defined(messages.at(-1), "the last message").offset + 1;
  }
}

/** All records of an entry, without what is not theirs: for comparing. */
export function recordsOf(entry: StoredEntry): readonly string[] {
  const records: string[] = [];
  walkRecords(
    entry.payload,
    (at, length) =>
      records.push(Buffer.from(entry.payload.bytes.subarray(at + recordHeadBytes, at + length)).toString("latin1")),
    entry.summary,
  );
  return records;
}
