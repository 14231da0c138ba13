import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { defined } from "@saturnmq/kit";
import { Network } from "../support/network/network.ts";
import { type NetworkFault, oneWay, symmetric } from "../support/network/network-faults.ts";
import type { Disturbances } from "../support/process/disturbances.ts";
import { Member } from "../support/process/member.ts";
import { type FaultOptions, type FaultResult, killInMidSend, runScenario, type World } from "../support/scenario.ts";

// Runs inside a namespace: three name servers and three brokers, each a process on an address of its own, clients on another one.

const cli = fileURLToPath(new URL("../../cli/src/main.ts", import.meta.url));
const [grpcPort, peerPort, nameServerPort, nameServerPeerPort, httpPort] = [8_081, 8_083, 8_082, 8_084, 9_090];
const ids = [1, 2, 3];
const brokers = ids.map((id) => ({ name: `broker-${id}`, host: `127.0.7.${id}`, zone: zoneOf(id) }));
const nameServers = ids.map((id) => ({ name: `nameserver-${id}`, host: `127.0.7.${200 + id}`, zone: zoneOf(id) }));
const clients = { name: "client", host: "127.0.0.1" };
const topic = "chaos";
const queues = 6;
const shards = 6;
const servesWithinMs = 60_000;
/** Load before a fault and after it, milliseconds. */
const calmMs = 1_000;

/** Each broker in its turn is killed while sends are in flight, and started again when its shards are led elsewhere. */
export function brokersKilled(options: FaultOptions): Promise<FaultResult> {
  return withCluster("brokers killed", options, async (world) => {
    for (let time = 0; time < options.times; time += 1) {
      await sleep(calmMs);
      const { name } = brokerAt(time);
      await killInMidSend(world, name);
      await sleep(options.lastsMs);
      await world.outages.restart(name);
    }
    await sleep(calmMs);
  });
}

/** Longer than a leader's lease: it must not answer from what it knew when it wakes up. */
export function brokersSuspended(options: FaultOptions): Promise<FaultResult> {
  return withCluster("brokers suspended", options, async ({ outages }) => {
    for (let time = 0; time < options.times; time += 1) {
      await sleep(calmMs);
      await outages.suspend(brokerAt(time).name, options.lastsMs);
    }
    await sleep(calmMs);
  });
}

/** Every name server in its turn, the leading one among them: messages flow as if nothing happened. */
export function nameServersKilled(options: FaultOptions): Promise<FaultResult> {
  return withCluster("name servers killed", options, async ({ outages }) => {
    for (let time = 0; time < options.times; time += 1) {
      await sleep(calmMs);
      const { name } = defined(nameServers[time % nameServers.length], "name server");
      await outages.kill(name);
      await sleep(options.lastsMs);
      await outages.restart(name);
    }
    await sleep(calmMs);
  });
}

/** A broker that the others do not hear, and that does not hear them; clients reach them all. */
export function brokersCutOff(options: FaultOptions): Promise<FaultResult> {
  return cutEach("brokers cut off", options, (name, others) => symmetric([name], others));
}

/** A broker that the others do not hear, though it hears them. */
export function brokersMuted(options: FaultOptions): Promise<FaultResult> {
  return cutEach("brokers muted", options, (name, others) => oneWay([name], others));
}

async function cutEach(
  name: string,
  options: FaultOptions,
  fault: (broker: string, others: readonly string[]) => NetworkFault,
): Promise<FaultResult> {
  const network = await Network.open([...brokers, clients]);
  let taken = 0;
  const cut = async (at: number, disturbances: Disturbances): Promise<void> => {
    const broker = brokerAt(at).name;
    await network.cut(
      fault(
        broker,
        brokers.map((other) => other.name).filter((other) => other !== broker),
      ),
    );
    const healed = disturbances.begin(name);
    await sleep(options.lastsMs);
    taken += await network.taken();
    healed();
    await network.heal();
  };
  const result = await withCluster(name, options, async ({ disturbances }) => {
    for (let time = 0; time < options.times; time += 1) {
      await sleep(calmMs);
      await cut(time, disturbances);
    }
    await sleep(calmMs);
  });
  return { ...result, taken };
}

function brokerAt(time: number): (typeof brokers)[number] {
  return defined(brokers[time % brokers.length], "broker");
}

function zoneOf(id: number): string {
  return ["a", "b", "c"][id - 1] ?? "";
}

async function withCluster(
  name: string,
  { seed, repeat }: { readonly seed: number; readonly repeat: string },
  disturb: (world: World) => Promise<void>,
): Promise<FaultResult> {
  const folder = await mkdtemp(join(tmpdir(), "saturnmq-chaos-"));
  await using started = new AsyncDisposableStack();
  const members: Member[] = [];
  for (const [at, { name: member, host, zone }] of [...nameServers, ...brokers].entries()) {
    const own = join(folder, member);
    await mkdir(own);
    const config = at < nameServers.length ? nameServerConfig(host, at + 1, own) : brokerConfig(host, zone, own);
    await writeFile(join(folder, `${member}.json`), JSON.stringify(config));
    const kind = at < nameServers.length ? "nameserver" : "broker";
    const process_ = new Member({
      ...{ name: member, zone, folder: own, serves: (signal: AbortSignal) => serves(host, signal) },
      command: [process.execPath, cli, kind, "--config", join(folder, `${member}.json`)],
    });
    members.push(started.use(process_));
    process_.start();
  }
  await Promise.all(members.map((member) => member.whenServing(servesWithinMs)));
  await createTopic();
  const result = await runScenario(
    {
      ...{ name, repeat, seed, topic, members, endpoints: brokers.map(({ host }) => ({ host, port: grpcPort })) },
      ...{ producers: 12, consumers: 6, invisibleMs: 10_000, forgetPercent: 2, oneAtATime: true },
    },
    disturb,
  );
  await Promise.all(members.map((member) => member.terminate(15_000)));
  await rm(folder, { recursive: true, force: true });
  return { report: result.report, acknowledged: result.acknowledged, taken: 0 };
}

function nameServerConfig(host: string, self: number, dataDir: string): object {
  const members = nameServers.map((member, at) => ({
    ...{ id: at + 1, host: member.host, peerPort: nameServerPeerPort, grpcPort: nameServerPort },
  }));
  return { dataDir, host, grpcPort: nameServerPort, peerPort: nameServerPeerPort, httpPort, self, members, shards };
}

function brokerConfig(host: string, zone: string, dataDir: string): object {
  const endpoints = nameServers.map((server) => `${server.host}:${nameServerPort}`);
  const store = { segmentBytes: 4 * 2 ** 20 };
  return { dataDir, host, zone, grpcPort, peerPort, httpPort, nameServers: endpoints, store };
}

async function serves(host: string, signal: AbortSignal): Promise<boolean> {
  return (await fetch(`http://${host}:${httpPort}/readyz`, { signal })).ok;
}

async function createTopic(): Promise<void> {
  const endpoint = `${brokerAt(0).host}:${grpcPort}`;
  const args = [cli, "topic", "create", topic, "--queues", String(queues), "--endpoint", endpoint];
  await promisify(execFile)(process.execPath, args, { timeout: 30_000 });
}
