import { expect, test } from "@jest/globals";
import { chaosSuite, keepResult, nightly, repeatOf, seed } from "../support/chaos-suite.ts";
import { textOf } from "../support/check/report.ts";
import type * as program from "./ten-minutes.program.ts";

// A random broker or name server is killed every 20 s and started again after 5 s, for ten minutes, never two down at once; the official Node client and
// our own produce and consume in message groups. The short form does the same for less than a minute.

const repeat = repeatOf("ten-minutes");
const options = nightly
  ? { seed, repeat, runMs: 600_000, everyMs: 20_000, lastsMs: 5_000 }
  : { seed, repeat, runMs: 20_000, everyMs: 7_000, lastsMs: 2_000 };
const patienceMs = 600_000 + 3 * options.runMs;
const programUrl = new URL("./ten-minutes.program.ts", import.meta.url);

chaosSuite<typeof program>(
  { name: "members die one after the other", program: programUrl, patienceMs },
  (namespace) => {
    test(
      "membersKilled: nothing acknowledged is lost, nothing acked comes again, message groups keep their order",
      async () => {
        const { report, acknowledged, kills, mostAtOnce } = await namespace.call("membersKilled", options);
        await keepResult({ ...report, acknowledged, kills, mostAtOnce });
        if (nightly) process.stdout.write(`${kills} kills\n${textOf(report)}\n`);
        expect(report.passed ? "" : textOf(report)).toBe("");
        expect(kills).toBe(Math.floor((options.runMs - options.lastsMs) / options.everyMs));
        expect(mostAtOnce).toBe(1);
        expect(acknowledged.before).toBeGreaterThan(50);
        expect(acknowledged.during).toBeGreaterThan(50 * kills);
        expect(acknowledged.after).toBeGreaterThan(50);
        expect(Object.keys(report.timesDelivered).toSorted()).toEqual(["during", "official"]);
      },
      patienceMs,
    );

    test(
      "orderNotAskedFor: the checker says that order is not kept",
      async () => {
        const { report } = await namespace.call("orderNotAskedFor", { ...options, runMs: 5_000 });
        expect(Object.keys(report.anomalies)).toEqual(["groupOrder"]);
      },
      patienceMs,
    );
  },
);
