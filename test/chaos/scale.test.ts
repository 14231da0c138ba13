import { expect, test } from "@jest/globals";
import { chaosSuite, keepResult, nightly, repeatOf, seed } from "../support/chaos-suite.ts";
import { textOf } from "../support/check/report.ts";
import type * as program from "./scale.program.ts";

// Brokers join a cluster under load and others are drained, three each in the long form, one each in the short one; then one loses its disk.

const options = {
  seed,
  repeat: repeatOf("scale"),
  by: nightly ? 3 : 1,
  countedMs: nightly ? 60_000 : 3_000,
};
const patienceMs = 900_000;
const programUrl = new URL("./scale.program.ts", import.meta.url);

chaosSuite<typeof program>(
  { name: "a cluster grows and shrinks under load", program: programUrl, patienceMs },
  (namespace) => {
    test(
      `scaled: 3 brokers, ${3 + options.by}, and 3 again`,
      async () => {
        const { report, acknowledged, ...scaling } = await namespace.call("scaled", options);
        await keepResult({ ...report, acknowledged, ...scaling });
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
  },
);
