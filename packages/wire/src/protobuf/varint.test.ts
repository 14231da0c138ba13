import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { Cursor } from "./cursor.ts";
import { varintBytes, writeVarint } from "./varint.ts";

const edges = Array.from({ length: 54 }, (_, bits) => [2 ** bits - 1, 2 ** bits, 2 ** bits + 1]).flat();

test("a varint takes the bytes that were told and reads back", () => {
  const cursor = new Cursor();
  const check = (value: number): void => {
    const target = new Uint8Array(12);
    const end = writeVarint(target, 1, value);
    expect(end - 1).toBe(varintBytes(value));
    cursor.open(target, 1, end);
    expect(cursor.int64()).toBe(value);
    expect(cursor.at).toBe(end);
  };
  for (const value of edges) if (Number.isSafeInteger(value)) check(value);
  fc.assert(fc.property(fc.maxSafeNat(), check), { seed: 20_260_806, numRuns: 2_000 });
});
