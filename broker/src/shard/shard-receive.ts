import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import type { Filter } from "../domain/filter.ts";

/** One receive on one shard. */
export type ShardReceive = {
  readonly topic: TopicInfo;
  readonly group: GroupInfo;
  /** The topic's queues in this shard, and where among them to begin. */
  readonly queues: readonly number[];
  readonly from: number;
  readonly filter: Filter;
  readonly count: number;
  readonly invisibleMs: number;
  /** False once nobody waits for the answer: nothing is leased then. */
  readonly alive: () => boolean;
  readonly clientId: string;
  /** What the client calls this receive and its repetitions; empty: nothing. */
  readonly attemptId: string;
};
