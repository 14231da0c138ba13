import { expect, test } from "@jest/globals";
import { lowerEnvelope, type Point, slopeOf } from "./statistics.ts";
import { median } from "./tables.ts";

test("a slope and its interval are those of a textbook's least squares", () => {
  // y = 2x + 1 with deviations 0.1, -0.1, -0.1, 0.1: they leave the slope as it is; s² = 0.04 / 2, standard error √(0.02 / 5), t(2) = 4.303.
  const deviations = [0.1, -0.1, -0.1, 0.1];
  const { slope, low, high } = slopeOf(deviations.map((deviation, x): Point => ({ x, y: 2 * x + 1 + deviation })));
  expect(slope).toBeCloseTo(2, 10);
  expect(high - slope).toBeCloseTo(4.303 * Math.sqrt(0.02 / 5), 3);
  expect(slope - low).toBeCloseTo(high - slope, 10);
});

test("the interval of many points holds their slope, and is narrow", () => {
  const points = Array.from({ length: 200 }, (_, x): Point => ({ x, y: 5 + 0.3 * x + (x % 2 === 0 ? 1 : -1) }));
  const { low, high } = slopeOf(points);
  expect(low).toBeLessThan(0.3);
  expect(high).toBeGreaterThan(0.3);
  expect(high - low).toBeLessThan(0.01);
});

test("the lower envelope of a sawtooth is its floor", () => {
  const sawtooth = Array.from({ length: 100 }, (_, x): Point => ({ x, y: 50 + (x % 10) }));
  expect(lowerEnvelope(sawtooth, 10).map(({ y }) => y)).toEqual(Array(10).fill(50));
});

test("medians", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(median([])).toBeNaN();
});
