import { randomBytes, randomInt, randomUUID } from "node:crypto";
import { join } from "node:path";
import { type BrokerConfig, parseBrokerConfig, type RunningBroker, startBroker } from "@saturnmq/broker";
import { type Disk, hostAndPort, type Random } from "@saturnmq/kit";
import { createLogger, type LogLevel, nodeDisk, systemClock, systemTimers } from "@saturnmq/kit/node";
import { openNameServer, parseNameServerConfig } from "@saturnmq/nameserver/embedded";
import { CliError, exitCodes } from "../exit-codes.ts";
import { type Io, print } from "../io.ts";
import { die, interruption, stopInTime } from "../server-process.ts";

/** One broker needs no more to keep a disk busy, and each costs it memory. */
const devShards = 3;

/** Nobody wants to find most of a workstation's disk taken. */
const embeddedLogBytesMax = 8 * 1_024 ** 3;

/** Any long time. */
const aliveMs = 3_600_000;

export type DevOptions = {
  readonly data: string;
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly host: string;
  readonly logLevel: LogLevel;
};

const cryptoRandom: Random = { below: (bound) => randomInt(bound) };

/** Environment variables of `dev`'s own options: the command line has had its word about them. */
const devVariables = {
  data: "SATURNMQ_DATA_DIR",
  grpcPort: "SATURNMQ_GRPC_PORT",
  httpPort: "SATURNMQ_HTTP_PORT",
  host: "SATURNMQ_HOST",
  logLevel: "SATURNMQ_LOG_LEVEL",
} as const;

/** Runs a name server and a broker in this process until it is told to stop. */
export async function dev(io: Io, options: DevOptions): Promise<void> {
  const { data: dataDir, grpcPort, httpPort, host } = options;
  const own: ReadonlySet<string> = new Set(Object.values(devVariables));
  const environment = Object.fromEntries(Object.entries(io.env).filter(([name]) => !own.has(name)));
  const store = { logBytesMax: embeddedLogBytesMax };
  const brokerConfig = parseBrokerConfig({ dataDir, grpcPort, httpPort, host, store }, environment);
  const { shards } = parseNameServerConfig({ dataDir, shards: devShards }, environment);
  const logger = createLogger({ level: options.logLevel, pretty: io.stderr.isTTY === true });
  const disk = nodeDisk();
  // Nothing is in flight before the first client is served: a start that is told to stop, or hangs on a disk, ends where it is.
  const endNow = (): never => process.exit(exitCodes.ok);
  io.interrupted.addEventListener("abort", endNow);
  await checkFolders(disk, dataDir);
  await using opened = new AsyncDisposableStack();
  // Timers of the name server and the broker do not keep a process alive, and at first nothing else would.
  const alive = setInterval(() => undefined, aliveMs);
  opened.defer(() => clearInterval(alive));
  const nameServer = await openNameServer({
    folder: join(dataDir, folders.nameServer),
    ...{ disk, clock: systemClock(), timers: systemTimers(), random: cryptoRandom, logger, shards },
    secret: (length) => randomBytes(length),
    newClusterId: () => randomUUID(),
    fatal: (error) => die(logger, error),
  });
  opened.defer(() => nameServer.close());
  const { metadata } = nameServer;
  const broker = await startBroker(brokerConfig, { metadata, logger, fatal: (error) => die(logger, error) });
  opened.defer(() => stopInTime(() => broker.close(), brokerConfig.shutdownMs, logger));
  io.interrupted.removeEventListener("abort", endNow);
  await print(io.stdout, `${readyLine(brokerConfig, broker)}\n`);
  await interruption(io.interrupted);
  logger.info({}, "stopping: calls in flight may finish; Ctrl-C again ends at once");
}

/** The broker's is named by the broker itself. */
const folders = { nameServer: "nameserver", broker: "broker" } as const;

/** Half of the data is worse than none: a new cluster id beside old messages could never be put right. */
async function checkFolders(disk: Disk, dataDir: string): Promise<void> {
  const has = async (folder: string): Promise<boolean> => {
    return (await disk.list(join(dataDir, folder))).includes("identity");
  };
  if ((await has(folders.nameServer)) || !(await has(folders.broker))) return;
  throw new CliError(
    exitCodes.failure,
    `${join(dataDir, folders.broker)} holds messages, but ${join(dataDir, folders.nameServer)}, which says of which topics, is missing: ` +
      "restore it, or start with another --data folder",
  );
}

function readyLine({ host, dataDir }: BrokerConfig, { grpcPort, httpPort }: RunningBroker): string {
  const [clients, health] = [hostAndPort(host, grpcPort), hostAndPort(host, httpPort)];
  return `SaturnMQ is ready: clients at ${clients}, health and metrics at http://${health}, data in ${dataDir}`;
}
