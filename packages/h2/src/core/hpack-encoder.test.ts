import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { FieldList } from "./field-list.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { type HeaderField, HpackEncoder, standardHead, standardTrailers } from "./hpack-encoder.ts";

function read(decoder: HpackDecoder, block: Uint8Array): HeaderField[] {
  const list = new FieldList(65_536);
  expect(decoder.decode(block, 0, block.length, list)).toBe("ok");
  return Array.from({ length: list.count }, (_, row) => [list.name(row), list.value(row)]);
}

test("the standard answer shrinks to three octets", () => {
  const encoder = new HpackEncoder();
  expect([encoder.head().length, encoder.trailers().length]).toEqual([19, 15]);
  expect([[...encoder.head()], [...encoder.trailers()]]).toEqual([[0x88, 0xbf], [0xbe]]);
});

test("whatever is sent, and whatever table the peer allows, it reads what was meant", () => {
  const field = fc.constantFrom<HeaderField>(
    [":status", "200"],
    [":status", "415"],
    ["content-type", "application/grpc"],
    ["content-type", "text/plain"],
    ["grpc-status", "0"],
    ["grpc-status", "13"],
    ["x-long", "v".repeat(300)],
    ["grpc-message", "why%0A"],
  );
  const step = fc.oneof(
    fc.constantFrom("head", "trailers"),
    fc.array(field, { maxLength: 6 }),
    fc.constantFrom(0, 50, 122, 123, 4_096, 1_000_000),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const encoder = new HpackEncoder();
      const decoder = new HpackDecoder();
      for (const each of steps) {
        if (typeof each === "number") encoder.setTableBytes(each);
        else if (each === "head") expect(read(decoder, encoder.head())).toEqual(standardHead);
        else if (each === "trailers") expect(read(decoder, encoder.trailers())).toEqual(standardTrailers);
        else if (typeof each !== "string") expect(read(decoder, encoder.encode(each))).toEqual(each);
      }
    }),
    { numRuns: 500 },
  );
});
