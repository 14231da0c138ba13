import { RecordBatch, walkRecords } from "@saturnmq/store";
import { apply } from "../apply.ts";
import { everything, type Filter } from "../filter.ts";
import type { RecordedFilter } from "../filter-table.ts";
import { decideFilterAdd, decideSkip, type Unwanted } from "../filters.ts";
import { decideExpiry, decideLease, type Reader } from "../leases.ts";
import { Overlay, type Taken } from "../overlay.ts";
import { decideSend } from "../queues.ts";
import type { ReceiptHandle } from "../receipt-handle.ts";
import { readRecord, writeMessage, writeRecord } from "../record-codec.ts";
import { extend, type Run } from "../runs.ts";
import type { ControlRecord, Finished } from "../shard-record.ts";
import { ShardState } from "../shard-state.ts";
import { tagHash } from "../tag-hash.ts";

export const topic = 7;
const noBytes = { bytes: new Uint8Array(0), start: 0, length: 0, bodyStart: 0, bodyLength: 0, bodyCrc: 0 };

/** One shard without a runtime: records travel as bytes from the leader's decision to every replica. */
export class ShardBench {
  /** Replicas; the first one leads. */
  readonly replicas: ShardState[];
  overlay: Overlay;
  nowMs = 1_000;
  wallMs = 1_700_000_000_000;
  term = 1;
  maxAttempts = 3;
  /** Tags of the messages sent with one, by queue and offset. */
  readonly tags = new Map<string, string>();
  /** What the last receive finished because nobody wants it. */
  skipped: readonly Finished[] = [];
  #batch = new RecordBatch(1_024);

  constructor(replicas = 2) {
    this.replicas = Array.from({ length: replicas }, () => new ShardState());
    this.overlay = new Overlay(this.state, this.term, this.nowMs);
  }

  get state(): ShardState {
    return this.replicas[0]!;
  }

  send(queue = 0, count = 1, tag = ""): void {
    for (let at = 0; at < count; at += 1) {
      const place = decideSend(this.overlay, { topic, queue }, this.nowMs, this.wallMs);
      const bytes = new TextEncoder().encode(tag);
      writeMessage(this.#batch, place, noBytes, bytes, tagHash(bytes));
      this.tags.set(`${queue}/${place.offset}`, tag);
      this.overlay.add(place);
    }
  }

  stage(record: ControlRecord | undefined): void {
    if (record === undefined) return;
    writeRecord(this.#batch, record);
    this.overlay.add(record);
  }

  /** Stages a record that the overlay has already. */
  write(record: ControlRecord): void {
    writeRecord(this.#batch, record);
  }

  /** Commits what is staged: every replica applies the bytes. */
  commit(): void {
    const payload = this.#batch.payload();
    const view = new DataView(payload.bytes.buffer, payload.bytes.byteOffset);
    walkRecords(payload, (at) => {
      for (const replica of this.replicas) apply(replica, readRecord(view, at));
    });
    this.#batch.reset();
    this.expire();
  }

  expire(): void {
    const { parked } = decideExpiry(this.state, this.overlay, this.nowMs, () => this.maxAttempts);
    for (const record of parked) writeRecord(this.#batch, record);
  }

  /** The leader loses what is staged; a new term begins on the committed state. */
  crash(): void {
    this.#batch.reset();
    this.term += 1;
    this.overlay = new Overlay(this.state, this.term, this.nowMs);
    this.expire();
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.expire();
  }

  reader(group: number, queue = 0): Reader {
    return { cursor: this.state.cursorOf(group, topic, queue), group, topic, queue };
  }

  addFilter(group: number, filter: Filter = everything): void {
    this.stage(decideFilterAdd(this.overlay, { group, topic }, filter, this.nowMs));
  }

  /** A filter that is recorded and committed. */
  filter(group: number, filter: Filter): RecordedFilter | undefined {
    const decided = this.overlay.decided.filters.find(group, topic, filter);
    return decided?.number === this.state.filters.find(group, topic, filter)?.number ? decided : undefined;
  }

  take(group: number, queue: number, count: number, filter: Filter = everything): Taken {
    return this.overlay.take(
      this.state,
      this.reader(group, queue).cursor,
      this.filter(group, filter)?.number ?? 0,
      count,
    );
  }

  /** Leases up to `count` messages; their handles. Finishes what it meets and nobody wants, into `skipped`. */
  receive(group: number, queue: number, count: number, invisibleMs: number, filter = everything): ReceiptHandle[] {
    const handles: ReceiptHandle[] = [];
    this.skipped = [];
    const recorded = this.filter(group, filter);
    while (recorded !== undefined && handles.length < count) {
      // A step that is neither one nor all, so that takes end in the middle of what is wanted.
      const taken = this.take(group, queue, Math.max(3, count - handles.length), filter);
      if (taken.runs.length === 0) break;
      handles.push(...this.#deliver(this.reader(group, queue), recorded, taken, count - handles.length, invisibleMs));
    }
    return handles;
  }

  #deliver(
    reader: Reader,
    { number, test }: RecordedFilter,
    taken: Taken,
    count: number,
    invisibleMs: number,
  ): ReceiptHandle[] {
    const wanted: Run[] = [];
    const unwanted: Unwanted[] = [];
    let found = 0;
    for (const { offset: from, count: length } of taken.runs) {
      for (let offset = from; offset < from + length; offset += 1) {
        const tag = this.tags.get(`${reader.queue}/${offset}`) ?? "";
        const hash = tagHash(new TextEncoder().encode(tag));
        if (!test.mayWant(hash)) unwanted.push({ offset, tagHash: hash, tag: undefined });
        else if (found < count) {
          extend(wanted, offset, 1);
          found += 1;
        }
      }
    }
    unwanted.sort((a, b) => a.offset - b.offset);
    const { records, left } = decideSkip(this.overlay, reader, number, unwanted, this.nowMs);
    for (const record of records) this.stage(record);
    this.skipped = [...this.skipped, ...records];
    const handles: ReceiptHandle[] = [];
    for (const record of decideLease(this.overlay, reader, wanted, this.nowMs, invisibleMs)) {
      this.stage(record);
      for (let at = 0; at < record.count; at += 1) {
        const { group, queue, term, attempt, deadlineMs } = record;
        const place = { shard: 0, topic, group, epoch: 0, queue, offset: record.offset + at };
        handles.push({ ...place, attempt, term, counter: record.counter + at, deadlineMs });
      }
    }
    this.overlay.end(taken, left);
    return handles;
  }
}
