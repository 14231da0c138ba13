import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { encodeHuffman } from "../testing/huffman-encoder.ts";
import { decodeHuffman, huffmanTooLong } from "./huffman.ts";

const target = Buffer.alloc(4_096);

function decode(bytes: Uint8Array, limit = target.length): string | number {
  const end = decodeHuffman(bytes, 0, bytes.length, target, 0, limit);
  return end < 0 ? end : target.toString("latin1", 0, end);
}

test.each([
  ["f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"],
  ["a8eb10649cbf", "no-cache"],
  ["25a849e95ba97d7f", "custom-key"],
  ["9d29ad171863c78f0b97c8e9ae82ae43d3", "https://www.example.com"],
  [
    "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
  ],
])("%s is a text of RFC 7541, appendix C", (hex, text) => {
  expect(decode(Buffer.from(hex, "hex"))).toBe(text);
});

test("any octets come back", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
      const text = Buffer.from(octets).toString("latin1");
      expect(decode(encodeHuffman(text))).toBe(text);
    }),
  );
});

test.each([
  { what: "padding of zeros", bytes: [0b00011_000] },
  { what: "padding of eight ones", bytes: [0b00011_111, 0xff] },
  { what: "the end mark", bytes: [0xff, 0xff, 0xff, 0xfc] },
  { what: "the end mark behind a letter", bytes: [0b00011_111, 0xff, 0xff, 0xff, 0xe0] },
])("$what is refused (RFC 7541, 5.2)", ({ bytes }) => {
  expect(decode(Uint8Array.from(bytes))).toBe(-1);
});

test("a text that does not fit is told", () => {
  expect(decode(encodeHuffman("aaaaaaaaaa"), 9)).toBe(huffmanTooLong);
  expect(decode(encodeHuffman("aaaaaaaaaa"), 10)).toBe("aaaaaaaaaa");
});
