import { expect, test } from "@jest/globals";
import { payloadOf } from "../testing/recording-machine.ts";
import { HeldBudget, HeldPayloads } from "./held-payloads.ts";

const large = { ...payloadOf(""), length: 32 * 1024 * 1024 };

test("Payloads are held up to a bound of bytes, and of entries", () => {
  const held = new HeldPayloads(new HeldBudget());
  held.append(1, large);
  expect(held.isFull(large.length)).toBe(false);
  held.append(2, large);
  expect(held.isFull(1)).toBe(true);
  held.release(1);
  expect(held.isFull(1)).toBe(false);
  held.discardFrom(2);
  for (let index = 2; index < 65_538; index += 1) held.append(index, undefined);
  expect(held.isFull(0)).toBe(true);
});

test("An entry that replaces another takes all after it away, with their bytes", () => {
  const held = new HeldPayloads(new HeldBudget());
  for (const index of [1, 2, 3]) held.append(index, payloadOf(String(index)));
  held.append(2, large);
  expect([1, 2, 3].map((index) => held.get(index)?.length)).toEqual([1, large.length, undefined]);
  expect(held.isFull(large.length - 1)).toBe(false);
  expect(held.isFull(large.length)).toBe(true);
});

test("A snapshot stands for what it covers", () => {
  const held = new HeldPayloads(new HeldBudget());
  for (const index of [1, 2, 3]) held.append(index, payloadOf(String(index)));
  held.releaseUpTo(2);
  expect([1, 2, 3].map((index) => held.get(index) !== undefined)).toEqual([false, false, true]);
});
