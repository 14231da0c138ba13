import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type ComparePoint, type Comparison, compare, comparisonTable, type Side } from "../src/compare.ts";
import { DevServer } from "../src/dev-server.ts";
import type { Address } from "../src/generator/rpc-client.ts";
import { machineFacts } from "../src/machine.ts";
import type { ServerProcesses, Span } from "../src/measure.ts";
import { saveResult } from "../src/results.ts";
import { rocketSide } from "../src/rocket-side.ts";
import { measureSend } from "../src/send-bench.ts";
import { machineLine } from "../src/tables.ts";
import { Apache } from "./apache.ts";
import { type NativePeer, nativeSide } from "./native.ts";
import { startNats } from "./nats.ts";
import { cacheFolder, durabilities, NotAvailable } from "./peer.ts";
import { startRedis } from "./redis.ts";

// `make bench-peers`: SaturnMQ beside Apache RocketMQ and other brokers, interleaved, within a bounded time. README.md says how to read it.

const peers = ["apache-D0", "apache-D1", "nats-D0", "redis-D0", "redis-D1"] as const;
type PeerName = (typeof peers)[number];

const { values } = parseArgs({
  options: {
    /** About how long it may take, minutes: spans are cut to fit. */
    minutes: { type: "string", default: "15" },
    pairs: { type: "string", default: "7" },
    "in-flight": { type: "string", default: "1,16,64,200,1024" },
    body: { type: "string", default: "1024,128" },
    /** A peer, repeated; all when absent. */
    only: { type: "string", multiple: true, default: [...peers] },
    /** One pair of short spans, for a busy machine: shows that everything works, supports no claim. */
    quick: { type: "boolean", default: false },
    "steal-max": { type: "string", default: "0.02" },
    name: { type: "string", default: "peers" },
    folder: { type: "string", default: cacheFolder },
  },
});
const { quick } = values;
const unknown = values.only.filter((name) => !peers.some((peer) => peer === name));
if (unknown.length > 0) throw new Error(`there is no peer ${unknown.join(", ")}: choose of ${peers.join(", ")}`);
const numbers = (text: string): number[] => text.split(",").map(Number);
const points = numbers(values.body).flatMap((bodyBytes) =>
  numbers(values["in-flight"]).map((inFlight): ComparePoint => ({ inFlight, bodyBytes })),
);
/** For the brokers with a protocol of their own: one in flight shows latency, 200 the rate. */
const fewPoints = points.filter(
  ({ bodyBytes, inFlight }) => bodyBytes === points[0]?.bodyBytes && [1, 200].includes(inFlight),
);
const pairs = quick ? 1 : Number(values.pairs);
const fewPairs = Math.min(3, pairs);
const topic = "bench";
/** A JVM compiles what it runs often: its figures of the first minute are not its own. */
const warmUpMs = quick ? 5_000 : 60_000;
const log = (line: string): void => {
  console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);
};

await mkdir(values.folder, { recursive: true });
const folder = await mkdtemp(join(values.folder, "run-"));
try {
  await run();
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function run(): Promise<void> {
  const machine = machineFacts(folder);
  await using ours = await DevServer.start({ dataFolder: join(folder, "saturnmq"), readyWithinMs: 90_000 });
  await ours.cli("topic", "create", topic);
  const side = rocketSide("SaturnMQ", durabilities.D1, ours.address, ours.processes, topic);
  const comparisons: Comparison[] = [];
  const skipped: string[] = [];
  for (const name of peers.filter((peer) => values.only.includes(peer))) {
    const outcome = await compareWith(name, side, ours).catch((error: unknown) => {
      // A table of ratios without Apache would claim what was not measured.
      if (!(error instanceof NotAvailable) || name.startsWith("apache")) throw error;
      return error;
    });
    if (outcome instanceof NotAvailable) skipped.push(`${name}: ${outcome.message}`);
    else comparisons.push(outcome);
  }
  const title = `# SaturnMQ beside others, ${machine.date.slice(0, 10)}${quick ? " (quick: short spans, no claims)" : ""}`;
  const parts = comparisons.map((each) => `## ${each.a.name} and ${each.b.name}\n\n${comparisonTable(each)}`);
  const absent = skipped.length === 0 ? [] : [`## Not measured\n\n${skipped.map((line) => `- ${line}`).join("\n")}`];
  const page = [title, machineLine(machine), ...parts, ...absent].join("\n\n");
  console.log(page);
  await save(machine.date, { quick, machine, comparisons, skipped }, page);
}

async function compareWith(name: PeerName, ours: Side, server: DevServer): Promise<Comparison> {
  const level = name.endsWith("D1") ? "D1" : "D0";
  log(`${name}: starts`);
  if (name.startsWith("apache")) {
    await using apache = await Apache.start(level, folder);
    await apache.createTopic(topic);
    log(`${apache.name} ${level}: warms up`);
    await Promise.all([
      warmUp(apache.address, apache.processes, warmUpMs),
      warmUp(server.address, server.processes, 4_000),
    ]);
    const side = rocketSide(`${apache.name} ${level}`, apache.durability, apache.address, apache.processes, topic);
    return await compare(ours, side, points, { pairs, span: span(), stealMax: Number(values["steal-max"]) }, log);
  }
  const starts = {
    "nats-D0": () => startNats(folder),
    "redis-D0": () => startRedis("D0", folder),
    "redis-D1": () => startRedis("D1", folder),
  };
  const start: () => Promise<NativePeer> = starts[name as keyof typeof starts];
  await using peer = await start();
  const options = { pairs: fewPairs, span: span(), stealMax: Number(values["steal-max"]) };
  return await compare(ours, nativeSide(peer), fewPoints, options, log);
}

async function warmUp(address: Address, server: ServerProcesses, forMs: number): Promise<void> {
  const workload = { topic, bodyBytes: 1_024, batch: 1, connections: 4, inFlight: 200 };
  await measureSend(address, server, workload, { warmUpMs: forMs - 500, measuredMs: 500 });
}

/** What is left of the time for each window, a fifth of it to warm up. */
function span(): Span {
  if (quick) return { warmUpMs: 300, measuredMs: 1_000 };
  const isApache = (name: string): boolean => name.startsWith("apache");
  const windows = values.only.reduce(
    (sum, name) => sum + 2 * (isApache(name) ? pairs * points.length : fewPairs * fewPoints.length),
    0,
  );
  const startsMs = values.only.length * 15_000 + values.only.filter(isApache).length * warmUpMs;
  const betweenMs = 150; // Connections are opened, and what is open ends.
  const eachMs = (Number(values.minutes) * 60_000 - startsMs) / windows - betweenMs;
  if (!(eachMs >= 500))
    throw new Error(`${windows} windows do not fit into ${values.minutes} minutes: ask for less, or give more`);
  return { warmUpMs: Math.round(eachMs / 5), measuredMs: Math.round((eachMs * 4) / 5) };
}

async function save(date: string, result: unknown, page: string): Promise<void> {
  const results = fileURLToPath(new URL("../results/", import.meta.url));
  const path = join(results, `${date.slice(0, 10)}-${values.name}${quick ? "-quick" : ""}`);
  await saveResult(path, result, page);
  log(`written to ${path}.md and .json`);
}
