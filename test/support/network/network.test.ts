import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type * as mesh from "./mesh.program.ts";
import { Namespace, whyNoNamespace } from "./namespace.ts";
import {
  allOneWayCuts,
  bridge,
  type Endpoint,
  isolate,
  lossy,
  majoritiesRing,
  type NetworkFault,
  reset,
  symmetric,
} from "./network-faults.ts";
import { findNft } from "./nft-binary.ts";

// Real packets of real connections. Each fault is its own control: everything arrives before and after it, so that what does not arrive meanwhile is
// its doing, and its rules have counted what they took.

const patienceMs = 60_000;
const brokers = ["a", "b", "c", "d", "e"];
const endpoints: readonly Endpoint[] = [
  ...brokers.map((name, at) => ({ name, host: `127.0.9.${at + 1}` })),
  { name: "nameserver", host: "127.0.9.201" },
  // Who binds no address dials from this one, and so do clients.
  { name: "client", host: "127.0.0.1" },
];
const everyEdge = symmetric(["nameserver"], ["client"])
  .concat(...endpoints.map(({ name }) => isolate(name, [...brokers, "nameserver", "client"])))
  .map(({ from, to }) => `${from}>${to}`);
const all = [...new Set(everyEdge)].toSorted();

const faults: readonly { readonly what: string; readonly fault: NetworkFault }[] = [
  { what: "symmetric partition", fault: symmetric(["a", "b"], ["c", "d", "e"]) },
  { what: "partial partition: two that do not hear each other", fault: symmetric(["a"], ["b"]) },
  { what: "one isolated from all", fault: isolate("c", [...brokers, "nameserver", "client"]) },
  { what: "bridge", fault: bridge(["a", "b"], "c", ["d", "e"]) },
  { what: "ring of majorities", fault: majoritiesRing(brokers) },
  { what: "client-side cut", fault: symmetric(["client"], ["a", "b"]) },
  { what: "name-server cut", fault: symmetric(["nameserver"], brokers) },
  ...allOneWayCuts(["a", "b", "c"]).map((fault) => ({
    what: `one-way cut ${fault.map(({ from, to }) => `${from} to ${to}`).join()}`,
    fault,
  })),
];

const nft = await findNft();
const missing = whyNoNamespace() ?? (typeof nft === "string" ? nft : undefined);

if (missing !== undefined) test.skip(`faults of a network (skipped: ${missing})`, () => undefined);
else
  describe("faults of a network", () => {
    let namespace: Namespace<typeof mesh>;

    beforeAll(async () => {
      namespace = await Namespace.open<typeof mesh>(fileURLToPath(new URL("./mesh.program.ts", import.meta.url)));
      expect(await namespace.call("build", endpoints)).toEqual(all);
    }, patienceMs);

    afterAll(() => namespace[Symbol.asyncDispose]());

    test.each(faults)(
      "$what: takes exactly what it names, and nothing once it is healed",
      async ({ fault }) => {
        const cut = new Set(fault.map(({ from, to }) => `${from}>${to}`));
        const seen = await namespace.call("observe", fault);
        expect(seen.before).toEqual(all);
        expect(seen.during).toEqual(all.filter((edge) => !cut.has(edge)));
        expect(seen.taken).toBeGreaterThanOrEqual(cut.size);
        expect(seen.after).toEqual(all);
      },
      patienceMs,
    );

    test.each([
      { what: "nothing", fault: [], there: [2_000, 2_000], back: [2_000, 2_000] },
      // Six standard deviations to each side.
      { what: "30 % one way", fault: lossy(["a"], ["b"], 30), there: [1_277, 1_523], back: [2_000, 2_000] },
      {
        what: "10 % both ways",
        fault: [...lossy(["a"], ["b"], 10), ...lossy(["b"], ["a"], 10)],
        there: [1_720, 1_880],
        back: [1_720, 1_880],
      },
      { what: "all of one way", fault: lossy(["a"], ["b"], 100), there: [0, 0], back: [2_000, 2_000] },
    ])(
      "loss of $what",
      async ({ fault, there, back }) => {
        const arrived = await namespace.call("countDatagrams", { fault, one: "a", other: "b", count: 2_000 });
        for (const [at, [least, most]] of [there, back].entries()) {
          expect(arrived[at]).toBeGreaterThanOrEqual(least ?? 0);
          expect(arrived[at]).toBeLessThanOrEqual(most ?? 0);
        }
      },
      patienceMs,
    );

    test(
      "a reset ends connections and refuses new ones until it is healed",
      async () => {
        const heard = await namespace.call("told", { fault: reset(["a"], ["b"]), from: "a", to: "b" });
        expect(heard).toEqual({ open: "ECONNRESET", fresh: "ECONNREFUSED", later: "connected" });
      },
      patienceMs,
    );
  });
