import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import { type Filter, filterKey } from "../domain/filter.ts";
import type { Hold, ReceiveRequest, Receiver } from "../messaging.ts";

/** Whose receives on hold these are. */
type Owner = { left(waiter: Waiter): void };

/** A receive on hold. There are many thousands: it has no function of its own. */
export class Waiter implements Hold {
  readonly request: ReceiveRequest;
  readonly receiver: Receiver;
  readonly queue: WaitingQueue;
  /** Its number in the wheel of deadlines. */
  readonly id: number;
  /** Reading of the monotonic clock at which it ends empty. */
  readonly untilMonoMs: number;
  /** Something is being fetched for it. */
  serving = false;
  /** It was answered. */
  ended = false;
  readonly #owner: Owner;

  constructor(
    request: ReceiveRequest,
    receiver: Receiver,
    queue: WaitingQueue,
    place: { readonly id: number; readonly untilMonoMs: number; readonly owner: Owner },
  ) {
    this.request = request;
    this.receiver = receiver;
    this.queue = queue;
    this.id = place.id;
    this.untilMonoMs = place.untilMonoMs;
    this.#owner = place.owner;
  }

  leave(): void {
    this.#owner.left(this);
  }
}

/** Receives on hold that want the same messages: first come, first served. */
export type WaitingQueue = {
  readonly subscription: Subscription;
  readonly filter: Filter;
  readonly waiters: Set<Waiter>;
};

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
    const queue: WaitingQueue = { subscription: this, filter, waiters: new Set() };
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
