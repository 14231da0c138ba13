import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { saveReport, textOf } from "../support/check/report.ts";
import { Namespace, whyNoNamespace } from "../support/network/namespace.ts";
import { findNft } from "../support/network/nft-binary.ts";
import type * as program from "./cluster.program.ts";

// Three brokers and three name servers of which one dies or sleeps, or whose network fails. Whatever it is, nothing that was acknowledged is lost, and
// sends go on wherever a majority is left. `one-broker.test.ts` has the control that turns the same checker red.

const nightly = process.env["SATURNMQ_NIGHTLY"] === "1";
const seed = Number(process.env["CHAOS_SEED"] ?? Date.now() % 1_000_000);
const options = {
  seed,
  repeat: `CHAOS_SEED=${seed} make chaos ARGS=chaos/cluster`,
  lastsMs: 4_000,
  times: nightly ? 12 : 1,
};
const patienceMs = 400_000 + 30_000 * options.times;
const path = fileURLToPath(new URL("./cluster.program.ts", import.meta.url));
const results = fileURLToPath(new URL("./results/", import.meta.url));

const nft = await findNft();
const missing = whyNoNamespace() ?? (typeof nft === "string" ? nft : undefined);
const name = `a cluster loses nothing that was acknowledged, and goes on (CHAOS_SEED=${seed})`;

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

if (missing !== undefined) test.skip(`${name} (skipped: ${missing})`, () => undefined);
else
  describe(name, () => {
    let namespace: Namespace<typeof program>;
    beforeAll(async () => {
      namespace = await Namespace.open<typeof program>(path);
    }, patienceMs);
    afterAll(() => namespace[Symbol.asyncDispose]());

    test.each(nightly ? faults : faults.filter(({ always }) => always))(
      "$fault",
      async ({ fault, takesPackets, letsThrough, says = /^/ }) => {
        const { report, acknowledged, taken } = await namespace.call(fault, options);
        if (nightly) await saveReport(results, { ...report, acknowledged, taken });
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
  });
