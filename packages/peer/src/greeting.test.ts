import { describe, expect, test } from "@jest/globals";
import { crc32 } from "@saturnmq/kit/node";
import fc from "fast-check";
import { decodeGreeting, encodeGreeting, type Greeting } from "./greeting.ts";
import type { PeerRole, RefusalReason } from "./ports.ts";
import { ProtocolError } from "./protocol-error.ts";

const u16 = fc.integer({ min: 0, max: 65_535 });
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const reasons: readonly RefusalReason[] = ["wrongCluster", "ownId", "twin", "oldIncarnation", "version", "crossing"];

const greeting: fc.Arbitrary<Greeting> = fc
  .record({
    kind: fc.constantFrom("hello" as const, "welcome" as const, "refusal" as const),
    channel: fc.constantFrom("control" as const, "bulk" as const),
    versions: fc.record({ lowest: u16, highest: u16 }),
    identity: fc.record({
      clusterId: fc.string({ maxLength: 60, unit: "grapheme" }),
      role: fc.constantFrom<PeerRole>("broker", "nameserver"),
      id: u32,
      incarnation: fc.maxSafeNat(),
      featureLevel: u32,
    }),
    boot: fc.maxSafeNat(),
    session: fc.maxSafeNat(),
    target: u32,
    reason: fc.constantFrom(...reasons),
  })
  .map((value) => (value.kind === "refusal" ? value : { ...value, reason: undefined }));

const plain: Greeting = {
  kind: "hello",
  channel: "control",
  versions: { lowest: 1, highest: 2 },
  identity: { clusterId: "c1", role: "broker", id: 7, incarnation: 3, featureLevel: 4 },
  boot: 5,
  session: 6,
  target: 8,
  reason: undefined,
};

describe("Greetings", () => {
  test("are read as they were written, whatever follows, and never before they are whole", () => {
    fc.assert(
      fc.property(greeting, fc.uint8Array({ maxLength: 10 }), fc.nat(), (value, rest, place) => {
        const bytes = encodeGreeting(value);
        expect(decodeGreeting(Buffer.concat([bytes, rest]))).toEqual({ greeting: value, length: bytes.length });
        expect(decodeGreeting(bytes.subarray(0, place % bytes.length))).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  test("look on the wire as they did in version 1", () => {
    const bytes = Buffer.from(encodeGreeting(plain));
    expect(bytes.subarray(0, -4).toString("hex")).toBe(
      "534d5150 3a00 01 01 0100 0200 01 00 07000000 08000000 04000000 0300000000000000 0500000000000000 0600000000000000 0200 6331".replaceAll(
        " ",
        "",
      ),
    );
  });

  test("may have fields of a later version behind, which are skipped", () => {
    const bytes = Buffer.from(encodeGreeting(plain));
    const longer = Buffer.concat([bytes.subarray(0, -4), Buffer.from("later"), Buffer.alloc(4)]);
    longer.writeUInt16LE(longer.length, 4);
    longer.writeUInt32LE(crc32(longer, 0, longer.length - 4), longer.length - 4);
    expect(decodeGreeting(longer)?.greeting).toEqual(plain);
  });

  test("no changed byte gets through", () => {
    const bytes = Buffer.from(encodeGreeting(plain));
    for (let at = 0; at < bytes.length; at += 1) {
      const broken = Buffer.from(bytes);
      broken[at] = broken[at]! ^ 0x55;
      const read = (): unknown => decodeGreeting(Buffer.concat([broken, Buffer.alloc(2_000)]));
      expect(read).toThrow(ProtocolError);
    }
  });

  test.each([
    { what: "HTTP/2", first: "PRI * HTTP/2.0" },
    { what: "HTTP/1", first: "GET / HTTP/1.1" },
    { what: "TLS", first: "\x16\x03\x01\x02\x00" },
    { what: "a later magic", first: "SMQQ" },
  ])("$what is refused by its first bytes", ({ first }) => {
    expect(() => decodeGreeting(Buffer.from(first, "latin1"))).toThrow("not a peer's greeting");
    // "S" alone may still become one.
    if (first.startsWith("S")) expect(decodeGreeting(Buffer.from("S"))).toBeUndefined();
    else expect(() => decodeGreeting(Buffer.from(first.slice(0, 1), "latin1"))).toThrow(ProtocolError);
  });

  test("any bytes give a greeting, a wish for more, or a ProtocolError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        for (const bytes of [noise, Buffer.concat([Buffer.from("SMQP"), noise])]) {
          try {
            decodeGreeting(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolError);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test("a cluster id that does not fit is refused by the process that has it", () => {
    const identity = { ...plain.identity, clusterId: "c".repeat(2_000) };
    expect(() => encodeGreeting({ ...plain, identity })).toThrow(RangeError);
  });
});
