import { describe, expect, test } from "@jest/globals";
import { everything } from "../../domain/filter.ts";
import { parseFilter } from "./filter.ts";

describe("parseFilter", () => {
  test.each([
    { expression: "*", as: "*" },
    { expression: "", as: "*" },
    { expression: "  * ", as: "*" },
    { expression: "a", as: "a" },
    { expression: "b||a", as: "a||b" },
    { expression: " a ||  b || a", as: "a||b" },
    { expression: "a||", as: "a" },
    { expression: "A||a", as: "A||a" },
  ])("$expression is $as", ({ expression, as }) => {
    expect(parseFilter({ type: 1, expression })).toEqual({ kind: "tag", expression: as });
  });

  test("no filter is every message", () => {
    expect(parseFilter(undefined)).toEqual(everything);
  });

  test.each([
    { type: 2, expression: "a > 1", says: /SQL92.*not supported/ },
    { type: 7, expression: "a", says: /unknown/ },
    { type: 1, expression: "|| ||", says: /names no tag/ },
    { type: 1, expression: Array.from({ length: 300 }, (_, at) => `t${String(at)}`).join("||"), says: /more than 256/ },
    { type: 1, expression: "a".repeat(20_000), says: /longer than/ },
  ])("refuses type $type with $says", ({ type, expression, says }) => {
    const parse = (): unknown => parseFilter({ type, expression });
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
