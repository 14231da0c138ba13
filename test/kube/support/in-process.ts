import { appendFileSync, readFileSync } from "node:fs";
import { parseBrokerConfig, startBroker } from "@saturnmq/broker";
import { silentLogger } from "@saturnmq/kit";
import { parseNameServerConfig, startNameServer } from "@saturnmq/nameserver";
import type { Ended, Run } from "./container.ts";

type Closable = { close(deadlineMs?: number): Promise<void> };
type Server = (
  config: object,
  env: Readonly<Record<string, string>>,
  fatal: (error: unknown) => void,
) => Promise<Closable>;

const logger = silentLogger;

/** Words of the `saturnmq` command. */
const servers: Readonly<Record<string, Server>> = {
  broker: (config, env, fatal) => startBroker(parseBrokerConfig(config, env), { logger, fatal }),
  nameserver: (config, env, fatal) => startNameServer(parseNameServerConfig(config, env), { logger, fatal }),
};

/**
 * Brokers and name servers in this process: the same as in one of their own, but started in some ten milliseconds. A signal ends them in order; what would
 * end their process ends them alone.
 */
export const runInProcess: Run = ({ command: [program, word = "", option, file = ""], env, log }) => {
  const server = servers[word];
  if (program !== "saturnmq" || server === undefined || option !== "--config")
    throw new Error(`no container for ${[program, word, option].join(" ")}`);
  let stop: (ended: Ended) => void = () => undefined;
  const told = new Promise<Ended>((resolve) => (stop = resolve));
  const fail = (error: unknown): void => {
    appendFileSync(log, `${new Date().toISOString()} ${String(error)}\n`);
    stop({ exitCode: 1, how: String(error) });
  };
  const config = JSON.parse(readFileSync(file, "utf8")) as object;
  const started = server(config, env, fail);
  started.catch(fail);
  const ended = told.then(async (end) => {
    const running = await started.catch(() => undefined);
    await running?.close(0);
    return end;
  });
  return { ended, signal: (name) => stop({ exitCode: name === "SIGTERM" ? 0 : 137, how: name }) };
};
