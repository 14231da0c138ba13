import { setTimeout as sleep } from "node:timers/promises";
import { type Address, type ClusterTools, type Member, ProcessCluster } from "@saturnmq/bench";
import { defined } from "@saturnmq/kit";
import type { History } from "../support/check/history.ts";
import {
  type Failover,
  failoversOf,
  type Kill,
  type PlacedSend,
  placedSends,
  successesOf,
} from "../support/load/failover-meter.ts";
import { messageGroupsByQueue } from "../support/load/message-groups.ts";
import { DevCluster } from "../support/process/dev-cluster.ts";
import { nowMs, type Span } from "../support/process/disturbances.ts";
import { type FaultOptions, ownGroup, runScenario, type ScenarioResult, type World } from "../support/scenario.ts";

// Runs inside a namespace. Each shard has producers of its own, which send to message groups that live there: so each shard's own gap is seen.

const shardCount = 24;
/** Producers that send to each shard, by different brokers. */
const producersEach = 2;
const size = { brokers: 3, nameServers: 3, zones: ["a", "b", "c"], shards: shardCount, network: 7 };
const topic = "chaos";
/** Load before a fault and after it, milliseconds. */
const calmMs = 1_500;
/** Suspended for longer than an election takes, and for less time than a client waits for its answer, milliseconds. */
const suspendedMs = 2_500;

export type FailoverResult = Pick<ScenarioResult, "report" | "acknowledged"> & {
  readonly kills: readonly Kill[];
  readonly failovers: readonly Failover[];
};

/** Brokers in turn; clients know all of them. */
export async function brokersKilled(options: FaultOptions): Promise<FailoverResult> {
  await using cluster = await ProcessCluster.start(size);
  const { tools, members, addresses } = cluster;
  const place = { tools, members, addresses, hostOf: (number: number) => `127.0.7.${number}` };
  const result = await killInTurn("failovers", place, options, {
    kill: ({ outages }, name) => outages.kill(name),
    revive: ({ outages }, name) => outages.restart(name),
  });
  await cluster.stop();
  return result;
}

/** The same through the one port of `saturnmq dev`, which starts members again by itself. */
export async function brokersKilledBehindDev(options: FaultOptions): Promise<FailoverResult> {
  await using cluster = await DevCluster.start({ network: 7, grpcPort: 8_080 });
  const { tools, member, address } = cluster;
  const place = { tools, members: [member], addresses: [address], hostOf: (number: number) => cluster.hostOf(number) };
  let ended = (): void => undefined;
  const result = await killInTurn("failovers behind dev", place, options, {
    kill: async ({ disturbances }, name) => {
      ended = disturbances.begin(`${name} killed`);
      await cluster.kill(name);
    },
    revive: async () => {
      await member.whenServing(60_000);
      ended();
    },
  });
  await cluster.stop();
  return result;
}

type Place = {
  readonly tools: ClusterTools;
  readonly members: readonly Member[];
  readonly addresses: readonly Address[];
  /** Address of the broker with this number. */
  readonly hostOf: (number: number) => string;
};

async function killInTurn(
  name: string,
  place: Place,
  options: FaultOptions,
  how: Readonly<Record<"kill" | "revive", (world: World, broker: string) => Promise<void>>>,
): Promise<FailoverResult> {
  const { tools } = place;
  const kills: Kill[] = [];
  const { history, ...result } = await underLoad(name, place, options, async (world) => {
    for (let time = 0; time < options.times; time += 1) {
      await tools.untilEven();
      await sleep(calmMs);
      const number = 1 + (time % size.brokers);
      const member = `broker-${number}`;
      const shards = await tools.ledBy(await tools.idAt(place.hostOf(number)));
      const atMs = nowMs();
      await how.kill(world, member);
      kills.push({ member, atMs, shards });
      await sleep(options.lastsMs);
      await how.revive(world, member);
    }
    await sleep(calmMs);
  });
  const shardOf = await tools.shardOfQueues(topic);
  const successes = successesOf(history, (queue) => defined(shardOf[queue], `queue ${queue}`));
  return { ...result, kills, failovers: failoversOf(kills, successes) };
}

export type NameServerResult = Pick<ScenarioResult, "report" | "acknowledged"> & {
  /** Sends that were open at any time between a kill and the moment when that name server served again. */
  readonly sends: { readonly ok: number; readonly unknown: number; readonly worstMs: number };
  /** Slowest send of the calm before, milliseconds. */
  readonly calmWorstMs: number;
};

/** Each of the three in turn, so the leading one at least once, whoever that is: none that leads is passed over unless one that led before was hit. */
export async function nameServersKilled(options: FaultOptions): Promise<NameServerResult> {
  await using cluster = await ProcessCluster.start(size);
  const { tools, members, addresses, nameServers } = cluster;
  const spans: Span[] = [];
  const place = { tools, members, addresses };
  const { history, ...result } = await underLoad(
    "name servers killed under way",
    place,
    options,
    async ({ outages }) => {
      await sleep(2 * calmMs);
      for (const { name } of nameServers) {
        const fromMs = nowMs();
        await outages.kill(name);
        await sleep(options.lastsMs);
        await outages.restart(name);
        spans.push({ fromMs, untilMs: nowMs() });
        await sleep(calmMs);
      }
    },
  );
  await cluster.stop();
  const firstMs = Math.min(...spans.map(({ fromMs }) => fromMs));
  const within = history.sends.filter(({ invokedMs, endedMs }) =>
    spans.some(({ fromMs, untilMs }) => endedMs >= fromMs && invokedMs <= untilMs),
  );
  const before = history.sends.filter(({ invokedMs, endedMs }) => endedMs < firstMs && invokedMs > firstMs - calmMs);
  const having = (kind: string): number => within.filter(({ outcome }) => outcome.kind === kind).length;
  const sends = { ok: having("ok"), unknown: having("info"), worstMs: worstOf(within) };
  return { ...result, sends, calmWorstMs: worstOf(before) };
}

function worstOf(sends: History["sends"]): number {
  return Math.round(Math.max(0, ...sends.map(({ invokedMs, endedMs }) => endedMs - invokedMs)));
}

export type SuspensionResult = Pick<ScenarioResult, "report" | "acknowledged"> & {
  /** Sends to the shards of a stopped leader that were open when it was woken and were acknowledged after that, by who stored them. */
  readonly openAtWaking: OpenAtWaking;
};

export type OpenAtWaking = {
  readonly byNewLeader: number;
  /** Begun before the stop: the majority had stored it by then, and the woken leader learned of that from what lay in its sockets. True, and late. */
  readonly byStoppedLeaderBefore: number;
  /** Begun after it: acknowledged by somebody who leads no more. */
  readonly byStoppedLeaderAfter: number;
  /** The new leader acknowledged nothing else in that queue meanwhile. */
  readonly unknown: number;
};

/** A leader that stood still, and the shards that it led before. */
type Stop = Span & { readonly shards: readonly number[] };

/** SIGSTOP and SIGCONT to brokers in turn; a client that it still owes an answer waits for it. */
export async function leadersSuspended(options: FaultOptions): Promise<SuspensionResult> {
  await using cluster = await ProcessCluster.start(size);
  const { tools, members, addresses, brokers } = cluster;
  const stops: Stop[] = [];
  const place = { tools, members, addresses };
  const { history, ...result } = await underLoad("leaders suspended", place, options, async ({ outages }) => {
    for (let time = 0; time < options.times; time += 1) {
      await tools.untilEven();
      await sleep(calmMs);
      const { name, host } = defined(brokers[time % brokers.length], "broker");
      const shards = await tools.ledBy(await tools.idAt(host));
      stops.push({ ...(await outages.suspend(name, suspendedMs)), shards });
    }
    await sleep(calmMs);
  });
  const shardOf = await tools.shardOfQueues(topic);
  await cluster.stop();
  return { ...result, openAtWaking: openAtWaking(history, stops, shardOf) };
}

/**
 * Who stored a send is told by its offset: above one that the new leader acknowledged meanwhile in the same queue, it came through the woken broker to
 * the new leader; below it, it was in the log before.
 */
function openAtWaking(history: History, stops: readonly Stop[], shardOf: readonly number[]): OpenAtWaking {
  const sends = placedSends(history);
  const counts = { byNewLeader: 0, byStoppedLeaderBefore: 0, byStoppedLeaderAfter: 0, unknown: 0 };
  for (const { fromMs, untilMs, shards } of stops) {
    const ofStopped = sends.filter(({ queue }) => shards.includes(shardOf[queue] ?? -1));
    for (const { queue, offset, invokedMs } of ofStopped.filter((send) => isOpenAt(send, untilMs))) {
      const meanwhile = ofStopped.find(
        (other) => other.queue === queue && other.invokedMs > fromMs && other.endedMs < untilMs,
      );
      if (meanwhile === undefined) counts.unknown += 1;
      else if (offset > meanwhile.offset) counts.byNewLeader += 1;
      else counts[invokedMs < fromMs ? "byStoppedLeaderBefore" : "byStoppedLeaderAfter"] += 1;
    }
  }
  return counts;
}

function isOpenAt({ invokedMs, endedMs }: PlacedSend, atMs: number): boolean {
  return invokedMs < atMs && endedMs >= atMs;
}

/** Load on every shard while `disturb` does its worst. Makes the topics: as many queues as shards, so that each shard has one. */
async function underLoad(
  name: string,
  { tools, members, addresses }: Omit<Place, "hostOf">,
  { seed, repeat }: Pick<FaultOptions, "seed" | "repeat">,
  disturb: (world: World) => Promise<void>,
): Promise<ScenarioResult> {
  const learning = { topic: "learning", queues: shardCount, each: producersEach };
  for (const made of [topic, learning.topic])
    await tools.cli("topic", "create", made, "--type", "fifo", "--queues", String(shardCount));
  await tools.cli("group", "create", ownGroup, "--order");
  const groups = await messageGroupsByQueue(defined(addresses[0], "address"), learning);
  return runScenario(
    {
      ...{ name, repeat, seed, topic, members, endpoints: addresses, largestBodyBytes: 256, oneAtATime: true },
      ...{ producers: producersEach * shardCount, consumers: 3, invisibleMs: 10_000, pauseMs: 10 },
      groupOf: (producer) => groupOf(groups, producer),
    },
    disturb,
  );
}

/** Two producers share a connection, and connections go to the brokers in turn: a shift by two has a queue's producers at different brokers. */
function groupOf(groups: readonly (readonly string[])[], producer: number): string {
  const round = Math.floor(producer / shardCount);
  return defined(groups[(producer + 2 * round) % shardCount]?.[round], `a group of producer ${producer}`);
}
