import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cliPath, Member, runCli } from "@saturnmq/bench";
import { type Failover, failoversOf, type Kill, successesOf } from "../support/load/failover-meter.ts";
import { Network } from "../support/network/network.ts";
import { lossy, type NetworkFault, oneWay, reset, symmetric } from "../support/network/network-faults.ts";
import { nowMs, type Span } from "../support/process/disturbances.ts";
import {
  acknowledgedWithin,
  type FaultOptions,
  type FaultResult,
  killInMidSend,
  runScenario,
  type ScenarioResult,
  undisturbed,
  untilOfficialsSend,
  type World,
} from "../support/scenario.ts";

// Runs inside a namespace: `saturnmq dev` on an address of its own, clients on another one, and a network between them that can be cut.

const host = "127.0.7.1";
const [grpcPort, httpPort] = [8_081, 9_090];
const endpoints = [
  { name: "broker-1", host },
  { name: "client", host: "127.0.0.1" },
];
const servesWithinMs = 60_000;
const queues = 6;
const ownProducers = 12;
/** Shards of `saturnmq dev`. */
const shardCount = 3;
/** Load before a fault and after it, milliseconds. */
const calmMs = 700;

/** A fault of the network, again and again. */
function networkFault(name: string, fault: NetworkFault) {
  return async ({ lastsMs, times, ...options }: FaultOptions): Promise<FaultResult> => {
    let taken = 0;
    const network = await Network.open(endpoints);
    const result = await withBroker(name, options, async (world) => {
      for (let time = 0; time < times; time += 1) {
        await undisturbed(world, calmMs);
        await network.cut(fault);
        const healed = world.disturbances.begin(name);
        await sleep(lastsMs);
        taken += await network.taken();
        healed();
        await network.heal();
      }
      await undisturbed(world, calmMs);
    });
    return { report: result.report, acknowledged: result.acknowledged, taken };
  };
}

export const clientsCutOff = networkFault("clients cut off", symmetric(["client"], ["broker-1"]));
export const answersLost = networkFault("answers lost", oneWay(["broker-1"], ["client"]));
export const requestsLost = networkFault("requests lost", oneWay(["client"], ["broker-1"]));
export const connectionsReset = networkFault("connections reset", reset(["client"], ["broker-1"]));
export const packetsLost = networkFault("packets lost", [
  ...lossy(["client"], ["broker-1"], 5),
  ...lossy(["broker-1"], ["client"], 5),
]);

/** SIGSTOP and SIGCONT: for its clients the broker is silent, for itself no time has passed. */
export async function suspended({ lastsMs, times, ...options }: FaultOptions): Promise<FaultResult> {
  // Before and after these it is disturbed, but may answer: it stops some time after the signal, and clients hear from it before its readiness is asked for.
  const still: Span[] = [];
  const { report, acknowledged, history } = await withBroker("suspended", options, async (world) => {
    for (let time = 0; time < times; time += 1) {
      await undisturbed(world, calmMs);
      still.push(await world.outages.suspend("broker-1", lastsMs));
    }
    await undisturbed(world, calmMs);
  });
  return { report, acknowledged: { ...acknowledged, during: acknowledgedWithin(history, still) }, taken: 0 };
}

/** Killed in the very turn in which several sends are in flight; started again a while after. */
export async function killedInMidSend(
  given: FaultOptions,
): Promise<FaultResult & { readonly kills: readonly Kill[]; readonly failovers: readonly Failover[] }> {
  const { lastsMs, times, ...options } = given;
  const kills: Kill[] = [];
  const shards = Array.from({ length: shardCount }, (_, shard) => shard);
  const { report, acknowledged, history } = await withBroker(
    "killed in mid send",
    options,
    async (world) => {
      const { outages } = world;
      await untilOfficialsSend(world, ownProducers);
      for (let time = 0; time < times; time += 1) {
        await undisturbed(world, calmMs);
        await killInMidSend(world, "broker-1");
        kills.push({ member: "broker-1", atMs: nowMs(), shards });
        await sleep(lastsMs);
        await outages.restart("broker-1");
      }
      await untilOfficialsSend(world, ownProducers);
    },
    { producers: 2, consumers: 1 },
  );
  const failovers = failoversOf(
    kills,
    successesOf(history, (queue) => queue % shardCount),
  );
  return { report, acknowledged, taken: 0, kills, failovers };
}

/** Its disk is gone: everything acknowledged is lost, which is what a checker must say. The control of all of the above. */
export async function robbedOfItsDisk({ lastsMs, ...options }: FaultOptions): Promise<FaultResult> {
  const result = await withBroker("robbed of its disk", options, async (world) => {
    await undisturbed(world, lastsMs);
    await world.outages.wipe("broker-1");
    await createTopic();
    await sleep(calmMs);
  });
  return { report: result.report, acknowledged: result.acknowledged, taken: 0 };
}

const topic = "chaos";

async function withBroker(
  name: string,
  { seed, repeat }: { readonly seed: number; readonly repeat: string },
  disturb: (world: World) => Promise<void>,
  official = { producers: 0, consumers: 0 },
): Promise<ScenarioResult> {
  const folder = await mkdtemp(join(tmpdir(), "saturnmq-chaos-"));
  await using broker = new Member({
    ...{ name: "broker-1", zone: "", folder, serves },
    command: [process.execPath, cliPath, "dev", "--data", folder, "--host", host, ...ports()],
    env: { SATURNMQ_STORE_SEGMENT_BYTES: String(2 * 2 ** 20) },
  });
  broker.start();
  await broker.whenServing(servesWithinMs);
  await createTopic();
  const result = await runScenario(
    {
      ...{ name, repeat, seed, topic, members: () => [broker], endpoints: [{ host, port: grpcPort }] },
      ...{ producers: ownProducers, consumers: 4, invisibleMs: 10_000, forgetPercent: 2, official },
    },
    disturb,
  );
  await broker.terminate(15_000);
  await rm(folder, { recursive: true, force: true });
  return result;
}

function ports(): string[] {
  return ["--grpc-port", String(grpcPort), "--http-port", String(httpPort)];
}

async function serves(signal: AbortSignal): Promise<boolean> {
  return (await fetch(`http://${host}:${httpPort}/readyz`, { signal })).ok;
}

async function createTopic(): Promise<void> {
  await runCli("topic", "create", topic, "--queues", String(queues), "--endpoint", `${host}:${grpcPort}`);
}
