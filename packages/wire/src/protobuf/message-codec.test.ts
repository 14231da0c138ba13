import { describe, expect, test } from "@jest/globals";
import * as v2 from "../rocketmq/messages.ts";
import { WireError } from "../wire-error.ts";
import { limits, SchemaCodec } from "./message-codec.ts";

const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);
const repeated = (piece: Uint8Array, count: number): Uint8Array => Buffer.concat(Array<Uint8Array>(count).fill(piece));

describe("decode refuses what is malformed and says where", () => {
  test.each<[string, Uint8Array, string]>([
    [
      "a length past the end",
      bytes(0x0a, 0x05, 0x61),
      "length of 5 runs past the 1 bytes that are left, in Resource.resourceNamespace at byte 1",
    ],
    ["a length of 2^31 - 1", bytes(0x0a, 0xff, 0xff, 0xff, 0xff, 0x07), "length of 2147483647 runs past"],
    ["a length of -1", bytes(0x0a, ...Array<number>(9).fill(0xff), 0x01), "length of -1 runs past"],
    ["a varint cut off", bytes(0x8a), "a varint is cut off"],
    ["a varint of eleven bytes", bytes(...Array<number>(11).fill(0x80)), "more than ten bytes"],
    ["a varint of 65 bits", bytes(...Array<number>(9).fill(0x80), 0x02), "more than 64 bits"],
    ["field number 0", bytes(0x02, 0x00), "field number"],
    ["a group", bytes(0x1b, 0x1c), "wire type 3 is not used by proto3"],
    ["a known field of another wire type", bytes(0x08, 0x01), "wire type 0 does not hold a string"],
    ["text that is not UTF-8", bytes(0x0a, 0x02, 0xc3, 0x28), "not UTF-8"],
    ["a fixed value cut off", bytes(0x1d, 0x00, 0x00), "cut off"],
  ])("%s", (_what, input, message) => {
    expect(() => v2.Resource.decode(input)).toThrow(WireError);
    expect(() => v2.Resource.decode(input)).toThrow(message);
  });

  test("an integer beyond 2^53, and the largest on this side", () => {
    const beyond = bytes(0x20, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10);
    expect(() => v2.SendResultEntry.decode(beyond)).toThrow("beyond 2^53, in SendResultEntry.offset at byte 1");
    const last = v2.SendResultEntry.encode({ offset: Number.MAX_SAFE_INTEGER });
    expect(v2.SendResultEntry.decode(last).offset).toBe(Number.MAX_SAFE_INTEGER);
  });

  test("a range outside of the bytes", () => {
    expect(() => v2.Resource.decode(bytes(1, 2), 1, 3)).toThrow("lies outside");
  });

  test("a sub-message that claims more than its parent has", () => {
    const inner = bytes(0x0a, 0x03, 0x12, 0x05, 0x61, 0x61, 0x61, 0x61, 0x61);
    expect(() => v2.QueryRouteRequest.decode(inner)).toThrow("Resource.name");
  });
});

describe("decode keeps to the rules of protobuf", () => {
  test("sub-messages merge, the last scalar counts, lists grow", () => {
    const parts = [
      v2.QueryRouteRequest.encode({ topic: { name: "first", resourceNamespace: "kept" } }),
      v2.QueryRouteRequest.encode({ endpoints: { addresses: [{ host: "a" }] } }),
      v2.QueryRouteRequest.encode({ topic: { name: "last" }, endpoints: { addresses: [{ host: "b" }] } }),
    ];
    const { topic, endpoints } = v2.QueryRouteRequest.decode(Buffer.concat(parts));
    expect(topic).toEqual({ name: "last", resourceNamespace: "kept" });
    expect(endpoints?.addresses.map(({ host }) => host)).toEqual(["a", "b"]);
  });

  test("of a oneof the last member counts", () => {
    const both = Buffer.concat([
      v2.ReceiveMessageResponse.encode({ status: { code: v2.Code.OK } }),
      v2.ReceiveMessageResponse.encode({ deliveryTimestamp: { seconds: 1 } }),
    ]);
    const { status, deliveryTimestamp } = v2.ReceiveMessageResponse.decode(both);
    expect(status).toBeUndefined();
    expect(deliveryTimestamp?.seconds).toBe(1);
  });

  test("numbers in lists come packed or one by one", () => {
    const packed = v2.MessageQueue.encode({ acceptMessageTypes: [1, 2] });
    const single = bytes(0x28, 0x03, 0x28, 0x04);
    expect(v2.MessageQueue.decode(Buffer.concat([packed, single])).acceptMessageTypes).toEqual([1, 2, 3, 4]);
  });

  test("fields that are not known are passed over, whatever their wire type", () => {
    const unknown = bytes(
      0xf8,
      0x01,
      0x7f,
      0xfa,
      0x01,
      0x01,
      0x00,
      0xfd,
      0x01,
      1,
      2,
      3,
      4,
      0xf9,
      0x01,
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
    );
    const { name } = v2.Resource.decode(Buffer.concat([unknown, v2.Resource.encode({ name: "there" }), unknown]));
    expect(name).toBe("there");
  });

  test("a property named like an object's inner parts is a property like others", () => {
    const userProperties = new Map([
      ["__proto__", "x"],
      ["constructor", "y"],
    ]);
    const message = v2.Message.decode(v2.Message.encode({ userProperties }));
    expect(message.userProperties).toEqual(userProperties);
  });

  test("bytes are a view of the input", () => {
    const input = v2.Message.encode({ body: bytes(1, 2, 3) });
    const { body } = v2.Message.decode(input);
    input[input.length - 1] = 9;
    expect([...body]).toEqual([1, 2, 9]);
  });
});

describe("input made to be large in memory", () => {
  const emptyMessage = bytes(0x0a, 0x00);

  test("a million empty messages in two megabytes", () => {
    const bomb = repeated(emptyMessage, 1_000_000);
    expect(() => v2.SendMessageRequest.decode(bomb)).toThrow(`more than ${limits.entries} entries`);
    expect(v2.SendMessageRequest.decode(repeated(emptyMessage, limits.entries)).messages).toHaveLength(limits.entries);
  });

  test("lists within lists, each below its own bound", () => {
    const queues = repeated(bytes(0x12, 0x00), 1_000);
    const route = v2.MessageQueue.encode({ broker: { endpoints: { addresses: Array(900).fill({}) } } });
    const inner = Buffer.concat(
      Array<Uint8Array>(10).fill(Buffer.concat([bytes(0x12, 0x80 | (route.length & 0x7f), route.length >> 7), route])),
    );
    expect(() => v2.QueryRouteResponse.decode(Buffer.concat([queues, inner]))).toThrow(
      "too many entries for a message of this size",
    );
  });

  test("texts, map entries and packed numbers beyond their bounds", () => {
    const keys = repeated(bytes(0x12, 0x00), limits.scalars + 1);
    expect(() => v2.SystemProperties.decode(keys)).toThrow(`more than ${limits.scalars} entries`);
    const properties = Array.from({ length: limits.entries + 1 }, (_, index) => [`k${index}`, ""] as const);
    const many = v2.Message.encode({ userProperties: new Map(properties) });
    expect(() => v2.Message.decode(many)).toThrow(`more than ${limits.entries} entries`);
    const packed = v2.MessageQueue.encode({ acceptMessageTypes: Array<number>(limits.scalars + 1).fill(1) });
    expect(() => v2.MessageQueue.decode(packed)).toThrow(`more than ${limits.scalars} entries`);
  });

  test("unknown fields beyond their bound", () => {
    const unknown = (length: number): Uint8Array =>
      Buffer.concat([bytes(0xfa, 0x01, 0x80 | (length & 0x7f), length >> 7), new Uint8Array(length)]);
    expect(v2.Resource.decode(unknown(16_000)).name).toBe("");
    expect(() => v2.Resource.decode(Buffer.concat([unknown(16_000), unknown(400)]))).toThrow("bytes of unknown fields");
  });

  test("messages nested without end", () => {
    const codec = new SchemaCodec({ Node: [[1, "child", "Node"]] }).of<{ child?: unknown }>("Node");
    const nested = (depth: number): Uint8Array => {
      let inner: Uint8Array = new Uint8Array(0);
      for (let level = 1; level < depth; level += 1) {
        inner = Buffer.concat([bytes(0x0a, 0x80 | (inner.length & 0x7f), inner.length >> 7), inner]);
      }
      return inner;
    };
    expect(codec.decode(nested(limits.depth))).toHaveProperty("child");
    expect(() => codec.decode(nested(limits.depth + 1))).toThrow("nested more than 32 deep");
    expect(() => codec.decode(nested(4_000))).toThrow("nested more than 32 deep");
  });
});

describe("encode", () => {
  test("refuses what a field cannot hold", () => {
    expect(() => v2.Broker.encode({ id: 2 ** 31 })).toThrow("Broker.id takes a 32-bit integer, not 2147483648");
    expect(() => v2.Broker.encode({ id: 1.5 })).toThrow(WireError);
    expect(() => v2.SendResultEntry.encode({ offset: 2 ** 53 })).toThrow("SendResultEntry.offset takes a safe integer");
    expect(() => v2.Resource.encode({ name: 1 as unknown as string })).toThrow("Resource.name takes a string, not 1");
    expect(() => v2.ReceiveMessageResponse.encode({ status: {}, message: {} })).toThrow("exclude each other");
  });

  test("starts afresh after a refusal", () => {
    expect(() => v2.MessageQueue.encode({ topic: { name: "left over" }, id: 0.5 })).toThrow(WireError);
    expect(v2.Resource.encode({})).toHaveLength(0);
  });

  test("writes lengths of one to four bytes in the right place", () => {
    for (const size of [0, 100, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]) {
      const name = "n".repeat(size);
      const { topic, endpoints } = v2.QueryRouteRequest.decode(
        v2.QueryRouteRequest.encode({ topic: { name }, endpoints: {} }),
      );
      expect(topic?.name).toBe(name);
      expect(endpoints?.addresses).toEqual([]);
    }
  });

  test("answers buffers that later calls leave alone", () => {
    const first = v2.Resource.encode({ name: "first" });
    v2.Resource.encode({ name: "other" });
    expect(v2.Resource.decode(first).name).toBe("first");
  });
});
