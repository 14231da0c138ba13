import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import { saveReport, textOf } from "../support/check/report.ts";
import { runKill9 } from "./kill9.ts";

/** Long runs are kept with their date and machine. */
const results = fileURLToPath(new URL("./results/", import.meta.url));
const nightly = process.env["SATURNMQ_NIGHTLY"] === "1";
const rounds = Number(process.env["KILL9_ROUNDS"] ?? (nightly ? 50 : 5));
const seed = Number(process.env["KILL9_SEED"] ?? Date.now() % 1_000_000);
const patienceMs = 60_000 + 8_000 * rounds;

test(
  `nothing acknowledged is lost by ${rounds} kills, and nothing acked comes again (KILL9_SEED=${seed})`,
  async () => {
    const report = await runKill9({ rounds, seed });
    if (nightly) await saveReport(results, report);
    // The text, not the numbers: a failure shows what there is to know.
    expect(report.passed ? "" : textOf(report)).toBe("");
    // The run did reach what it claims to check.
    expect(report.sends.ok).toBeGreaterThan(30 * rounds);
    expect(report.acked).toBeGreaterThan(5 * rounds);
    expect(report.sends.fail).toBeGreaterThan(rounds);
  },
  patienceMs,
);
