import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { decideDropped, type Segment } from "./retention.ts";

type Given = Partial<Omit<Segment, "ranges">> & { readonly ranges: Record<number, readonly [number, number]> };

function segments(...given: Given[]): readonly Segment[] {
  return given.map(({ ranges, ...rest }, at) => ({
    ...{ segment: at + 1, bytes: 100, sealed: true, lastWriteMs: 1_000, ...rest },
    ranges: new Map(Object.entries(ranges).map(([shard, [from, to]]) => [Number(shard), { from, to }])),
  }));
}

function dropped(given: readonly Segment[], oldestMs: number, excessBytes = 0): unknown {
  return Object.fromEntries(
    Array.from(decideDropped(given, { oldestMs, excessBytes }), ([shard, { end, segments: gone }]) => [
      shard,
      [end, [...gone]],
    ]),
  );
}

describe("what retention drops", () => {
  it("is what is older than the limit, by whole segments, and nothing behind the first that is not", () => {
    const log = segments(
      { ranges: { 0: [1, 10], 1: [1, 5] }, lastWriteMs: 100 },
      { ranges: { 0: [11, 20] }, lastWriteMs: 200 },
      { ranges: { 1: [6, 9] }, lastWriteMs: 50 },
    );
    expect(dropped(log, 100)).toEqual({});
    expect(dropped(log, 101)).toEqual({ 0: [10, [1]], 1: [5, [1]] });
    expect(dropped(log, 201)).toEqual({ 0: [20, [1, 2]], 1: [9, [1, 3]] });
  });

  it("is what is too much, and never the segment that is written", () => {
    const log = segments(
      { ranges: { 0: [1, 10] } },
      { ranges: { 0: [11, 20] } },
      { ranges: { 0: [21, 30] }, sealed: false },
    );
    expect(dropped(log, 0, 0)).toEqual({});
    expect(dropped(log, 0, 1)).toEqual({ 0: [10, [1]] });
    expect(dropped(log, 0, 100)).toEqual({ 0: [10, [1]] });
    expect(dropped(log, 0, 101)).toEqual({ 0: [20, [1, 2]] });
    expect(dropped(log, 9_999, 1_000)).toEqual({ 0: [20, [1, 2]] });
  });

  it("takes what was filled in, which comes first under numbers below 0, without what the log holds after it", () => {
    const log = segments(
      { segment: -2, ranges: { 0: [1, 50] } },
      { segment: -1, ranges: { 0: [51, 90] } },
      { segment: 1, ranges: { 0: [91, 120], 1: [1, 4] } },
    );
    expect(dropped(log, 0, 1)).toEqual({ 0: [50, [-2]] });
    expect(dropped(log, 0, 101)).toEqual({ 0: [90, [-2, -1]] });
  });

  it("stops before a segment in whose midst something was filled in, and takes both together", () => {
    const log = segments(
      { segment: -1, ranges: { 0: [60, 70] } },
      { segment: 1, ranges: { 0: [1, 49] } },
      { segment: 2, ranges: { 0: [50, 120] } },
      { segment: 3, ranges: { 0: [121, 130] }, sealed: false },
    );
    expect(dropped(log, 0, 1)).toEqual({ 0: [49, [1]] });
    expect(dropped(log, 0, 201)).toEqual({ 0: [120, [-1, 1, 2]] });
  });

  it("never ends within a segment, and names all segments up to the end", () => {
    const range = fc
      .tuple(fc.integer({ min: 1, max: 40 }), fc.nat(20))
      .map(([from, more]) => [from, from + more] as const);
    fc.assert(
      fc.property(fc.array(range, { maxLength: 6 }), fc.nat(700), (ranges, excess) => {
        const log = segments(...ranges.map((held) => ({ ranges: { 0: held } })));
        const share = decideDropped(log, { oldestMs: 0, excessBytes: excess }).get(0);
        for (const { segment, ranges: held } of log) {
          const { from, to } = held.get(0) ?? { from: 0, to: 0 };
          const end = share?.end ?? 0;
          expect(to <= end || from > end).toBe(true);
          expect(share?.segments.has(segment) ?? false).toBe(to <= end);
        }
      }),
      { seed: 42, numRuns: 2_000 },
    );
  });
});
