import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { Configuration, GroupMessage, Payload, PeerMessage } from "raft-ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { decodeMessage, encodeMessage } from "./message-codec.ts";
import { ProtocolError } from "./protocol-error.ts";

type Inner = GroupMessage["message"];

function encode(message: PeerMessage): Uint8Array {
  const into = new ByteWriter(8);
  const payloads = encodeMessage(message, into);
  return Buffer.concat([
    into.written(),
    ...payloads.map(({ bytes, start, length }) => bytes.subarray(start, start + length)),
  ]);
}

const decode = (bytes: Uint8Array): PeerMessage => decodeMessage(new ByteReader(bytes));

/** Payloads as their content, wherever they lie. */
function normal(message: PeerMessage): unknown {
  if (message.kind !== "group") return message;
  const payloads = message.payloads.map(
    (payload) => payload && { crc: payload.crc, content: contentOf(payload).toString("hex") },
  );
  return { ...message, payloads };
}

function contentOf({ bytes, start, length }: Payload): Buffer {
  return Buffer.from(bytes.subarray(start, start + length));
}

const number = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER));
const group = fc.integer({ min: 0, max: 65_535 });

/** Any that `encodeConfiguration` takes: ids in four parts. */
const configuration: fc.Arbitrary<Configuration> = fc
  .uniqueArray(fc.integer({ min: 1, max: 2 ** 31 - 1 }), { minLength: 4, maxLength: 12 })
  .chain((ids) => fc.tuple(fc.constant(ids), fc.boolean(), fc.boolean(), fc.maxSafeNat()))
  .map(([ids, joint, autoLeave, revision]) => {
    const [first, second, third] = [1, 2, 3].map((quarter) => Math.ceil((ids.length * quarter) / 4)) as [
      number,
      number,
      number,
    ];
    return {
      incoming: ids.slice(0, first),
      outgoing: joint ? ids.slice(first, second) : [],
      learners: ids.slice(second, third),
      learnersNext: [],
      autoLeave: joint && autoLeave,
      revision,
    };
  });

const inner: { readonly [Kind in Inner["kind"]]: fc.Arbitrary<Inner> } = {
  preVoteRequest: fc.record({
    kind: fc.constant("preVoteRequest" as const),
    term: number,
    electionTerm: number,
    lastIndex: number,
    lastTerm: number,
  }),
  voteRequest: fc.record({
    kind: fc.constant("voteRequest" as const),
    term: number,
    transfer: fc.boolean(),
    lastIndex: number,
    lastTerm: number,
  }),
  preVoteReply: voteReply("preVoteReply"),
  voteReply: voteReply("voteReply"),
  appendRequest: fc
    .record({
      term: number,
      prevIndex: fc.maxSafeNat().map((index) => Math.floor(index / 2)),
      prevTerm: number,
      commit: number,
      uncounted: fc.boolean(),
      contents: fc.array(fc.tuple(number, fc.option(configuration, { nil: undefined })), { maxLength: 20 }),
    })
    .map(({ contents, ...head }) => ({
      kind: "appendRequest" as const,
      ...head,
      entries: contents.map(([term, content], at) => {
        const entry = { index: head.prevIndex + 1 + at, term };
        return content === undefined ? entry : { ...entry, configuration: content };
      }),
    })),
  appendAccepted: fc.record({
    kind: fc.constant("appendAccepted" as const),
    term: number,
    matchIndex: number,
    lost: fc.boolean(),
  }),
  appendRejected: fc.record({
    kind: fc.constant("appendRejected" as const),
    term: number,
    prevIndex: number,
    hintIndex: number,
    hintTerm: number,
    lost: fc.boolean(),
  }),
  timeoutNow: fc.record({ kind: fc.constant("timeoutNow" as const), term: number }),
  snapshotOffer: fc.record({
    kind: fc.constant("snapshotOffer" as const),
    term: number,
    snapshot: fc.record({
      index: number,
      term: number,
      configuration: fc.record({ index: number, configuration }),
      id: fc.string({ maxLength: 64 }),
      bytes: number,
    }),
  }),
};

function voteReply(kind: "preVoteReply" | "voteReply"): fc.Arbitrary<Inner> {
  return fc.record({ kind: fc.constant(kind), term: number, electionTerm: number, granted: fc.boolean() });
}

const payload: fc.Arbitrary<Payload | undefined> = fc
  .option(
    fc.record({
      content: fc.uint8Array({ maxLength: 300 }),
      before: fc.nat(5),
      crc: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    }),
    { nil: undefined },
  )
  .map(
    (one) =>
      one && {
        bytes: Buffer.concat([new Uint8Array(one.before), one.content, new Uint8Array(3)]),
        start: one.before,
        length: one.content.length,
        crc: one.crc,
      },
  );

const groupMessage: fc.Arbitrary<PeerMessage> = fc
  .tuple(group, fc.oneof(...Object.values(inner)))
  .chain(([id, message]) => {
    const count = message.kind === "appendRequest" ? message.entries.length : 0;
    return fc
      .array(payload, { minLength: count, maxLength: count })
      .map((payloads) => ({ kind: "group" as const, group: id, message, payloads }));
  });

const message: fc.Arbitrary<PeerMessage> = fc.oneof(
  groupMessage,
  fc.record({
    kind: fc.constant("pairHeartbeat" as const),
    sequence: number,
    base: number,
    version: number,
    hash: number,
    led: fc.array(fc.record({ group, term: number, commit: number })),
    ended: fc.array(group),
  }),
  fc.record({
    kind: fc.constant("pairHeartbeatReply" as const),
    sequence: number,
    lost: fc.boolean(),
    refused: fc.array(fc.record({ group, term: number })),
  }),
  fc.record({ kind: fc.constant("snapshotPull" as const), group, id: fc.string({ maxLength: 64 }), offset: number }),
  fc.record({
    kind: fc.constant("snapshotChunk" as const),
    group,
    id: fc.string({ maxLength: 64 }),
    offset: number,
    bytes: fc.uint8Array({ maxLength: 300 }),
  }),
);

const runs = process.env["SATURNMQ_NIGHTLY"] === "1" ? 50_000 : 1_000;

describe("The codec of messages", () => {
  test("decodes what it encoded, from one copy of the bytes", () => {
    fc.assert(
      fc.property(message, (value) => {
        const bytes = encode(value);
        const back = decode(bytes);
        expect(normal(back)).toEqual(normal(value));
        if (back.kind === "group")
          for (const one of back.payloads) expect(one === undefined || one.bytes === bytes).toBe(true);
      }),
      { numRuns: runs },
    );
  });

  test("any cut, any longer form and any changed byte is refused or is another message that encodes to those bytes", () => {
    const change = fc.tuple(
      message,
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      fc.constantFrom("cut", "grow", "flip"),
    );
    fc.assert(
      fc.property(change, ([value, place, by, how]) => {
        const bytes = encode(value);
        const at = place % bytes.length;
        if (how === "cut") expect(() => decode(bytes.subarray(0, at))).toThrow(ProtocolError);
        else if (how === "grow") expect(() => decode(Buffer.concat([bytes, Uint8Array.of(by)]))).toThrow(ProtocolError);
        else {
          bytes[at] = bytes[at]! ^ by;
          const back = decoded(bytes);
          if (back !== undefined) expect(Buffer.compare(encode(back), bytes)).toBe(0);
        }
      }),
      { numRuns: runs },
    );
  });

  test("any bytes give a message or a ProtocolError, and no more objects than bytes", () => {
    const codes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 128, 129, 130, 131, 255];
    const noise = fc.tuple(fc.constantFrom(...codes), fc.uint8Array({ maxLength: 400 }));
    fc.assert(
      fc.property(noise, ([code, rest]) => {
        const bytes = Uint8Array.of(code, 1, ...rest);
        const back = decoded(bytes);
        if (back === undefined) return;
        expect(itemsOf(back)).toBeLessThanOrEqual(bytes.length / 2);
      }),
      { numRuns: runs },
    );
  });

  test("a count that does not fit is refused before anything is made for it", () => {
    const bytes = encode({ kind: "pairHeartbeat", sequence: 1, base: 0, version: 1, hash: 0, led: [], ended: [] });
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(bytes.length - 4, 0xff_ff_ff_ff, true);
    expect(() => decode(bytes)).toThrow("4294967295 items do not fit into 0 bytes");
  });

  test.each<{ readonly what: string; readonly value: PeerMessage; readonly hex: string }>([
    {
      what: "an append",
      value: {
        kind: "group",
        group: 3,
        message: {
          kind: "appendRequest",
          term: 2,
          prevIndex: 8,
          prevTerm: 1,
          entries: [{ index: 9, term: 2 }],
          commit: 7,
          uncounted: false,
        },
        payloads: [{ bytes: Uint8Array.of(0xaa, 0xbb), start: 1, length: 1, crc: 0x01020304 }],
      },
      hex: "0501 0300 0200000000000000 0800000000000000 0100000000000000 0700000000000000 00 01000000 0200000000000000 00 01000000 04030201 bb",
    },
    {
      what: "a vote",
      value: {
        kind: "group",
        group: 65_535,
        message: { kind: "voteReply", term: 2 ** 32 + 1, electionTerm: 5, granted: true },
        payloads: [],
      },
      hex: "0401 ffff 0100000001000000 0500000000000000 01",
    },
    {
      what: "a heartbeat",
      value: {
        kind: "pairHeartbeat",
        ...{ sequence: 6, base: 4, version: 5, hash: 9 },
        led: [{ group: 1, term: 2, commit: 3 }],
        ended: [7],
      },
      hex: "8001 0600000000000000 0400000000000000 0500000000000000 0900000000000000 01000000 0100 0200000000000000 0300000000000000 01000000 0700",
    },
    {
      what: "an answer to one",
      value: { kind: "pairHeartbeatReply", sequence: 6, lost: false, refused: [{ group: 1, term: 2 }] },
      hex: "8101 0600000000000000 00 01000000 0100 0200000000000000",
    },
  ])("$what looks on the wire as it did in version 1", ({ value, hex }) => {
    const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");
    expect(Buffer.from(encode(value)).toString("hex")).toBe(bytes.toString("hex"));
    expect(normal(decode(bytes))).toEqual(normal(value));
  });

  test.each([
    { what: "an unknown code", bytes: [77, 1, 0, 0], message: "message code 77 version 1 is not known" },
    { what: "a later version", bytes: [6, 2, 0, 0], message: "message code 6 version 2 is not known" },
    { what: "a number above 2^53 - 1", bytes: [6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0], message: "above 2^53 - 1" },
    { what: "nothing", bytes: [], message: "end too early" },
  ])("$what is refused", ({ bytes, message: text }) => {
    expect(() => decode(Uint8Array.from(bytes))).toThrow(ProtocolError);
    expect(() => decode(Uint8Array.from(bytes))).toThrow(text);
  });
});

function itemsOf(message_: PeerMessage): number {
  switch (message_.kind) {
    case "group":
      return message_.payloads.length;
    case "pairHeartbeat":
      return message_.led.length + message_.ended.length;
    case "pairHeartbeatReply":
      return message_.refused.length;
    case "snapshotPull":
    case "snapshotChunk":
      return 0;
  }
}

function decoded(bytes: Uint8Array): PeerMessage | undefined {
  try {
    return decode(bytes);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}
