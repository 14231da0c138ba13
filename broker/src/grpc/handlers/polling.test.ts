import { expect, test } from "@jest/globals";
import { pollMs } from "./polling.ts";

const limits = { pollMaxMs: 40_000, pollDefaultMs: 20_000 };

test.each([
  { rule: "the requested time", requestedMs: 10_000, leftMs: 13_000, waits: 10_000 },
  { rule: "at most 40 s", requestedMs: 90_000, leftMs: 100_000, waits: 40_000 },
  { rule: "at most deadline - 200 ms (Rust: both are 40 s)", requestedMs: 40_000, leftMs: 40_000, waits: 39_800 },
  { rule: "a short deadline is served", requestedMs: 10_000, leftMs: 1_000, waits: 800 },
  { rule: "a deadline that is almost over answers at once", requestedMs: 10_000, leftMs: 100, waits: 0 },
  { rule: "no deadline", requestedMs: 10_000, leftMs: Infinity, waits: 10_000 },
  { rule: "no time named", requestedMs: undefined, leftMs: 30_000, waits: 20_000 },
  { rule: "no time named and a short deadline", requestedMs: undefined, leftMs: 6_000, waits: 5_800 },
  { rule: "0 asks for what is there now", requestedMs: 0, leftMs: 6_000, waits: 0 },
  { rule: "a negative time is none", requestedMs: -5, leftMs: 6_000, waits: 0 },
])("an empty receive waits: $rule", ({ requestedMs, leftMs, waits }) => {
  expect(pollMs(requestedMs, leftMs, limits)).toBe(waits);
});
