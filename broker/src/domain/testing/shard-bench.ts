import { RecordBatch, walkRecords } from "@saturnmq/store";
import { apply } from "../apply.ts";
import { decideExpiry, decideLease, type Reader } from "../leases.ts";
import { Overlay, type Run } from "../overlay.ts";
import { decideSend } from "../queues.ts";
import type { ReceiptHandle } from "../receipt-handle.ts";
import { readRecord, writeMessage, writeRecord } from "../record-codec.ts";
import type { ControlRecord } from "../shard-record.ts";
import { ShardState } from "../shard-state.ts";

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
  #batch = new RecordBatch(1_024);

  constructor(replicas = 2) {
    this.replicas = Array.from({ length: replicas }, () => new ShardState());
    this.overlay = new Overlay(this.state, this.term, this.nowMs);
  }

  get state(): ShardState {
    return this.replicas[0]!;
  }

  send(queue = 0, count = 1): void {
    for (let at = 0; at < count; at += 1) {
      const place = decideSend(this.overlay, { topic, queue }, this.nowMs, this.wallMs);
      writeMessage(this.#batch, place, noBytes, new Uint8Array(0), 0);
      this.overlay.add(place);
    }
  }

  stage(record: ControlRecord | undefined): void {
    if (record === undefined) return;
    writeRecord(this.#batch, record);
    this.overlay.add(record);
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

  take(group: number, queue: number, count: number): readonly Run[] {
    return this.overlay.take(this.state, this.reader(group, queue).cursor, count);
  }

  /** Leases up to `count` messages; their handles. */
  receive(group: number, queue: number, count: number, invisibleMs: number): ReceiptHandle[] {
    const runs = this.take(group, queue, count);
    const handles: ReceiptHandle[] = [];
    for (const record of decideLease(this.overlay, this.reader(group, queue), runs, this.nowMs, invisibleMs)) {
      this.stage(record);
      for (let at = 0; at < record.count; at += 1) {
        const { term, attempt, deadlineMs } = record;
        const place = { shard: 0, topic, group, epoch: 0, queue, offset: record.offset + at };
        handles.push({ ...place, attempt, term, counter: record.counter + at, deadlineMs });
      }
    }
    return handles;
  }
}
