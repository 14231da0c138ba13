import { assert, SaturnError } from "@saturnmq/kit";
import { CorruptionError, type IndexRow } from "@saturnmq/store";
import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import { decideLease, decideSkip, decideStart, type Reader } from "../domain/leases.ts";
import { extend, type Run } from "../domain/overlay.ts";
import { tagHash } from "../domain/tag-hash.ts";
import type { Delivery, TagFilter } from "../messaging.ts";
import { groupStartMs } from "./group-start.ts";
import type { ShardHost } from "./shard-host.ts";
import type { Led, ShardRuntime } from "./shard-runtime.ts";
import { type ReadMessage, StoredMessages } from "./stored-messages.ts";

/** Messages that one receive may look at before it lets others run. */
const scanMax = 10_000;
/** With a filter, messages looked at in one step. */
const scanStep = 256;
const utf8 = new TextEncoder();

/** A filter and the hashes its tags have in the queue index. */
export type Wanted = { readonly tags: TagFilter; readonly hashes: ReadonlySet<number> | undefined };

export function wantedOf(tags: TagFilter): Wanted {
  return { tags, hashes: tags && new Set(Array.from(tags, (tag) => tagHash(utf8.encode(tag)))) };
}

/** One receive on one shard. */
export type ShardReceive = {
  readonly topic: TopicInfo;
  readonly group: GroupInfo;
  /** The topic's queues in this shard, and where among them to begin. */
  readonly queues: readonly number[];
  readonly from: number;
  readonly wanted: Wanted;
  readonly count: number;
  readonly invisibleMs: number;
  /** False once nobody waits for the answer: nothing is leased then. */
  readonly alive: () => boolean;
};

/** Takes, reads, filters and leases the messages of one shard. */
export class ShardReader {
  readonly #shard: ShardRuntime;
  readonly #host: ShardHost;
  readonly #messages: StoredMessages;
  /** Queues on which a group is about to begin, by group and topic; for one leadership. */
  #starting = new Map<string, Set<number>>();
  #startingFor: Led | undefined;

  constructor(shard: ShardRuntime, host: ShardHost) {
    this.#shard = shard;
    this.#host = host;
    this.#messages = new StoredMessages(host.store, shard.shard);
  }

  get messages(): StoredMessages {
    return this.#messages;
  }

  /** Whether a receive would find something to look at, without reading. Begins groups on queues that they have not read yet. */
  hasReady(topic: TopicInfo, group: GroupInfo, queues: readonly number[]): boolean {
    const { led } = this.#shard;
    if (led === undefined || !this.#shard.leaseValid) return false;
    return queues.some((queue) => {
      const cursor = this.#cursor(led, topic, group, queue);
      return cursor >= 0 && led.overlay.hasReady(led.state, cursor);
    });
  }

  /** Whether the group is about to begin on a queue of the topic. */
  isStarting(topic: TopicInfo, group: GroupInfo): boolean {
    return this.#startingFor === this.#shard.led && (this.#starting.get(`${group.id}/${topic.id}`)?.size ?? 0) > 0;
  }

  /** Leases up to `count` ready messages. Empty when there are none, or the leader lease ended meanwhile. */
  async receive(request: ShardReceive): Promise<Delivery[]> {
    const { led } = this.#shard;
    const deliveries: Delivery[] = [];
    if (led === undefined) return deliveries;
    let budget = scanMax;
    for (let at = 0; at < request.queues.length; at += 1) {
      const queue = request.queues[(request.from + at) % request.queues.length] ?? 0;
      const cursor = this.#cursor(led, request.topic, request.group, queue);
      if (cursor < 0) continue;
      const reader = { cursor, group: request.group.id, topic: request.topic.id, queue };
      while (deliveries.length < request.count && budget > 0 && led === this.#shard.led && request.alive()) {
        const missing = request.count - deliveries.length;
        const runs = led.overlay.take(led.state, cursor, request.wanted.tags ? Math.min(budget, scanStep) : missing);
        if (runs.length === 0) break;
        budget -= runs.reduce((sum, { count }) => sum + count, 0);
        deliveries.push(...(await this.#deliver(led, reader, runs, request, missing)));
      }
    }
    return deliveries;
  }

  /** The cursor of a group on a queue; -1 while it has none: then one is begun if the queue holds anything. */
  #cursor(led: Led, topic: TopicInfo, group: GroupInfo, queue: number): number {
    const { state } = led;
    const row = state.queues.find(topic.id, queue);
    if (row < 0) return -1;
    const cursor = state.cursors.find(group.id, row);
    if (cursor >= 0 && (state.cursors.epoch[cursor] ?? 0) >= group.cursorEpoch) {
      // A delete that is decided but not applied may have freed the row for another cursor.
      return led.overlay.decided.cursorOf(group.id, topic.id, queue) === cursor ? cursor : -1;
    }
    void this.#start(led, topic, group, queue);
    return -1;
  }

  async #start(led: Led, topic: TopicInfo, group: GroupInfo, queue: number): Promise<void> {
    if (this.#startingFor !== led) {
      this.#startingFor = led;
      this.#starting = new Map();
    }
    const key = `${group.id}/${topic.id}`;
    const starting = this.#starting.get(key) ?? new Set();
    if (starting.has(queue)) return;
    this.#starting.set(key, starting.add(queue));
    try {
      const offset = await this.startOffset(led, topic, group, queue);
      if (led !== this.#shard.led) return;
      const place = { group: group.id, topic: topic.id, queue, epoch: group.cursorEpoch };
      const record = decideStart(led.overlay, place, offset, this.#shard.now());
      if (record !== undefined) this.#shard.stage(led, record);
      await this.#shard.settled();
    } catch (err) {
      if (err instanceof SaturnError) return;
      this.#host.logger.error(
        { shard: this.#shard.shard, topic: topic.name, group: group.name, queue, err },
        "a group could not begin on a queue",
      );
    } finally {
      starting.delete(queue);
      if (starting.size === 0) this.#host.ready(topic.id, group.id);
    }
  }

  /** Where a group begins on a queue that holds messages. */
  async startOffset({ state }: Led, topic: TopicInfo, group: GroupInfo, queue: number): Promise<number> {
    const row = state.queues.find(topic.id, queue);
    const [min, next] = [state.queues.min[row] ?? 0, state.queues.next[row] ?? 0];
    const startMs = groupStartMs(group, topic);
    if (startMs === -Infinity) return min;
    if (startMs > state.lastStoredAtMs) return next;
    return this.#messages.firstStoredSince(topic.id, queue, min, next, startMs);
  }

  /** Reads and leases taken messages; what is not wanted is finished, what is not needed is given back. */
  async #deliver(
    led: Led,
    reader: Reader,
    runs: readonly Run[],
    request: ShardReceive,
    count: number,
  ): Promise<Delivery[]> {
    const { overlay } = led;
    const found = new Map<number, ReadMessage>();
    const unwanted: Run[] = [];
    const unused: Run[] = [];
    try {
      for (const run of runs) {
        const rows = this.#messages.rows(reader.topic, reader.queue, run.offset, run.count);
        await this.#sift(reader, run, rows instanceof Promise ? await rows : rows, request, {
          found,
          unwanted,
          unused,
          count,
        });
      }
    } catch (error) {
      if (this.#stillReads(led, reader)) overlay.release(reader.cursor, runs);
      throw error;
    }
    if (!this.#stillReads(led, reader)) return [];
    const nowMs = this.#shard.now();
    for (const record of decideSkip(reader, unwanted, nowMs)) this.#shard.stage(led, record);
    overlay.release(reader.cursor, unused);
    const wanted: Run[] = [];
    for (const offset of found.keys()) extend(wanted, offset, 1);
    if (!request.alive() || !this.#shard.leaseValid) {
      overlay.release(reader.cursor, wanted);
      return [];
    }
    return this.#lease(led, reader, wanted, request, found);
  }

  /** Whether neither the lead nor the cursor went away while messages were read. */
  #stillReads(led: Led, { cursor, group, topic, queue }: Reader): boolean {
    return led === this.#shard.led && led.overlay.decided.cursorOf(group, topic, queue) === cursor;
  }

  /** Sorts one run into what is wanted (read whole), what is not, and what is one too many. */
  async #sift(
    reader: Reader,
    run: Run,
    rows: readonly IndexRow[],
    { wanted }: ShardReceive,
    to: { found: Map<number, ReadMessage>; unwanted: Run[]; unused: Run[]; count: number },
  ): Promise<void> {
    if (run.offset < this.#min(reader)) {
      extend(to.unused, run.offset, run.count);
      return;
    }
    assert(
      rows.length === run.count,
      `the index lacks messages of topic ${reader.topic} queue ${reader.queue} from ${run.offset} on`,
    );
    const reads: (ReadMessage | undefined | Promise<ReadMessage | undefined>)[] = [];
    const offsets: number[] = [];
    rows.forEach((row, at) => {
      const offset = run.offset + at;
      if (wanted.hashes !== undefined && !wanted.hashes.has(row.tagHash)) {
        extend(to.unwanted, offset, 1);
      } else if (to.found.size + reads.length >= to.count) {
        extend(to.unused, offset, 1);
      } else {
        offsets.push(offset);
        reads.push(this.#read(reader, offset, row));
      }
    });
    // What is not in memory is read at the same time, what is needs no turn of its own.
    const messages = reads.some((read) => read instanceof Promise)
      ? await Promise.all(reads.map(async (read) => read))
      : reads;
    messages.forEach((read, at) => {
      const offset = offsets[at] ?? 0;
      if (read === undefined || read instanceof Promise) return;
      if (wanted.tags?.has(read.tag) ?? true) to.found.set(offset, read);
      else extend(to.unwanted, offset, 1);
    });
  }

  /** `undefined` for a message that cannot be read: it stays taken, so that the others flow, and counts as unfinished. */
  #read(reader: Reader, offset: number, row: IndexRow): ReadMessage | undefined | Promise<ReadMessage | undefined> {
    const failed = (err: unknown): ReadMessage | undefined => {
      // Trimmed while it was read: its segment may be gone.
      if (offset < this.#min(reader)) return undefined;
      if (!(err instanceof CorruptionError)) throw err;
      this.#host.logger.error(
        { ...reader, shard: this.#shard.shard, offset, err },
        "a stored message is corrupt and is not delivered",
      );
      return undefined;
    };
    try {
      const read = this.#messages.read(row);
      return read instanceof Promise ? read.catch(failed) : read;
    } catch (err) {
      return failed(err);
    }
  }

  /** First offset of the reader's queue that is kept, as decided. */
  #min({ cursor }: Reader): number {
    return this.#shard.led?.overlay.decided.minOf(cursor) ?? 0;
  }

  #lease(
    led: Led,
    reader: Reader,
    runs: readonly Run[],
    request: ShardReceive,
    found: ReadonlyMap<number, ReadMessage>,
  ): Delivery[] {
    const { group, topic, queue, cursor } = reader;
    const { totals } = this.#host;
    const epoch = led.overlay.decided.cursors.epoch[cursor] ?? 0;
    const deliveries: Delivery[] = [];
    for (const record of decideLease(led.overlay, reader, runs, this.#shard.now(), request.invisibleMs)) {
      this.#shard.stage(led, record);
      this.#shard.alarmAt(record.deadlineMs);
      const { attempt, term, deadlineMs } = record;
      for (let at = 0; at < record.count; at += 1) {
        const offset = record.offset + at;
        const read = found.get(offset);
        assert(read !== undefined, "a message was leased without being read");
        const lease = { shard: this.#shard.shard, topic, group, epoch, queue, offset, attempt, term, deadlineMs };
        const receiptHandle = this.#shard.encodeHandle({ ...lease, counter: record.counter + at });
        const { message, bodyCrc, storedAtMs } = read;
        deliveries.push({
          message,
          bodyCrc,
          queue,
          offset,
          storedAtMs,
          attempt,
          receiptHandle,
          invisibleMs: request.invisibleMs,
        });
      }
      totals.deliveredMessages += record.count;
      if (attempt > 1) totals.redeliveredMessages += record.count;
    }
    return deliveries;
  }
}
