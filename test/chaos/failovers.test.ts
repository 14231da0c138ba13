import { expect, test } from "@jest/globals";
import { chaosSuite, keepResult, nightly, repeatOf, seed } from "../support/chaos-suite.ts";
import { textOf } from "../support/check/report.ts";
import { failoverTable } from "../support/load/failover-meter.ts";
import type * as program from "./failovers.program.ts";

// How long a shard takes no sends when its leader dies, asked for is 2 s at most; that name servers die unnoticed; that a leader which stood still says
// nothing wrong when it wakes. The bound on time holds for the long form, which runs alone: `SATURNMQ_NIGHTLY=1 make chaos ARGS=chaos/failovers`.

const worstAllowedMs = nightly ? 2_000 : 20_000;
const options = {
  seed,
  repeat: repeatOf("failovers"),
  lastsMs: 4_000,
  times: Number(process.env["CHAOS_KILLS"] ?? (nightly ? 30 : 1)),
};
const patienceMs = 400_000 + 60_000 * options.times;
const programUrl = new URL("./failovers.program.ts", import.meta.url);

chaosSuite<typeof program>(
  { name: "a dead or sleeping leader is replaced within 2 s", program: programUrl, patienceMs },
  (namespace) => {
    test.each(["brokersKilled", ...(nightly ? (["brokersKilledBehindDev"] as const) : [])] as const)(
      "%s: every shard that the dead broker led takes sends again",
      async (fault) => {
        const { report, acknowledged, kills, failovers } = await namespace.call(fault, options);
        const table = failoverTable(failovers, kills);
        await keepResult({ ...report, acknowledged, failovers });
        if (nightly) process.stdout.write(`${report.name}\n${table}\n`);
        expect(report.passed ? "" : textOf(report)).toBe("");
        expect(kills).toHaveLength(options.times);
        for (const { shards } of kills) expect(shards.length).toBeGreaterThanOrEqual(7);
        expect(failovers.filter(({ ms }) => ms === undefined)).toEqual([]);
        // The shards were hit: whoever led them was gone.
        const times = failovers.map(({ ms }) => ms ?? Number.NaN);
        expect(times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]).toBeGreaterThan(200);
        expect(Math.max(...times) <= worstAllowedMs ? "" : table).toBe("");
      },
      patienceMs,
    );

    test(
      "nameServersKilled: sends do not notice",
      async () => {
        const result = await namespace.call("nameServersKilled", options);
        const { report, acknowledged, sends, calmWorstMs } = result;
        await keepResult({ ...report, acknowledged, openDuring: sends, calmWorstMs });
        if (nightly) process.stdout.write(`name servers killed: ${JSON.stringify({ sends, calmWorstMs })}\n`);
        expect(report.passed ? "" : textOf(report)).toBe("");
        expect(sends.ok).toBeGreaterThan(500);
        expect(sends.unknown === 0 ? "" : textOf(report)).toBe("");
        // A send that waited for an election would have taken longer.
        if (nightly) expect(sends.worstMs).toBeLessThan(Math.max(500, 2 * calmWorstMs));
      },
      patienceMs,
    );

    test(
      "leadersSuspended: what a leader says after it wakes is true",
      async () => {
        const { report, acknowledged, openAtWaking } = await namespace.call("leadersSuspended", options);
        await keepResult({ ...report, acknowledged, openAtWaking });
        if (nightly) process.stdout.write(`leaders suspended: ${JSON.stringify({ acknowledged, openAtWaking })}\n`);
        expect(report.passed ? "" : textOf(report)).toBe("");
        // The others took sends meanwhile, and some were in its own hands.
        expect(acknowledged.during).toBeGreaterThan(50);
        expect(openAtWaking.byNewLeader).toBeGreaterThan(0);
        expect(openAtWaking.byStoppedLeaderAfter).toBe(0);
      },
      patienceMs,
    );
  },
);
