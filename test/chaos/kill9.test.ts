import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import { machineFacts } from "@saturnmq/bench";
import { type Kill9Report, runKill9 } from "./kill9.ts";

const nightly = process.env["SATURNMQ_NIGHTLY"] === "1";
const rounds = Number(process.env["KILL9_ROUNDS"] ?? (nightly ? 50 : 5));
const seed = Number(process.env["KILL9_SEED"] ?? Date.now() % 1_000_000);
const patienceMs = 60_000 + 8_000 * rounds;

test(
  `nothing acknowledged is lost by ${rounds} kills, and nothing acked comes again (KILL9_SEED=${seed})`,
  async () => {
    const startedAt = performance.now();
    const report = await runKill9({ rounds, seed });
    if (nightly) await save(report, Math.round((performance.now() - startedAt) / 1_000));
    expect(report.anomalies.slice(0, 20)).toEqual([]);
    expect(report.brokenAcks.slice(0, 20)).toEqual([]);
    // The run did reach what it claims to check.
    expect(report.acknowledged).toBeGreaterThan(30 * rounds);
    expect(report.acked).toBeGreaterThan(5 * rounds);
    expect(report.refused).toBeGreaterThan(rounds);
  },
  patienceMs,
);

/** Keeps the result of a long run with its date and machine in `results`. */
async function save(report: Kill9Report, seconds: number): Promise<void> {
  const machine = machineFacts(process.cwd());
  const folder = fileURLToPath(new URL("./results/", import.meta.url));
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${machine.date.slice(0, 10)}-kill9.json`);
  await writeFile(path, `${JSON.stringify({ machine, seconds, ...report }, undefined, 2)}\n`);
}
