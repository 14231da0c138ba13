import { expect, test } from "@jest/globals";
import { SeededRandom } from "@saturnmq/kit";
import type { BrokerInfo, ClusterView } from "@saturnmq/wire";
import { letsGo } from "./fair-share.ts";

type State = BrokerInfo["state"];

/** Brokers 1, 2, ... in these states. */
function view(...states: State[]): ClusterView {
  const brokers = states.map((state, at) => [at + 1, { id: at + 1, state, draining: state === "draining" }] as const);
  return { brokers: new Map(brokers) } as unknown as ClusterView;
}

test.each<{ what: string; before: State[] | undefined; now: State[]; goes: boolean }>([
  { what: "nothing was known before", before: undefined, now: ["up", "up"], goes: false },
  { what: "nothing changed", before: ["up", "up"], now: ["up", "up"], goes: false },
  { what: "one came to three", before: ["up", "up", "up"], now: ["up", "up", "up", "up"], goes: true },
  { what: "three came to three", before: ["up", "up", "up"], now: Array<State>(6).fill("up"), goes: true },
  { what: "one is back", before: ["up", "down"], now: ["up", "up"], goes: true },
  { what: "one went", before: ["up", "up"], now: ["up", "down"], goes: false },
  { what: "another is drained", before: ["up", "up"], now: ["up", "draining"], goes: false },
  { what: "this one is drained", before: ["up", "up"], now: ["draining", "up"], goes: true },
  { what: "this one was drained before", before: ["draining", "up"], now: ["draining", "up", "up"], goes: false },
])("whether broker 1 lets its connections go when $what: $goes", ({ before, now, goes }) => {
  expect(letsGo(before && view(...before), view(...now), 1)).toBe(goes);
});

// Method: three brokers become six, one each 10 s, as an HPA has them come. Each lets go as the rule says, evenly over 30 s, and what goes comes to any broker
// by chance, as behind a Service.
test("each of three brokers that come one after the other has 8 % of 200 connections within a minute", () => {
  const [connections, seeds, overSeconds] = [200, 50, 30];
  const least = Array.from({ length: seeds }, (_, seed) => {
    const random = new SeededRandom(seed + 1);
    const goesAt = Array.from({ length: connections }, () => Number.POSITIVE_INFINITY);
    const brokerOf = goesAt.map(() => 1 + random.below(3));
    let now = view("up", "up", "up");
    for (let second = 0; second < 90; second += 1) {
      const before = now;
      if (second % 10 === 0 && now.brokers.size < 6) now = view(...Array<State>(before.brokers.size + 1).fill("up"));
      for (const broker of now.brokers.keys()) {
        const its = brokerOf.flatMap((one, at) => (one === broker ? [at] : []));
        if (before !== now && letsGo(before, now, broker))
          for (const [nth, at] of its.entries())
            goesAt[at] = Math.min(goesAt[at] ?? 0, second + (overSeconds * (nth + 1)) / its.length);
        for (const at of its.filter((one) => (goesAt[one] ?? 0) <= second)) {
          brokerOf[at] = 1 + random.below(now.brokers.size);
          goesAt[at] = Number.POSITIVE_INFINITY;
        }
      }
    }
    return Math.min(...[4, 5, 6].map((broker) => brokerOf.filter((one) => one === broker).length / connections));
  });
  expect(Math.min(...least)).toBeGreaterThanOrEqual(0.08);
});
