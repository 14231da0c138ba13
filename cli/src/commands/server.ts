import { type BrokerConfig, parseBrokerConfig, startBroker } from "@saturnmq/broker";
import { hostAndPort, type Logger } from "@saturnmq/kit";
import { createLogger, type LogLevel } from "@saturnmq/kit/node";
import { type NameServerConfig, parseNameServerConfig, startNameServer } from "@saturnmq/nameserver";
import { readConfigFile } from "../config-file.ts";
import { exitCodes } from "../exit-codes.ts";
import { type Io, print } from "../io.ts";
import { die, interruption, stopInTime } from "../server-process.ts";

export type ServerOptions = {
  /** A JSON file; absent: everything comes from the environment, or has its default. */
  readonly config?: string;
  readonly logLevel: LogLevel;
};

/** Runs a broker of a cluster in this process until it is told to stop. */
export async function runBroker(io: Io, options: ServerOptions): Promise<void> {
  const config = parseBrokerConfig(await readConfigFile(options.config), io.env);
  await serve(io, options, config, async (logger) => {
    const broker = await startBroker(config, { logger, fatal: (error) => die(logger, error) });
    const name = `broker ${broker.brokerId}`;
    return { ...broker, ready: readyLine(name, "clients", config, broker), close: () => broker.close() };
  });
}

/** Runs a name server in this process until it is told to stop. */
export async function runNameServer(io: Io, options: ServerOptions): Promise<void> {
  const config = parseNameServerConfig(await readConfigFile(options.config), io.env);
  await serve(io, options, config, async (logger) => {
    const server = await startNameServer(config, { logger, fatal: (error) => die(logger, error) });
    return { ready: readyLine("name server", "brokers and tools", config, server), close: () => server.close() };
  });
}

type Running = { readonly ready: string; close(): Promise<void> };

async function serve(
  io: Io,
  { logLevel }: ServerOptions,
  { shutdownMs }: { readonly shutdownMs: number },
  start: (logger: Logger) => Promise<Running>,
): Promise<void> {
  const logger = createLogger({ level: logLevel, pretty: io.stderr.isTTY === true });
  // Nothing is in flight before the first call is served: a start that is told to stop, or hangs on a disk, ends where it is.
  const endNow = (): never => process.exit(exitCodes.ok);
  io.interrupted.addEventListener("abort", endNow);
  const running = await start(logger);
  io.interrupted.removeEventListener("abort", endNow);
  await print(io.stdout, `${running.ready}\n`);
  await interruption(io.interrupted);
  logger.info({}, "stopping: calls in flight may finish; Ctrl-C again ends at once");
  await stopInTime(() => running.close(), shutdownMs, logger);
}

type Ports = { readonly grpcPort: number; readonly httpPort: number; readonly clusterId: string };

function readyLine(
  name: string,
  whom: string,
  { host, dataDir }: BrokerConfig | NameServerConfig,
  { grpcPort, httpPort, clusterId }: Ports,
): string {
  const places = `${whom} at ${hostAndPort(host, grpcPort)}, health and metrics at http://${hostAndPort(host, httpPort)}`;
  return `SaturnMQ ${name} is ready: ${places}, cluster ${clusterId}, data in ${dataDir}`;
}
