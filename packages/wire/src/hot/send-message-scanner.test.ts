import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { limits } from "../protobuf/message-codec.ts";
import * as v2 from "../rocketmq/messages.ts";
import { anyMessage, mutated, oracleEncode, type Plain } from "../testing/oracle.ts";
import { WireError } from "../wire-error.ts";
import { SendMessageScanner } from "./send-message-scanner.ts";
import type { Moment, Span } from "./spans.ts";

// Goal: what the scanner shows by offset is what the codec, and so protobufjs, answers as objects, for valid and for broken bytes.

/** All that the scanner shows of its present message, in the codec's terms. */
function shown(scanner: SendMessageScanner): Plain {
  const optional = (span: Span): string | undefined => (span.start < 0 ? undefined : scanner.text(span));
  const time = ({ present, seconds, nanos }: Moment): unknown => (present ? { seconds, nanos } : undefined);
  const { propertyNames, propertyValues, keys, body } = scanner;
  const indexes = Array.from({ length: propertyNames.count }, (_, index) => index);
  return {
    topic: [scanner.text(scanner.topicNamespace), scanner.text(scanner.topicName)],
    userProperties: new Map(
      indexes.map((index) => [scanner.textAt(propertyNames, index), scanner.textAt(propertyValues, index)]),
    ),
    body: Buffer.from(scanner.bytes.subarray(Math.max(0, body.start), Math.max(0, body.start) + body.length)),
    tag: optional(scanner.tag),
    keys: Array.from({ length: keys.count }, (_, index) => scanner.textAt(keys, index)),
    messageId: scanner.text(scanner.messageId),
    digest: [scanner.digestType, scanner.text(scanner.digestChecksum)],
    bodyEncoding: scanner.bodyEncoding,
    messageType: scanner.messageType,
    bornTimestamp: time(scanner.born),
    bornHost: scanner.text(scanner.bornHost),
    queueId: scanner.queueId,
    deliveryTimestamp: time(scanner.delivery),
    messageGroup: optional(scanner.messageGroup),
    traceContext: optional(scanner.traceContext),
    orphaned: time(scanner.orphanedRecovery),
    liteTopic: optional(scanner.liteTopic),
    priority: scanner.hasPriority ? scanner.priority : undefined,
  };
}

/** The same, out of a decoded message. */
function wanted(message: v2.Message): Plain {
  const { topic, userProperties, body, systemProperties: system } = message;
  return {
    topic: [topic?.resourceNamespace ?? "", topic?.name ?? ""],
    userProperties,
    body: Buffer.from(body),
    tag: system?.tag,
    keys: system?.keys ?? [],
    messageId: system?.messageId ?? "",
    digest: [system?.bodyDigest?.type ?? 0, system?.bodyDigest?.checksum ?? ""],
    bodyEncoding: system?.bodyEncoding ?? 0,
    messageType: system?.messageType ?? 0,
    bornTimestamp: system?.bornTimestamp,
    bornHost: system?.bornHost ?? "",
    queueId: system?.queueId ?? 0,
    deliveryTimestamp: system?.deliveryTimestamp,
    messageGroup: system?.messageGroup,
    traceContext: system?.traceContext,
    orphaned: system?.orphanedTransactionRecoveryDuration,
    liteTopic: system?.liteTopic,
    priority: system?.priority,
  };
}

const scanner = new SendMessageScanner();

function scanAll(bytes: Uint8Array, start = 0, end = bytes.length): Plain[] {
  const messages: Plain[] = [];
  scanner.open(bytes, start, end);
  while (scanner.next()) messages.push(shown(scanner));
  return messages;
}

/** Answers, or the fact of a refusal; anything else thrown fails the test. */
function orRefusal<T>(read: () => T): T | "refused" {
  try {
    return read();
  } catch (error) {
    if (error instanceof WireError) return "refused";
    throw error;
  }
}

describe("scanner and codec agree", () => {
  test("on any request, wherever it lies in a larger buffer", () => {
    fc.assert(
      fc.property(anyMessage("SendMessageRequest"), fc.nat(20), (request, before) => {
        const bytes = oracleEncode("SendMessageRequest", request);
        const inside = Buffer.concat([Buffer.alloc(before, 0xff), bytes, Buffer.alloc(3, 0xff)]);
        const decoded = v2.SendMessageRequest.decode(bytes).messages;
        expect(scanAll(inside, before, before + bytes.length)).toEqual(decoded.map(wanted));
      }),
      { seed: 20_260_810, numRuns: 400 },
    );
  });

  test("on fields in any order, repeated, split over several occurrences", () => {
    const pieces = fc.array(anyMessage("Message"), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(pieces, (parts) => {
        // Messages written one behind another are one message whose fields repeat (protobuf: concatenation merges).
        const content = Buffer.concat(parts.map((part) => oracleEncode("Message", part)));
        const request = wrap(content);
        expect(scanAll(request)).toEqual([wanted(v2.Message.decode(content))]);
      }),
      { seed: 20_260_811, numRuns: 400 },
    );
  });

  test("on what to refuse: bytes changed, cut and put in", () => {
    const valid = anyMessage("SendMessageRequest").map((request) => oracleEncode("SendMessageRequest", request));
    let refused = 0;
    fc.assert(
      fc.property(mutated(valid), (bytes) => {
        const decoded = orRefusal(() => v2.SendMessageRequest.decode(bytes).messages.map(wanted));
        expect(orRefusal(() => scanAll(bytes))).toEqual(decoded);
        if (decoded === "refused") refused += 1;
      }),
      { seed: 20_260_812, numRuns: 4_000 },
    );
    expect(refused).toBeGreaterThan(500);
  });

  test("on random bytes inside a message, which reach deep because the frame around them is right", () => {
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.uint8Array({ maxLength: 60 }).map(asSystemProperties),
    );
    fc.assert(
      fc.property(content, (bytes) => {
        const request = wrap(bytes);
        const decoded = orRefusal(() => v2.SendMessageRequest.decode(request).messages.map(wanted));
        expect(orRefusal(() => scanAll(request))).toEqual(decoded);
      }),
      { seed: 20_260_813, numRuns: 10_000 },
    );
  });
});

describe("the scanner", () => {
  test("forgets one message before the next", () => {
    const full = { topic: { name: "t" }, body: Buffer.from("b"), userProperties: new Map([["a", "b"]]) };
    const systemProperties = { tag: "x", keys: ["k"], messageGroup: "g", priority: 3, bornTimestamp: { seconds: 5 } };
    const bytes = v2.SendMessageRequest.encode({ messages: [{ ...full, systemProperties }, {}] });
    expect(scanAll(bytes)[1]).toEqual(wanted(v2.Message.decode(new Uint8Array(0))));
  });

  test("tells messages of another topic or namespace", () => {
    const topics = [{ name: "a" }, { name: "a" }, { name: "b" }, { name: "a", resourceNamespace: "n" }, {}, undefined];
    const bytes = v2.SendMessageRequest.encode({ messages: topics.map((topic) => ({ topic })) });
    const told: boolean[] = [];
    scanner.open(bytes, 0, bytes.length);
    while (scanner.next()) told.push(scanner.sharesTopic);
    expect(told).toEqual([true, true, false, false, false, false]);
  });

  test("bounds messages, properties, keys and unknown bytes, and takes no memory for a bomb", () => {
    const times = (piece: Uint8Array, count: number): Buffer => Buffer.concat(Array<Uint8Array>(count).fill(piece));
    const empty = Uint8Array.of(0x0a, 0x00);
    expect(() => scanAll(times(empty, 1_000_000))).toThrow(`more than ${limits.entries} messages`);
    expect(scanAll(times(empty, limits.entries))).toHaveLength(limits.entries);
    const entry = Uint8Array.of(0x12, 0x00);
    expect(() => scanAll(wrap(times(entry, limits.entries + 1)))).toThrow(`more than ${limits.entries} entries`);
    expect(() => scanAll(wrap(asSystemProperties(times(entry, limits.entries + 1))))).toThrow("keys");
    const unknown = Buffer.concat([Uint8Array.of(0xfa, 0x01, 0x80, 0x7d), Buffer.alloc(16_000)]);
    expect(scanAll(wrap(unknown))).toHaveLength(1);
    expect(() => scanAll(times(wrap(unknown), 2))).toThrow("bytes of unknown fields");
  });

  test("says where a request is broken", () => {
    const bytes = wrap(asSystemProperties(Uint8Array.of(0x0a, 0x02, 0xc3, 0x28)));
    expect(() => scanAll(bytes)).toThrow("a text is not UTF-8, in SystemProperties at byte 10");
  });

  test("holds no bytes after close", () => {
    scanAll(wrap(new Uint8Array(0)));
    scanner.close();
    expect(scanner.bytes).toHaveLength(0);
  });
});

/** A request of one message with that content. */
function wrap(content: Uint8Array): Buffer {
  return delimited(10, content);
}

function asSystemProperties(content: Uint8Array): Buffer {
  return delimited(26, content);
}

function delimited(key: number, content: Uint8Array): Buffer {
  const length = content.length;
  const prefix = [key, 0x80 | (length & 0x7f), 0x80 | ((length >> 7) & 0x7f), length >> 14];
  return Buffer.concat([Uint8Array.from(prefix), content]);
}
