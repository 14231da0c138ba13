import { setTimeout as sleep } from "node:timers/promises";
import { clusterPorts, type Placed, ProcessCluster } from "@saturnmq/bench";
import { defined, SeededRandom } from "@saturnmq/kit";
import { Service } from "../support/network/service.ts";
import { ownGroup, runScenario, type ScenarioResult, untilOfficialsSend, type World } from "../support/scenario.ts";

// Runs inside a namespace. All clients come by a Service, so that which broker they talk to is the cluster's doing.

const size = { brokers: 3, nameServers: 3, zones: ["a", "b", "c"], shards: 24, network: 7 };
const settings = { replacementGraceMs: 3_000 };
const serviceAddress = { host: "127.0.0.1", port: 8_080 };
const topic = "chaos";
const ownProducers = 24;
const movedWithinMs = 180_000;

export type ScaleOptions = {
  readonly seed: number;
  readonly repeat: string;
  /** Brokers that are added, and as many of the first ones drained later. */
  readonly by: number;
  /** How long calls are counted once leaders are even, milliseconds. */
  readonly countedMs: number;
};

export type ScaleResult = Pick<ScenarioResult, "report" | "acknowledged"> & {
  /** Percent of the calls that each broker, in the order of their starts, took while they were counted. */
  readonly shares: readonly number[];
  /** From the start of the last new broker until leaders were even, and from the first drain until the last drained broker held nothing, milliseconds. */
  readonly evenAfterMs: number;
  readonly drainedAfterMs: number;
  /** Leaders of each broker, when six and when three were there. */
  readonly leads: { readonly grown: readonly number[]; readonly shrunk: readonly number[] };
  /** Sends of the official client that failed in spite of its retries. */
  readonly officialFailures: number;
  /** Ids of the broker whose disk was taken away, before and after. */
  readonly wiped: { readonly before: number; readonly after: number; readonly replicas: number };
};

/** Brokers join and leave under load; then one loses its disk. */
export async function scaled(options: ScaleOptions): Promise<ScaleResult> {
  await using cluster = await ProcessCluster.start({ ...size, settings });
  const { tools } = cluster;
  let told: Omit<ScaleResult, "report" | "acknowledged" | "officialFailures"> | undefined;
  const { report, acknowledged, history } = await underLoad(cluster, options, async (world) => {
    await untilOfficialsSend(world, ownProducers);
    const startedMs = performance.now();
    for (let added = 0; added < options.by; added += 1) await cluster.addBroker();
    await tools.untilEven(movedWithinMs);
    const evenAfterMs = Math.round(performance.now() - startedMs);
    const grown = await leadsOf(cluster);
    const shares = await sharesOf(cluster.brokers, options.countedMs);
    const drainedAfterMs = await drain(cluster, cluster.brokers.slice(0, options.by));
    await tools.untilEven(movedWithinMs);
    const shrunk = await leadsOf(cluster);
    const wiped = await wipe(cluster, world);
    await untilOfficialsSend(world, ownProducers);
    told = { shares, evenAfterMs, drainedAfterMs, leads: { grown, shrunk }, wiped };
  });
  await cluster.stop();
  const official = history.sends.filter(({ producer }) => producer >= ownProducers);
  const officialFailures = official.filter(({ outcome }) => outcome.kind !== "ok").length;
  return { report, acknowledged, officialFailures, ...defined(told, "the run's figures") };
}

/** Empties brokers one after the other, stops them and has them forgotten. Gives how long that took, milliseconds. */
async function drain(cluster: ProcessCluster, brokers: readonly Placed[]): Promise<number> {
  const { tools } = cluster;
  const startedMs = performance.now();
  for (const placed of brokers) {
    const { host, name } = placed;
    const id = await tools.idAt(host);
    await tools.cli("broker", "drain", String(id));
    const holdsNothing = async (): Promise<boolean> => {
      const { replicas, leads } = defined(
        (await tools.brokers()).find((broker) => broker.id === id),
        name,
      );
      const named = (await tools.shards()).some(({ voters, leaderHint }) => voters.includes(id) || leaderHint === id);
      return replicas === 0 && leads === 0 && !named;
    };
    await tools.until(`${name} holds nothing`, holdsNothing, movedWithinMs);
    await cluster.removeBroker(placed);
    await tools.until(`${name} is forgotten`, async () => {
      await tools.cli("broker", "forget", String(id));
      return true;
    });
  }
  return Math.round(performance.now() - startedMs);
}

/** Takes the disk of the newest broker away: it comes back as somebody new, and gets what the old one had. */
async function wipe({ tools, brokers }: ProcessCluster, { outages }: World): Promise<ScaleResult["wiped"]> {
  const { name, host } = defined(brokers.at(-1), "broker");
  const before = await tools.idAt(host);
  await outages.wipe(name);
  const after = await tools.idAt(host);
  await tools.until(
    `nothing is placed on broker ${before} any more`,
    async () => (await tools.shards()).every(({ voters, moving }) => !moving && !voters.includes(before)),
    movedWithinMs,
  );
  await tools.untilEven(movedWithinMs);
  const replicas = (await tools.brokers()).find(({ id }) => id === after)?.replicas ?? 0;
  return { before, after, replicas };
}

async function leadsOf({ tools }: ProcessCluster): Promise<readonly number[]> {
  return (await tools.brokers()).filter(({ state }) => state === "up").map(({ leads }) => leads);
}

/** Percent of all SendMessage calls that each broker takes meanwhile. */
async function sharesOf(brokers: readonly Placed[], forMs: number): Promise<readonly number[]> {
  const before = await Promise.all(brokers.map(callsAt));
  await sleep(forMs);
  const after = await Promise.all(brokers.map(callsAt));
  const calls = after.map((count, at) => count - (before[at] ?? 0));
  const all = calls.reduce((sum, count) => sum + count, 0);
  return calls.map((count) => Math.round((1_000 * count) / all) / 10);
}

async function callsAt({ host }: Placed): Promise<number> {
  const response = await fetch(`http://${host}:${clusterPorts.http}/metrics`);
  const counts = (await response.text()).matchAll(
    /^saturnmq_rpc_duration_seconds_count\{rpc="SendMessage"[^}]*\} (\d+)/gm,
  );
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

async function underLoad(
  cluster: ProcessCluster,
  { seed, repeat }: ScaleOptions,
  disturb: (world: World) => Promise<void>,
): Promise<ScenarioResult> {
  const { tools } = cluster;
  await tools.cli("topic", "create", topic, "--queues", String(size.shards));
  await tools.cli("group", "create", ownGroup);
  await using service = await Service.open(serviceAddress, () => cluster.addresses, new SeededRandom(seed));
  return await runScenario(
    {
      ...{ name: "scaled", repeat, seed, topic, endpoints: [service.address], pauseMs: 10, largestBodyBytes: 1_024 },
      ...{
        settled: () => tools.untilEven(movedWithinMs),
        members: () => cluster.members,
        invisibleMs: 15_000,
        forgetPercent: 1,
        oneAtATime: true,
      },
      ...{ producers: ownProducers, consumers: 6, official: { producers: 2, consumers: 0 } },
    },
    disturb,
  );
}
