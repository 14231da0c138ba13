import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Address, DevServer, freePort } from "@saturnmq/bench";
import { SeededRandom } from "@saturnmq/kit";
import { AckingConsumer, readAll } from "../support/consumers.ts";
import { type Anomaly, checkHistory } from "../support/history.ts";
import { Producers } from "../support/producers.ts";
import { SeededBodies } from "../support/seeded-bodies.ts";

export type Kill9Options = {
  readonly rounds: number;
  /** Decides when each round ends, and the bodies. The moments are real time, so a run is repeated in kind, not exactly. */
  readonly seed: number;
};

export type Kill9Report = {
  readonly rounds: number;
  readonly seed: number;
  readonly sends: number;
  readonly acknowledged: number;
  /** Sends whose refusal proved that nothing was stored. */
  readonly refused: number;
  readonly read: number;
  /** Messages whose ack was answered OK to the group that consumes during the run. */
  readonly acked: number;
  readonly anomalies: readonly Anomaly[];
  readonly brokenAcks: readonly string[];
  /** From exec to ready, milliseconds, after each kill. */
  readonly restartMs: readonly number[];
  /** Sends that were not acknowledged, by reason. */
  readonly reasons: Readonly<Record<string, number>>;
};

const topic = "chaos";
const producerCount = 12;
const largestBodyBytes = 4_096;
/** A round's load lasts from the shortest to the longest, milliseconds. */
const loadMs = { shortest: 100, longest: 1_200 };
/** Small segments, so that kills also meet their sealing, their summaries and the beginning of the next. */
const env = { SATURNMQ_STORE_SEGMENT_BYTES: String(2 * 2 ** 20) };
/** One round in so many is killed while it starts, instead of under load. */
const killStartEvery = 5;

/**
 * Many lives of one broker: load from producers and a consumer, SIGKILL at a random moment, restart; at the end everything is read back and
 * compared with what was acknowledged.
 */
export async function runKill9({ rounds, seed }: Kill9Options): Promise<Kill9Report> {
  const dataFolder = await mkdtemp(join(tmpdir(), "saturnmq-kill9-"));
  const [grpcPort, httpPort] = [await freePort(), await freePort()];
  const random = new SeededRandom(seed);
  const bodies = new SeededBodies(seed, largestBodyBytes);
  const producers = new Producers({ topic, count: producerCount, bodies });
  const consumer = new AckingConsumer({ topic, group: "during" });
  const restartMs: number[] = [];
  const options = { dataFolder, grpcPort, httpPort, env };
  await createTopic(options);
  for (let round = 1; round <= rounds; round += 1) {
    if (round % killStartEvery === 0) await killWhileStarting(options, random.below(400));
    const server = await DevServer.start(options);
    restartMs.push(Math.round(server.readyAfterMs));
    const afterMs = loadMs.shortest + random.below(loadMs.longest - loadMs.shortest);
    await loadAndKill(server, afterMs, [producers, consumer]);
  }
  const server = await DevServer.start(options);
  const reads = await readAll(addressOf(server), { topic, group: "afterwards" });
  const exit = await server.terminate();
  if (exit.code !== 0) throw new Error(`the last server ended with ${exit.code}\n${server.output}`);
  await rm(dataFolder, { recursive: true, force: true });
  return {
    rounds,
    seed,
    sends: producers.operations.length,
    acknowledged: producers.acknowledged,
    refused: producers.operations.filter(({ outcome }) => outcome.kind === "fail").length,
    read: reads.length,
    acked: consumer.acknowledged,
    anomalies: checkHistory(producers.operations, reads, bodies),
    brokenAcks: consumer.brokenAcks,
    restartMs,
    reasons: Object.fromEntries(producers.reasons),
  };
}

type ServerOptions = {
  readonly dataFolder: string;
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly env: Readonly<Record<string, string>>;
};
type Load = { run(address: Address, signal: AbortSignal): Promise<void> };

async function createTopic(options: ServerOptions): Promise<void> {
  const server = await DevServer.start(options);
  await server.cli("topic", "create", topic, "--queues", "8");
  await server.terminate();
}

async function killWhileStarting(options: ServerOptions, afterMs: number): Promise<void> {
  const server = await DevServer.launch(options);
  await sleep(afterMs);
  await server.crash();
}

async function loadAndKill(server: DevServer, afterMs: number, loads: readonly Load[]): Promise<void> {
  const ended = new AbortController();
  let killed = false;
  const running = loads.map((load) =>
    load.run(addressOf(server), ended.signal).catch((error: unknown) => {
      if (!killed) throw error; // A kill that came while it still connected leaves it nothing to do.
    }),
  );
  await Promise.race([Promise.all(running), sleep(afterMs)]);
  killed = true;
  await server.crash();
  ended.abort();
  await Promise.all(running);
}

function addressOf(server: DevServer): Address {
  return { host: server.host, port: server.grpcPort };
}
