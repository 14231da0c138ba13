import type { ClusterSettings, ShardInfo } from "@saturnmq/wire";

/** A shard with broker 1 alone. */
export function placedShard(shard: number): ShardInfo {
  return {
    ...{ shard, voters: [1], outgoing: [], learners: [], revision: 1, leaderHint: 1, term: 0 },
    target: { revision: 1, voters: [1] },
    ...{ firstVoters: [1], founders: [1], forced: { revision: 0, survivor: 0 } },
  };
}

export const testSettings: ClusterSettings = {
  brokerLeaseMs: 3_000,
  replacementGraceMs: 300_000,
  moveBudget: 4,
  transferBudget: 4,
};
