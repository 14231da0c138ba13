import { createLogger } from "@saturnmq/kit/node";
import { loadCredentials, parseOperatorConfig, startOperator } from "@saturnmq/operator";
import { readConfigFile } from "../config-file.ts";
import { type Io, print } from "../io.ts";
import { die, interruption, stopInTime } from "../server-process.ts";
import type { ServerOptions } from "./server.ts";

/** Runs an operator in this process until it is told to stop. It needs no leadership to be ready: another may lead. */
export async function runOperator(io: Io, { config: file, logLevel }: ServerOptions): Promise<void> {
  const config = parseOperatorConfig(await readConfigFile(file), io.env);
  const logger = createLogger({ level: logLevel, pretty: io.stderr.isTTY === true });
  const credentials = loadCredentials(io.env);
  const operator = await startOperator(config, { credentials, logger, fatal: (error) => die(logger, error) });
  operator.leading.catch((error: unknown) => die(logger, error));
  await print(
    io.stdout,
    `SaturnMQ operator is ready: health and metrics at port ${operator.httpPort}, API server ${credentials.server}\n`,
  );
  await interruption(io.interrupted);
  logger.info({}, "stopping: steps that were begun may end; Ctrl-C again ends at once");
  await stopInTime(() => operator.close(), config.shutdownMs, logger);
}
