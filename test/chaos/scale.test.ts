import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { saveReport, textOf } from "../support/check/report.ts";
import { Namespace, whyNoNamespace } from "../support/network/namespace.ts";
import type * as program from "./scale.program.ts";

// Brokers join a cluster under load and others are drained, three each in the long form, one each in the short one; then one loses its disk.

const nightly = process.env["SATURNMQ_NIGHTLY"] === "1";
const seed = Number(process.env["CHAOS_SEED"] ?? Date.now() % 1_000_000);
const options = {
  seed,
  repeat: `CHAOS_SEED=${seed} make chaos ARGS=chaos/scale`,
  by: nightly ? 3 : 1,
  countedMs: nightly ? 60_000 : 3_000,
};
const patienceMs = 900_000;
const path = fileURLToPath(new URL("./scale.program.ts", import.meta.url));
const results = fileURLToPath(new URL("./results/", import.meta.url));

const missing = whyNoNamespace();
const name = `a cluster grows and shrinks under load (CHAOS_SEED=${seed})`;

if (missing !== undefined) test.skip(`${name} (skipped: ${missing})`, () => undefined);
else
  describe(name, () => {
    let namespace: Namespace<typeof program>;
    beforeAll(async () => {
      namespace = await Namespace.open<typeof program>(path);
    }, patienceMs);
    afterAll(() => namespace[Symbol.asyncDispose]());

    test(
      `scaled: 3 brokers, ${3 + options.by}, and 3 again`,
      async () => {
        const { report, acknowledged, ...scaling } = await namespace.call("scaled", options);
        if (nightly) await saveReport(results, { ...report, acknowledged, ...scaling });
        if (nightly) process.stdout.write(`${textOf(report)}\n${JSON.stringify(scaling)}\n`);
        const { leads, wiped, shares, officialFailures } = scaling;
        expect(report.passed ? "" : textOf(report)).toBe("");
        expect(acknowledged.before).toBeGreaterThan(500);
        expect(officialFailures === 0 ? "" : textOf(report)).toBe("");
        expect(leads.grown).toHaveLength(3 + options.by);
        expect(leads.shrunk).toHaveLength(3);
        for (const these of [leads.grown, leads.shrunk])
          expect(Math.max(...these) - Math.min(...these)).toBeLessThanOrEqual(1);
        expect(wiped.after).toBeGreaterThan(wiped.before);
        expect(wiped.replicas).toBe(24);
        expect(shares).toHaveLength(3 + options.by);
        // Connections move as the cluster balances them, which takes longer than the short form.
        if (nightly) expect(Math.min(...shares.slice(3))).toBeGreaterThanOrEqual(8);
      },
      patienceMs,
    );
  });
