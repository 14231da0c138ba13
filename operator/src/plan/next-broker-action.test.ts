import { describe, expect, test } from "@jest/globals";
import { assertNever, SeededRandom } from "@saturnmq/kit";
import type { BrokerAction, Next } from "./action.ts";
import {
  type BrokerWorld,
  type Claim,
  desiredMembers,
  isServing,
  type KnownBroker,
  type Member,
  type Pod,
} from "./broker-world.ts";
import { nextBrokerAction } from "./next-broker-action.ts";
import { SmallCluster } from "./testing/small-cluster.ts";

const nightly = process.env["SATURNMQ_NIGHTLY"] === "1";
const stepsMax = 2_000;

/** What the operator sees. A planted fault sees it wrong. */
type Sight = (world: BrokerWorld) => BrokerWorld;
const clear: Sight = (world) => world;

/** Lets operator and world take turns, as chance has it, until neither has anything left to do. */
function settle(cluster: SmallCluster, random: SeededRandom, sight = clear): Next<BrokerAction> {
  for (let step = 0; step < stepsMax; step += 1) {
    const next = nextBrokerAction(sight(cluster.observe()));
    if (next.kind === "act" && random.below(3) > 0) cluster.perform(next.action);
    else if (!cluster.live(random) && next.kind !== "act") return next;
  }
  throw new Error(`never settles:\n${cluster.story.slice(-40).join("\n")}`);
}

function settled(cluster: SmallCluster, random: SeededRandom, seed: number, sight = clear): BrokerWorld {
  try {
    const next = settle(cluster, random, sight);
    expect({ seed, next }).toEqual({ seed, next: { kind: "settled" } });
  } catch (error) {
    throw new Error(`seed ${seed}: ${String(error)}\n${cluster.story.slice(-30).join("\n")}`, { cause: error });
  }
  return cluster.observe();
}

/** Members that run as the set wants them. */
function running({ members }: BrokerWorld): Member[] {
  return members.filter(
    ({ pod, broker }) => pod?.ready === true && pod.updated && broker?.up === true && !broker.draining,
  );
}

function cluster(replicas: number, reclaim: "Delete" | "Retain" = "Delete", replicationFactor = 3): SmallCluster {
  const made = new SmallCluster({ replicationFactor, reclaim, shards: 6 });
  made.wish.replicas = replicas;
  return made;
}

describe("the life of a set", () => {
  test("bootstrap: as many claims and pods as asked for, and shards placed", () => {
    const made = cluster(3);
    expect(running(settled(made, new SeededRandom(1), 1))).toHaveLength(3);
    expect(made.placed).toBe(true);
  });

  test("scale in: each leaves drained, and nothing of it is left", () => {
    const made = cluster(6);
    const random = new SeededRandom(2);
    settled(made, random, 2);
    made.wish.replicas = 3;
    const world = settled(made, random, 2);
    expect(world.members).toHaveLength(3);
    expect(running(world)).toHaveLength(3);
    expect(made.ghosts).toEqual([]);
    expect(made.commits).toBe(true);
  });

  test("scale in with claims that are retained: they stay, retired, and their names are not given again", () => {
    const made = cluster(5, "Retain");
    const random = new SeededRandom(3);
    settled(made, random, 3);
    made.wish.replicas = 3;
    expect(settled(made, random, 3).members.filter(({ claim }) => claim?.retired)).toHaveLength(2);
    made.wish.replicas = 4;
    const world = settled(made, random, 3);
    expect(running(world)).toHaveLength(4);
    expect(world.members).toHaveLength(6);
  });

  test("fewer than copies of a message: the set stops at the replication factor", () => {
    const made = cluster(4);
    const random = new SeededRandom(4);
    settled(made, random, 4);
    made.wish.replicas = 1;
    expect(running(settled(made, random, 4))).toHaveLength(3);
  });

  test("hibernate keeps the claims, waking up brings the same brokers back", () => {
    const made = cluster(4);
    const random = new SeededRandom(5);
    const before = settled(made, random, 5).members.map(({ broker }) => broker?.id);
    made.wish.replicas = 0;
    const asleep = settled(made, random, 5);
    expect(asleep.members.map(({ pod, claim }) => [pod, claim?.retired])).toEqual(before.map(() => [undefined, false]));
    made.wish.replicas = 4;
    expect(settled(made, random, 5).members.map(({ broker }) => broker?.id)).toEqual(before);
  });

  test("a roll replaces every pod", () => {
    const made = cluster(5);
    const random = new SeededRandom(6);
    const before = settled(made, random, 6).members.map(({ pod }) => pod?.uid);
    made.wish.revision = 2;
    const after = settled(made, random, 6);
    expect(running(after)).toHaveLength(5);
    expect(after.members.some(({ pod }) => before.includes(pod?.uid))).toBe(false);
  });

  test("a version that never gets ready stops the roll at one pod, and going back mends it", () => {
    const made = cluster(4);
    const random = new SeededRandom(7);
    settled(made, random, 7);
    made.badRevisions.add(2);
    made.wish.revision = 2;
    expect(settle(made, random)).toMatchObject({ kind: "wait", for: "newPodNotReady" });
    expect(made.observe().members.filter(({ pod }) => pod?.ready)).toHaveLength(3);
    expect(made.commits).toBe(true);
    made.wish.revision = 3;
    expect(running(settled(made, random, 7))).toHaveLength(4);
  });

  test("a first version that never gets ready is mended by the next, though no pod ever was ready", () => {
    const made = cluster(3);
    const random = new SeededRandom(8);
    made.badRevisions.add(1);
    settle(made, random);
    made.wish.revision = 2;
    expect(running(settled(made, random, 8))).toHaveLength(3);
  });

  test("a lost claim is replaced by a new member, the old one is forgotten", () => {
    const made = cluster(4);
    const random = new SeededRandom(9);
    const before = settled(made, random, 9).members.map(({ broker }) => broker?.id);
    made.loseClaim(1);
    const after = settled(made, random, 9);
    expect(running(after)).toHaveLength(4);
    expect(after.members.map(({ broker }) => broker?.id)).not.toContain(before[1]);
    expect(made.ghosts).toEqual([]);
  });

  test("a claim that a user deletes is replaced first, and then leaves like any other", () => {
    const made = cluster(3);
    const random = new SeededRandom(10);
    settled(made, random, 10);
    made.deleteClaim(0);
    expect(running(settled(made, random, 10))).toHaveLength(3);
    expect(made.ghosts).toEqual([]);
  });

  test("claims grow and never shrink", () => {
    const made = cluster(3);
    const random = new SeededRandom(11);
    settled(made, random, 11);
    made.wish.claimBytes = 20;
    expect(settled(made, random, 11).members.map(({ claim }) => claim?.requestedBytes)).toEqual([20, 20, 20]);
  });

  test("paused: nothing is done, whatever is asked for", () => {
    const made = cluster(3);
    settled(made, new SeededRandom(12), 12);
    Object.assign(made.wish, { replicas: 6, revision: 2, paused: true });
    expect(nextBrokerAction(made.observe())).toEqual({ kind: "settled" });
  });

  test("without name servers pods are still put back on their claims, and nothing else is done", () => {
    const made = cluster(3);
    const random = new SeededRandom(13);
    settled(made, random, 13);
    made.nameServersAnswer = false;
    made.wish.replicas = 5;
    made.evict(1);
    expect(settle(made, random)).toMatchObject({ kind: "wait", for: "clusterUnknown" });
    expect(made.observe().members.map(({ pod }) => pod !== undefined)).toEqual([true, true, true]);
    made.nameServersAnswer = true;
    expect(running(settled(made, random, 13))).toHaveLength(5);
  });
});

// Method: chance changes the wish, takes pods, claims and name servers away and lets operator and world take turns. The cluster itself refuses every
// step that must never be made; when the faults stop, the set must come to rest as it was last wished.
describe("whatever happens, no step endangers a shard, and all comes to rest", () => {
  const seeds = Array.from({ length: nightly ? 3_000 : 300 }, (_, seed) => seed);
  const reached = new Set<string>();

  test(`${seeds.length} seeds`, () => {
    for (const seed of seeds) run(seed, reached);
  });

  test("the runs made every kind of step", () => {
    expect([...reached].sort()).toEqual([
      "cancelDrain",
      "createClaim",
      "createPod",
      "deleteClaim",
      "deletePod",
      "drain",
      "expandClaim",
      "forget",
      "retireClaim",
      "transferLeaders",
    ]);
  });
});

function withBrokers(world: BrokerWorld, change: Partial<KnownBroker>): BrokerWorld {
  const members = world.members.map((member) =>
    member.broker === undefined ? member : { ...member, broker: { ...member.broker, ...change } },
  );
  return { ...world, members };
}

describe("the checks of the run see planted faults", () => {
  const faults: Readonly<Record<string, Sight>> = {
    "takes every restart for safe": (world) => withBrokers(world, { restartSafe: true, up: true }),
    "does not wait until leaders have left": (world) => withBrokers(world, { leads: 0 }),
    "does not wait until a broker is empty": (world) => withBrokers(world, { replicas: 0 }),
    "does not wait until a broker is down": (world) => withBrokers(world, { up: false }),
    "forgets which names are taken": (world) => ({
      ...world,
      members: world.members.filter(({ claim }) => claim?.retired !== true),
    }),
    "never sees a drain": (world) => withBrokers(world, { draining: false }),
  };

  test.each(Object.entries(faults))("%s", (_name, sight) => {
    const found = Array.from({ length: 60 }, (_, seed) => seed).some((seed) => {
      try {
        run(seed, new Set(), sight);
        return false;
      } catch {
        return true;
      }
    });
    expect(found).toBe(true);
  });
});

// Method: every world of one to three members, each in any state that its parts can be in together.
describe("every small world", () => {
  const pods: readonly (Pod | undefined)[] = [
    undefined,
    ...[true, false].flatMap((updated) => [
      { uid: "p", ready: true, terminating: false, updated },
      { uid: "p", ready: false, terminating: false, updated },
    ]),
    { uid: "p", ready: false, terminating: true, updated: true },
  ];
  const claims: readonly (Claim | undefined)[] = [
    undefined,
    ...["", "terminating", "lost", "retired"].map((state) => ({
      ...{ uid: "c", requestedBytes: 1 },
      ...{ terminating: state === "terminating", lost: state === "lost", retired: state === "retired" },
    })),
  ];
  const broker: KnownBroker = {
    id: 1,
    up: true,
    draining: false,
    leadersAway: false,
    replicas: 2,
    leads: 0,
    restartSafe: true,
  };
  const brokers: readonly (KnownBroker | undefined)[] = [
    undefined,
    broker,
    { ...broker, leads: 1 },
    { ...broker, up: false, restartSafe: false },
    { ...broker, draining: true },
    { ...broker, draining: true, replicas: 0, up: false },
  ];
  const states = pods.flatMap((pod) =>
    claims.flatMap((claim) =>
      brokers
        .filter((known) => (pod !== undefined || known?.up !== true) && (pod ?? claim ?? known) !== undefined)
        .map((known) => ({ ...(pod && { pod }), ...(claim && { claim }), ...(known && { broker: known }) })),
    ),
  );

  function* worlds(): Generator<BrokerWorld> {
    const plain = {
      replicationFactor: 3,
      paused: false,
      rollsByItself: true,
      reclaim: "Delete",
      claimBytes: 1,
      clusterKnown: true,
    } as const;
    const serving = { pod: pods[1]!, claim: claims[1]!, broker: { ...broker, id: 9 } };
    for (const replicas of [0, 3, 4])
      for (const one of states)
        for (const other of states)
          for (const rest of [0, 1, 2]) {
            const further = Array.from({ length: rest }, (_, place) => ({ ...serving, index: 2 + place }));
            yield { ...plain, replicas, members: [{ ...one, index: 0 }, { ...other, index: 1 }, ...further] };
          }
  }

  /** What the rules of design 10 allow, told once more and without the order of the plan. */
  function objection(world: BrokerWorld, action: BrokerAction): string | undefined {
    const member = world.members.find(({ index }) => index === action.index);
    const others = world.members.filter(({ index }) => index !== action.index);
    const othersServe = others.every((other) => isServing(other) || other.claim?.retired !== false || other.claim.lost);
    const serves = member?.broker?.up === true && member.broker.replicas > 0;
    switch (action.kind) {
      case "createClaim":
        return member === undefined ? undefined : "the name is in use";
      case "createPod":
        return member?.claim !== undefined && !member.claim.retired && !member.claim.lost && member.pod === undefined
          ? undefined
          : "no claim for the pod";
      case "deletePod":
        if (member?.pod?.uid !== action.uid || member.pod.terminating) return "no such pod";
        return action.why === "hibernate" || action.why === "claimGone" || !serves || othersServe
          ? undefined
          : "two are down";
      case "drain":
        return othersServe ? undefined : "drained while another does not serve";
      case "forget":
        return member?.broker?.up === false && (member.broker.replicas === 0 || member.claim?.retired === true)
          ? undefined
          : "forgotten alive";
      case "retireClaim":
        return member?.pod === undefined && (member?.broker?.replicas ?? 0) === 0 ? undefined : "retired with replicas";
      case "deleteClaim":
        return member?.claim?.retired === true && member.broker === undefined
          ? undefined
          : "data of a known broker deleted";
      case "cancelDrain":
      case "expandClaim":
      case "transferLeaders":
        return undefined;
      default:
        return assertNever(action);
    }
  }

  test("gets a step that the rules allow", () => {
    let count = 0;
    for (const world of worlds()) {
      const next = nextBrokerAction(world);
      count += 1;
      if (next.kind !== "act") continue;
      const problem = objection(world, next.action);
      if (problem !== undefined)
        throw new Error(`${problem}: ${JSON.stringify(next.action)} in ${JSON.stringify(world)}`);
    }
    expect(count).toBeGreaterThan(50_000);
  });
});

function run(seed: number, reached: Set<string>, sight = clear): void {
  const random = new SeededRandom(seed);
  const made = cluster(3 + random.below(3), random.below(2) === 0 ? "Delete" : "Retain", random.below(3) === 0 ? 5 : 3);
  if (random.below(4) > 0) settled(made, random, seed, sight);
  let damaged = false;
  for (let round = 0; round < 60; round += 1) {
    damaged = disturb(made, random, damaged);
    for (let turn = random.below(12); turn >= 0; turn -= 1) turnOf(made, random, seed, reached, sight);
  }
  made.nameServersAnswer = true;
  made.badRevisions.clear();
  made.wish.paused = false;
  const world = settled(made, random, seed, sight);
  expect({ seed, running: running(world).length }).toEqual({ seed, running: desiredMembers(world) });
  if (world.replicas > 0)
    expect({ seed, ghosts: made.ghosts, commits: made.commits }).toEqual({ seed, ghosts: [], commits: true });
}

function turnOf(made: SmallCluster, random: SeededRandom, seed: number, reached: Set<string>, sight: Sight): void {
  const next = nextBrokerAction(sight(made.observe()));
  try {
    if (next.kind === "act" && random.below(2) === 0) {
      reached.add(next.action.kind);
      made.perform(next.action);
    } else made.live(random);
  } catch (error) {
    throw new Error(`seed ${seed}: ${String(error)}\n${made.story.slice(-30).join("\n")}`, { cause: error });
  }
}

/** One thing that a user or the world does. At most one volume is lost in a run, and only from a set that has spare copies: two may be a majority. */
function disturb(made: SmallCluster, random: SeededRandom, damaged: boolean): boolean {
  const indexes = made.indexes;
  const index = indexes[random.below(Math.max(indexes.length, 1))] ?? 0;
  const dice = random.below(14);
  if (dice < 3) made.wish.replicas = random.below(9);
  else if (dice < 4) made.wish.revision += 1;
  else if (dice < 6) made.crash(index);
  else if (dice < 7) made.evict(index);
  else if (dice < 8) made.nameServersAnswer = !made.nameServersAnswer;
  else if (dice < 9) made.wish.claimBytes += 5;
  else if (dice < 10) made.wish.paused = !made.wish.paused;
  else if (dice < 11) made.badRevisions.add(made.wish.revision + 1);
  else if (dice < 12 && !damaged && made.placed) {
    made.loseClaim(index);
    return true;
  }
  return damaged;
}
