import { describe, expect, test } from "@jest/globals";
import { InvalidArgumentError } from "commander";
import { collect, parseDuration, parseEndpoint, parsePlace, parseProperty, parseWhole } from "./parse.ts";

describe("spans", () => {
  test.each([
    ["500ms", 500],
    ["30s", 30_000],
    ["15m", 900_000],
    ["12h", 43_200_000],
    ["3d", 259_200_000],
    ["0s", 0],
  ])("%s", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each(["", "3", "d", "-1s", "1.5h", "3 d", "3w", "3d "])("%p is refused", (text) => {
    expect(() => parseDuration(text)).toThrow(InvalidArgumentError);
  });
});

describe("places to reset a group to", () => {
  const nowMs = 1_764_000_000_000;

  test.each([
    ["earliest", { kind: "earliest" }],
    ["latest", { kind: "latest" }],
    ["2h", { kind: "time", atMs: nowMs - 7_200_000 }],
    ["99999d", { kind: "time", atMs: 0 }],
    ["2026-01-31T12:00:00Z", { kind: "time", atMs: 1_769_860_800_000 }],
    ["2026-01-31T12:00:00.500+01:00", { kind: "time", atMs: 1_769_857_200_500 }],
  ])("%s", (text, place) => {
    expect(parsePlace(text, nowMs)).toEqual(place);
  });

  // Without a zone a time would mean something else on each machine.
  test.each(["", "now", "2026-01-31", "2026-01-31T12:00:00", "2026-13-31T12:00:00Z", "1764000000000", "-2h"])(
    "%p is refused",
    (text) => {
      expect(() => parsePlace(text, nowMs)).toThrow(InvalidArgumentError);
    },
  );
});

describe("whole numbers", () => {
  test.each(["1", "7", "10"])("%s is in [1, 10]", (text) => {
    expect(parseWhole(1, 10)(text)).toBe(Number(text));
  });

  test.each(["0", "11", "-1", "1.5", "1e1", "", "x", " 1"])("%p is not", (text) => {
    expect(() => parseWhole(1, 10)(text)).toThrow("from 1 to 10");
  });

  test("without an upper bound the text says the lower one", () => {
    expect(() => parseWhole(1)("0")).toThrow("of at least 1");
    expect(() => parseWhole(0)("9007199254740993")).toThrow(InvalidArgumentError);
  });
});

describe("endpoints", () => {
  test.each([
    ["127.0.0.1:8081", "127.0.0.1:8081"],
    ["broker.example", "broker.example:8081"],
    ["[::1]:9000", "[::1]:9000"],
    ["[::1]", "[::1]:8081"],
  ])("%s", (text, endpoint) => {
    expect(parseEndpoint(text)).toBe(endpoint);
  });

  test.each(["", ":8081", "a:b", "a:0", "a:65536", "::1", "http://a:1", "a b:1", "[::1]x"])("%p is refused", (text) => {
    expect(() => parseEndpoint(text)).toThrow("host:port");
  });
});

test("properties gather, and a value may hold an equals sign", () => {
  const one = parseProperty("a=1");
  expect(parseProperty("b=x=y", one)).toEqual({ a: "1", b: "x=y" });
  expect(parseProperty("a=", one)).toEqual({ a: "" });
  for (const wrong of ["a", "=1", ""]) expect(() => parseProperty(wrong)).toThrow("key=value");
});

test("repeated options gather in order", () => {
  expect(collect("b", collect("a"))).toEqual(["a", "b"]);
});
