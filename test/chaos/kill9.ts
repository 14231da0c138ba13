import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Address, DevServer, freePort } from "@saturnmq/bench";
import { SeededRandom } from "@saturnmq/kit";
import { type Report, reportOf } from "../support/check/report.ts";
import { Consumers } from "../support/load/consumers.ts";
import { Producers } from "../support/load/producers.ts";
import { readTopic } from "../support/load/reading.ts";
import { Recorder } from "../support/load/recorder.ts";
import { SeededBodies } from "../support/load/seeded-bodies.ts";
import { Disturbances } from "../support/process/disturbances.ts";

export type Kill9Options = {
  readonly rounds: number;
  /** Decides when each round ends, and the bodies. The moments are real time, so a run is repeated in kind, not exactly. */
  readonly seed: number;
};

export type Kill9Report = Report & {
  readonly rounds: number;
  readonly seed: number;
  /** From exec to ready, milliseconds, after each kill. */
  readonly restartMs: readonly number[];
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
  const recorder = new Recorder();
  const disturbances = new Disturbances();
  const producers = new Producers({ topic, count: producerCount, bodies, recorder });
  const consumers = new Consumers({ topic, group: "during", count: 2, bodies, recorder });
  const restartMs: number[] = [];
  const options = { dataFolder, grpcPort, httpPort, env };
  await createTopic(options);
  let serves = (): void => undefined;
  for (let round = 1; round <= rounds; round += 1) {
    if (round % killStartEvery === 0) await killWhileStarting(options, random.below(400));
    const server = await DevServer.start(options);
    serves();
    restartMs.push(Math.round(server.readyAfterMs));
    const afterMs = loadMs.shortest + random.below(loadMs.longest - loadMs.shortest);
    const ended = await runFor(server, afterMs, [producers, consumers]);
    serves = disturbances.begin("the broker was killed");
    await server.crash();
    await ended();
  }
  const server = await DevServer.start(options);
  serves();
  const reading = await readTopic(addressOf(server), { topic, group: "afterwards" }, bodies);
  const exit = await server.terminate();
  if (exit.code !== 0) throw new Error(`the last server ended with ${exit.code}\n${server.output}`);
  await rm(dataFolder, { recursive: true, force: true });
  const { sends, deliveries, settlements, reasons } = recorder;
  const report = reportOf({
    name: "kill9",
    repeat: `KILL9_SEED=${seed} KILL9_ROUNDS=${rounds} make chaos ARGS=kill9`,
    history: { sends, deliveries, settlements, readings: [reading], disturbances: disturbances.all },
    reasons,
  });
  return { ...report, rounds, seed, restartMs };
}

type ServerOptions = {
  readonly dataFolder: string;
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly env: Readonly<Record<string, string>>;
};
type Load = { run(endpoints: readonly Address[], signal: AbortSignal): Promise<void> };

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

/** Puts load on the server for a time; the function that is returned ends it, and waits for the answers that are still out. */
async function runFor(server: DevServer, forMs: number, loads: readonly Load[]): Promise<() => Promise<void>> {
  const ended = new AbortController();
  const running = Promise.all(loads.map((load) => load.run([addressOf(server)], ended.signal)));
  await Promise.race([running, sleep(forMs)]);
  return async () => {
    ended.abort();
    await running;
  };
}

function addressOf(server: DevServer): Address {
  return { host: server.host, port: server.grpcPort };
}
