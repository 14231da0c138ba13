import { createRequire } from "node:module";
import { describe, expect, test } from "@jest/globals";
import { crc32 } from "@saturnmq/kit/node";
import fc from "fast-check";
import * as v2 from "../rocketmq/messages.ts";
import { anyMessage, mutated, oracleEncode, oracleRewrite } from "../testing/oracle.ts";
import { WireError } from "../wire-error.ts";
import { type Deliverable, DeliveryWriter, storedBody } from "./delivery.ts";
import { SendMessageScanner } from "./send-message-scanner.ts";
import { layOutMessage, normalizeMessage, StoredLayout } from "./stored-message.ts";

// Goal: what a consumer gets is what its producer sent, plus the server's fields, in every parser; whatever was sent around it.

const scanner = new SendMessageScanner();

/** The stored form of each message of a request, with its layout. Guard bytes around it must stay. */
function store(request: Uint8Array): { readonly bytes: Buffer; readonly layout: StoredLayout }[] {
  const results: { bytes: Buffer; layout: StoredLayout }[] = [];
  scanner.open(request, 0, request.length);
  while (scanner.next()) {
    const layout = new StoredLayout();
    layOutMessage(scanner, layout);
    const size = layout.length;
    const target = Buffer.alloc(size + 9, 0xa5);
    normalizeMessage(scanner, layout, target, 4);
    expect([...target.subarray(0, 4), ...target.subarray(4 + size)]).toEqual(Array(9).fill(0xa5));
    results.push({ bytes: target.subarray(4, 4 + size), layout });
  }
  return results;
}

/** What is kept of a message that was sent. */
function kept({ topic, userProperties, body, systemProperties: system }: v2.Message): v2.Message {
  const { bodyEncoding = 0, keys = [], messageId = "", messageType = 0, bornHost = "" } = system ?? {};
  return {
    topic: topic ?? { resourceNamespace: "", name: "" },
    userProperties,
    body: Buffer.from(body),
    systemProperties: {
      tag: system?.tag,
      keys,
      messageId,
      bodyEncoding: bodyEncoding === 0 ? v2.Encoding.IDENTITY : bodyEncoding,
      messageType,
      bornTimestamp: system?.bornTimestamp,
      bornHost,
      storeHost: "",
      deliveryTimestamp: system?.deliveryTimestamp,
      queueId: 0,
      messageGroup: system?.messageGroup,
      traceContext: system?.traceContext,
      orphanedTransactionRecoveryDuration: system?.orphanedTransactionRecoveryDuration,
      liteTopic: system?.liteTopic,
      priority: system?.priority,
    },
  };
}

const sent = anyMessage("SendMessageRequest").map((request) => oracleEncode("SendMessageRequest", request));

type Leased = Omit<Deliverable, "message" | "bodyCrc">;

const leased: fc.Arbitrary<Leased> = fc.record({
  queue: fc.nat(2 ** 31 - 1),
  offset: fc.maxSafeNat(),
  storedAtMs: fc.nat({ max: 253_402_300_799_999 }),
  attempt: fc.integer({ min: 1, max: 2_000 }),
  receiptHandle: fc.string({ unit: "binary", minLength: 1, maxLength: 300 }),
  invisibleMs: fc.nat({ max: 43_200_000 }),
});

// One for all, as the broker has it: what a delivery leaves in it must not show in the next.
const writer = new DeliveryWriter();

function deliver(delivery: Omit<Deliverable, "bodyCrc">, storeHost: string, language: string): Buffer {
  const body = storedBody(delivery.message);
  writer.write({ ...delivery, bodyCrc: crc32(body, 0, body.length) }, storeHost, language);
  return Buffer.from(writer.bytes.subarray(writer.start, writer.end));
}

describe("the stored form", () => {
  test("keeps what the client said, drops what only a server may say, and puts SystemProperties last", () => {
    fc.assert(
      fc.property(sent, (request) => {
        const messages = v2.SendMessageRequest.decode(request).messages;
        const stored = store(request);
        expect(stored.map(({ bytes }) => v2.Message.decode(bytes))).toEqual(messages.map(kept));
        for (const { bytes, layout } of stored) {
          const body = bytes.subarray(layout.bodyStart, layout.bodyStart + layout.bodyLength);
          expect(body).toEqual(Buffer.from(v2.Message.decode(bytes).body));
          expect(Buffer.from(storedBody(bytes))).toEqual(body);
        }
      }),
      { seed: 20_260_820, numRuns: 400 },
    );
  });

  test("is the same again when it is sent again", () => {
    fc.assert(
      fc.property(sent, (request) => {
        for (const { bytes } of store(request)) {
          const again = v2.SendMessageRequest.encode({ messages: [v2.Message.decode(bytes)] });
          expect(store(again)[0]?.bytes.length).toBe(bytes.length);
        }
      }),
      { seed: 20_260_821, numRuns: 100 },
    );
  });

  test("drops unknown fields and forged server fields", () => {
    const forged = { queueId: 7, queueOffset: 9, receiptHandle: "forged", deliveryAttempt: 99, storeHost: "elsewhere" };
    const systemProperties = { ...forged, deadLetterQueue: { topic: "x" }, invisibleDuration: { seconds: 1 } };
    const plain = v2.Message.encode({ systemProperties: { messageId: "m" } });
    const message = v2.Message.encode({ systemProperties: { ...systemProperties, messageId: "m" } });
    const unknown = Uint8Array.of(0xfa, 0x01, 0x03, 1, 2, 3);
    const request = (content: Uint8Array): Uint8Array => Buffer.concat([Uint8Array.of(10, content.length), content]);
    const [first] = store(request(Buffer.concat([unknown, message, unknown])));
    expect(first?.bytes).toEqual(store(request(plain))[0]?.bytes);
  });
});

describe("a delivery", () => {
  test("is the stored message with the server's fields inside, for our codec and for protobufjs", () => {
    fc.assert(
      fc.property(sent, leased, fc.string({ maxLength: 30 }), (request, lease, storeHost) => {
        for (const { bytes } of store(request)) {
          const written = deliver({ message: bytes, ...lease }, storeHost, "JAVA");
          const expected = withLease(v2.Message.decode(bytes), lease, storeHost);
          expect(v2.ReceiveMessageResponse.decode(written).message).toEqual(expected);
          const rewritten = oracleRewrite("ReceiveMessageResponse", written);
          expect(v2.ReceiveMessageResponse.decode(rewritten).message).toEqual(expected);
        }
      }),
      { seed: 20_260_822, numRuns: 300 },
    );
  });

  test("grows the two lengths around it from one byte to four", () => {
    for (const size of [1, 100, 127, 128, 16_000, 16_384, 2_097_152]) {
      for (const handle of ["h", "h".repeat(120), "h".repeat(16_384)]) {
        const request = v2.SendMessageRequest.encode({ messages: [{ body: Buffer.alloc(size, 1) }] });
        const message = store(request)[0]!.bytes;
        const lease = { queue: 0, offset: 0, storedAtMs: 0, attempt: 1, receiptHandle: handle, invisibleMs: 0 };
        const { body, systemProperties } = v2.ReceiveMessageResponse.decode(deliver({ message, ...lease }, "h", "JAVA"))
          .message!;
        expect(body).toHaveLength(size);
        expect(systemProperties?.receiptHandle).toBe(handle);
      }
    }
  });

  test("of bytes that are no stored message is refused, not written", () => {
    const valid = sent.map((request) => store(request)[0]?.bytes ?? Buffer.alloc(0));
    const lease = { queue: 1, offset: 2, storedAtMs: 3, attempt: 4, receiptHandle: "r", invisibleMs: 5 };
    let refused = 0;
    fc.assert(
      fc.property(fc.oneof(mutated(valid), fc.uint8Array({ maxLength: 100 })), (message) => {
        try {
          deliver({ message, ...lease }, "host", "JAVA");
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
          refused += 1;
        }
      }),
      { seed: 20_260_823, numRuns: 2_000 },
    );
    expect(refused).toBeGreaterThan(200);
  });
});

function withLease(message: v2.Message, lease: Leased, storeHost: string): v2.Message {
  const crc = crc32(message.body, 0, message.body.length);
  const time = (ms: number): v2.Timestamp => ({ seconds: Math.floor(ms / 1_000), nanos: (ms % 1_000) * 1_000_000 });
  const system = message.systemProperties!;
  return {
    ...message,
    body: Buffer.from(message.body),
    systemProperties: {
      ...system,
      bodyDigest: { type: v2.DigestType.CRC32, checksum: crc.toString(16).toUpperCase() },
      storeTimestamp: time(lease.storedAtMs),
      storeHost,
      receiptHandle: lease.receiptHandle,
      queueId: lease.queue,
      queueOffset: lease.offset,
      invisibleDuration: time(lease.invisibleMs),
      deliveryAttempt: lease.attempt,
    },
  };
}

describe("the official Node client", () => {
  // The client's own classes, so that its own parser (google-protobuf, which does not merge) and its own digest check judge.
  const require = createRequire(import.meta.url);
  const { MessageView } = require("rocketmq-client-nodejs/dist/message/index.js") as {
    MessageView: new (message: unknown) => NodeView;
  };
  const { ReceiveMessageResponse } =
    require("rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js") as NodeParser;
  type NodeView = Readonly<
    Record<"messageId" | "topic" | "tag" | "receiptHandle", string> & {
      corrupted?: boolean;
      body: Buffer;
      keys: string[];
      offset: number;
      deliveryAttempt: number;
      bornTimestamp: Date;
      properties: Map<string, string>;
    }
  >;
  type NodeParser = { ReceiveMessageResponse: { deserializeBinary(bytes: Uint8Array): { getMessage(): unknown } } };

  const body = Buffer.from('    "node_modules/long": {', "utf8");
  const bornTimestamp = { seconds: 1_790_000_000, nanos: 250_000_000 };
  const request = v2.SendMessageRequest.encode({
    messages: [
      {
        topic: { name: "lines" },
        body,
        userProperties: new Map([["line", "42"]]),
        systemProperties: { tag: "json", keys: ["k1", "k2"], messageId: "01ABC", bornTimestamp },
      },
    ],
  });
  const lease = {
    queue: 3,
    offset: 41,
    storedAtMs: 1_790_000_000_777,
    attempt: 2,
    receiptHandle: "rh",
    invisibleMs: 30_000,
  };
  const view = (language: string): NodeView => {
    const bytes = deliver({ message: store(request)[0]!.bytes, ...lease }, "10.0.0.1", language);
    return new MessageView(ReceiveMessageResponse.deserializeBinary(bytes).getMessage());
  };

  test("reads a delivery whole and finds its digest right", () => {
    const { corrupted, ...rest } = view("HTTP");
    expect(corrupted).toBeUndefined();
    expect(rest.body).toEqual(body);
    expect(rest.bornTimestamp).toEqual(new Date(1_790_000_000_250));
    expect([...rest.properties]).toEqual([["line", "42"]]);
    expect(rest).toMatchObject({ topic: "lines", tag: "json", keys: ["k1", "k2"], messageId: "01ABC" });
    expect(rest).toMatchObject({ offset: 41, deliveryAttempt: 2, receiptHandle: "rh" });
  });

  test("compares CRC-32 as a decimal number: the forms for Java and Python look corrupted to it", () => {
    expect(view("JAVA").corrupted).toBe(true);
    expect(view("PYTHON").corrupted).toBe(true);
  });

  test("would lose what the client said if the server's fields came in a second SystemProperties", () => {
    const stored = store(request)[0]!.bytes;
    const bodyDigest = { type: v2.DigestType.MD5, checksum: "" };
    const second = v2.Message.encode({ systemProperties: { bodyDigest, receiptHandle: "rh" } });
    const content = Buffer.concat([stored, second]);
    const bytes = Buffer.concat([Uint8Array.of(18, 0x80 | (content.length & 0x7f), content.length >> 7), content]);
    expect(v2.ReceiveMessageResponse.decode(bytes).message?.systemProperties?.messageId).toBe("01ABC");
    expect(new MessageView(ReceiveMessageResponse.deserializeBinary(bytes).getMessage()).messageId).toBe("");
  });

  test("takes the MD5 that languages without a proven form get", () => {
    expect(view("SOMETHING NEW").corrupted).toBeUndefined();
  });
});
