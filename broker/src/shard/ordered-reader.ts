import { assert } from "@saturnmq/kit";
import { CorruptionError, type IndexRow } from "@saturnmq/store";
import type { RecordedFilter } from "../domain/filter-table.ts";
import { decideSkip, type Unwanted } from "../domain/filters.ts";
import { decideAgain, decideLease, type Reader } from "../domain/leases.ts";
import { holderOf, ownLock } from "../domain/order.ts";
import type { LockTaken, Scan } from "../domain/ordered-reads.ts";
import { decodeReceiptHandle } from "../domain/receipt-handle.ts";
import { extend, type Run } from "../domain/runs.ts";
import type { Leased } from "../domain/shard-record.ts";
import type { Delivery } from "../messaging.ts";
import type { Beginnings } from "./beginnings.ts";
import type { Deliveries } from "./deliveries.ts";
import type { ShardHost } from "./shard-host.ts";
import type { ShardReceive } from "./shard-receive.ts";
import type { Led, ShardRuntime } from "./shard-runtime.ts";
import type { ReadMessage, StoredMessages } from "./stored-messages.ts";

/** Messages that one receive may look at before it lets others run (design 7). */
const scanMax = 10_000;
/** Messages looked at in one step. */
const scanStep = 256;
/** Of which a scan, which keeps only their locks, holds no more than this at a time, bytes. */
const pieceBytes = 1024 * 1024;
/** No filter: what all of a group's filters are asked about. */
const nobody = -1;

/** What the reading of one receive works with. */
type Reading = { readonly led: Led; readonly filter: RecordedFilter; readonly request: ShardReceive };

/**
 * Takes, reads and leases for ordered groups: messages of one lock in their order, to one holder at a time. Leases are committed before
 * anything is delivered (design 7, "FIFO").
 */
export class OrderedReader {
  readonly #shard: ShardRuntime;
  readonly #host: ShardHost;
  readonly #messages: StoredMessages;
  readonly #beginnings: Beginnings;
  readonly #deliveries: Deliveries;

  constructor(
    shard: ShardRuntime,
    host: ShardHost,
    messages: StoredMessages,
    beginnings: Beginnings,
    deliveries: Deliveries,
  ) {
    this.#shard = shard;
    this.#host = host;
    this.#messages = messages;
    this.#beginnings = beginnings;
    this.#deliveries = deliveries;
  }

  /** Leases up to `count` messages, several of one lock among them. */
  async receive(request: ShardReceive): Promise<Delivery[]> {
    const { led } = this.#shard;
    const filter = led && this.#beginnings.filter(led, request.topic, request.group, request.filter);
    if (led === undefined || filter === undefined) return [];
    const deliveries: Delivery[] = [];
    let budget = scanMax;
    for (let at = 0; at < request.queues.length; at += 1) {
      const reader = this.#reader(led, request, at);
      while (reader !== undefined && deliveries.length < request.count && this.#goesOn(led, request)) {
        const reading = { led, filter, request };
        const taken = led.overlay.ordered.take(reader.cursor, filter.number, request.count - deliveries.length);
        if (taken !== undefined) {
          deliveries.push(...(await this.#deliver(reading, reader, taken)));
          continue;
        }
        const scan = budget > 0 ? led.overlay.ordered.scan(led.state, reader.cursor, scanStep) : undefined;
        if (scan === undefined) break;
        budget -= scanStep;
        await this.#look(reading, reader, scan);
      }
    }
    return this.#committed(led, request, deliveries);
  }

  /** Whether messages are leased to the very attempt that asks. */
  holds(request: ShardReceive): boolean {
    const { led } = this.#shard;
    if (led === undefined) return false;
    const holder = holderOf(request.clientId, request.attemptId);
    return request.queues.some((_, at) => {
      const reader = this.#reader(led, request, at);
      return reader !== undefined && led.overlay.ordered.heldBy(reader.cursor, holder).length > 0;
    });
  }

  /** Leases once more, under new handles, what is leased to the very attempt that asks: its answer was lost. */
  async again(request: ShardReceive): Promise<Delivery[]> {
    const { led } = this.#shard;
    const deliveries: Delivery[] = [];
    if (led === undefined) return deliveries;
    const holder = holderOf(request.clientId, request.attemptId);
    for (let at = 0; at < request.queues.length; at += 1) {
      const reader = this.#reader(led, request, at);
      if (reader === undefined) continue;
      for (const offset of led.overlay.ordered.heldBy(reader.cursor, holder)) {
        const [row] = await this.#messages.rows(reader.topic, reader.queue, offset, 1);
        const read = row && (await this.#read(led, reader, offset, row));
        if (read === undefined || led !== this.#shard.led || deliveries.length >= request.count) continue;
        const record = decideAgain(led.overlay, reader, offset, this.#shard.now(), request.invisibleMs);
        if (record !== undefined)
          deliveries.push(...this.#stage(led, reader, record, request, new Map([[offset, read]])));
      }
    }
    return this.#committed(led, request, deliveries);
  }

  /** The reader of the request's queue at a place in its turn; `undefined` where the group has not begun. */
  #reader(led: Led, { topic, group, queues, from }: ShardReceive, at: number): Reader | undefined {
    const queue = queues[(from + at) % queues.length] ?? 0;
    const cursor = this.#beginnings.cursor(led, topic, group, queue);
    return cursor < 0 ? undefined : { cursor, group: group.id, topic: topic.id, queue };
  }

  #goesOn(led: Led, { alive }: ShardReceive): boolean {
    return led === this.#shard.led && alive() && this.#shard.leaseValid;
  }

  /** Waits until the leases are committed. Without the lead, or with nobody there, they are given back. */
  async #committed(led: Led, request: ShardReceive, deliveries: Delivery[]): Promise<Delivery[]> {
    this.#shard.wakeOrdered(led);
    if (deliveries.length === 0) return deliveries;
    try {
      await this.#shard.settled();
    } catch {
      // The lead is lost: the leases may be committed or not, and end by themselves.
      return [];
    }
    if (led !== this.#shard.led) return [];
    if (request.alive() && this.#shard.leaseValid) return deliveries;
    for (const { receiptHandle } of deliveries) {
      this.#shard.giveBack(led, decodeReceiptHandle(receiptHandle, this.#host.handleKeys()));
    }
    return [];
  }

  /** Reads and leases the first messages of a lock that this filter wants; what nobody wants is finished. */
  async #deliver(reading: Reading, reader: Reader, taken: LockTaken): Promise<Delivery[]> {
    const { led, request } = reading;
    const { overlay } = led;
    const found = new Map<number, ReadMessage>();
    let mask = 0;
    try {
      for (const offset of taken.offsets) {
        const message = await this.#wanted(reading, reader, offset);
        if (led !== this.#shard.led) return [];
        if (message === undefined) continue;
        if (typeof message === "object") {
          found.set(offset, message);
          continue;
        }
        // It is for others, and comes first.
        if (found.size === 0) mask = message;
        break;
      }
      if (!request.alive() || !this.#shard.leaseValid) return [];
      const runs: Run[] = [];
      for (const offset of found.keys()) extend(runs, offset, 1);
      const order = { lock: taken.lock, holder: holderOf(request.clientId, request.attemptId) };
      const records = decideLease(overlay, reader, runs, this.#shard.now(), request.invisibleMs, order);
      return records.flatMap((record) => this.#stage(led, reader, record, request, found));
    } finally {
      if (led === this.#shard.led) overlay.ordered.end(taken, mask);
    }
  }

  /** The message; `undefined` when it is finished or cannot be read; else a bit for each filter that wants it. */
  async #wanted({ led, filter }: Reading, reader: Reader, offset: number): Promise<ReadMessage | number | undefined> {
    const [row] = await this.#messages.rows(reader.topic, reader.queue, offset, 1);
    if (led !== this.#shard.led || offset < led.overlay.decided.minOf(reader.cursor)) return undefined;
    assert(row !== undefined, `the index lacks offset ${offset} of topic ${reader.topic} queue ${reader.queue}`);
    let tag: string | undefined;
    if (filter.test.mayWant(row.tagHash)) {
      const message = await this.#read(led, reader, offset, row);
      if (message === undefined || led !== this.#shard.led || filter.test.wants(message)) return message;
      ({ tag } = message);
    }
    const unwanted = [{ offset, tagHash: row.tagHash, tag }];
    const { records, left } = decideSkip(led.overlay, reader, filter.number, unwanted, this.#shard.now());
    for (const record of records) this.#shard.stage(led, record);
    return left[0]?.mask;
  }

  /** Reads what was scanned, finishes what no filter wants, and lets the rest wait in its locks. */
  async #look({ led }: Reading, reader: Reader, scan: Scan): Promise<void> {
    const { overlay } = led;
    const locks = new Map<number, number>();
    const unwanted: Unwanted[] = [];
    let done = false;
    try {
      for (const run of scan.runs) {
        const rows = await this.#messages.rows(reader.topic, reader.queue, run.offset, run.count);
        let { offset } = run;
        for (const piece of piecesOf(rows)) {
          const reads = await this.#messages.read(piece);
          for (const [at, { tagHash }] of piece.entries()) {
            const filters = overlay.decided.filters.of(reader.group, reader.topic);
            if (!filters.some(({ test }) => test.mayWant(tagHash))) unwanted.push({ offset, tagHash, tag: undefined });
            const read = this.#readable(led, reader, offset, reads[at]);
            if (read !== undefined) locks.set(offset, read.lock === 0 ? ownLock(offset) : read.lock);
            offset += 1;
          }
        }
      }
      done = true;
    } finally {
      if (led === this.#shard.led) {
        const { records } = decideSkip(overlay, reader, nobody, unwanted, this.#shard.now());
        for (const record of records) this.#shard.stage(led, record);
        overlay.ordered.scanned(scan, done ? (offset) => locks.get(offset) : undefined);
      }
    }
  }

  /** `undefined` for a message that cannot be read: it is passed. */
  async #read(led: Led, reader: Reader, offset: number, row: IndexRow): Promise<ReadMessage | undefined> {
    const [read] = await this.#messages.read([row]);
    return this.#readable(led, reader, offset, read);
  }

  #readable(led: Led, reader: Reader, offset: number, read: ReadMessage | Error | undefined): ReadMessage | undefined {
    if (!(read instanceof Error)) return read;
    // Trimmed while it was read: its segment may be gone.
    if (offset < led.overlay.decided.minOf(reader.cursor)) return undefined;
    if (!(read instanceof CorruptionError)) throw read;
    led.overlay.ordered.pass(reader.cursor, offset);
    this.#deliveries.corrupt(reader, offset, read);
    return undefined;
  }

  #stage(
    led: Led,
    reader: Reader,
    record: Leased,
    request: ShardReceive,
    found: ReadonlyMap<number, ReadMessage>,
  ): Delivery[] {
    assert(record.timeMs >= led.overlay.sinceMs, "a lease is older than its leader");
    return this.#deliveries.stage(led, reader, record, request.invisibleMs, found);
  }
}

/** Rows that are read together. */
function* piecesOf(rows: readonly IndexRow[]): Generator<readonly IndexRow[]> {
  let from = 0;
  let bytes = 0;
  for (const [at, { length }] of rows.entries()) {
    bytes += length;
    if (bytes < pieceBytes && at + 1 < rows.length) continue;
    yield rows.slice(from, at + 1);
    from = at + 1;
    bytes = 0;
  }
}
