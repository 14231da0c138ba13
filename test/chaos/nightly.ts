import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { machineFacts } from "@saturnmq/bench";
import { runKill9 } from "./kill9.ts";

// The long form of the chaos tests: `make nightly`. Prints every round, writes the result with date and machine beside this file.

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: process.env["KILL9_ROUNDS"] ?? "50" },
    seed: { type: "string", default: process.env["KILL9_SEED"] ?? String(Date.now() % 1_000_000) },
  },
});
const folder = fileURLToPath(new URL("./results/", import.meta.url));
const rounds = Number(values.rounds);
const seed = Number(values.seed);

console.log(`kill9: ${rounds} rounds, KILL9_SEED=${seed}`);
const startedAt = performance.now();
const report = await runKill9({ rounds, seed, log: console.log });
const machine = machineFacts(process.cwd());
const seconds = Math.round((performance.now() - startedAt) / 1_000);
await mkdir(folder, { recursive: true });
const path = join(folder, `${machine.date.slice(0, 10)}-kill9.json`);
await writeFile(path, `${JSON.stringify({ machine, seconds, ...report }, undefined, 2)}\n`);
const bad = report.anomalies.length + report.brokenAcks.length;
console.log(
  `${report.acknowledged} acknowledged, ${report.read} read back, ${report.acked} acked, ${bad} anomalies; written to ${path}`,
);
for (const { kind, detail } of report.anomalies.slice(0, 20)) console.log(`  ${kind}: ${detail}`);
for (const broken of report.brokenAcks.slice(0, 20)) console.log(`  acked and came again: ${broken}`);
process.exitCode = bad === 0 ? 0 : 1;
