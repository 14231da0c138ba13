/*
 * Unary echo of 1 KiB on one connection: our transport beside grpc-js, each in a process of its own, the same generator in this one. Pairs are
 * interleaved; the median of each figure is printed as a table.
 *
 *   scripts/node packages/h2/src/testing/echo-bench.ts [pairs] [milliseconds]
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { fileURLToPath } from "node:url";
import { assert } from "@saturnmq/kit";
import { EchoLoad, type LoadResult } from "./echo-load.ts";

const kinds = ["h2", "h2-plain", "grpc-js"] as const;
const inFlights = [1, 64, 200];
const bodyBytes = 1_024;
const warmUpMs = 2_000;
/** Clock ticks of /proc a second. */
const ticksPerSecond = 100;

type Run = LoadResult & { readonly cpuPerMillion: number };

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

async function run(kind: string, inFlight: number, ms: number): Promise<Run> {
  const child = fork(fileURLToPath(new URL("echo-server.ts", import.meta.url)), [kind]);
  const [port] = (await once(child, "message")) as [number];
  const load = await EchoLoad.open(port, inFlight, bodyBytes);
  await load.measure(warmUpMs);
  const pid = child.pid ?? 0;
  const before = cpuSeconds(pid);
  const result = await load.measure(ms);
  const cpu = cpuSeconds(pid) - before;
  await load.close();
  assert(Math.abs(load.dataBytesPerCall - bodyBytes - 5) < 1, "replies are not what was sent");
  child.disconnect();
  await once(child, "exit");
  return { ...result, cpuPerMillion: (cpu / result.calls) * 1e6 };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const pairs = Number(process.argv[2] ?? 7);
const ms = Number(process.argv[3] ?? 3_000);
say(
  `${cpus().length} x ${cpus()[0]?.model ?? "?"}, Linux ${release()}, Node ${process.version}, ${pairs} rounds of ${ms} ms`,
);
say("| in flight | transport | calls/s | p50 µs | p99 µs | server CPU s/M |\n|---|---|---|---|---|---|");
for (const inFlight of inFlights) {
  const runs = new Map<string, Run[]>(kinds.map((kind) => [kind, []]));
  for (let pair = 0; pair < pairs; pair += 1) {
    for (const kind of pair % 2 === 0 ? kinds : [...kinds].reverse())
      runs.get(kind)?.push(await run(kind, inFlight, ms));
  }
  for (const [kind, all] of runs) {
    const middle = (figure: (each: Run) => number): number => median(all.map(figure));
    const figures = [middle((r) => r.perSecond), middle((r) => r.p50Us), middle((r) => r.p99Us)].map(Math.round);
    const cpu = middle((r) => r.cpuPerMillion).toFixed(2);
    say(`| ${inFlight} | ${kind} | ${figures.map((n) => n.toLocaleString("en")).join(" | ")} | ${cpu} |`);
  }
}
