import { expect, test } from "@jest/globals";
import { SeededRandom } from "@saturnmq/kit";
import type { BrokerInfo, ClusterView } from "@saturnmq/wire";
import { letsGo, othersServing, surplusOf } from "./fair-share.ts";

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

test.each([
  { own: 20, others: [20, 20], surplus: 0 },
  { own: 21, others: [20, 19], surplus: 0 },
  { own: 30, others: [20, 10], surplus: 10 },
  { own: 5, others: [5, 4, 3, 2, 1], surplus: 1 },
  { own: 1, others: [0, 0, 0], surplus: 0 },
  { own: 0, others: [0], surplus: 0 },
  { own: 7, others: [], surplus: 0 },
])("of $own connections, beside $others, $surplus are above a fair share", ({ own, others, surplus }) => {
  expect(surplusOf(own, others)).toBe(surplus);
});

test("those that are down, drained or this one itself take no clients", () => {
  expect(othersServing(view("up", "up", "down", "draining", "up"), 1)).toEqual([2, 5]);
});

// Method: three brokers become six, one each 10 s, as an HPA has them come. Each lets go as the rules say, and what goes comes to any broker by chance, as
// behind a Service.
test.each([
  // With so few a single connection is 5 %.
  { connections: 20, inHundred: 70 },
  { connections: 60, inHundred: 95 },
  { connections: 200, inHundred: 100 },
])(
  "of $connections connections each of three brokers that come has 8 % within a minute, in $inHundred of 100 cases or more",
  ({ connections, inHundred }) => {
    const enough = Array.from({ length: 100 }, (_, seed) => leastOfNewcomers(connections, seed + 1) >= 0.08);
    expect(enough.filter(Boolean).length).toBeGreaterThanOrEqual(inHundred);
  },
);

function leastOfNewcomers(connections: number, seed: number): number {
  const random = new SeededRandom(seed);
  const goesAt = Array.from({ length: connections }, () => Number.POSITIVE_INFINITY);
  const brokerOf = goesAt.map(() => 1 + random.below(3));
  const of = (broker: number): readonly number[] => brokerOf.flatMap((one, at) => (one === broker ? [at] : []));
  const letGo = (some: readonly number[], second: number, overSeconds: number): void => {
    for (const [nth, at] of some.entries())
      goesAt[at] = Math.min(goesAt[at] ?? 0, second + (overSeconds * (nth + 1)) / some.length);
  };
  let now = view("up", "up", "up");
  for (let second = 0; second < 80; second += 1) {
    const before = now;
    if (second % 10 === 0 && now.brokers.size < 6) now = view(...Array<State>(before.brokers.size + 1).fill("up"));
    const counts = new Map([...now.brokers.keys()].map((broker) => [broker, of(broker).length]));
    for (const [broker, own] of counts) {
      if (before !== now && letsGo(before, now, broker)) letGo(of(broker), second, 20);
      const others = [...counts].filter(([other]) => other !== broker).map(([, count]) => count);
      if (second >= 40 && second % 5 === 0) letGo(of(broker).slice(0, surplusOf(own, others)), second, 5);
      for (const at of of(broker).filter((one) => (goesAt[one] ?? 0) <= second)) {
        brokerOf[at] = 1 + random.below(now.brokers.size);
        goesAt[at] = Number.POSITIVE_INFINITY;
      }
    }
  }
  return Math.min(...[4, 5, 6].map((broker) => of(broker).length / connections));
}
