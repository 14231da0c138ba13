import type { TopicInfo } from "@saturnmq/wire";
import { shardOfTopicQueue } from "./topic-shards.ts";

/** The queues of a topic by the shard they live in. */
export type QueuesByShard = ReadonlyMap<number, readonly number[]>;

/** A topic's queues in one shard, and whose turn it is. */
type Turns = { readonly queues: readonly number[]; next: number };

type Route = {
  readonly queues: number;
  readonly byShard: QueuesByShard;
  readonly turns: ReadonlyMap<number, Turns>;
};

/** Where the queues of each topic live, worked out once a topic. */
export class TopicRoutes {
  readonly shardCount: number;
  readonly #routes = new Map<number, Route>();

  constructor(shardCount: number) {
    this.shardCount = shardCount;
  }

  queuesOf(topic: TopicInfo): QueuesByShard {
    return this.#route(topic).byShard;
  }

  shardOf(topic: TopicInfo, queue: number): number {
    return shardOfTopicQueue(topic, queue, this.shardCount);
  }

  /** The topic's next queue in a shard, in turn. */
  nextQueue(topic: TopicInfo, shard: number): number {
    const turns = this.#route(topic).turns.get(shard);
    if (turns === undefined) return 0;
    const { queues, next } = turns;
    turns.next = next + 1 === queues.length ? 0 : next + 1;
    return queues[next] ?? 0;
  }

  forget(topic: number): void {
    this.#routes.delete(topic);
  }

  #route(topic: TopicInfo): Route {
    const known = this.#routes.get(topic.id);
    if (known?.queues === topic.queues) return known;
    const byShard = new Map<number, number[]>();
    for (let queue = 0; queue < topic.queues; queue += 1) {
      const shard = this.shardOf(topic, queue);
      const queues = byShard.get(shard);
      if (queues === undefined) byShard.set(shard, [queue]);
      else queues.push(queue);
    }
    const turns = new Map(Array.from(byShard, ([shard, queues]) => [shard, { queues, next: 0 }]));
    const route = { queues: topic.queues, byShard, turns };
    this.#routes.set(topic.id, route);
    return route;
  }
}
