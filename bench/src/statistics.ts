import { assert } from "@saturnmq/kit";

export type Point = { readonly x: number; readonly y: number };

/** A straight line's slope with the bounds that hold it with 95 % confidence, by least squares. */
export type Slope = { readonly slope: number; readonly low: number; readonly high: number };

/** Two-sided 95 % quantiles of Student's t for 1 to 30 degrees of freedom; beyond, Cornish and Fisher's expansion is right to 0.001. */
const tTable = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/** The slope of `points` (at least three, of different x), as if their deviations from the line were independent. */
export function slopeOf(points: readonly Point[]): Slope {
  assert(points.length >= 3, "a slope with an interval needs three points");
  const n = points.length;
  const meanX = mean(points.map(({ x }) => x));
  const meanY = mean(points.map(({ y }) => y));
  const sumXX = sum(points.map(({ x }) => (x - meanX) ** 2));
  const slope = sum(points.map(({ x, y }) => (x - meanX) * (y - meanY))) / sumXX;
  const residuals = sum(points.map(({ x, y }) => (y - meanY - slope * (x - meanX)) ** 2));
  const half = tQuantile(n - 2) * Math.sqrt(residuals / (n - 2) / sumXX);
  return { slope, low: slope - half, high: slope + half };
}

/** The smallest `y` of each span of `width` along x: of memory, about what a collection leaves. */
export function lowerEnvelope(points: readonly Point[], width: number): readonly Point[] {
  const lowest = new Map<number, Point>();
  for (const point of points) {
    const span = Math.floor(point.x / width);
    const before = lowest.get(span);
    if (before === undefined || point.y < before.y) lowest.set(span, point);
  }
  return [...lowest.values()];
}

function tQuantile(degrees: number): number {
  const z = 1.959_964;
  return tTable[degrees - 1] ?? z + (z ** 3 + z) / (4 * degrees);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
