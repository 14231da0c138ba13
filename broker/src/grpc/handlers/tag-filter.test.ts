import { describe, expect, test } from "@jest/globals";
import { parseTagFilter } from "./tag-filter.ts";

describe("parseTagFilter", () => {
  test.each([
    { expression: "*", tags: undefined },
    { expression: "", tags: undefined },
    { expression: "  * ", tags: undefined },
    { expression: "a", tags: ["a"] },
    { expression: "a||b", tags: ["a", "b"] },
    { expression: " a ||  b || a", tags: ["a", "b"] },
    { expression: "a||", tags: ["a"] },
    { expression: "A||a", tags: ["A", "a"] },
  ])("$expression", ({ expression, tags }) => {
    const parsed = parseTagFilter({ type: 1, expression });
    expect(parsed === undefined ? undefined : [...parsed]).toEqual(tags);
  });

  test("no filter is every message", () => {
    expect(parseTagFilter(undefined)).toBeUndefined();
  });

  test.each([
    { type: 2, expression: "a > 1", says: /SQL92.*not supported/ },
    { type: 7, expression: "a", says: /unknown/ },
    { type: 1, expression: "|| ||", says: /names no tag/ },
    { type: 1, expression: Array.from({ length: 300 }, (_, at) => `t${String(at)}`).join("||"), says: /more than 256/ },
    { type: 1, expression: "a".repeat(20_000), says: /longer than/ },
  ])("refuses type $type with $says", ({ type, expression, says }) => {
    const parse = (): unknown => parseTagFilter({ type, expression });
    expect(parse).toThrow(says);
    let refused: unknown;
    try {
      parse();
    } catch (error) {
      refused = error;
    }
    expect(refused).toMatchObject({ code: "ILLEGAL_FILTER_EXPRESSION" });
  });
});
