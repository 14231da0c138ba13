import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { assert } from "@saturnmq/kit";
import { duration, FieldCursor, field, fieldBytes, numberField, writeLength } from "./protobuf.ts";

/** RocketMQ 5 `Code`s that the generator tells apart. */
export const code = { ok: 20_000, messageNotFound: 40_401, topicNotFound: 40_402 } as const;

const resource = (name: string): Buffer => field(2, name);
const tagFilter = Buffer.concat([numberField(1, 1), field(2, "*")]);

export type OutgoingFields = {
  readonly topic: string;
  readonly messageId: string;
  readonly body: Uint8Array;
  readonly tag?: string;
  readonly keys?: readonly string[];
  readonly properties?: Readonly<Record<string, string>>;
  /** Makes it a FIFO message; NORMAL without. */
  readonly messageGroup?: string;
};

/** `SendMessageRequest` with one message a member of `messages`. */
export function encodeSend(messages: readonly OutgoingFields[]): Buffer {
  return Buffer.concat(messages.map((message) => field(1, encodeMessage(message))));
}

function encodeMessage(message: OutgoingFields): Buffer {
  const { topic, messageId, body, tag, keys = [], properties = {}, messageGroup } = message;
  const system = Buffer.concat([
    ...(tag === undefined ? [] : [field(1, tag)]),
    ...keys.map((key) => field(2, key)),
    field(3, messageId),
    numberField(5, 1), // IDENTITY
    numberField(6, messageGroup === undefined ? 1 : 2), // NORMAL or FIFO
    field(7, numberField(1, Math.floor(Date.now() / 1000))),
    field(8, "bench-host"),
    ...(messageGroup === undefined ? [] : [field(17, messageGroup)]),
  ]);
  const entries = Object.entries(properties).map(([key, value]) =>
    field(2, Buffer.concat([field(1, key), field(2, value)])),
  );
  return Buffer.concat([field(1, resource(topic)), ...entries, field(3, system), field(4, body)]);
}

/** A client that may ask for messages of `topic` as `group`. */
export type Subscription = { readonly topic: string; readonly group: string };

/** `TelemetryCommand` with the settings of a simple consumer. */
export function encodeConsumerSettings({ topic, group }: Subscription, pollMs: number): Buffer {
  const subscription = Buffer.concat([
    field(1, resource(group)),
    field(2, Buffer.concat([field(1, resource(topic)), field(2, tagFilter)])),
    numberField(3, 0),
    numberField(4, 32),
    field(5, duration(pollMs)),
  ]);
  const agent = Buffer.concat([numberField(1, 1), field(2, "5.0.7")]);
  const settings = [numberField(1, 3), field(4, duration(3_000)), field(6, subscription), field(7, agent)];
  return field(2, Buffer.concat(settings));
}

/** `HeartbeatRequest` of a simple consumer. */
export function encodeHeartbeat(group: string): Buffer {
  return Buffer.concat([field(1, resource(group)), numberField(2, 3)]);
}

/** `QueryRouteRequest`. */
export function encodeQueryRoute(topic: string, host: string, port: number): Buffer {
  const address = Buffer.concat([field(1, host), numberField(2, port)]);
  return Buffer.concat([field(1, resource(topic)), field(2, Buffer.concat([numberField(1, 1), field(2, address)]))]);
}

/** The encoded `MessageQueue`s of a `QueryRouteResponse`: opaque, to be sent back in a receive. */
export function decodeRoute(bytes: Buffer): { readonly status: number; readonly queues: readonly Buffer[] } {
  let status = 0;
  const queues: Buffer[] = [];
  const at = new FieldCursor(bytes, 0, bytes.length);
  while (at.next()) {
    if (at.number === 1) status = statusCode(bytes, at.start, at.end);
    if (at.number === 2) queues.push(Buffer.from(bytes.subarray(at.start, at.end)));
  }
  return { status, queues };
}

export type ReceiveFields = Subscription & {
  /** From the route. */
  readonly queue: Buffer;
  readonly batchSize: number;
  readonly invisibleMs: number;
  readonly pollMs: number;
};

/** `ReceiveMessageRequest` of a simple consumer. */
export function encodeReceive({ group, queue, batchSize, invisibleMs, pollMs }: ReceiveFields): Buffer {
  return Buffer.concat([
    field(1, resource(group)),
    field(2, queue),
    field(3, tagFilter),
    numberField(4, batchSize),
    field(5, duration(invisibleMs)),
    field(7, duration(pollMs)),
  ]);
}

export type AckFields = { readonly messageId: string; readonly receiptHandle: string };

/** `AckMessageRequest`. */
export function encodeAck({ topic, group }: Subscription, entries: readonly AckFields[]): Buffer {
  const head = Buffer.concat([field(1, resource(group)), field(2, resource(topic))]);
  const sizeMax = entries.reduce(
    (sum, entry) => sum + 3 * (entry.messageId.length + entry.receiptHandle.length) + 16,
    0,
  );
  const bytes = Buffer.allocUnsafe(head.length + sizeMax);
  let end = head.copy(bytes);
  for (const entry of entries) end = writeAckEntry(bytes, end, entry);
  return bytes.subarray(0, end);
}

/** Writes one entry of an `AckMessageRequest` and answers its end. */
function writeAckEntry(bytes: Buffer, at: number, { messageId, receiptHandle }: AckFields): number {
  const idBytes = Buffer.byteLength(messageId);
  const handleBytes = Buffer.byteLength(receiptHandle);
  let next = writeLength(bytes, at, 0x1a, fieldBytes(idBytes) + fieldBytes(handleBytes));
  next = writeLength(bytes, next, 0x0a, idBytes);
  next += bytes.write(messageId, next);
  next = writeLength(bytes, next, 0x12, handleBytes);
  return next + bytes.write(receiptHandle, next);
}

/** `Status.code` in `bytes[start, end)`. */
function statusCode(bytes: Uint8Array, start: number, end: number): number {
  const at = new FieldCursor(bytes, start, end);
  while (at.next()) if (at.number === 1) return at.value;
  return 0;
}

/** `Status.message`. */
function statusText(bytes: Buffer, start: number, end: number): string {
  const at = new FieldCursor(bytes, start, end);
  while (at.next()) if (at.number === 2) return bytes.toString("utf8", at.start, at.end);
  return "";
}

/** The status of any response that has it in field 1; 0 when absent. */
export function responseStatus(bytes: Buffer): { readonly code: number; readonly message: string } {
  const at = new FieldCursor(bytes, 0, bytes.length);
  while (at.next()) {
    if (at.number === 1)
      return { code: statusCode(bytes, at.start, at.end), message: statusText(bytes, at.start, at.end) };
  }
  return { code: 0, message: "" };
}

/**
 * Looks through a `SendMessageResponse` in place: 20000 when the status and every entry's are OK, there are `entries` of them, and the first
 * repeats the message id whose last eight characters stand at `id[idStart…]`; else the first code that is not OK, or -1 for a reply that says
 * OK and is not.
 */
export function checkSendReply(
  bytes: Buffer,
  start: number,
  end: number,
  entries: number,
  id: Uint8Array,
  idStart: number,
): number {
  let worst = 0;
  let seen = 0;
  const at = new FieldCursor(bytes, start, end);
  while (at.next()) {
    if (at.number === 1) worst = firstBad(worst, statusCode(bytes, at.start, at.end));
    if (at.number !== 2) continue;
    worst = firstBad(worst, checkEntry(bytes, at.start, at.end, seen === 0 ? id : undefined, idStart));
    seen += 1;
  }
  if (worst === code.ok && seen !== entries) return -1;
  return worst;
}

function checkEntry(bytes: Buffer, start: number, end: number, id: Uint8Array | undefined, idStart: number): number {
  let status = 0;
  let idMatches = id === undefined;
  const at = new FieldCursor(bytes, start, end);
  while (at.next()) {
    if (at.number === 1) status = statusCode(bytes, at.start, at.end);
    if (at.number === 2 && id !== undefined)
      idMatches = bytes.compare(id, idStart, idStart + 8, at.end - 8, at.end) === 0;
  }
  return status === code.ok && !idMatches ? -1 : status;
}

function firstBad(before: number, next: number): number {
  return before === 0 || before === code.ok ? next : before;
}

/** The reply of one entry of a `SendMessageResponse`. */
export type SendEntry = {
  readonly code: number;
  readonly message: string;
  readonly messageId: string;
  readonly offset: number;
};

/** A `SendMessageResponse` as objects: for checkers, not for load. */
export function decodeSendReply(bytes: Buffer): {
  readonly code: number;
  readonly message: string;
  readonly entries: SendEntry[];
} {
  const entries: SendEntry[] = [];
  const at = new FieldCursor(bytes, 0, bytes.length);
  while (at.next()) if (at.number === 2) entries.push(decodeSendEntry(bytes, at.start, at.end));
  return { ...responseStatus(bytes), entries };
}

function decodeSendEntry(bytes: Buffer, start: number, end: number): SendEntry {
  let status = 0;
  let message = "";
  let messageId = "";
  let offset = 0; // proto3 leaves 0 out.
  const at = new FieldCursor(bytes, start, end);
  while (at.next()) {
    if (at.number === 1) {
      status = statusCode(bytes, at.start, at.end);
      message = statusText(bytes, at.start, at.end);
    }
    if (at.number === 2) messageId = bytes.toString("utf8", at.start, at.end);
    if (at.number === 4) offset = at.value;
  }
  return { code: status, message, messageId, offset };
}

/** A message as it was delivered. `body` is a view of the reply. */
export type DeliveredMessage = {
  readonly topic: string;
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: Buffer;
  readonly queue: number;
  readonly offset: number;
  readonly attempt: number;
  /** Whether `body_digest` fits the body. */
  readonly digestOk: boolean;
};

/** One element of the ReceiveMessage stream. */
export type ReceiveElement =
  | { readonly kind: "status"; readonly code: number; readonly message: string }
  | { readonly kind: "message"; readonly message: DeliveredMessage }
  | { readonly kind: "deliveryTimestamp" };

/** Decodes a `ReceiveMessageResponse`. @throws {InvariantError} when it has no content */
export function decodeReceived(bytes: Buffer): ReceiveElement {
  const at = new FieldCursor(bytes, 0, bytes.length);
  assert(at.next(), "a ReceiveMessageResponse without content");
  if (at.number === 1) return { kind: "status", ...responseStatus(bytes) };
  if (at.number === 2) return { kind: "message", message: decodeDelivered(bytes, at.start, at.end) };
  return { kind: "deliveryTimestamp" };
}

function decodeDelivered(bytes: Buffer, start: number, end: number): DeliveredMessage {
  let topic = "";
  let body: Buffer = bytes.subarray(0, 0);
  let system = { messageId: "", receiptHandle: "", queue: 0, offset: 0, attempt: 0, digestType: 0, digest: "" };
  const at = new FieldCursor(bytes, start, end);
  while (at.next()) {
    if (at.number === 1) topic = textField(bytes, at.start, at.end, 2);
    if (at.number === 3) system = decodeSystem(bytes, at.start, at.end);
    if (at.number === 4) body = bytes.subarray(at.start, at.end);
  }
  const { digestType, digest, ...rest } = system;
  return { topic, body, ...rest, digestOk: digestFits(body, digestType, digest) };
}

function decodeSystem(bytes: Buffer, start: number, end: number) {
  const system = { messageId: "", receiptHandle: "", queue: 0, offset: 0, attempt: 0, digestType: 0, digest: "" };
  const at = new FieldCursor(bytes, start, end);
  while (at.next()) {
    if (at.number === 3) system.messageId = bytes.toString("latin1", at.start, at.end);
    if (at.number === 4) {
      system.digestType = numberIn(bytes, at.start, at.end, 1);
      system.digest = textField(bytes, at.start, at.end, 2);
    }
    if (at.number === 12) system.receiptHandle = bytes.toString("utf8", at.start, at.end);
    if (at.number === 13) system.queue = at.value;
    if (at.number === 14) system.offset = at.value;
    if (at.number === 16) system.attempt = at.value;
  }
  return system;
}

function textField(bytes: Buffer, start: number, end: number, number: number): string {
  const at = new FieldCursor(bytes, start, end);
  while (at.next()) if (at.number === number) return bytes.toString("utf8", at.start, at.end);
  return "";
}

function numberIn(bytes: Buffer, start: number, end: number, number: number): number {
  const at = new FieldCursor(bytes, start, end);
  while (at.next()) if (at.number === number) return at.value;
  return 0;
}

/** CRC-32 as a Java client compares it (upper-case hex without leading zeros), or MD5 in upper-case hex. */
function digestFits(body: Buffer, type: number, digest: string): boolean {
  if (type === 1) return crc32(body).toString(16).toUpperCase() === digest;
  return type === 2 && createHash("md5").update(body).digest("hex").toUpperCase() === digest;
}
