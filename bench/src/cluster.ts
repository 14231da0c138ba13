/**
 * Three brokers and three name servers on this machine beside one broker: `node bench/src/cluster.ts [--quick] [--rounds 5] [--only send|idle]`.
 *
 * Sends of 1 KiB, in turns with the same to one broker; CPU of whoever is called and of the followers; what a cluster that nobody calls costs.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  type BrokerProcesses,
  type ClusterFigures,
  type IdleCluster,
  measureClusterSend,
  measureIdleCluster,
  pidOf,
} from "./cluster-bench.ts";
import { DevServer } from "./dev-server.ts";
import { machineFacts } from "./machine.ts";
import { clusterPorts, type Placed, ProcessCluster } from "./process/process-cluster.ts";
import { saveResult } from "./results.ts";
import { machineLine, table } from "./tables.ts";

const parts = ["send", "idle"] as const;
const { values } = parseArgs({
  options: {
    /** Short spans: shows that everything works. */
    quick: { type: "boolean", default: false },
    /** Turns of each workload; figures are the medians. */
    rounds: { type: "string", default: "5" },
    /** A part to run, repeated; all when absent. */
    only: { type: "string", multiple: true, default: [...parts] },
    /** Folder on the disk to measure; everything under it that the bench makes is removed. */
    folder: { type: "string", default: fileURLToPath(new URL("../../node_modules/.cache/", import.meta.url)) },
  },
});
const { quick, only } = values;
const rounds = quick ? 1 : Number(values.rounds);
const loadSpan = quick ? { warmUpMs: 1_000, measuredMs: 2_000 } : { warmUpMs: 3_000, measuredMs: 6_000 };
const idleSpan = quick ? { warmUpMs: 3_000, measuredMs: 5_000 } : { warmUpMs: 15_000, measuredMs: 30_000 };
const size = { brokers: 3, nameServers: 3, zones: ["a", "b", "c"], segmentBytes: 64 * 2 ** 20 };
const topic = "bench";
const bodyBytes = 1_024;
const allInFlight = [1, 200, 1_024];

type SendRow = { readonly who: string; readonly inFlight: number; readonly figures: ClusterFigures };

await mkdir(values.folder, { recursive: true });
const folder = await mkdtemp(join(values.folder, "saturnmq-cluster-bench-"));
try {
  const machine = machineFacts(folder);
  const sends = only.includes("send") ? await runSends() : [];
  const idle = only.includes("idle") ? await runIdle() : [];
  const page = [
    `# Three brokers, ${machine.date.slice(0, 10)}${quick ? " (quick: short spans, no claims)" : ""}`,
    machineLine(machine),
    ...(sends.length === 0 ? [] : [sendPage(sends)]),
    ...(idle.length === 0 ? [] : [idlePage(idle)]),
  ].join("\n\n");
  console.log(page);
  const path = new URL(`../results/${machine.date.slice(0, 10)}-cluster${quick ? "-quick" : ""}`, import.meta.url);
  await saveResult(fileURLToPath(path), { quick, machine, rounds, sends, idle }, page);
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** First with leaders on all brokers, which are all called; then one leads all and is called. One broker takes turns with both. */
async function runSends(): Promise<readonly SendRow[]> {
  await using one = await DevServer.start({ dataFolder: join(folder, "one"), readyWithinMs: 60_000 });
  await using cluster = await ProcessCluster.start({ ...size, shards: 24, parent: folder });
  await one.cli("topic", "create", topic);
  await cluster.tools.cli("topic", "create", topic, "--queues", "24");
  await cluster.tools.untilEven();
  const alone = { called: [{ address: { host: one.host, port: one.grpcPort }, pid: one.pid }], others: [] };
  const spread = await inTurns([
    ["one broker", alone],
    ["three, all lead", processesOf(cluster.brokers, [])],
  ]);
  const [first, ...rest] = cluster.brokers;
  if (first === undefined) throw new Error("no broker");
  for (const { host } of rest)
    await cluster.tools.cli("broker", "transfer-leaders", String(await cluster.tools.idAt(host)));
  const id = await cluster.tools.idAt(first.host);
  await cluster.tools.until("one broker leads all", async () => (await cluster.tools.ledBy(id)).length === 24);
  const led = await inTurns([
    ["one broker, again", alone],
    ["three, one leads", processesOf([first], rest)],
  ]);
  await cluster.stop();
  return [...spread, ...led];
}

function processesOf(called: readonly Placed[], others: readonly Placed[]): BrokerProcesses {
  const addressed = called.map((placed) => ({
    address: { host: placed.host, port: clusterPorts.client },
    pid: pidOf(placed),
  }));
  return { called: addressed, others: others.map(pidOf) };
}

async function inTurns(contestants: readonly (readonly [who: string, BrokerProcesses])[]): Promise<readonly SendRow[]> {
  const rows: SendRow[] = [];
  for (const inFlight of allInFlight) {
    const measured = contestants.map((): ClusterFigures[] => []);
    for (let round = 1; round <= rounds; round += 1) {
      for (const [at, [who, processes]] of contestants.entries()) {
        console.error(`${who}, ${inFlight} in flight, round ${round}`);
        const workload = { topic, bodyBytes, batch: 1, connections: 4, inFlight };
        measured[at]?.push(await measureClusterSend(processes, workload, loadSpan));
      }
    }
    for (const [at, [who]] of contestants.entries()) rows.push({ who, inFlight, figures: medians(measured[at] ?? []) });
  }
  return rows;
}

/** Each figure's median by itself; failures of all rounds. */
function medians(runs: readonly ClusterFigures[]): ClusterFigures {
  const of = (name: keyof ClusterFigures): unknown => {
    const all = runs.map((run) => run[name]);
    if (name === "failures") return Object.assign({}, ...all) as unknown;
    if (name === "clientBound") return all.some(Boolean);
    return (all as number[]).toSorted((a, b) => a - b)[Math.floor(all.length / 2)];
  };
  const names = Object.keys(runs[0] ?? {}) as (keyof ClusterFigures)[];
  return Object.fromEntries(names.map((name) => [name, of(name)])) as unknown as ClusterFigures;
}

async function runIdle(): Promise<readonly IdleCluster[]> {
  const results: IdleCluster[] = [];
  for (const shards of [24, 96]) {
    console.error(`idle, ${shards} shards`);
    await using cluster = await ProcessCluster.start({ ...size, shards, parent: folder });
    results.push(await measureIdleCluster(cluster, shards, idleSpan));
    await cluster.stop();
  }
  return results;
}

function sendPage(rows: readonly SendRow[]): string {
  const head = ["in flight", "who", "msg/s", "p50 ms", "p99 ms", "CPU s/M of the called", "of each follower", "client"];
  const cells = rows.map(({ who, inFlight, figures }) => [
    String(inFlight),
    who,
    Math.round(figures.messagesPerSecond).toLocaleString("en") + (figures.clientBound ? " (client-bound)" : ""),
    figures.p50Ms.toFixed(2),
    figures.p99Ms.toFixed(2),
    figures.calledCpuPerMillion.toFixed(1),
    known(figures.otherCpuPerMillion, 1),
    figures.clientCpuPerMillion.toFixed(1),
    failuresOf(figures),
  ]);
  const note =
    "Three brokers share the machine's cores, and each message is stored three times; where all lead, each is called and follows.";
  return `## SendMessage, ${bodyBytes} bytes, medians of ${rounds}\n\n${table([...head, "not OK"], cells)}\n\n${note}`;
}

function failuresOf({ failures }: ClusterFigures): string {
  return (
    Object.entries(failures)
      .map(([reason, count]) => `${count} × ${reason}`)
      .join(", ") || "none"
  );
}

function idlePage(rows: readonly IdleCluster[]): string {
  const head = [
    "shards",
    "CPU % of a core, a broker",
    "worst broker",
    "a name server",
    "bytes/s, the disk",
    "log writes/s",
  ];
  const cells = rows.map((row) => [
    String(row.shards),
    row.brokerCpuPercent.toFixed(2),
    row.worstBrokerCpuPercent.toFixed(2),
    row.nameServerCpuPercent.toFixed(2),
    Math.round(row.diskBytesPerSecond).toLocaleString("en"),
    known(row.brokerWritesPerSecond, 1),
  ]);
  return `## Nobody calls: three brokers, three name servers\n\n${table(head, cells)}`;
}

function known(value: number, digits: number): string {
  return Number.isNaN(value) ? "-" : value.toFixed(digits);
}
