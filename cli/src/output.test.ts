import { describe, expect, test } from "@jest/globals";
import { bytes, facts, span, table, time } from "./output.ts";

type Row = { readonly name: string; readonly count: number | "-" };
const columns = [
  { title: "NAME", of: ({ name }: Row) => name },
  { title: "COUNT", of: ({ count }: Row) => count },
];

describe("a table", () => {
  test("has words left, numbers right, and no trailing blanks", () => {
    const rows: Row[] = [
      { name: "orders", count: 5 },
      { name: "a", count: 1_234_567 },
      { name: "b", count: "-" },
    ];
    expect(table(rows, columns, "none")).toBe(
      ["NAME      COUNT", "orders        5", "a       1234567", "b             -"].join("\n"),
    );
  });

  test("without rows says so", () => {
    expect(table([], columns, "no topics")).toBe("no topics");
  });
});

test("facts stand in one column", () => {
  expect(
    facts([
      ["Id", 1],
      ["Created", "now"],
    ]),
  ).toBe("Id:      1\nCreated: now");
});

test.each([
  [0, "0 B"],
  [1_023, "1023 B"],
  [1_536, "1.5 KiB"],
  [12 * 2 ** 30, "12 GiB"],
  [2 ** 60, "1048576 TiB"],
])("%i bytes are %s", (count, text) => {
  expect(bytes(count)).toBe(text);
});

test("times are UTC to the second", () => {
  expect(time(1_764_000_000_999)).toBe("2025-11-24 16:00:00Z");
});

test.each([
  [0, "0ms"],
  [250, "250ms"],
  [999, "999ms"],
  [1_000, "1s"],
  [59_999, "59s"],
  [61_000, "1m 1s"],
  [3_600_000, "1h"],
  [3_900_000, "1h 5m"],
  [259_200_000, "3d"],
  [262_800_000, "3d 1h"],
  [-5, "0ms"],
])("%i ms are %s", (ms, text) => {
  expect(span(ms)).toBe(text);
});
