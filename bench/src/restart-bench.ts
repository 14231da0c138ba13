import { createReadStream } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { DevServer } from "./dev-server.ts";
import { code, decodeSendReply, encodeSend } from "./generator/messages.ts";
import { type Address, RpcClient } from "./generator/rpc-client.ts";
import { newSendCounters, startSends, stopAll } from "./send-bench.ts";

export type RestartOptions = {
  readonly topic: string;
  /** Message bodies to store before the first restart, bytes. */
  readonly logBytes: number;
  readonly bodyBytes: number;
  readonly times: number;
  readonly server: { readonly dataFolder: string; readonly grpcPort: number; readonly httpPort: number };
  /** Path of the program as the image has it, bundled into a few files. */
  readonly bundled: string;
};

/** From exec to the first answered send, milliseconds, each after SIGKILL. */
export type StartTimes = {
  /** Page cache warm. */
  readonly warmMs: readonly number[];
  /** The same with the page cache dropped; empty when this user may not drop it. */
  readonly coldMs: readonly number[];
};

export type RestartResult = {
  /** Bytes of bodies in the log. */
  readonly logBytes: number;
  readonly messages: number;
  /** The program as the image has it. */
  readonly bundled: StartTimes;
  /** The program run from its sources. */
  readonly sources: StartTimes;
};

const batch = 12;
const giveUpAfterMs = 120_000;
/** The launcher writes the compile cache 10 s after the start. */
const cacheWrittenMs = 11_000;

/** Fills a log, then kills and restarts its server again and again. @throws {Error} when a restart takes longer than two minutes */
export async function measureRestart(options: RestartOptions, log: (line: string) => void): Promise<RestartResult> {
  const { messages, logBytes } = await fill(options, log);
  const programs = [options.bundled, undefined];
  const [bundled, sources] = [newTimes(), newTimes()];
  // A first start of each leaves its compile cache, as the first start of every installation does.
  for (const program of programs) await timeStart(options, program, cacheWrittenMs);
  // In turns: what the machine does meanwhile is the same for both.
  for (let n = 0; n < options.times; n += 1)
    for (const [at, times] of [bundled, sources].entries()) {
      await readThrough(options.server.dataFolder);
      times.warmMs.push(await timeStart(options, programs[at]));
      if (await dropPageCache()) times.coldMs.push(await timeStart(options, programs[at]));
    }
  return { logBytes, messages, bundled, sources };
}

function newTimes(): { readonly warmMs: number[]; readonly coldMs: number[] } {
  return { warmMs: [], coldMs: [] };
}

async function fill(
  options: RestartOptions,
  log: (line: string) => void,
): Promise<{ messages: number; logBytes: number }> {
  const server = await DevServer.start(options.server);
  const counters = newSendCounters();
  const { topic, bodyBytes } = options;
  const loads = await startSends(server.address, { topic, bodyBytes, batch, connections: 2, inFlight: 64 }, counters);
  const stored = (): number => counters.ok * batch * bodyBytes;
  for (let before = -1; stored() < options.logBytes; ) {
    if (stored() === before)
      throw new Error(`the log does not grow: ${JSON.stringify([...counters.failures])}\n${server.output}`);
    before = stored();
    await sleep(5_000);
    log(`filling: ${(stored() / 2 ** 30).toFixed(2)} of ${(options.logBytes / 2 ** 30).toFixed(2)} GiB`);
  }
  await stopAll(loads);
  await server.crash();
  return { messages: counters.ok * batch, logBytes: stored() };
}

/** One start, from exec to the first answered send, and SIGKILL after `stayMs`. */
async function timeStart({ server: options, topic }: RestartOptions, program?: string, stayMs = 0): Promise<number> {
  const startedAt = performance.now();
  const server = await DevServer.launch(program === undefined ? options : { ...options, program });
  while (!(await trySend(server.address, topic))) {
    if (performance.now() - startedAt > giveUpAfterMs) throw new Error(`no send was answered\n${server.output}`);
    await sleep(2);
  }
  const tookMs = performance.now() - startedAt;
  await sleep(stayMs);
  await server.crash();
  return tookMs;
}

async function trySend(address: Address, topic: string): Promise<boolean> {
  let client: RpcClient;
  try {
    client = await RpcClient.open(address);
  } catch {
    return false; // It does not listen yet: that is what is being measured.
  }
  const messageId = `01${performance.now().toString(16).replace(".", "").padStart(32, "0").slice(0, 32)}`.toUpperCase();
  const request = encodeSend([{ topic, messageId, body: Buffer.from("first after a restart") }]);
  const { messages } = await client.unary("SendMessage", request, 5_000);
  client.close();
  return messages[0] !== undefined && decodeSendReply(messages[0]).code === code.ok;
}

async function readThrough(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile())
      await finished(createReadStream(join(entry.parentPath, entry.name), { highWaterMark: 2 ** 20 }).resume());
  }
}

async function dropPageCache(): Promise<boolean> {
  try {
    await writeFile("/proc/sys/vm/drop_caches", "1");
    return true;
  } catch {
    return false; // Only root may; the result then says that there is no cold figure.
  }
}
