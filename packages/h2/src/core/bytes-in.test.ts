import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { frame, grpcMessage, hello } from "../testing/frames.ts";
import { FrameSplitter } from "./frame-splitter.ts";
import { MessageReader } from "./message-reader.ts";

/** Cuts `bytes` at places drawn from `cuts`. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((from, n) => Buffer.from(bytes.subarray(from, places[n] ?? bytes.length)));
}

test("frames are the same however reads cut them", () => {
  const length = fc.oneof(fc.nat(40), fc.constantFrom(0, 9, 16_383, 16_384));
  fc.assert(
    fc.property(fc.array(length, { maxLength: 8 }), fc.array(fc.nat(100_000), { maxLength: 12 }), (lengths, cuts) => {
      const frames = lengths.map((size, n) => frame(n % 10, n, n, Buffer.alloc(size, n)));
      const seen: Buffer[] = [];
      const splitter = new FrameSplitter({
        take: (bytes, at, end) => seen.push(Buffer.from(bytes.subarray(at, end))) > 0,
        tooLarge: () => {
          throw new Error("no frame is too large");
        },
      });
      const all = Buffer.concat([hello().subarray(0, 24), ...frames]);
      for (const piece of pieces(all, cuts)) splitter.split(piece);
      // Plain bytes: comparing large buffers by `toEqual` takes most of a test's time.
      expect(seen.map((each) => each.length)).toEqual([24, ...frames.map((each) => each.length)]);
      expect(Buffer.concat(seen).equals(all)).toBe(true);
    }),
  );
});

test.each([1, 5, 9, 16_394])("a frame above the limit is told once its head is there (cut at %i)", (cut) => {
  let told = 0;
  const splitter = new FrameSplitter({ take: () => true, tooLarge: () => (told += 1) });
  const bytes = Buffer.concat([hello().subarray(0, 24), frame(0, 0, 1, Buffer.alloc(16_385))]);
  splitter.split(Buffer.from(bytes.subarray(0, 24 + cut)));
  splitter.split(Buffer.from(bytes.subarray(24 + cut)));
  expect(told).toBe(1);
});

const shape = ({ bytes, compressed }: { bytes: Buffer; compressed: boolean }): string =>
  `${bytes.length} ${compressed}`;

test("messages are the same however frames cut them", () => {
  const message = fc.tuple(fc.oneof(fc.nat(30), fc.nat(200_000)), fc.boolean());
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), fc.array(fc.nat(500_000), { maxLength: 12 }), (messages, cuts) => {
      const bodies = messages.map(([size, compressed], n) => ({ bytes: Buffer.alloc(size, n + 1), compressed }));
      const all = Buffer.concat(bodies.map(({ bytes, compressed }) => grpcMessage(bytes, compressed)));
      const reader = new MessageReader();
      const seen: { bytes: Buffer; compressed: boolean }[] = [];
      for (const piece of pieces(all, cuts)) {
        for (let at = 0; at < piece.length; ) {
          at = reader.next(piece, at, piece.length, 200_000, Number.POSITIVE_INFINITY);
          if (reader.outcome !== "message") continue;
          const bytes = Buffer.from(reader.bytes.subarray(reader.start, reader.start + reader.length));
          seen.push({ bytes, compressed: reader.compressed });
        }
      }
      expect(seen.map(shape)).toEqual(bodies.map(shape));
      expect(
        Buffer.concat(seen.map(({ bytes }) => bytes)).equals(Buffer.concat(bodies.map(({ bytes }) => bytes))),
      ).toBe(true);
      expect([reader.within, reader.heldBytes]).toEqual([false, 0]);
    }),
    { numRuns: 60 },
  );
});

test.each([
  { what: "a length above the limit", head: [0, 0, 0, 0, 11], outcome: "tooLarge" },
  { what: "the largest length there is", head: [0, 0xff, 0xff, 0xff, 0xff], outcome: "tooLarge" },
  { what: "a flag of 2", head: [2, 0, 0, 0, 1], outcome: "badFlag" },
])("$what is refused before anything is kept", ({ head, outcome }) => {
  const reader = new MessageReader();
  const bytes = Buffer.from([...head, 0x61, 0x61]);
  reader.next(bytes, 0, bytes.length, 10, Number.POSITIVE_INFINITY);
  expect(reader.outcome).toBe(outcome);
  expect(reader.heldBytes).toBe(0);
});

test("a message for which there is no room is given up before room is made, one that lies within its frame needs none", () => {
  const reader = new MessageReader();
  const whole = Buffer.from([0, 0, 0, 0, 1, 0x61]);
  reader.next(whole, 0, whole.length, 10_000, 0);
  expect(reader.outcome).toBe("message");
  reader.clear();
  const part = Buffer.concat([Buffer.from([0, 0, 0, 0x20, 0]), Buffer.alloc(3_000)]);
  reader.next(part, 0, part.length, 10_000, 5_999);
  expect([reader.outcome, reader.roomBytes]).toEqual(["noRoom", 0]);
  reader.clear();
  reader.next(part, 0, part.length, 10_000, 6_000);
  expect([reader.outcome, reader.roomBytes]).toEqual(["partial", 6_000]);
});
