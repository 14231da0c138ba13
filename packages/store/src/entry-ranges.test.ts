import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { type EntryRange, overlap, without } from "./entry-ranges.ts";

const place = fc.integer({ min: 1, max: 40 });
const range = fc.tuple(place, place).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) }));

function indexesOf(ranges: readonly EntryRange[]): readonly number[] {
  return ranges.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, row) => from + row));
}

describe("ranges of entries", () => {
  test("taking some away leaves exactly the others, rising, in ranges that are not empty", () => {
    fc.assert(
      fc.property(fc.array(range, { maxLength: 8 }), (taken) => {
        let left: readonly EntryRange[] = [{ from: 1, to: 40 }];
        for (const { from, to } of taken) left = without(left, from, to);
        const gone = new Set(indexesOf(taken));
        expect(indexesOf(left)).toEqual(indexesOf([{ from: 1, to: 40 }]).filter((index) => !gone.has(index)));
        expect(left.every(({ from, to }) => from <= to)).toBe(true);
      }),
    );
  });

  test("two overlap in what is in both", () => {
    fc.assert(
      fc.property(range, range, (a, b) => {
        const both = overlap(a, b);
        expect(both === undefined ? [] : indexesOf([both])).toEqual(
          indexesOf([a]).filter((index) => index >= b.from && index <= b.to),
        );
      }),
    );
  });
});
