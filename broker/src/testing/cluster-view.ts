import type { ClusterSettings, ShardInfo } from "@saturnmq/wire";

/** A shard where it is to be: with these brokers. */
export function placedShard(shard: number, voters: readonly number[] = [1]): ShardInfo {
  return {
    ...{ shard, voters, outgoing: [], learners: [], revision: 1, leaderHint: voters[0] ?? 0, term: 0 },
    target: { revision: 1, voters },
    ...{ firstVoters: voters, founders: voters, forced: { revision: 0, survivor: 0, generation: 0 } },
  };
}

export const testSettings: ClusterSettings = {
  brokerLeaseMs: 3_000,
  replacementGraceMs: 300_000,
  moveBudget: 4,
  transferBudget: 4,
};
