import { expect, test } from "@jest/globals";
import { runKill9 } from "./kill9.ts";

const rounds = Number(process.env["KILL9_ROUNDS"] ?? 5);
const seed = Number(process.env["KILL9_SEED"] ?? Date.now() % 1_000_000);
const patienceMs = 60_000 + 8_000 * rounds;

test(
  `nothing acknowledged is lost by ${rounds} kills, and nothing acked comes again (KILL9_SEED=${seed})`,
  async () => {
    const report = await runKill9({ rounds, seed });
    expect(report.anomalies).toEqual([]);
    expect(report.brokenAcks).toEqual([]);
    // The run did reach what it claims to check.
    expect(report.acknowledged).toBeGreaterThan(100 * rounds);
    expect(report.acked).toBeGreaterThan(10 * rounds);
    expect(report.sends).toBeGreaterThan(report.acknowledged);
  },
  patienceMs,
);
