import { readFile } from "node:fs/promises";
import { type BrokerConfigInput, parseBrokerConfig, startBroker } from "@saturnmq/broker";
import type { Logger } from "@saturnmq/kit";
import { createLogger, type LogLevel } from "@saturnmq/kit/node";
import { type NameServerConfigInput, parseNameServerConfig, startNameServer } from "@saturnmq/nameserver";
import { CliError, exitCodes } from "../exit-codes.ts";
import { type Io, print } from "../io.ts";
import { die, interruption, stopInTime } from "../server-process.ts";

export type ServerOptions = {
  /** A JSON file; absent: everything comes from the environment, or has its default. */
  readonly config?: string;
  readonly logLevel: LogLevel;
};

/** Runs a broker of a cluster in this process until it is told to stop. */
export async function runBroker(io: Io, options: ServerOptions): Promise<void> {
  const config = parseBrokerConfig((await fileAt(options.config)) as BrokerConfigInput, io.env);
  await serve(io, options, config.shutdownMs, async (logger) => {
    const broker = await startBroker(config, { logger, fatal: (error) => die(logger, error) });
    const ports = `clients on port ${broker.grpcPort}, health and metrics on port ${broker.httpPort}`;
    return { ...broker, ready: `SaturnMQ broker ${broker.brokerId} of cluster ${broker.clusterId} is ready: ${ports}` };
  });
}

/** Runs a name server in this process until it is told to stop. */
export async function runNameServer(io: Io, options: ServerOptions): Promise<void> {
  const config = parseNameServerConfig((await fileAt(options.config)) as NameServerConfigInput, io.env);
  await serve(io, options, config.shutdownMs, async (logger) => {
    const server = await startNameServer(config, { logger, fatal: (error) => die(logger, error) });
    const ports = `brokers and tools on port ${server.grpcPort}, health and metrics on port ${server.httpPort}`;
    return {
      ...server,
      ready: `SaturnMQ name server ${config.self} of cluster ${server.clusterId} is ready: ${ports}`,
    };
  });
}

type Running = { readonly ready: string; close(): Promise<void> };

async function serve(
  io: Io,
  { logLevel }: ServerOptions,
  shutdownMs: number,
  start: (logger: Logger) => Promise<Running>,
): Promise<void> {
  const logger = createLogger({ level: logLevel, pretty: io.stderr.isTTY === true });
  // Nothing is in flight before the first call is served: a start that is told to stop ends where it is.
  const endNow = (): never => process.exit(exitCodes.ok);
  io.interrupted.addEventListener("abort", endNow);
  const running = await start(logger);
  io.interrupted.removeEventListener("abort", endNow);
  await print(io.stdout, `${running.ready}\n`);
  await interruption(io.interrupted);
  logger.info({}, "stopping: calls in flight may finish; Ctrl-C again ends at once");
  await stopInTime(() => running.close(), shutdownMs, logger);
}

/** @throws {CliError} `usage` when the file cannot be read or is not a JSON object */
async function fileAt(path: string | undefined): Promise<unknown> {
  if (path === undefined) return {};
  const wrong = (what: string, cause?: unknown): CliError =>
    new CliError(exitCodes.usage, `--config ${path}: ${what}`, { cause });
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw wrong(error.code === "ENOENT" ? "there is no such file" : error.message, error);
  });
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch (error) {
    throw wrong(`is not JSON: ${String((error as Error).message)}`, error);
  }
  throw wrong("holds no JSON object of settings");
}
