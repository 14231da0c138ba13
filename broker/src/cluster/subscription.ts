import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import { type Filter, filterKey } from "../domain/filter.ts";
import type { Delivery, ReceiveRequest } from "../messaging.ts";

/** A receive on hold. */
export type Waiter = {
  readonly request: ReceiveRequest;
  /** Reading of the monotonic clock at which it ends empty. */
  readonly untilMonoMs: number;
  /** Its number in the wheel of deadlines. */
  readonly id: number;
  readonly queue: WaitingQueue;
  /** Something is being fetched for it. */
  serving: boolean;
  /** It was answered. */
  ended: boolean;
  resolve(deliveries: readonly Delivery[]): void;
  reject(error: unknown): void;
  unlisten(): void;
};

/** Receives on hold that want the same messages: first come, first served. */
export type WaitingQueue = { readonly filter: Filter; readonly waiters: Set<Waiter> };

/** One group on one topic: its receives on hold. */
export class Subscription {
  topic: TopicInfo;
  group: GroupInfo;
  readonly #queues = new Map<string, WaitingQueue>();
  #turn = 0;

  constructor(topic: TopicInfo, group: GroupInfo) {
    this.topic = topic;
    this.group = group;
  }

  /** The queue for a filter. */
  queueOf(filter: Filter): WaitingQueue {
    const key = filterKey(filter);
    const known = this.#queues.get(key);
    if (known !== undefined) return known;
    const queue: WaitingQueue = { filter, waiters: new Set() };
    this.#queues.set(key, queue);
    return queue;
  }

  queues(): Iterable<WaitingQueue> {
    return this.#queues.values();
  }

  /** Forgets the queue that a waiter left, when nobody waits in it any more. */
  left({ filter, waiters }: WaitingQueue): void {
    if (waiters.size === 0) this.#queues.delete(filterKey(filter));
  }

  /** A number that rises with each receive: where to begin among those who may have something. */
  nextTurn(): number {
    this.#turn = (this.#turn + 1) % 0x4000_0000;
    return this.#turn;
  }
}
