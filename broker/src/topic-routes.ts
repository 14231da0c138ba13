import type { TopicInfo } from "@saturnmq/wire";
import { shardOfTopicQueue } from "./topic-shards.ts";

/** The queues of a topic by the shard they live in. */
export type QueuesByShard = ReadonlyMap<number, readonly number[]>;

type Route = { readonly queues: number; readonly byShard: QueuesByShard; readonly turns: Map<number, number> };

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
    const { byShard, turns } = this.#route(topic);
    const queues = byShard.get(shard) ?? [];
    const turn = (turns.get(shard) ?? 0) % queues.length;
    turns.set(shard, turn + 1);
    return queues[turn] ?? 0;
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
    const route = { queues: topic.queues, byShard, turns: new Map<number, number>() };
    this.#routes.set(topic.id, route);
    return route;
  }
}
