import { expect, test } from "@jest/globals";
import { compare, comparisonTable, type Side } from "./compare.ts";
import type { Figures } from "./measure.ts";

const span = { warmUpMs: 500, measuredMs: 2_000 };
const points = [
  { inFlight: 1, bodyBytes: 128 },
  { inFlight: 200, bodyBytes: 1_024 },
];

function figures(messagesPerSecond: number, serverCpuPerMillion: number, stealShare: number): Figures {
  const none = { messages: 1, p99Ms: 2, p999Ms: 3, maxMs: 4, clientCpuPerMillion: 1, serverSwitchesPerMessage: 0 };
  const rest = { syncsPerMessage: 0, diskBytesPerMessage: 0, otherCores: 0, serverRssMaxBytes: 0, clientBound: false };
  return { ...none, ...rest, messagesPerSecond, serverCpuPerMillion, stealShare, p50Ms: 1, failures: {} };
}

/** Steal of its n-th window comes from the list; 0 beyond. */
function side(name: string, rate: number, cpu: number, calls: string[], steals: readonly number[] = []): Side {
  let windows = 0;
  return {
    name,
    durability: "D1",
    measure: async ({ inFlight }) => {
      calls.push(`${name}${inFlight}`);
      windows += 1;
      return figures(rate * inFlight, cpu, steals[windows - 1] ?? 0);
    },
  };
}

test("pairs are interleaved and take turns in who goes first", async () => {
  const calls: string[] = [];
  const [a, b] = [side("A", 6, 5, calls), side("B", 1, 80, calls)];
  const result = await compare(a, b, points, { pairs: 2, span, stealMax: 0.02 }, () => undefined);
  expect(calls).toEqual(["A1", "B1", "A200", "B200", "B1", "A1", "B200", "A200"]);
  const page = comparisonTable(result);
  expect(page).toContain("| 200 | 1024 | 1,200 | 200 | 6.00 (6.00 to 6.00) | 5.0 | 80.0 | 16.00 (16.00 to 16.00) |");
  expect(page).toContain("| 2 (0) | 0, 0 |");
});

test("a window that the host disturbed is discarded with its pair, counted and made up for, for so long only", async () => {
  const calls: string[] = [];
  const steals = [0.5, 0, 0, 0.3];
  const disturbed = side("B", 1, 80, calls, steals);
  const options = { pairs: 2, span, stealMax: 0.02 };
  const result = await compare(side("A", 6, 5, calls), disturbed, points, options, () => undefined);
  // First point: windows 1 (disturbed), 3, 5. Second: 2, 4 (disturbed), 6.
  expect(result.points.map(({ pairs, discarded }) => [pairs.length, discarded])).toEqual([
    [2, 1],
    [2, 1],
  ]);
  const always = side("C", 1, 80, calls, Array<number>(100).fill(1));
  const hopeless = await compare(side("A", 6, 5, calls), always, points, options, () => undefined);
  expect(hopeless.points.map(({ pairs, discarded }) => [pairs.length, discarded])).toEqual([
    [0, 3],
    [0, 3],
  ]);
  expect(comparisonTable(hopeless)).toContain("100.0 % of the pairs");
});
