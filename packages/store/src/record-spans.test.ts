import { expect, test } from "@jest/globals";
import { recordSpans } from "./record-spans.ts";

const kib = 1024;

function spansOf(...records: readonly (readonly [segment: number, offset: number, length: number])[]): unknown {
  const positions = records.map(([segment, offset, length]) => ({ segment, offset, length }));
  return recordSpans(positions, [...positions.keys()]).map(({ from, to, members }) => [from, to, members]);
}

test.each([
  {
    rule: "neighbours share a read",
    records: [
      [1, 0, 100],
      [1, 100, 50],
    ],
    spans: [[0, 150, [0, 1]]],
  },
  {
    rule: "a small gap is read along",
    records: [
      [1, 0, 100],
      [1, 32 * kib + 100, 50],
    ],
    spans: [[0, 32 * kib + 150, [0, 1]]],
  },
  {
    rule: "a larger one is not",
    records: [
      [1, 0, 100],
      [1, 32 * kib + 101, 50],
    ],
    spans: [
      [0, 100, [0]],
      [32 * kib + 101, 32 * kib + 151, [1]],
    ],
  },
  {
    rule: "another segment is another read",
    records: [
      [1, 0, 100],
      [2, 100, 50],
    ],
    spans: [
      [0, 100, [0]],
      [100, 150, [1]],
    ],
  },
  {
    rule: "what lies before is another read",
    records: [
      [1, 100, 50],
      [1, 0, 100],
    ],
    spans: [
      [100, 150, [0]],
      [0, 100, [1]],
    ],
  },
  {
    rule: "a read has a bound, but for one record",
    records: [
      [1, 0, 600 * kib],
      [1, 600 * kib, 1],
    ],
    spans: [
      [0, 600 * kib, [0]],
      [600 * kib, 600 * kib + 1, [1]],
    ],
  },
] as const)("$rule", ({ records, spans }) => {
  expect(spansOf(...records)).toEqual(spans);
});

test("only those that are named are read", () => {
  const positions = [0, 100, 200].map((offset) => ({ segment: 1, offset, length: 100 }));
  expect(recordSpans(positions, [0, 2])).toEqual([{ segment: 1, from: 0, to: 300, members: [0, 2] }]);
});
