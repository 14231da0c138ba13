import { type ClusterView, type MetadataService, shardOfQueue, type TopicInfo } from "@saturnmq/wire";

/** Who leads what, as last watched. */
export class ClusterRoutes {
  readonly #self: number;
  #view: ClusterView | undefined;

  constructor(metadata: MetadataService, self: number, signal: AbortSignal) {
    this.#self = self;
    metadata.watch((view) => {
      this.#view = view;
    }, signal);
  }

  /** Ids of the brokers that lead a queue of the topic, ascending; this broker's while none is known, as it answers any call. */
  leadersOf(topic: TopicInfo): readonly number[] {
    const leaders = new Set<number>();
    const shardCount = this.#view?.shardCount ?? 0;
    for (let queue = 0; queue < Math.min(topic.queues, shardCount); queue += 1) {
      const leader = this.#view?.shards[shardOfQueue(topic.id, queue, shardCount)]?.leaderHint ?? 0;
      if (leader !== 0) leaders.add(leader);
    }
    return leaders.size === 0 ? [this.#self] : [...leaders].sort((left, right) => left - right);
  }
}
