import { SaturnError } from "@saturnmq/kit";
import type { LogStore } from "@saturnmq/store";
import type { TopicInfo } from "@saturnmq/wire";
import { queueOfGroup } from "../domain/order.ts";
import type { LoneMessage, OutgoingMessage, SendOutcome, Waiter } from "../messaging.ts";
import type { TopicRoutes } from "../topic-routes.ts";
import type { Led, ShardRuntime } from "./shard-runtime.ts";
import type { Totals } from "./totals.ts";

/** A record's head and the prefix of a message, generously: what a message takes beyond its own bytes. */
const overheadBytes = 512;

export type SendsOptions = {
  readonly store: LogStore;
  readonly totals: Totals;
  readonly routes: TopicRoutes;
  /** In one order, which is the order in which they take turns. */
  readonly shards: readonly ShardRuntime[];
  readonly stagedBytesMax: number;
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

  /** Stores messages in a shard: each in the queue of its group, those without one in the topic's next queue there. @throws {SaturnError} `TOO_MANY_REQUESTS` when nothing more may be staged now */
  async send(
    shard: ShardRuntime,
    led: Led,
    topic: TopicInfo,
    messages: readonly OutgoingMessage[],
  ): Promise<readonly SendOutcome[]> {
    const bytes = messages.reduce((sum, { length }) => sum + length, 0);
    const refusal = this.refusalOf(messages.length, bytes);
    if (refusal !== undefined) throw refusal;
    const next = this.#options.routes.nextQueue(topic, shard.shard);
    const queueOf = (at: number): number => {
      const messageGroup = messages[at]?.messageGroup;
      return messageGroup === undefined ? next : queueOfGroup(messageGroup, topic.queues);
    };
    const outcomes = shard.send(led, topic.id, messages, queueOf);
    await shard.settled();
    const { totals } = this.#options;
    totals.sentMessages += messages.length;
    totals.sentBytes += bytes;
    return outcomes;
  }

  /** As `send`, of one message without a group; `undefined` when `send` would refuse it or the shard is not led. */
  sendNow(
    shard: ShardRuntime,
    topic: TopicInfo,
    message: LoneMessage,
    waiter: Waiter,
    ticket: number,
  ): SendOutcome | undefined {
    const { led } = shard;
    if (led === undefined || led.overlay.decided.deletedTopics.has(topic.id)) return undefined;
    if (this.#refusal(1, message.length) !== undefined) return undefined;
    const queue = this.#options.routes.nextQueue(topic, shard.shard);
    return shard.sendOne(led, { topic: topic.id, queue }, message, waiter, ticket);
  }

  /** The shard whose turn it is, or the next one that is led here and has a queue of the topic. */
  turnOf(topic: TopicInfo): number | undefined {
    const { shards, routes } = this.#options;
    const queues = routes.queuesOf(topic);
    for (let at = 0; at < shards.length; at += 1) {
      const place = (this.#current + at) % shards.length;
      const shard = shards[place];
      if (shard?.led === undefined || !queues.has(shard.shard)) continue;
      // Shards that cannot take this topic's sends must not stand in the way of those that can.
      this.#current = place;
      return shard.shard;
    }
    return undefined;
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

  /** Why nothing more may be staged now. Counts what is refused. */
  refusalOf(count: number, bytes: number): SaturnError | undefined {
    const refusal = this.#refusal(count, bytes);
    if (refusal !== undefined) this.#options.totals.refusedSends += count;
    return refusal;
  }

  #refusal(count: number, bytes: number): SaturnError | undefined {
    const { store, totals, stagedBytesMax } = this.#options;
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
    const { stagedBytes } = totals;
    if (stagedBytes > 0 && stagedBytes + bytes > stagedBytesMax) {
      return new SaturnError(
        "TOO_MANY_REQUESTS",
        `${stagedBytes} bytes of messages wait to be stored: send more slowly`,
      );
    }
    return undefined;
  }
}
