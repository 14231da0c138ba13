import { assert } from "@saturnmq/kit";
import { Cursor } from "../protobuf/cursor.ts";
import { utf8Length, writeUtf8 } from "../protobuf/utf8.ts";
import { varintBytes, writeVarint } from "../protobuf/varint.ts";
import { WireError } from "../wire-error.ts";
import { type BodyDigest, bodyDigest } from "./body-digest.ts";

/** A stored message on its way to a consumer, with what only this delivery knows. */
export type Deliverable = {
  /** Its stored form: SystemProperties last. */
  readonly message: Uint8Array;
  /** CRC-32 of its body. */
  readonly bodyCrc: number;
  readonly queue: number;
  readonly offset: number;
  readonly storedAtMs: number;
  /** 1 at the first delivery. */
  readonly attempt: number;
  readonly receiptHandle: string;
  readonly invisibleMs: number;
};

/**
 * `ReceiveMessageResponse { message }`: the stored bytes, with the delivery's fields appended inside SystemProperties and the two lengths around them
 * written anew.
 *
 * The fields are never sent as a second copy of the sub-message, which parsers should merge: google-protobuf for JavaScript replaces.
 *
 * @param language of the client, for the digest (`bodyDigest`)
 * @throws {WireError} when the stored bytes are not in the stored form
 */
export function encodeDelivery(delivery: Deliverable, storeHost: string, language: string): Buffer {
  const { message, bodyCrc } = delivery;
  const systemStart = findSystemProperties(message);
  const digest = bodyDigest(language, bodyCrc, () => bodyAt(message));
  const content = places.contentLength + extraSize(delivery, storeHost, digest);
  const length = systemStart + 1 + varintBytes(content) + content;
  const target = Buffer.allocUnsafe(1 + varintBytes(length) + length);
  target[0] = 18;
  let next = writeVarint(target, 1, length);
  target.set(message.subarray(0, systemStart), next);
  next += systemStart;
  target[next] = 26;
  next = writeVarint(target, next + 1, content);
  target.set(message.subarray(places.contentStart), next);
  const end = writeExtra(target, next + places.contentLength, delivery, storeHost, digest);
  assert(end === target.length, "a delivery is as long as it was measured");
  return target;
}

/** The body of a stored message: a view, not a copy. */
export function storedBody(message: Uint8Array): Uint8Array {
  findSystemProperties(message);
  return bodyAt(message);
}

/** The body of the message that was looked at last. */
function bodyAt(message: Uint8Array): Uint8Array {
  return message.subarray(places.bodyStart, places.bodyStart + places.bodyLength);
}

const cursor = new Cursor();
/** Second results of `findSystemProperties`, overwritten by each call. */
const places = { contentStart: 0, contentLength: 0, bodyStart: 0, bodyLength: 0 };

/** Walks the message's top-level fields; answers where the SystemProperties' key stands. */
function findSystemProperties(message: Uint8Array): number {
  cursor.open(message, 0, message.length);
  cursor.place = "a stored message";
  places.bodyStart = 0;
  places.bodyLength = 0;
  try {
    while (cursor.at < cursor.end) {
      const start = cursor.at;
      const key = cursor.key();
      const length = (key & 7) === 2 ? cursor.length() : cursor.fail(`field ${key >>> 3} is not in the stored form`);
      if (key === 26) {
        if (cursor.at + length !== cursor.end) cursor.fail("something follows the SystemProperties");
        places.contentStart = cursor.at;
        places.contentLength = length;
        return start;
      }
      if (key === 34) {
        places.bodyStart = cursor.at;
        places.bodyLength = length;
      }
      cursor.at += length;
    }
  } finally {
    cursor.close();
  }
  throw new WireError("a stored message has no SystemProperties");
}

const delimited = (length: number): number => 1 + varintBytes(length) + length;

/** Content of a `Timestamp` or `Duration` of whole milliseconds. */
function millisecondsSize(ms: number): number {
  const seconds = Math.floor(ms / 1_000);
  const nanos = Math.floor((ms - seconds * 1_000) * 1_000_000);
  return (seconds === 0 ? 0 : 1 + varintBytes(seconds)) + (nanos === 0 ? 0 : 1 + varintBytes(nanos));
}

function writeMilliseconds(target: Uint8Array, at: number, key: number, ms: number): number {
  const seconds = Math.floor(ms / 1_000);
  const nanos = Math.floor((ms - seconds * 1_000) * 1_000_000);
  target[at] = key;
  let next = writeVarint(target, at + 1, millisecondsSize(ms));
  if (seconds !== 0) {
    target[next] = 8;
    next = writeVarint(target, next + 1, seconds);
  }
  if (nanos !== 0) {
    target[next] = 16;
    next = writeVarint(target, next + 1, nanos);
  }
  return next;
}

function writeText(target: Uint8Array, at: number, key: number, text: string): number {
  target[at] = key;
  return writeUtf8(target, writeVarint(target, at + 1, utf8Length(text)), text);
}

/** `Digest { type, checksum }`; the type is one byte. */
const digestSize = (digest: BodyDigest): number => 2 + delimited(digest.checksum.length);

function extraSize(delivery: Deliverable, storeHost: string, digest: BodyDigest): number {
  return (
    delimited(digestSize(digest)) +
    delimited(millisecondsSize(delivery.storedAtMs)) +
    delimited(utf8Length(storeHost)) +
    delimited(utf8Length(delivery.receiptHandle)) +
    (1 + varintBytes(delivery.queue)) +
    (1 + varintBytes(delivery.offset)) +
    delimited(millisecondsSize(delivery.invisibleMs)) +
    (2 + varintBytes(delivery.attempt))
  );
}

function writeExtra(
  target: Uint8Array,
  at: number,
  delivery: Deliverable,
  storeHost: string,
  digest: BodyDigest,
): number {
  target[at] = 34;
  let next = writeVarint(target, at + 1, digestSize(digest));
  target[next] = 8;
  target[next + 1] = digest.type;
  next = writeText(target, next + 2, 18, digest.checksum);
  next = writeMilliseconds(target, next, 74, delivery.storedAtMs);
  next = writeText(target, next, 82, storeHost);
  next = writeText(target, next, 98, delivery.receiptHandle);
  target[next] = 104;
  next = writeVarint(target, next + 1, delivery.queue);
  target[next] = 112;
  next = writeVarint(target, next + 1, delivery.offset);
  next = writeMilliseconds(target, next, 122, delivery.invisibleMs);
  target[next] = 128;
  target[next + 1] = 1;
  return writeVarint(target, next + 2, delivery.attempt);
}
