import { expect, test } from "@jest/globals";
import type { BrokerInfo, ClusterView } from "@saturnmq/wire";
import { shareToShed } from "./fair-share.ts";

type State = BrokerInfo["state"];

/** Brokers 1, 2, ... in these states. */
function view(...states: State[]): ClusterView {
  const brokers = states.map((state, at) => [at + 1, { id: at + 1, state, draining: state === "draining" }] as const);
  return { brokers: new Map(brokers) } as unknown as ClusterView;
}

test.each<{ what: string; before: State[] | undefined; now: State[]; share: number }>([
  { what: "nothing was known before", before: undefined, now: ["up", "up"], share: 0 },
  { what: "nothing changed", before: ["up", "up"], now: ["up", "up"], share: 0 },
  { what: "one came to three", before: ["up", "up", "up"], now: ["up", "up", "up", "up"], share: 0.75 },
  { what: "three came to three", before: ["up", "up", "up"], now: Array<State>(6).fill("up"), share: 0.75 },
  { what: "one is back", before: ["up", "down"], now: ["up", "up"], share: 0.75 },
  { what: "one went", before: ["up", "up"], now: ["up", "down"], share: 0 },
  { what: "another is drained", before: ["up", "up"], now: ["up", "draining"], share: 0 },
  { what: "this one is drained", before: ["up", "up"], now: ["draining", "up"], share: 1 },
  { what: "this one was drained before", before: ["draining", "up"], now: ["draining", "up", "up"], share: 0 },
])("broker 1 lets $share of its connections go when $what", ({ before, now, share }) => {
  expect(shareToShed(before && view(...before), view(...now), 1)).toBe(share);
});
