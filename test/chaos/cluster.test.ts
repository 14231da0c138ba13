import { expect, test } from "@jest/globals";
import { chaosSuite, keepResult, nightly, repeatOf, seed } from "../support/chaos-suite.ts";
import { textOf } from "../support/check/report.ts";
import { whyNoNamespace } from "../support/network/namespace.ts";
import { findNft } from "../support/network/nft-binary.ts";
import type * as program from "./cluster.program.ts";

// Three brokers and three name servers of which one dies or sleeps, or whose network fails. Whatever it is, nothing that was acknowledged is lost, and
// sends go on wherever a majority is left. `one-broker.test.ts` has the control that turns the same checker red.

const options = {
  seed,
  repeat: repeatOf("cluster"),
  lastsMs: 4_000,
  times: nightly ? 12 : 1,
};
const patienceMs = 400_000 + 30_000 * options.times;
const programUrl = new URL("./cluster.program.ts", import.meta.url);

const nft = await findNft();
const missing = whyNoNamespace() ?? (typeof nft === "string" ? nft : undefined);

type Fault = Exclude<keyof typeof program, "default">;

const faults: readonly {
  readonly fault: Fault;
  readonly takesPackets: boolean;
  /** Whether sends go on meanwhile. */
  readonly letsThrough: boolean;
  /** Others run nightly. */
  readonly always: boolean;
  /** What some client must have been told. */
  readonly says?: RegExp;
}[] = [
  { fault: "brokersKilled", takesPackets: false, letsThrough: true, always: true },
  { fault: "brokersSuspended", takesPackets: false, letsThrough: true, always: true },
  { fault: "brokersCutOff", takesPackets: true, letsThrough: true, always: true },
  { fault: "brokersMuted", takesPackets: true, letsThrough: true, always: false },
  { fault: "brokersIsolated", takesPackets: true, letsThrough: true, always: false },
  { fault: "brokersBridged", takesPackets: true, letsThrough: true, always: true },
  { fault: "majorityLost", takesPackets: true, letsThrough: false, always: true },
  { fault: "packetsLost", takesPackets: true, letsThrough: true, always: false },
  { fault: "diskFull", takesPackets: false, letsThrough: true, always: false, says: /disk of this broker is full/ },
  { fault: "nameServersKilled", takesPackets: false, letsThrough: true, always: true },
  { fault: "nameServersCutOff", takesPackets: true, letsThrough: true, always: false },
  { fault: "nameServersApart", takesPackets: true, letsThrough: true, always: false },
];

chaosSuite<typeof program>(
  { name: "a cluster loses nothing that was acknowledged, and goes on", program: programUrl, patienceMs, missing },
  (namespace) => {
    test.each(nightly ? faults : faults.filter(({ always }) => always))(
      "$fault",
      async ({ fault, takesPackets, letsThrough, says = /^/ }) => {
        const { report, acknowledged, taken } = await namespace.call(fault, options);
        await keepResult({ ...report, acknowledged, taken });
        expect(report.passed ? "" : textOf(report)).toBe("");
        expect(acknowledged.before).toBeGreaterThan(50);
        if (letsThrough) expect(acknowledged.during).toBeGreaterThan(50);
        else expect(acknowledged.during).toBe(0);
        expect(acknowledged.after).toBeGreaterThan(50);
        expect(Object.keys(report.reasons).some((reason) => says.test(reason)) ? "" : textOf(report)).toBe("");
        expect({ takesPackets: taken > 0 }).toEqual({ takesPackets });
      },
      patienceMs,
    );
  },
);
