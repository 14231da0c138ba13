import { planTransfers } from "./plan/leaders.ts";
import { planTargets } from "./plan/replicas.ts";
import type { Member, World } from "./plan/world.ts";
import { unevenness } from "./plan/zones.ts";
import type { Placement } from "./records.ts";
import { placed } from "./shards.ts";
import type { Broker, ClusterFacts } from "./state.ts";

const unbounded = { moveBudget: Number.MAX_SAFE_INTEGER, transferBudget: Number.MAX_SAFE_INTEGER };

/**
 * Where the shards of a new cluster begin: even over brokers and zones, leaders even too. Empty while fewer brokers are up, confirmed and not
 * draining than a shard has voters.
 */
export function firstPlacement(
  { shardCount, replicationFactor }: ClusterFacts,
  brokers: Iterable<Broker>,
): readonly Placement[] {
  const ready = [...brokers].filter(
    ({ confirmed, alive, draining, removed }) => confirmed && alive && !draining && !removed,
  );
  if (ready.length < replicationFactor) return [];
  const members = ready.map(({ id, zone }): Member => {
    return { id, zone, condition: "up", draining: false, leadersAway: false };
  });
  return ledEvenly(spreadEvenly(roughly(members, shardCount, replicationFactor)));
}

/** Shards one by one onto the brokers that spread each best, the least loaded of several. */
function roughly(members: readonly Member[], shardCount: number, replicationFactor: number): World {
  const zoneOf = new Map(members.map(({ id, zone }) => [id, zone]));
  const loads = new Map(members.map(({ id }) => [id, 0]));
  const shards = Array.from({ length: shardCount }, (_, shard) => {
    const voters: number[] = [];
    while (voters.length < replicationFactor) {
      const rest = [...loads.keys()].filter((id) => !voters.includes(id));
      const unevenWith = (id: number): number => unevenness([...voters, id], zoneOf);
      const loadOf = (id: number): number => loads.get(id) ?? 0;
      const best = rest.sort((a, b) => unevenWith(a) - unevenWith(b) || loadOf(a) - loadOf(b) || a - b)[0] ?? 0;
      voters.push(best);
      loads.set(best, loadOf(best) + 1);
    }
    return placed({ shard, voters, leaderHint: voters[0] ?? 0 }, 0);
  });
  return { replicationFactor, settings: unbounded, members, shards, lagging: new Map(), asked: new Map() };
}

/** Nothing runs yet, so every move is free, and a shard may be moved again. */
function spreadEvenly(world: World): World {
  const changes = planTargets(world);
  if (changes.length === 0) return world;
  const voters = new Map(changes.map((change) => [change.shard, change.voters]));
  const shards = world.shards.map((shard) => {
    const members = voters.get(shard.shard) ?? shard.voters;
    return placed({ shard: shard.shard, voters: members, leaderHint: members[0] ?? 0 }, 0);
  });
  return spreadEvenly({ ...world, shards });
}

function ledEvenly(world: World): readonly Placement[] {
  const leaders = new Map(planTransfers(world).map(({ shard, to }) => [shard, to]));
  if (leaders.size === 0) return world.shards.map(({ shard, voters, leaderHint }) => ({ shard, voters, leaderHint }));
  const shards = world.shards.map((shard) => ({ ...shard, leaderHint: leaders.get(shard.shard) ?? shard.leaderHint }));
  return ledEvenly({ ...world, shards });
}
