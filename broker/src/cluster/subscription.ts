import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import type { Delivery, ReceiveRequest } from "../messaging.ts";
import { type Wanted, wantedOf } from "./shard-reader.ts";

/** A receive on hold. */
export type Waiter = {
  readonly request: ReceiveRequest;
  readonly wanted: Wanted;
  /** Reading of the monotonic clock at which it ends empty. */
  readonly untilMonoMs: number;
  /** Its number in the wheel of deadlines. */
  readonly id: number;
  /** A shard is being read for it. */
  serving: boolean;
  /** It was answered. */
  ended: boolean;
  resolve(deliveries: readonly Delivery[]): void;
  reject(error: unknown): void;
  unlisten(): void;
};

export function newWaiter(
  request: ReceiveRequest,
  id: number,
  untilMonoMs: number,
  answer: Pick<Waiter, "resolve" | "reject" | "unlisten">,
): Waiter {
  return { request, wanted: wantedOf(request.filter), untilMonoMs, id, serving: false, ended: false, ...answer };
}

/** The queues of a topic by the shard they live in. */
export type QueuesByShard = ReadonlyMap<number, readonly number[]>;

/** One group on one topic, over all shards of this process: its receives on hold, first come, first served. */
export class Subscription {
  topic: TopicInfo;
  group: GroupInfo;
  readonly waiters = new Set<Waiter>();
  #turn = 0;

  constructor(topic: TopicInfo, group: GroupInfo) {
    this.topic = topic;
    this.group = group;
  }

  /** A number that rises with each receive: where to begin among shards and queues. */
  nextTurn(): number {
    this.#turn = (this.#turn + 1) % 0x4000_0000;
    return this.#turn;
  }
}
