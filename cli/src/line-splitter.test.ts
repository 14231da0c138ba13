import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { LineSplitter } from "./line-splitter.ts";

/** Lines of `text` when it comes in pieces that end at `cuts`. */
function split(text: string, cuts: readonly number[] = []): string[] {
  const splitter = new LineSplitter();
  const bytes = Buffer.from(text);
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  const lines = ends.flatMap((end, at) => splitter.push(bytes.subarray(ends[at - 1] ?? 0, end)));
  return [...lines, ...splitter.end()].map((line) => Buffer.from(line).toString());
}

describe("lines", () => {
  test.each([
    { text: "", lines: [] },
    { text: "a", lines: ["a"] },
    { text: "a\n", lines: ["a"] },
    { text: "a\nb", lines: ["a", "b"] },
    { text: "a\r\nb\r\n", lines: ["a", "b"] },
    { text: "\n\na\n", lines: ["", "", "a"] },
    { text: "a\rb\n", lines: ["a\rb"] },
    { text: "größe\n", lines: ["größe"] },
  ])("of $text", ({ text, lines }) => {
    expect(split(text)).toEqual(lines);
  });

  test("are the same however the bytes arrive", () => {
    const text = fc
      .array(fc.constantFrom("a", "ö", "\n", "\r\n", "\r", ""), { maxLength: 30 })
      .map((all) => all.join(""));
    fc.assert(
      fc.property(text, fc.array(fc.nat(), { maxLength: 8 }), (whole, cuts) => {
        expect(split(whole, cuts)).toEqual(split(whole));
      }),
    );
  });
});
