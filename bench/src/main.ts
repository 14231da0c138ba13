import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bundleProgram } from "@saturnmq/image/bundle";
import { DevServer } from "./dev-server.ts";
import { freePort } from "./free-port.ts";
import { memory } from "./generator/process-usage.ts";
import { machineFacts } from "./machine.ts";
import { measureReceive, type ReceiveResult } from "./receive-bench.ts";
import { type BenchResult, renderReport } from "./report.ts";
import { measureRestart } from "./restart-bench.ts";
import { saveResult } from "./results.ts";
import { measureSend, type SendResult } from "./send-bench.ts";

// `make bench`: a broker of its own, every figure that the README of this folder explains, one table. Nothing else should run meanwhile.

const parts = ["send", "receive", "restart", "store", "cluster"] as const;
/** What runs when nothing is asked for: three brokers share the cores of one machine, and take their time. */
const usualParts = parts.filter((part) => part !== "cluster");
const { values } = parseArgs({
  options: {
    name: { type: "string", default: "saturnmq" },
    /** Short spans and a small log: shows that everything works. */
    quick: { type: "boolean", default: false },
    /** A part to run, repeated; all but the cluster when absent. */
    only: { type: "string", multiple: true, default: usualParts },
    /** Folder on the disk to measure; everything under it that the bench makes is removed. */
    folder: { type: "string", default: fileURLToPath(new URL("../../node_modules/.cache/", import.meta.url)) },
  },
});
const { quick, name, only } = values;
const span = quick ? { warmUpMs: 1_500, measuredMs: 3_000 } : { warmUpMs: 4_000, measuredMs: 15_000 };
const bodyBytes = 1_024;
const topic = "bench";
const log = (line: string): void => {
  console.error(line);
};

await mkdir(values.folder, { recursive: true });
const folder = await mkdtemp(join(values.folder, "saturnmq-bench-"));
try {
  const result = await runAll();
  const report = renderReport(result);
  console.log(report);
  await save(result, report);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function runAll(): Promise<BenchResult> {
  const machine = machineFacts(folder);
  const store = wants("store") ? runScript("store.ts", quick ? ["--rounds", "3", "--seconds", "0.3"] : []) : undefined;
  const load =
    wants("send") || wants("receive") ? await runLoad() : { rssIdleBytes: Number.NaN, send: [], receive: [] };
  const restart = wants("restart") ? await runRestart() : undefined;
  const cluster = wants("cluster") ? runScript("cluster.ts", quick ? ["--quick"] : []) : undefined;
  return { name, quick, machine, ...load, restart, store, cluster };
}

async function runLoad(): Promise<Pick<BenchResult, "rssIdleBytes" | "send" | "receive">> {
  const server = await DevServer.start({ dataFolder: join(folder, "load") });
  try {
    await server.cli("topic", "create", topic);
    await sleep(3_000);
    const rssIdleBytes = memory(server.pid).rssBytes;
    const send = await runSend(server);
    return { rssIdleBytes, send, receive: wants("receive") ? await runReceive(server) : [] };
  } finally {
    await server.terminate();
  }
}

async function runSend(server: DevServer): Promise<SendResult[]> {
  const results: SendResult[] = [];
  for (const inFlight of [1, 16, 64, 200]) {
    log(`send, ${inFlight} in flight`);
    const workload = { topic, bodyBytes, batch: 1, connections: Math.min(4, inFlight), inFlight };
    results.push(await measureSend(server.address, server.processes, workload, span));
  }
  return results;
}

async function runReceive(server: DevServer): Promise<ReceiveResult[]> {
  const results: ReceiveResult[] = [];
  for (const inFlight of [1, 16]) {
    log(`receive and ack, ${inFlight} in flight`);
    const connections = Math.min(4, inFlight);
    const workload = { topic, group: `bench-readers-${inFlight}`, batchSize: 32, connections, inFlight };
    const half = { warmUpMs: span.warmUpMs / 2, measuredMs: span.measuredMs / 2 };
    results.push(await measureReceive(server.address, server.processes, workload, half));
  }
  return results;
}

async function runRestart() {
  const server = { dataFolder: join(folder, "restart"), grpcPort: await freePort(), httpPort: await freePort() };
  const first = await DevServer.start(server);
  await first.cli("topic", "create", topic);
  await first.terminate();
  const logBytes = (quick ? 0.25 : 4) * 2 ** 30;
  return measureRestart({ topic, logBytes, bodyBytes, times: 5, server, bundled: await writeBundle() }, log);
}

/** Makes of the sources what the image has. @returns the program's path */
async function writeBundle(): Promise<string> {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const { files } = await bundleProgram(root, process.execPath);
  const into = join(folder, "bundled");
  await mkdir(into);
  for (const [file, bytes] of files) await writeFile(join(into, file), bytes);
  return join(into, "saturnmq.js");
}

/** A bench that is a program of its own. Gives what it printed. */
function runScript(name: string, options: readonly string[]): string {
  log(name);
  const script = fileURLToPath(new URL(`./${name}`, import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, [script, "--folder", folder, ...options], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (stdout === "") throw new Error(`${script} printed nothing and ended with ${status}`);
  if (status !== 0) process.exitCode = 1; // It says what is worse than it must be: the store's table by how much it is slower.
  return stdout;
}

async function save(result: BenchResult, report: string): Promise<void> {
  const results = fileURLToPath(new URL("../results/", import.meta.url));
  const path = join(results, `${result.machine.date.slice(0, 10)}-${name}${quick ? "-quick" : ""}`);
  await saveResult(path, result, report);
  log(`written to ${path}.md and .json`);
}

function wants(part: (typeof parts)[number]): boolean {
  return only.includes(part);
}
