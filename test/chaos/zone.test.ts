import { expect, test } from "@jest/globals";
import { chaosSuite, keepResult, nightly, repeatOf, seed } from "../support/chaos-suite.ts";
import { textOf } from "../support/check/report.ts";
import { failoverTable } from "../support/load/failover-meter.ts";
import type * as program from "./zone.program.ts";

// A third of the brokers and a name server die at once: sends go on within 2 s, and while what came back catches up, sends take at most twice as long as
// before. Times are held to that in the long form, which runs alone: `SATURNMQ_NIGHTLY=1 make chaos ARGS=chaos/zone`.

const options = {
  seed,
  repeat: repeatOf("zone"),
  lastsMs: nightly ? 60_000 : 5_000,
  times: 1,
};
const patienceMs = 600_000;
const worstAllowedMs = nightly ? 2_000 : 20_000;
const programUrl = new URL("./zone.program.ts", import.meta.url);

chaosSuite<typeof program>({ name: "a zone dies", program: programUrl, patienceMs }, (namespace) => {
  test(
    "zoneKilled: sends go on, and what came back catches up without holding them up",
    async () => {
      const { report, acknowledged, failovers, kills, ...times } = await namespace.call("zoneKilled", options);
      const told = `${failoverTable(failovers, kills)}\n${JSON.stringify(times)}`;
      await keepResult({ ...report, acknowledged, failovers, ...times });
      if (nightly) process.stdout.write(`${report.name}\n${told}\n`);
      expect(report.passed ? "" : textOf(report)).toBe("");
      expect(acknowledged.before).toBeGreaterThan(50);
      expect(acknowledged.during).toBeGreaterThan(500);
      expect(acknowledged.after).toBeGreaterThan(50);
      expect(failovers.length).toBeGreaterThanOrEqual(7);
      expect(failovers.filter(({ ms }) => ms === undefined)).toEqual([]);
      const worst = Math.max(...failovers.map(({ ms }) => ms ?? Number.NaN));
      expect(worst <= worstAllowedMs ? "" : told).toBe("");
      if (!nightly) return;
      const { before, catchingUp } = times.sendMs;
      expect((catchingUp?.p99 ?? Infinity) <= 2 * (before?.p99 ?? 0) ? "" : told).toBe("");
    },
    patienceMs,
  );
});
