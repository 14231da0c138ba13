import { describe, expect, test } from "@jest/globals";
import { type Init, SendMessageScanner, v2 } from "@saturnmq/wire";
import { validateMessage } from "./validate-message.ts";

const nowMs = 1_700_000_000_000;
const limits = { bodyBytesMax: 4_194_304, propertiesMax: 128, propertiesBytesMax: 16_384 };
const many = new Map(Array.from({ length: 129 }, (_, at) => [`p${String(at)}`, "v"]));
const at = (ms: number) => ({ seconds: Math.floor(ms / 1_000), nanos: (ms % 1_000) * 1_000_000 });

type Change = Init<v2.SystemProperties> & { readonly body?: Buffer; readonly properties?: ReadonlyMap<string, string> };

/** A plain message with one thing changed, as it comes over the wire. */
function validate({ body = Buffer.from("b"), properties = new Map(), ...system }: Change): string {
  const systemProperties = { messageId: "01", messageType: v2.MessageType.NORMAL, ...system };
  const message = { topic: { name: "t" }, userProperties: properties, systemProperties, body };
  const bytes = v2.SendMessageRequest.encode({ messages: [message] });
  const scanner = new SendMessageScanner();
  scanner.open(bytes, 0, bytes.length);
  expect(scanner.next()).toBe(true);
  return validateMessage(scanner, limits, { wallMs: () => nowMs });
}

describe("validation of a message (contract 2.13)", () => {
  test.each<{ rule: string; change: Change; code: string }>([
    { rule: "body empty", change: { body: Buffer.alloc(0) }, code: "MESSAGE_BODY_EMPTY" },
    { rule: "body above 4 MiB", change: { body: Buffer.alloc(4_194_305) }, code: "MESSAGE_BODY_TOO_LARGE" },
    { rule: "tag of blanks", change: { tag: "  " }, code: "ILLEGAL_MESSAGE_TAG" },
    { rule: "blanks around a tag", change: { tag: " a" }, code: "ILLEGAL_MESSAGE_TAG" },
    { rule: "a blank of Unicode behind a tag", change: { tag: "ä\u00a0" }, code: "ILLEGAL_MESSAGE_TAG" },
    { rule: "tag with |", change: { tag: "a|b" }, code: "ILLEGAL_MESSAGE_TAG" },
    { rule: "tag with a control character", change: { tag: "a\u0001" }, code: "ILLEGAL_MESSAGE_TAG" },
    { rule: "tag with a C1 control character", change: { tag: "a\u0085b" }, code: "ILLEGAL_MESSAGE_TAG" },
    { rule: "an encoding nobody knows", change: { bodyEncoding: 9 }, code: "BAD_REQUEST" },
    { rule: "key blank", change: { keys: ["ok", " "] }, code: "ILLEGAL_MESSAGE_KEY" },
    { rule: "key with a control character", change: { keys: ["a\n"] }, code: "ILLEGAL_MESSAGE_KEY" },
    { rule: "message group blank", change: { messageGroup: "" }, code: "ILLEGAL_MESSAGE_GROUP" },
    { rule: "message group of 64 bytes", change: { messageGroup: "g".repeat(64) }, code: "ILLEGAL_MESSAGE_GROUP" },
    {
      rule: "message group of 22 three-byte letters",
      change: { messageGroup: "字".repeat(22) },
      code: "ILLEGAL_MESSAGE_GROUP",
    },
    { rule: "message group with a control character", change: { messageGroup: "a\t" }, code: "ILLEGAL_MESSAGE_GROUP" },
    { rule: "129 properties", change: { properties: many }, code: "MESSAGE_PROPERTIES_TOO_LARGE" },
    {
      rule: "properties above 16 KiB",
      change: { properties: new Map([["a", "x".repeat(16_384)]]) },
      code: "MESSAGE_PROPERTIES_TOO_LARGE",
    },
    {
      rule: "tag and keys count too",
      change: { tag: "a".repeat(9_000), keys: ["k".repeat(9_000)] },
      code: "MESSAGE_PROPERTIES_TOO_LARGE",
    },
    {
      rule: "property value with a control character",
      change: { properties: new Map([["a", "\u0002"]]) },
      code: "ILLEGAL_MESSAGE_PROPERTY_KEY",
    },
    {
      rule: "property name with a control character",
      change: { properties: new Map([["a\u0000", ""]]) },
      code: "ILLEGAL_MESSAGE_PROPERTY_KEY",
    },
    {
      rule: "reserved property name",
      change: { properties: new Map([["UNIQ_KEY", "v"]]) },
      code: "ILLEGAL_MESSAGE_PROPERTY_KEY",
    },
    { rule: "message id blank", change: { messageId: " " }, code: "ILLEGAL_MESSAGE_ID" },
    {
      rule: "delivery more than 40 days away",
      change: { deliveryTimestamp: at(nowMs + 40 * 86_400_000 + 1) },
      code: "ILLEGAL_DELIVERY_TIME",
    },
    {
      rule: "orphaned recovery above an hour",
      change: { orphanedTransactionRecoveryDuration: at(3_600_001) },
      code: "BAD_REQUEST",
    },
  ])("$rule: $code", ({ change, code }) => {
    let refused: unknown;
    try {
      validate(change);
    } catch (error) {
      refused = error;
    }
    expect(refused).toMatchObject({ code });
  });

  test.each<{ rule: string; change: Change; type: string }>([
    { rule: "a plain one", change: {}, type: "NORMAL" },
    {
      rule: "the limits themselves",
      change: { body: Buffer.alloc(4_194_304), messageGroup: "g".repeat(63), messageType: 2 },
      type: "FIFO",
    },
    { rule: "a delivery time in the past", change: { deliveryTimestamp: at(0), messageType: 3 }, type: "DELAY" },
    { rule: "no type and a group", change: { messageType: 0, messageGroup: "g" }, type: "FIFO" },
    { rule: "no type and a delivery time", change: { messageType: 0, deliveryTimestamp: at(nowMs) }, type: "DELAY" },
    { rule: "no type", change: { messageType: 0 }, type: "NORMAL" },
    { rule: "a tag of letters beyond ASCII, with a blank within", change: { tag: "ä ö" }, type: "NORMAL" },
    { rule: "an empty tag is none", change: { tag: "" }, type: "NORMAL" },
  ])("passes: $rule ($type)", ({ change, type }) => {
    expect(validate(change)).toBe(type);
  });
});
