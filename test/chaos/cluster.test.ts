import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { saveReport, textOf } from "../support/check/report.ts";
import { Namespace, whyNoNamespace } from "../support/network/namespace.ts";
import { findNft } from "../support/network/nft-binary.ts";
import type * as program from "./cluster.program.ts";

// Three brokers and three name servers of which one at a time dies, sleeps or is cut off. Whatever it is, sends go on, and nothing that was
// acknowledged is lost. `one-broker.test.ts` has the control that turns the same checker red.

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

const faults: readonly { readonly fault: Fault; readonly takesPackets: boolean; readonly always: boolean }[] = [
  { fault: "brokersKilled", takesPackets: false, always: true },
  { fault: "brokersSuspended", takesPackets: false, always: true },
  { fault: "brokersCutOff", takesPackets: true, always: true },
  { fault: "brokersMuted", takesPackets: true, always: false },
  { fault: "nameServersKilled", takesPackets: false, always: true },
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
      async ({ fault, takesPackets }) => {
        const { report, acknowledged, taken } = await namespace.call(fault, options);
        if (nightly) await saveReport(results, { ...report, acknowledged, taken });
        expect(report.passed ? "" : textOf(report)).toBe("");
        expect(acknowledged.before).toBeGreaterThan(50);
        expect(acknowledged.during).toBeGreaterThan(50);
        expect(acknowledged.after).toBeGreaterThan(50);
        expect({ takesPackets: taken > 0 }).toEqual({ takesPackets });
      },
      patienceMs,
    );
  });
