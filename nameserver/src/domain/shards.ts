import type { ShardInfo } from "@saturnmq/wire";
import type { Placement, ReportedShard } from "./records.ts";

/** A shard as it is placed first; its configuration carries the placement's revision from the start. */
export function placed({ shard, voters, leaderHint }: Placement, revision: number): ShardInfo {
  return {
    ...{ shard, voters, outgoing: [], learners: [], revision, leaderHint, term: 0 },
    target: { revision, voters: ascending(voters) },
    firstVoters: voters,
    founders: voters,
    forced: { revision: 0, survivor: 0, generation: 0 },
  };
}

export function reported(shard: ShardInfo, { leader, ...about }: ReportedShard): ShardInfo {
  return { ...shard, ...about, leaderHint: leader };
}

/** Whoever a target drops may come back with an empty disk: it is no founder any more. */
export function retargeted(shard: ShardInfo, voters: readonly number[], revision: number): ShardInfo {
  const founders = shard.founders.filter((id) => voters.includes(id));
  return { ...shard, founders, target: { revision, voters: ascending(voters) } };
}

export function recovered(shard: ShardInfo, survivor: number, revision: number): ShardInfo {
  const target = { revision, voters: [survivor] };
  const generation = shard.forced.generation + 1;
  return { ...shard, target, founders: [], forced: { revision, survivor, generation }, leaderHint: survivor };
}

/** The configuration is not yet what the target says, or still on the way. */
export function isMoving({ voters, outgoing, learners, revision, target }: ShardInfo): boolean {
  if (revision !== target.revision || outgoing.length > 0 || learners.length > 0) return true;
  return !sameMembers(voters, target.voters);
}

/** Everyone who has a part in the shard, or is to get one. */
export function membersOf({ voters, outgoing, learners, target }: ShardInfo): ReadonlySet<number> {
  return new Set([...voters, ...outgoing, ...learners, ...target.voters]);
}

export function sameMembers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((id) => b.includes(id));
}

/** More than half of `voters` are in `among`. An empty half is won by anyone. */
export function isMajority(voters: readonly number[], among: (id: number) => boolean): boolean {
  return voters.length === 0 || voters.filter(among).length > voters.length / 2;
}

export function ascending(ids: Iterable<number>): readonly number[] {
  return [...ids].sort((a, b) => a - b);
}
