import { setTimeout as sleep } from "node:timers/promises";
import { ProcessCluster } from "@saturnmq/bench";
import { defined } from "@saturnmq/kit";
import type { History } from "../support/check/history.ts";
import { type Spread, spreadOf } from "../support/check/report.ts";
import { type Failover, failoversOf, type Kill, successesOf } from "../support/load/failover-meter.ts";
import { runPerShard } from "../support/per-shard.ts";
import { nowMs, type Span } from "../support/process/disturbances.ts";
import type { FaultOptions, ScenarioResult } from "../support/scenario.ts";

// Runs inside a namespace: three zones, each with a broker and a name server.

const size = { brokers: 3, nameServers: 3, zones: ["a", "b", "c"], shards: 24, network: 7 };
/** Load before the fault, which what comes after is compared with, milliseconds. */
const calmMs = 8_000;
const evenWithinMs = 180_000;
const pollMs = 2_000;
const caughtUpWithinMs = 120_000;

export type ZoneResult = Pick<ScenarioResult, "report" | "acknowledged"> & {
  readonly failovers: readonly Failover[];
  readonly kills: readonly Kill[];
  /** From the zone's start until no replica lacked anything, milliseconds. */
  readonly caughtUpAfterMs: number;
  /** How long acknowledged sends took, milliseconds: before the zone died, and from its start until it had caught up. */
  readonly sendMs: { readonly before: Spread | undefined; readonly catchingUp: Spread | undefined };
};

/** A broker and a name server are killed in one turn, and are started again later, when they lack much. */
export async function zoneKilled({ seed, repeat, lastsMs }: FaultOptions): Promise<ZoneResult> {
  await using cluster = await ProcessCluster.start(size);
  const { tools, addresses, brokers } = cluster;
  const members = () => cluster.members;
  const { zone, host } = defined(brokers[1], "broker");
  const kills: Kill[] = [];
  let before: Span = { fromMs: 0, untilMs: 0 };
  let catchingUp = before;
  const load = { name: "zone killed", seed, repeat, tools, members, addresses, shards: size.shards };
  const { report, acknowledged, history, shardOf } = await runPerShard(
    { ...load, largestBodyBytes: 4_096 },
    async ({ outages }) => {
      await tools.untilEven(evenWithinMs);
      const id = await tools.idAt(host);
      const shards = await tools.ledBy(id);
      await sleep(calmMs);
      const atMs = nowMs();
      before = { fromMs: atMs - calmMs, untilMs: atMs };
      const names = await outages.killZone(zone);
      kills.push({ member: `zone ${zone}`, atMs, shards });
      await sleep(lastsMs);
      const fromMs = nowMs();
      await Promise.all(names.map((name) => outages.restart(name)));
      // Not asked more often: the command itself takes time of the machine.
      const lacksNothing = async (): Promise<boolean> => {
        await sleep(pollMs);
        const lags = (await tools.shards()).flatMap((shard) => shard.lags);
        return lags.length > 0 && lags.every(({ entries }) => Number(entries) < 50);
      };
      await tools.until("every replica has caught up", lacksNothing, caughtUpWithinMs);
      catchingUp = { fromMs, untilMs: nowMs() };
      await sleep(pollMs);
    },
  );
  await cluster.stop();
  return {
    ...{ report, acknowledged, kills, failovers: failoversOf(kills, successesOf(history, shardOf)) },
    caughtUpAfterMs: Math.round(catchingUp.untilMs - catchingUp.fromMs),
    sendMs: { before: sendMs(history, before), catchingUp: sendMs(history, catchingUp) },
  };
}

function sendMs({ sends }: History, { fromMs, untilMs }: Span): Spread | undefined {
  const within = sends.filter(
    ({ outcome, invokedMs, endedMs }) => outcome.kind === "ok" && invokedMs >= fromMs && endedMs <= untilMs,
  );
  return spreadOf(within.map(({ invokedMs, endedMs }) => endedMs - invokedMs));
}
