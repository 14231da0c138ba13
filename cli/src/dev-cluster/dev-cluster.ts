import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BrokerConfigInput } from "@saturnmq/broker";
import { type LogLevel, readableLine } from "@saturnmq/kit/node";
import type { NameServerConfigInput } from "@saturnmq/nameserver";
import { CliError, exitCodes } from "../exit-codes.ts";
import { type Io, print } from "../io.ts";
import { interruption } from "../server-process.ts";
import { type ClusterPlan, checkPlan, type Member, memberPorts, membersOf, nameServerEndpoints } from "./layout.ts";
import { MemberProcess } from "./member-process.ts";
import { type Backend, TcpBalancer } from "./tcp-balancer.ts";

export type DevClusterOptions = {
  readonly data: string;
  readonly host: string;
  readonly grpcPort: number;
  readonly brokers: number;
  readonly nameservers: number;
  readonly zones: readonly string[];
  /** Third byte of the members' addresses; absent: the first that is free. */
  readonly network?: number;
  /** Milliseconds until a member that ended is started again; absent: it is not. */
  readonly restartAfterMs: number | undefined;
  readonly logLevel: LogLevel;
};

const planFile = "cluster.json";
/** A member gets so long after it was told to stop. */
const stopMs = 15_000;
const saturnmq = fileURLToPath(new URL("../../bin/saturnmq.js", import.meta.url));

/** Runs a cluster of real processes on this machine until it is told to stop, behind one TCP port for clients. */
export async function devCluster(io: Io, options: DevClusterOptions): Promise<void> {
  const plan = await planOf(options);
  const members = membersOf(plan);
  await writeConfigurations(members, plan);
  await using opened = new AsyncDisposableStack();
  const processes = members.map((member) => processOf(io, options, member));
  opened.defer(() => stopAll(io, processes));
  for (const process of processes) process.start();
  const backends = members.filter(({ kind }) => kind === "broker").map(backendOf);
  const { host, grpcPort: port } = options;
  const balancer = opened.use(
    await TcpBalancer.open({ host, port, backends, probe: (backend) => isReady(backend.host) }),
  );
  const ready = await Promise.all(processes.map((process) => process.ready(io.interrupted)));
  if (ready.every(Boolean)) await print(io.stdout, `${readyText(plan, members, host, balancer.port)}\n`);
  await interruption(io.interrupted);
}

/** What was asked for, together with what an earlier start in this folder settled. */
async function planOf(options: DevClusterOptions): Promise<ClusterPlan> {
  const { data, brokers, nameservers: nameServers, zones } = options;
  const earlier = await earlierPlan(data);
  if (earlier !== undefined && earlier.nameServers !== nameServers) {
    throw new CliError(
      exitCodes.usage,
      `--nameservers ${nameServers}: the cluster in ${data} has ${earlier.nameServers}: start it with as many, or use another --data folder`,
    );
  }
  const network = options.network ?? earlier?.network ?? (await freeNetwork());
  const plan = { data, brokers, nameServers, zones, network };
  checkPlan(plan);
  await mkdir(data, { recursive: true });
  await writeFile(join(data, planFile), `${JSON.stringify({ nameServers, network }, null, 2)}\n`);
  return plan;
}

async function earlierPlan(data: string): Promise<Pick<ClusterPlan, "nameServers" | "network"> | undefined> {
  try {
    return JSON.parse(await readFile(join(data, planFile), "utf8")) as Pick<ClusterPlan, "nameServers" | "network">;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new CliError(exitCodes.failure, `${join(data, planFile)} cannot be read: ${String(error)}`, { cause: error });
  }
}

/** The first network of loopback addresses on whose first broker's port nobody listens. */
async function freeNetwork(): Promise<number> {
  for (let network = 1; network < 255; network += 1) {
    if (await isFree(`127.0.${network}.1`, memberPorts.client)) return network;
  }
  throw new CliError(exitCodes.failure, "every network of loopback addresses is in use: stop another cluster first");
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}

async function writeConfigurations(members: readonly Member[], plan: ClusterPlan): Promise<void> {
  for (const member of members) {
    await mkdir(member.folder, { recursive: true });
    const config = member.kind === "broker" ? brokerConfig(member, members) : nameServerConfig(member, members, plan);
    await writeFile(configPath(member), `${JSON.stringify(config, null, 2)}\n`);
  }
}

function configPath({ folder }: Member): string {
  return join(folder, "config.json");
}

function brokerConfig({ host, folder, zone }: Member, members: readonly Member[]): BrokerConfigInput {
  return {
    ...{ dataDir: folder, host, zone, nameServers: [...nameServerEndpoints(members)] },
    ...{ grpcPort: memberPorts.client, peerPort: memberPorts.peer, httpPort: memberPorts.http },
  };
}

function nameServerConfig(
  { host, folder, number }: Member,
  members: readonly Member[],
  { brokers }: ClusterPlan,
): NameServerConfigInput {
  const { nameServer: grpcPort, nameServerPeer: peerPort, http: httpPort } = memberPorts;
  const group = members
    .filter(({ kind }) => kind === "nameserver")
    .map((member) => ({ id: member.number, host: member.host, peerPort, grpcPort }));
  return {
    dataDir: folder,
    host,
    grpcPort,
    peerPort,
    httpPort,
    self: number,
    members: group,
    replicationFactor: Math.min(brokers, 3),
  };
}

function processOf(io: Io, options: DevClusterOptions, member: Member): MemberProcess {
  const { logLevel, restartAfterMs } = options;
  const pretty = io.stderr.isTTY === true;
  // Its own settings come by its file; what the environment says of the whole command must not override each member's.
  const own = new Set(["SATURNMQ_DATA_DIR", "SATURNMQ_GRPC_PORT", "SATURNMQ_HTTP_PORT", "SATURNMQ_HOST"]);
  const env = Object.fromEntries(Object.entries(io.env).filter(([name]) => !own.has(name)));
  return new MemberProcess({
    name: member.name,
    command: [process.execPath, saturnmq, member.kind, "--config", configPath(member), "--log-level", logLevel],
    ...{ env, restartAfterMs },
    line: (text) => {
      io.stderr.write(`${lineOf(member.name, text, pretty)}\n`);
    },
    ended: (how, againMs) => {
      const next = againMs === undefined ? "" : `; it starts again in ${againMs / 1_000} s`;
      io.stderr.write(`saturnmq: ${member.name} ended (${how})${next}\n`);
    },
    serves: () => isReady(member.host),
  });
}

/** A member's line: what it logs as JSON with its name, or readable for people; anything else behind its name. */
function lineOf(name: string, text: string, pretty: boolean): string {
  if (!text.startsWith("{")) return `${name}: ${text}`;
  return pretty ? `${name}: ${readableLine(text)}` : `{"process":${JSON.stringify(name)},${text.slice(1)}`;
}

function backendOf({ name, host }: Member): Backend {
  return { name, host, port: memberPorts.client };
}

async function isReady(host: string): Promise<boolean> {
  const response = await fetch(`http://${host}:${memberPorts.http}/readyz`, { signal: AbortSignal.timeout(1_000) });
  await response.arrayBuffer();
  return response.ok;
}

/** Brokers first: they hand over and say goodbye while name servers still listen. */
async function stopAll(io: Io, processes: readonly MemberProcess[]): Promise<void> {
  const isBroker = ({ name }: MemberProcess): boolean => name.startsWith("broker");
  for (const some of [processes.filter(isBroker), processes.filter((process) => !isBroker(process))]) {
    const stopped = await Promise.all(some.map((process) => process.stop(stopMs)));
    some.forEach(({ name }, at) => {
      if (stopped[at] === false)
        io.stderr.write(`saturnmq: ${name} did not stop in ${stopMs / 1_000} s and was killed\n`);
    });
  }
}

function readyText({ data }: ClusterPlan, members: readonly Member[], host: string, port: number): string {
  const lines = members.map(({ kind, name, zone, host: address }) => {
    const service = kind === "broker" ? memberPorts.client : memberPorts.nameServer;
    return `  ${name.padEnd(13)} ${`${address}:${service}`.padEnd(21)} http://${address}:${memberPorts.http}  ${zone}`.trimEnd();
  });
  return [`SaturnMQ is ready: clients at ${host}:${port}, data in ${data}`, ...lines].join("\n");
}
