import { assert, defined, type SaturnError } from "@saturnmq/kit";
import { RecordBatch, type RecordSink } from "@saturnmq/store";
import type { Payload } from "raft-ts";
import type { Waiter } from "../messaging.ts";
import type { Totals } from "./totals.ts";

/** A batch takes no further call's records once it would hold more, so that entries stay small beside the log's write area. */
const batchBytes = 1_048_576;
/** A buffer that one large call made grow beyond this is not kept. */
const keptBytes = 4 * batchBytes;

/** The records of one entry to be, and those who wait until it is applied. */
class Batch {
  readonly records = new RecordBatch(batchBytes / 16);
  /** What was asked for its records, bytes: at least their length. */
  reservedBytes = 0;
  /** Those who wait without a promise, each by its own ticket; and the messages among what they wait for. */
  readonly #waiters: Waiter[] = [];
  readonly #tickets: number[] = [];
  #messages = 0;
  #messageBytes = 0;
  #applied: Promise<void> | undefined;
  #settle: { resolve: () => void; reject: (error: unknown) => void } | undefined;

  /** Resolves when the entry is applied; one promise for all who ask. */
  applied(): Promise<void> {
    if (this.#applied !== undefined) return this.#applied;
    this.#applied = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Those who wait see the failure; a receive that does not wait must not turn it into an unhandled one.
    this.#applied.catch(() => undefined);
    return this.#applied;
  }

  /** Has `waiter` told when the entry is applied. */
  tell(waiter: Waiter, ticket: number): void {
    this.#waiters.push(waiter);
    this.#tickets.push(ticket);
  }

  /** Counts a message as sent once the entry is applied. */
  countSend(messageBytes: number): void {
    this.#messages += 1;
    this.#messageBytes += messageBytes;
  }

  settle(error: SaturnError | undefined, nowMs: number, totals: Totals): void {
    totals.stagedBytes -= this.reservedBytes;
    this.reservedBytes = 0;
    if (error === undefined) this.#settle?.resolve();
    else this.#settle?.reject(error);
    this.#applied = undefined;
    this.#settle = undefined;
    if (error === undefined) {
      totals.sentMessages += this.#messages;
      totals.sentBytes += this.#messageBytes;
    }
    for (let at = 0; at < this.#waiters.length; at += 1)
      this.#waiters[at]?.settled(this.#tickets[at] ?? 0, error, nowMs);
    this.#waiters.length = 0;
    this.#tickets.length = 0;
    this.#messages = 0;
    this.#messageBytes = 0;
  }
}

/**
 * What a leader decided and has not seen applied: records in batches of one entry each, in order. Records of one call share a batch, so
 * they are stored all or none.
 */
export class Staging {
  /** To be gathered, oldest first; only the last one takes records. */
  #open: Batch[] = [];
  /** Gathered, oldest first. */
  #inFlight: Batch[] = [];
  /** Applied, not answered yet. */
  #done: Batch[] = [];
  #spare: Batch | undefined;
  readonly #batchMax: number;
  readonly #totals: Totals;

  /** @param maxEntryBytes what the log takes as one entry */
  constructor(maxEntryBytes: number, totals: Totals) {
    this.#batchMax = Math.min(batchBytes, maxEntryBytes);
    this.#totals = totals;
  }

  /** Bytes staged and not yet answered. */
  get bytes(): number {
    let sum = 0;
    for (const { records } of this.#open) sum += records.length;
    for (const { records } of this.#inFlight) sum += records.length;
    return sum;
  }

  /** Where the records of one call go, at most `bytes` together. */
  sink(bytes: number): RecordSink {
    let last = this.#open.at(-1);
    if (last === undefined || (last.records.length > 0 && last.records.length + bytes > this.#batchMax)) {
      last = this.#spare ?? new Batch();
      this.#spare = undefined;
      this.#open.push(last);
    }
    last.reservedBytes += bytes;
    this.#totals.stagedBytes += bytes;
    return last.records;
  }

  /** Has `waiter` told when the message staged last is applied. */
  awaitSend(waiter: Waiter, ticket: number, messageBytes: number): void {
    const batch = defined(this.#open.at(-1), "an open batch");
    batch.tell(waiter, ticket);
    batch.countSend(messageBytes);
  }

  /** Has `waiter` told when everything staged up to now is applied. False: it is. */
  tell(waiter: Waiter, ticket: number): boolean {
    const last = this.#last;
    last?.tell(waiter, ticket);
    return last !== undefined;
  }

  /** Resolves when everything staged up to now is applied; `undefined` when it is. Rejects if the outcome became unknown. */
  applied(): Promise<void> | undefined {
    return this.#last?.applied();
  }

  /** The batch that is settled last. */
  get #last(): Batch | undefined {
    return this.#open.at(-1) ?? this.#inFlight.at(-1) ?? this.#done.at(-1);
  }

  /** The oldest batch as an entry, if there is one that fits. */
  gather(maxBytes: number): Payload | undefined {
    const first = this.#open[0];
    if (first === undefined || first.records.length > maxBytes) return undefined;
    this.#open.shift();
    this.#inFlight.push(first);
    return first.records.payload();
  }

  /** The oldest gathered batch was applied as an entry of `length` bytes. */
  entryApplied(length: number): void {
    const batch = defined(this.#inFlight.shift(), "the staged batch of an applied entry");
    assert(batch.records.length === length, "an applied entry is not the one that was gathered");
    this.#done.push(batch);
  }

  /** Answers those who waited for entries applied since the last call. @param nowMs reading of the monotonic clock */
  answer(nowMs: number): void {
    const done = this.#done;
    if (done.length === 0) return;
    this.#done = [];
    for (const batch of done) {
      batch.settle(undefined, nowMs, this.#totals);
      batch.records.reset();
      if (batch.records.bytes.length <= keptBytes) this.#spare = batch;
    }
  }

  /** Leadership is lost: whether what is staged will be applied is unknown. */
  fail(error: SaturnError, nowMs: number): void {
    this.answer(nowMs);
    for (const batch of [...this.#inFlight, ...this.#open]) batch.settle(error, nowMs, this.#totals);
    this.#inFlight = [];
    this.#open = [];
  }
}
