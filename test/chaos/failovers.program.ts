import { setTimeout as sleep } from "node:timers/promises";
import { ProcessCluster } from "@saturnmq/bench";
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
import { type PerShardOptions, runPerShard } from "../support/per-shard.ts";
import { DevCluster } from "../support/process/dev-cluster.ts";
import { nowMs, type Span } from "../support/process/disturbances.ts";
import type { FaultOptions, ScenarioResult, World } from "../support/scenario.ts";

// Runs inside a namespace. Each shard has producers of its own, which send to message groups that live there: so each shard's own gap is seen.

const size = { brokers: 3, nameServers: 3, zones: ["a", "b", "c"], shards: 24, network: 7 };
/** Load before a fault and after it, milliseconds. */
const calmMs = 1_500;
/** On a machine that runs other suites leaders take their time to move. */
const evenWithinMs = 180_000;
/** Suspended for longer than an election takes, and for less time than a client waits for its answer, milliseconds. */
const suspendedMs = 2_500;

export type FailoverResult = Pick<ScenarioResult, "report" | "acknowledged"> & {
  readonly kills: readonly Kill[];
  readonly failovers: readonly Failover[];
};

/** Brokers in turn; clients know all of them. */
export async function brokersKilled(options: FaultOptions): Promise<FailoverResult> {
  await using cluster = await ProcessCluster.start(size);
  const place = { ...clientsOf(cluster), hostOf: (number: number) => `127.0.7.${number}` };
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
  const place = {
    tools,
    members: () => [member],
    addresses: [address],
    hostOf: (number: number) => cluster.hostOf(number),
  };
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

type Place = Clients & {
  /** Address of the broker with this number. */
  readonly hostOf: (number: number) => string;
};
type Clients = Pick<PerShardOptions, "tools" | "members" | "addresses">;

function clientsOf(cluster: ProcessCluster): Clients {
  return { tools: cluster.tools, members: () => cluster.members, addresses: cluster.addresses };
}

async function killInTurn(
  name: string,
  place: Place,
  options: FaultOptions,
  how: Readonly<Record<"kill" | "revive", (world: World, broker: string) => Promise<void>>>,
): Promise<FailoverResult> {
  const { tools } = place;
  const kills: Kill[] = [];
  const load = { name, ...place, ...options, shards: size.shards };
  const { history, shardOf, report, acknowledged } = await runPerShard(load, async (world) => {
    for (let time = 0; time < options.times; time += 1) {
      await tools.untilEven(evenWithinMs);
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
  return { report, acknowledged, kills, failovers: failoversOf(kills, successesOf(history, shardOf)) };
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
  const { nameServers } = cluster;
  const spans: Span[] = [];
  const load = { name: "name servers killed under way", ...clientsOf(cluster), ...options, shards: size.shards };
  const { history, report, acknowledged } = await runPerShard(load, async ({ outages }) => {
    await sleep(2 * calmMs);
    for (const { name } of nameServers) {
      const fromMs = nowMs();
      await outages.kill(name);
      await sleep(options.lastsMs);
      await outages.restart(name);
      spans.push({ fromMs, untilMs: nowMs() });
      await sleep(calmMs);
    }
  });
  await cluster.stop();
  const firstMs = Math.min(...spans.map(({ fromMs }) => fromMs));
  const within = history.sends.filter(({ invokedMs, endedMs }) =>
    spans.some(({ fromMs, untilMs }) => endedMs >= fromMs && invokedMs <= untilMs),
  );
  const before = history.sends.filter(({ invokedMs, endedMs }) => endedMs < firstMs && invokedMs > firstMs - calmMs);
  const having = (kind: string): number => within.filter(({ outcome }) => outcome.kind === kind).length;
  const sends = { ok: having("ok"), unknown: having("info"), worstMs: worstOf(within) };
  return { report, acknowledged, sends, calmWorstMs: worstOf(before) };
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
  /** Begun before the stop, in the log that the new leader took over: the woken broker asked it when it was told of it, before it answered. */
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
  const { tools, brokers } = cluster;
  const stops: Stop[] = [];
  const load = { name: "leaders suspended", ...clientsOf(cluster), ...options, shards: size.shards };
  const { history, shardOf, report, acknowledged } = await runPerShard(load, async ({ outages }) => {
    for (let time = 0; time < options.times; time += 1) {
      await tools.untilEven(evenWithinMs);
      await sleep(calmMs);
      const { name, host } = defined(brokers[time % brokers.length], "broker");
      const shards = await tools.ledBy(await tools.idAt(host));
      stops.push({ ...(await outages.suspend(name, suspendedMs)), shards });
    }
    await sleep(calmMs);
  });
  await cluster.stop();
  return { report, acknowledged, openAtWaking: openAtWaking(history, stops, shardOf) };
}

/**
 * Who stored a send is told by its offset: above one that the new leader acknowledged meanwhile in the same queue, it came through the woken broker to
 * the new leader; below it, it was in the log before.
 */
function openAtWaking(history: History, stops: readonly Stop[], shardOf: (queue: number) => number): OpenAtWaking {
  const sends = placedSends(history);
  const counts = { byNewLeader: 0, byStoppedLeaderBefore: 0, byStoppedLeaderAfter: 0, unknown: 0 };
  for (const { fromMs, untilMs, shards } of stops) {
    const ofStopped = sends.filter(({ queue }) => shards.includes(shardOf(queue)));
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
