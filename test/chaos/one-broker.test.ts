import { expect, test } from "@jest/globals";
import { chaosSuite, keepResult, nightly, repeatOf, seed } from "../support/chaos-suite.ts";
import { textOf } from "../support/check/report.ts";
import { failoverTable } from "../support/load/failover-meter.ts";
import { whyNoNamespace } from "../support/network/namespace.ts";
import { findNft } from "../support/network/nft-binary.ts";
import type * as program from "./one-broker.program.ts";

// One broker behind a network that fails. Each fault is its own control: sends are acknowledged before it and after it, and during it as many as it
// should let through; a run that loses its disk must turn the checker red.

const options = {
  seed,
  repeat: repeatOf("one-broker"),
  lastsMs: nightly ? 5_000 : 1_200,
  times: nightly ? 12 : 1,
};
const patienceMs = 400_000 + 15_000 * options.times;
const programUrl = new URL("./one-broker.program.ts", import.meta.url);

const nft = await findNft();
const missing = whyNoNamespace() ?? (typeof nft === "string" ? nft : undefined);

type Faults = "clientsCutOff" | "answersLost" | "requestsLost" | "connectionsReset" | "packetsLost" | "suspended";

const faults: readonly {
  readonly fault: Faults;
  readonly letsThrough: boolean;
  readonly takesPackets: boolean;
  /** Others run nightly. */
  readonly always: boolean;
}[] = [
  { fault: "clientsCutOff", letsThrough: false, takesPackets: true, always: true },
  { fault: "answersLost", letsThrough: false, takesPackets: true, always: true },
  { fault: "requestsLost", letsThrough: false, takesPackets: true, always: false },
  { fault: "connectionsReset", letsThrough: false, takesPackets: true, always: false },
  { fault: "packetsLost", letsThrough: true, takesPackets: true, always: true },
  { fault: "suspended", letsThrough: false, takesPackets: false, always: true },
];

chaosSuite<typeof program>(
  { name: "one broker loses nothing that was acknowledged", program: programUrl, patienceMs, missing },
  (namespace) => {
    test.each(nightly ? faults : faults.filter(({ always }) => always))(
      "$fault",
      async ({ fault, letsThrough, takesPackets }) => {
        const { report, acknowledged, taken } = await namespace.call(fault, options);
        await keepResult({ ...report, acknowledged, taken });
        expect(report.passed ? "" : textOf(report)).toBe("");
        expect(acknowledged.before).toBeGreaterThan(50);
        expect(acknowledged.after).toBeGreaterThan(50);
        expect({ letsThrough: acknowledged.during > 0 }).toEqual({ letsThrough });
        expect({ takesPackets: taken > 0 }).toEqual({ takesPackets });
      },
      patienceMs,
    );

    test(
      "killedInMidSend: what was in flight has no answer, and every shard takes sends again",
      async () => {
        const given = { ...options, lastsMs: 500, times: Number(process.env["CHAOS_KILLS"] ?? (nightly ? 30 : 3)) };
        const { report, acknowledged, kills, failovers } = await namespace.call("killedInMidSend", given);
        await keepResult({ ...report, acknowledged, failovers });
        if (nightly) process.stdout.write(`${textOf(report)}\n${failoverTable(failovers, kills)}\n`);
        expect(report.passed ? "" : textOf(report)).toBe("");
        expect(report.sends.info).toBeGreaterThanOrEqual(given.times);
        expect(Object.keys(report.timesDelivered).toSorted()).toEqual(["during", "official"]);
        expect(failovers).toHaveLength(3 * given.times);
        for (const { ms } of failovers) expect(ms).toBeGreaterThan(given.lastsMs);
      },
      patienceMs,
    );

    test(
      "robbedOfItsDisk: the checker says what is lost",
      async () => {
        const { report, acknowledged } = await namespace.call("robbedOfItsDisk", options);
        expect(acknowledged.before).toBeGreaterThan(50);
        const lost = (report.anomalies["lostWrite"]?.count ?? 0) + (report.anomalies["unseen"]?.count ?? 0);
        expect(lost).toBeGreaterThan(50);
        expect(textOf(report)).toMatch(/robbed of its disk: ANOMALIES.*repeat: CHAOS_SEED/s);
      },
      patienceMs,
    );
  },
);
