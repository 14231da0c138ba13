import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { isUtf8, utf8Length, writeUtf8 } from "./utf8.ts";

const strict = new TextDecoder("utf-8", { fatal: true });

function decodes(bytes: Uint8Array): boolean {
  try {
    strict.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

describe("UTF-8 (RFC 3629)", () => {
  test("every sequence of two bytes, and every second byte after the leads with rules of their own", () => {
    const cases: number[][] = [];
    for (let first = 0; first < 256; first += 1)
      for (let second = 0; second < 256; second += 1) cases.push([first, second]);
    for (const lead of [0xe0, 0xe1, 0xec, 0xed, 0xef, 0xf0, 0xf3, 0xf4, 0xf5]) {
      for (let second = 0; second < 256; second += 1) {
        const rests = [[0x7f], [0x80], [0xbf], [0xc0], [0x80, 0x80], [0xbf, 0xc0]];
        cases.push(...rests.map((rest) => [lead, second, ...rest]));
      }
    }
    const wrong = cases.filter(
      (units) => isUtf8(Uint8Array.from(units), 0, units.length) !== decodes(Uint8Array.from(units)),
    );
    expect(wrong).toEqual([]);
  });

  test("any bytes, in any range", () => {
    const some = fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      fc.string({ unit: "binary" }).map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(some, fc.nat(3), (bytes, start) => {
        const from = Math.min(start, bytes.length);
        expect(isUtf8(bytes, from, bytes.length)).toBe(decodes(bytes.subarray(from)));
      }),
      { seed: 20_260_804, numRuns: 5_000 },
    );
  });

  test("a text is written in the length that was told, a lone surrogate as U+FFFD", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 }), (units) => {
        const text = String.fromCharCode(...units);
        const target = new Uint8Array(utf8Length(text) + 4);
        expect(writeUtf8(target, 2, text)).toBe(target.length - 2);
        expect(Buffer.from(target.subarray(2, target.length - 2))).toEqual(Buffer.from(text));
      }),
      { seed: 20_260_805, numRuns: 2_000 },
    );
  });
});
