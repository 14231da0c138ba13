import type { ShardInfo } from "@saturnmq/wire";
import type { Member, Plan, World } from "../domain/plan/world.ts";
import { placed } from "../domain/shards.ts";

/** A shard that stands where its target wants it. */
export function settledShard(shard: number, voters: readonly number[], leader: number): ShardInfo {
  return { ...placed({ shard, voters, leaderHint: leader }, 1), term: 1 };
}

/** A broker that is up and takes part. */
export function upMember(id: number, zone: string): Member {
  return { id, zone, condition: "up", draining: false, leadersAway: false };
}

export function world(fields: Partial<World> & Pick<World, "members" | "shards">): World {
  const settings = { moveBudget: 4, transferBudget: 4 };
  return { replicationFactor: 3, settings, lagging: new Map(), asked: new Map(), ...fields };
}

/** The world after brokers did what they were told, and shards whose leader is gone elected another. */
function followed(before: World, { targets, transfers }: Plan): World {
  const wanted = new Map(targets.map(({ shard, voters }) => [shard, voters]));
  const leaders = new Map(transfers.map(({ shard, to }) => [shard, to]));
  const isUp = (id: number): boolean => before.members.some((member) => member.id === id && member.condition === "up");
  const shards = before.shards.map((shard) => {
    const revision = shard.target.revision + (wanted.has(shard.shard) ? 1 : 0);
    const voters = wanted.get(shard.shard) ?? shard.target.voters;
    const led = leaders.get(shard.shard) ?? shard.leaderHint;
    const leaderHint = voters.includes(led) && isUp(led) ? led : (voters.find(isUp) ?? 0);
    return { ...shard, voters, outgoing: [], learners: [], revision, leaderHint, target: { revision, voters } };
  });
  return { ...before, shards };
}

/**
 * Lets brokers follow until nothing is planned; answers the world that is left and how many replicas moved.
 *
 * @param seen called with each world on the way and its plan
 * @throws when there is no rest after `stepsMax` steps
 */
export function settle(
  first: World,
  planOf: (world: World) => Plan,
  stepsMax: number,
  seen: (world: World, plan: Plan) => void = () => undefined,
): { readonly rest: World; readonly steps: number; readonly moves: number } {
  let moves = 0;
  let now = first;
  for (let steps = 0; ; steps += 1) {
    const plan = planOf(now);
    seen(now, plan);
    if (plan.targets.length === 0 && plan.transfers.length === 0) return { rest: now, steps, moves };
    if (steps === stepsMax) throw new Error(`no rest after ${stepsMax} steps`);
    const before = now;
    for (const { shard, voters } of plan.targets)
      moves += voters.filter((id) => before.shards[shard]?.target.voters.includes(id) !== true).length;
    now = followed(now, plan);
  }
}
