import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { type FrameKind, frameHeadBytes, frameKinds } from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import { Outbox } from "./outbox.ts";
import { ProtocolError } from "./protocol-error.ts";

type Frame = { readonly kind: FrameKind; readonly call: number; readonly body: Uint8Array; readonly rest: Uint8Array };

const frame: fc.Arbitrary<Frame> = fc.record({
  kind: fc.constantFrom(...(Object.keys(frameKinds) as FrameKind[])),
  call: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  body: fc.uint8Array({ maxLength: 200 }),
  rest: fc.oneof(fc.uint8Array({ maxLength: 100 }), fc.constant(new Uint8Array(20_000).fill(9))),
});

function encoded(frames: readonly Frame[]): Buffer {
  const outbox = new Outbox();
  for (const { kind, call, body, rest } of frames)
    outbox.add({ kind, call, body, pieces: [{ bytes: rest, start: 0, length: rest.length }] });
  const pieces: Uint8Array[] = [];
  while (outbox.bytes > 0) pieces.push(...outbox.take(1_000));
  return Buffer.concat(pieces);
}

/** What a reader hands out when the stream comes in pieces that end at these places. */
function read(stream: Uint8Array, cuts: readonly number[], maxBytes = 30_000): string[] {
  const seen: string[] = [];
  const reader = new FrameReader({
    maxBytes,
    frame: ({ kind, call, covered }, payload) =>
      seen.push(`${kind} ${call} ${covered} ${Buffer.from(payload).toString("base64")}`),
  });
  let at = 0;
  for (const cut of [...cuts.map((place) => place % (stream.length + 1)).sort((a, b) => a - b), stream.length]) {
    if (cut > at) reader.push(stream.subarray(at, cut));
    at = Math.max(at, cut);
  }
  return seen;
}

const expected = (frames: readonly Frame[]): string[] =>
  frames.map(
    ({ kind, call, body, rest }) => `${kind} ${call} ${body.length} ${Buffer.concat([body, rest]).toString("base64")}`,
  );

describe("Frames", () => {
  test("come out as they went in, however the stream was cut", () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 30 }), (frames, cuts) => {
        expect(read(encoded(frames), cuts)).toEqual(expected(frames));
      }),
      { numRuns: 300 },
    );
  });

  test("a byte at a time is enough", () => {
    const frames: Frame[] = [
      { kind: "call", call: 7, body: Buffer.from("question"), rest: Buffer.from("!") },
      { kind: "probe", call: 0, body: new Uint8Array(0), rest: new Uint8Array(0) },
    ];
    const stream = encoded(frames);
    expect(read(stream, Array.from(stream.keys()))).toEqual(expected(frames));
  });

  test("no changed byte of head or covered part gets through", () => {
    const frames: Frame[] = [{ kind: "call", call: 7, body: Buffer.from("question"), rest: new Uint8Array(0) }];
    const stream = encoded(frames);
    for (let at = 0; at < stream.length; at += 1) {
      for (const flip of [1, 0x80, 0xff]) {
        const broken = Buffer.from(stream);
        broken[at] = broken[at]! ^ flip;
        expect(() => read(broken, [])).toThrow(ProtocolError);
      }
    }
  });

  test("a frame that is too long is refused by its head alone", () => {
    const stream = encoded([{ kind: "message", call: 0, body: new Uint8Array(1_001), rest: new Uint8Array(0) }]);
    expect(() => read(stream.subarray(0, frameHeadBytes), [], 1_000)).toThrow("longer than the 1000 allowed");
  });

  test("a frame within one chunk is not copied; one that is not is", () => {
    const stream = encoded([{ kind: "message", call: 0, body: Buffer.from("content"), rest: new Uint8Array(0) }]);
    const payloads: Uint8Array[] = [];
    const reader = new FrameReader({ maxBytes: 100, frame: (_head, payload) => payloads.push(payload) });
    reader.push(stream);
    reader.push(stream.subarray(0, 26));
    reader.push(stream.subarray(26));
    expect(payloads.map((payload) => payload.buffer === stream.buffer)).toEqual([true, false]);
    expect(payloads.map((payload) => Buffer.from(payload).toString())).toEqual(["content", "content"]);
  });

  test("what is held comes in order once it is released, and nothing after a stop", () => {
    const frames = Array.from({ length: 4 }, (_, call) => ({
      kind: "call" as const,
      call,
      body: Buffer.from("x"),
      rest: new Uint8Array(0),
    }));
    const seen: number[] = [];
    const reader = new FrameReader({
      maxBytes: 100,
      frame: ({ call }) => {
        seen.push(call);
        if (call === 0) reader.hold();
        if (call === 2) reader.stop();
      },
    });
    const stream = encoded(frames);
    reader.push(stream.subarray(0, 60));
    reader.push(stream.subarray(60));
    expect(seen).toEqual([0]);
    reader.release();
    expect(seen).toEqual([0, 1, 2]);
  });
});

describe("Outbox", () => {
  const body = (length: number): { kind: "message"; call: number; body: Uint8Array } => ({
    kind: "message",
    call: 0,
    body: new Uint8Array(length),
  });

  test("neighbours leave as one piece, and no byte is written again", () => {
    const outbox = new Outbox();
    for (let times = 0; times < 100; times += 1) outbox.add(body(76));
    const first = outbox.take(1e6);
    expect(first.map(({ length }) => length)).toEqual([10_000]);
    const copy = Buffer.from(first[0]!);
    for (let times = 0; times < 2_000; times += 1) outbox.add({ ...body(76), call: times });
    expect(Buffer.compare(first[0]!, copy)).toBe(0);
    expect(outbox.take(1e6).length).toBeLessThanOrEqual(5);
  });

  test("drops the oldest, and only what has not left", () => {
    const outbox = new Outbox();
    for (let call = 0; call < 10; call += 1) outbox.add({ ...body(76), call });
    outbox.take(1);
    expect(outbox.dropOldest(350)).toBe(6);
    expect(outbox.bytes).toBe(300);
    const left = Buffer.concat(outbox.take(1e6));
    expect([0, 100, 200].map((at) => left.readUInt32LE(at + 12))).toEqual([7, 8, 9]);
    expect([outbox.bytes, outbox.take(1e6), outbox.dropOldest(0)]).toEqual([0, [], 0]);
  });

  test("takes a frame back until it has left", () => {
    const outbox = new Outbox();
    const frames = [1, 2, 3].map((call) => outbox.add({ ...body(76), call }));
    outbox.take(1);
    expect(frames.slice(0, 2).map((one) => outbox.withdraw(one))).toEqual([false, true]);
    expect(outbox.withdraw(frames[1]!)).toBe(true);
    expect(outbox.bytes).toBe(100);
    expect(Buffer.concat(outbox.take(1e6)).readUInt32LE(12)).toBe(3);
    expect(outbox.withdraw(frames[2]!)).toBe(false);
  });

  test("keeps up with many frames that wait", () => {
    const outbox = new Outbox();
    let taken = 0;
    for (let round = 0; round < 50; round += 1) {
      for (let times = 0; times < 2_000; times += 1) outbox.add(body(1));
      for (const piece of outbox.take(20_000)) taken += piece.length;
    }
    while (outbox.bytes > 0) for (const piece of outbox.take(1e9)) taken += piece.length;
    expect(taken).toBe(50 * 2_000 * (frameHeadBytes + 1));
  });
});
