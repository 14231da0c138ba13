import { crc32 as zlibCrc32 } from "node:zlib";
import { describe, expect, test } from "@jest/globals";
import { crc32 } from "./crc32.ts";
import { SeededRandom } from "./random.ts";

describe("crc32", () => {
  test("gives the check value of the standard", () => {
    expect(crc32(Buffer.from("123456789"), 0, 9)).toBe(0xcb_f4_39_26);
  });

  test("agrees with zlib at every length, start and seed", () => {
    const random = new SeededRandom(7);
    const bytes = Uint8Array.from({ length: 700 }, () => random.below(256));
    for (let length = 0; length <= 600; length += 1) {
      const start = random.below(100);
      const seed = random.below(2 ** 32);
      expect(crc32(bytes, start, length, seed)).toBe(zlibCrc32(bytes.subarray(start, start + length), seed));
    }
  });

  test("chains over any cut", () => {
    const bytes = Buffer.from("the quick brown fox jumps over the lazy dog".repeat(20));
    const whole = crc32(bytes, 0, bytes.length);
    for (let cut = 0; cut <= bytes.length; cut += 1)
      expect(crc32(bytes, cut, bytes.length - cut, crc32(bytes, 0, cut))).toBe(whole);
  });
});
