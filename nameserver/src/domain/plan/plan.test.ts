import { describe, expect, test } from "@jest/globals";
import { settle, settledShard, upMember, world } from "../../testing/loyal-world.ts";
import { planFaults, restFaults, subsets } from "../../testing/plan-checker.ts";
import { plan } from "./plan.ts";
import type { Member, Plan, World } from "./world.ts";

const nightly = process.env["SATURNMQ_NIGHTLY"] === "1";

/** Zones of brokers 1 to n, once each way to group them. */
function zonings(brokers: number, zonesMax: number): readonly (readonly string[])[] {
  const names = ["a", "b", "c"];
  let all: string[][] = [[]];
  for (let at = 0; at < brokers; at += 1) {
    all = all.flatMap((zones) => {
      const used = new Set(zones).size;
      return names.slice(0, Math.min(used + 1, zonesMax)).map((zone) => [...zones, zone]);
    });
  }
  return all;
}

const conditions = {
  up: { condition: "up", draining: false, leadersAway: false },
  draining: { condition: "up", draining: true, leadersAway: false },
  down: { condition: "down", draining: false, leadersAway: false },
  dead: { condition: "dead", draining: false, leadersAway: false },
  away: { condition: "up", draining: false, leadersAway: true },
} as const satisfies Record<string, Omit<Member, "id" | "zone">>;

function memberships(
  zones: readonly string[],
  kinds: readonly (keyof typeof conditions)[],
): readonly (readonly Member[])[] {
  let all: Member[][] = [[]];
  for (const [at, zone] of zones.entries())
    all = all.flatMap((members) => kinds.map((kind) => [...members, { id: at + 1, zone, ...conditions[kind] }]));
  return all;
}

/** Every placement of `shards` shards with every leader, in one order of the shards: their numbers mean nothing. */
function placements(brokers: number, replicationFactor: number, shards: number): readonly World["shards"][] {
  const ids = Array.from({ length: brokers }, (_, at) => at + 1);
  const rows = subsets(ids, replicationFactor).flatMap((voters) => voters.map((leader) => ({ voters, leader })));
  const pick = (count: number, from: number): { voters: readonly number[]; leader: number }[][] =>
    count === 0
      ? [[]]
      : rows.slice(from).flatMap((row, at) => pick(count - 1, from + at).map((rest) => [row, ...rest]));
  return pick(shards, 0).map((chosen) => chosen.map(({ voters, leader }, at) => settledShard(at, voters, leader)));
}

type Size = {
  readonly brokers: number;
  readonly zones: number;
  readonly shards: number;
  readonly kinds: readonly (keyof typeof conditions)[];
  /** Of moves and of hand-overs; 2 when not said. */
  readonly budget?: number;
};

const sizes: readonly Size[] = nightly
  ? [
      { brokers: 3, zones: 3, shards: 3, kinds: ["up", "draining", "down", "dead", "away"] },
      { brokers: 4, zones: 3, shards: 2, kinds: ["up", "draining", "down", "dead", "away"] },
      { brokers: 4, zones: 3, shards: 3, kinds: ["up", "draining", "dead"] },
    ]
  : [
      { brokers: 3, zones: 3, shards: 3, kinds: ["up", "draining", "down", "dead"] },
      { brokers: 4, zones: 3, shards: 2, kinds: ["up", "draining"] },
    ];

/** Every world of one size. */
function* worldsOf({ brokers, zones, shards, kinds, budget = 2 }: Size): Generator<World> {
  for (let replicationFactor = 1; replicationFactor <= Math.min(3, brokers); replicationFactor += 1) {
    const placed = placements(brokers, replicationFactor, shards);
    for (const zoning of zonings(brokers, zones))
      for (const members of memberships(zoning, kinds))
        for (const layout of placed)
          yield world({
            replicationFactor,
            members,
            shards: layout,
            settings: { moveBudget: budget, transferBudget: budget },
          });
  }
}

/** Runs a controller in every world of a size. @throws at the first fault */
function examine(size: Size, planOf: (world: World) => Plan): number {
  let worlds = 0;
  for (const first of worldsOf(size)) {
    worlds += 1;
    const check = (step: World, planned: Plan): void => expectNone(planFaults(step, planned), step);
    const { rest } = settle(first, planOf, 20, check);
    expectNone(restFaults(rest), rest);
  }
  return worlds;
}

/** `expect` itself would take most of the time. */
function expectNone(faults: readonly string[], where: World): void {
  if (faults.length > 0) throw new Error(`${faults.join("; ")} in ${JSON.stringify(where)}`);
}

describe("the controller in every small world", () => {
  test.each(sizes)("$brokers brokers, $zones zones, $shards shards, $kinds", (size) => {
    expect(examine(size, plan)).toBeGreaterThan(10_000);
  });
});

describe("a planted fault is found in a small world:", () => {
  const size: Size = { brokers: 3, zones: 3, shards: 2, kinds: ["up", "draining", "down", "dead", "away"] };
  const tight: Size = { brokers: 4, zones: 2, shards: 2, kinds: ["up", "draining", "away"], budget: 1 };
  const four: Size = { brokers: 4, zones: 3, shards: 2, kinds: ["up"] };
  const withSettings = (settings: World["settings"]) => (now: World) => plan({ ...now, settings });
  const asUp = (now: World): World => ({ ...now, members: now.members.map(({ id, zone }) => upMember(id, zone)) });

  test.each<{ fault: string; planOf: (world: World) => Plan; says: RegExp; where?: Size }>([
    {
      fault: "no budget for moves",
      planOf: withSettings({ moveBudget: 9, transferBudget: 1 }),
      says: /replicas under way/,
      where: tight,
    },
    {
      fault: "no budget for leaders",
      planOf: withSettings({ moveBudget: 1, transferBudget: 9 }),
      says: /hand-overs/,
      where: tight,
    },
    { fault: "blind for what brokers are", planOf: (now) => plan(asUp(now)), says: /takes none|stays on|handed/ },
    {
      fault: "blind for zones",
      planOf: (now) => plan({ ...now, members: now.members.map((member) => ({ ...member, zone: "" })) }),
      says: /zones/,
      where: four,
    },
    { fault: "moves nothing", planOf: (now) => ({ ...plan(now), targets: [] }), says: /stays on|zones/, where: size },
    { fault: "leaves leaders where they are", planOf: (now) => ({ ...plan(now), transfers: [] }), says: /even|led by/ },
    {
      fault: "puts a replica where one is",
      planOf: (now) => {
        const { targets, transfers } = plan(now);
        return {
          targets: targets.map(({ shard, voters }) => ({ shard, voters: voters.map(() => voters[0] ?? 0) })),
          transfers,
        };
      },
      says: /two replicas/,
    },
    {
      fault: "never rests",
      planOf: (now) => {
        const planned = plan(now);
        if (planned.targets.length + planned.transfers.length > 0) return planned;
        return {
          targets: now.shards.slice(0, 1).map(({ shard, target }) => ({ shard, voters: [...target.voters] })),
          transfers: [],
        };
      },
      says: /no rest/,
    },
    {
      fault: "moves what a broker that is expected back holds",
      planOf: (now) =>
        plan({
          ...now,
          members: now.members.map((member) =>
            member.condition === "down" ? { ...member, condition: "dead" } : member,
          ),
        }),
      says: /for nothing/,
    },
  ])("$fault", ({ planOf, says, where = size }) => {
    expect(() => examine(where, planOf)).toThrow(says);
  });
});
