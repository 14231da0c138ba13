import { type Clock, SaturnError, type Timers } from "@saturnmq/kit";
import type { LogStore } from "@saturnmq/store";
import type { TopicInfo } from "@saturnmq/wire";
import type { OutgoingMessage, SendOutcome } from "../messaging.ts";
import type { ShardRuntime } from "./shard-runtime.ts";
import type { TopicRoutes } from "./topic-routes.ts";
import type { Totals } from "./totals.ts";
import { whenAnyLed } from "./when-led.ts";

/** A record's head and the prefix of a message, generously: what a message takes beyond its own bytes. */
const overheadBytes = 512;

export type SendsOptions = {
  readonly store: LogStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly totals: Totals;
  readonly routes: TopicRoutes;
  readonly isDeleted: (topic: TopicInfo) => SaturnError | undefined;
  /** In one order, which is the order in which they take turns. */
  readonly shards: readonly ShardRuntime[];
  readonly stagedBytesMax: number;
  readonly leaderWaitMs: number;
};

/** Ungrouped sends: one shard takes them all until its next entry is on its way, then the next one does (design 8). */
export class Sends {
  readonly #options: SendsOptions;
  /** Which of the shards takes sends now. */
  #current = 0;
  #full = false;
  #closed = false;

  constructor(options: SendsOptions) {
    this.#options = options;
  }

  async send(
    topic: TopicInfo,
    messages: readonly OutgoingMessage[],
    deadlineMs: number,
  ): Promise<readonly SendOutcome[]> {
    if (messages.length === 0) return [];
    const bytes = messages.reduce((sum, { length }) => sum + length, 0);
    this.#admit(messages.length, bytes);
    const shard = this.#pick(topic) ?? (await this.#await(topic, deadlineMs));
    const { led } = shard;
    const deleted = this.#options.isDeleted(topic);
    if (deleted !== undefined) throw deleted;
    if (led === undefined) throw noLeader(topic.name);
    const queue = this.#options.routes.nextQueue(topic, shard.shard);
    const { offset, storedAtMs } = shard.send(led, topic.id, queue, messages);
    await shard.settled();
    const { totals } = this.#options;
    totals.sentMessages += messages.length;
    totals.sentBytes += bytes;
    return messages.map((_, at) => ({ queue, offset: offset + at, storedAtMs }));
  }

  /** The shard's next entry is on its way: the next shard takes its turn. */
  gathered(shard: number): void {
    // With every commit: what is left of the active segment when the disk fills up must stay for acks.
    this.refresh();
    const { shards } = this.#options;
    if (shards[this.#current]?.shard === shard) this.#current = (this.#current + 1) % shards.length;
  }

  /** Looks at the disk's room. Called from time to time, and while sends are refused. */
  refresh(): void {
    this.#full = this.#options.store.usage().full;
  }

  close(): void {
    this.#closed = true;
  }

  /** @throws {SaturnError} `TOO_MANY_REQUESTS` when nothing more may be staged now */
  #admit(count: number, bytes: number): void {
    const refusal = this.#refusal(count, bytes);
    if (refusal === undefined) return;
    this.#options.totals.refusedSends += count;
    throw refusal;
  }

  #refusal(count: number, bytes: number): SaturnError | undefined {
    const { store, shards, stagedBytesMax } = this.#options;
    if (this.#closed)
      return new SaturnError("TOO_MANY_REQUESTS", "this broker is shutting down: try again, another one will take it");
    const entryBytes = bytes + count * overheadBytes;
    if (entryBytes > store.maxEntryBytes) {
      return new SaturnError(
        "MESSAGE_BODY_TOO_LARGE",
        `the messages of one call are ${entryBytes} bytes as stored, at most ${store.maxEntryBytes} fit: send fewer at once`,
      );
    }
    if (this.#full) this.refresh();
    if (this.#full) {
      return new SaturnError(
        "TOO_MANY_REQUESTS",
        "the disk of this broker is full: free space or lower the retention; receives and acknowledgements go on",
      );
    }
    const staged = shards.reduce((sum, { stagedBytes }) => sum + stagedBytes, 0);
    if (staged > 0 && staged + bytes > stagedBytesMax) {
      return new SaturnError("TOO_MANY_REQUESTS", `${staged} bytes of messages wait to be stored: send more slowly`);
    }
    return undefined;
  }

  /** The shard whose turn it is, or the next one that is led here and has a queue of the topic. */
  #pick(topic: TopicInfo): ShardRuntime | undefined {
    const { shards, routes } = this.#options;
    const queues = routes.queuesOf(topic);
    for (let at = 0; at < shards.length; at += 1) {
      const shard = shards[(this.#current + at) % shards.length];
      if (shard?.led !== undefined && queues.has(shard.shard)) return shard;
    }
    return undefined;
  }

  async #await(topic: TopicInfo, deadlineMs: number): Promise<ShardRuntime> {
    const { shards, routes, clock, timers, leaderWaitMs } = this.#options;
    const queues = routes.queuesOf(topic);
    const wanted = shards.filter(({ shard }) => queues.has(shard));
    const waitMs = Math.min(deadlineMs - clock.monoMs() - answerMs, leaderWaitMs);
    const shard = await whenAnyLed(wanted, waitMs, timers);
    if (shard === undefined) throw noLeader(topic.name);
    return shard;
  }
}

/** Time kept for the answer to reach a client before it gives up. */
const answerMs = 200;

function noLeader(topic: string): SaturnError {
  return new SaturnError("TOO_MANY_REQUESTS", `no shard of topic ${topic} has a leader at the moment: try again`);
}
