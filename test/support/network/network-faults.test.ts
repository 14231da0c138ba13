import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  allOneWayCuts,
  bridge,
  isolate,
  lossy,
  majoritiesRing,
  type NetworkFault,
  oneWay,
  reset,
  rulesOf,
  symmetric,
} from "./network-faults.ts";

const edges = (fault: NetworkFault): string[] => fault.map(({ from, to }) => `${from}>${to}`).toSorted();

describe("a fault cuts exactly", () => {
  test.each<{ what: string; fault: NetworkFault; cuts: string[] }>([
    { what: "one way", fault: oneWay(["a"], ["b"]), cuts: ["a>b"] },
    { what: "one way of several, none to itself", fault: oneWay(["a", "b"], ["b", "c"]), cuts: ["a>b", "a>c", "b>c"] },
    { what: "both ways", fault: symmetric(["a"], ["b", "c"]), cuts: ["a>b", "a>c", "b>a", "c>a"] },
    { what: "one from all", fault: isolate("b", ["a", "b", "c"]), cuts: ["a>b", "b>a", "b>c", "c>b"] },
    { what: "two halves, not the bridge", fault: bridge(["a"], "m", ["b"]), cuts: ["a>b", "b>a"] },
    { what: "some packets, one way", fault: lossy(["a"], ["b"], 5), cuts: ["a>b"] },
  ])("$what", ({ fault, cuts }) => expect(edges(fault)).toEqual(cuts));
});

test("three members have six one-way cuts", () => {
  expect(allOneWayCuts(["a", "b", "c"]).map(edges)).toEqual([["a>b"], ["a>c"], ["b>a"], ["b>c"], ["c>a"], ["c>b"]]);
});

test("in a ring of majorities everyone hears a majority, mutually, and no two the same one", () => {
  fc.assert(
    fc.property(fc.integer({ min: 4, max: 12 }), (count) => {
      const names = Array.from({ length: count }, (_, n) => `n${n}`);
      const cuts = new Set(edges(majoritiesRing(names)));
      const heard = names.map((to) => names.filter((from) => !cuts.has(`${from}>${to}`)));
      expect(cuts.size).toBeGreaterThan(0);
      for (const view of heard) expect(view.length).toBeGreaterThan(count / 2);
      expect(new Set(heard.map(String)).size).toBe(count);
      for (const edge of cuts) expect(cuts.has(edge.split(">").reverse().join(">"))).toBe(true);
    }),
  );
});

test("the rules name source, destination, share and verdict, and count", () => {
  const endpoints = [
    { name: "a", host: "127.0.7.1" },
    { name: "b", host: "127.0.7.2" },
  ];
  const rules = (fault: NetworkFault): readonly string[] => rulesOf(fault, endpoints);
  expect(rules(oneWay(["a"], ["b"]))).toEqual(["ip saddr 127.0.7.1 ip daddr 127.0.7.2 counter drop"]);
  expect(rules(lossy(["b"], ["a"], 5))).toEqual([
    "ip saddr 127.0.7.2 ip daddr 127.0.7.1 numgen random mod 100 < 5 counter drop",
  ]);
  expect(rules(reset(["a"], ["b"]))[0]).toBe(
    "ip saddr 127.0.7.1 ip daddr 127.0.7.2 tcp flags & rst == 0 counter reject with tcp reset",
  );
  expect(() => rules(oneWay(["a"], ["elsewhere"]))).toThrow(/elsewhere/);
});

test.each([0, 101])("a share of %i percent is refused", (percent) => {
  expect(() => lossy(["a"], ["b"], percent)).toThrow(/1 to 100/);
});
