import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { decodeReceiptHandle, encodeReceiptHandle, HandleRows } from "./receipt-handle.ts";

const keyOf = (byte: number): DataView => new DataView(new Uint8Array(32).fill(byte).buffer);
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const safe = fc.oneof(fc.maxSafeNat(), fc.constantFrom(2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER));
const handle = fc.record({
  shard: fc.nat(65_535),
  topic: u32,
  group: u32,
  epoch: u32,
  queue: u32,
  attempt: u32,
  offset: safe,
  term: safe,
  counter: safe,
  deadlineMs: safe,
});

test("a handle comes back whole, under the key that signed it or an older one", () => {
  fc.assert(
    fc.property(handle, (each) => {
      const text = encodeReceiptHandle(each, keyOf(1));
      expect(text).toMatch(/^[A-Za-z0-9_-]{86}$/);
      expect(decodeReceiptHandle(text, [keyOf(2), keyOf(1)])).toEqual(each);
      expect(() => decodeReceiptHandle(text, [keyOf(2)])).toThrow(/INVALID_RECEIPT_HANDLE.*not given out/);
    }),
  );
});

test("no changed character goes unnoticed", () => {
  fc.assert(
    fc.property(handle, fc.nat(85), fc.constantFrom("A", "Z", "a", "z", "0", "9", "-", "_"), (each, at, letter) => {
      const text = encodeReceiptHandle(each, keyOf(1));
      fc.pre(text[at] !== letter);
      const forged = text.slice(0, at) + letter + text.slice(at + 1);
      expect(() => decodeReceiptHandle(forged, [keyOf(1)])).toThrow(/INVALID_RECEIPT_HANDLE/);
    }),
  );
});

test.each(["", "x", "é".repeat(86), "=".repeat(86), "A".repeat(86), "A".repeat(87), "A".repeat(100_000)])(
  "text that is no handle is refused (%#)",
  (text) => expect(() => decodeReceiptHandle(text, [keyOf(1)])).toThrow(/INVALID_RECEIPT_HANDLE/),
);

test("rows read from bytes are the handles that their texts are, and what is refused as a text is no row", () => {
  const rows = new HandleRows();
  const keys = [keyOf(2), keyOf(1)];
  const texts = fc.oneof(
    handle.map((each) => encodeReceiptHandle(each, keyOf(1))),
    handle.map((each) => encodeReceiptHandle(each, keyOf(3))),
    fc.tuple(handle, fc.nat(85), fc.string({ unit: "binary", maxLength: 2 })).map(([each, at, put]) => {
      const text = encodeReceiptHandle(each, keyOf(2));
      return text.slice(0, at) + put + text.slice(at + 1);
    }),
  );
  fc.assert(
    fc.property(fc.array(texts, { maxLength: 100 }), (list) => {
      rows.clear();
      const good = list.flatMap((text) => {
        try {
          return [decodeReceiptHandle(text, keys)];
        } catch {
          return [];
        }
      });
      const added = list.filter((text) => {
        const bytes = Buffer.from(`..${text}.`);
        return rows.add(bytes, 2, bytes.length - 3, keys);
      });
      expect(added).toHaveLength(good.length);
      expect(Array.from({ length: rows.length }, (_, at) => ({ ...rows.at(at) }))).toEqual(good);
    }),
  );
});
