import { Cursor } from "../protobuf/cursor.ts";
import { varintBytes, writeVarint } from "../protobuf/varint.ts";
import { WireError } from "../wire-error.ts";
import { checksumBytesMax, digestType, writeChecksum } from "./body-digest.ts";

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

/** In front of a message: room for the key and the length that come before it. */
const headBytesMax = 1 + 5;
/** The delivery's fields, at most, without store host and receipt handle. */
const extraBytesMax = 128 + checksumBytesMax;
/** UTF-8 of one UTF-16 unit, at most. */
const unitBytesMax = 3;
/** Room that is kept for the next delivery. */
const keptBytes = 64 * 1024;

/**
 * Writes `ReceiveMessageResponse { message }`: the stored bytes, with the delivery's fields appended inside SystemProperties and the two lengths around
 * them written anew.
 *
 * One copy, one splice, one patch: the stored bytes are copied whole, the fields go behind them, and what a longer length needs is made by moving the
 * SystemProperties, which come last. Reused: nothing is allocated for a message.
 *
 * The fields are never sent as a second copy of the sub-message, which parsers should merge: google-protobuf for JavaScript replaces.
 */
export class DeliveryWriter {
  /** Where the reply lies that was written last, until the next is: `bytes[start, end)`. */
  bytes = Buffer.allocUnsafeSlow(keptBytes);
  start = 0;
  end = 0;

  /**
   * @param language of the client, for the digest (`digestType`)
   * @throws {WireError} when the stored bytes are not in the stored form
   */
  write(delivery: Deliverable, storeHost: string, language: string): void {
    const { message } = delivery;
    const systemAt = headBytesMax + findSystemProperties(message) + 1;
    const contentAt = headBytesMax + places.contentStart;
    const target = this.#room(message.length + unitBytesMax * (storeHost.length + delivery.receiptHandle.length));
    target.set(message, headBytesMax);
    const extraAt = headBytesMax + message.length;
    const end = writeExtra(target, extraAt, delivery, storeHost, language);
    const content = places.contentLength + end - extraAt;
    const movedBy = systemAt + varintBytes(content) - contentAt;
    if (movedBy !== 0) target.copyWithin(contentAt + movedBy, contentAt, end);
    writeVarint(target, systemAt, content);
    this.end = end + movedBy;
    const length = this.end - headBytesMax;
    this.start = headBytesMax - varintBytes(length) - 1;
    target[this.start] = 18;
    writeVarint(target, this.start + 1, length);
  }

  /** The buffer, for a delivery of so many bytes besides the fields of its own. Large ones do not keep theirs. */
  #room(length: number): Buffer {
    const needed = headBytesMax + length + extraBytesMax;
    if (needed > this.bytes.length || this.bytes.length > keptBytes)
      this.bytes = Buffer.allocUnsafeSlow(Math.max(needed, keptBytes));
    return this.bytes;
  }
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

/** Written before it is measured: mostly it is ASCII, as many bytes as units, and nothing has to move. */
function writeText(target: Buffer, at: number, key: number, text: string): number {
  target[at] = key;
  const start = at + 1 + varintBytes(text.length);
  const length = target.write(text, start);
  const movedBy = at + 1 + varintBytes(length) - start;
  if (movedBy > 0) target.copyWithin(start + movedBy, start, start + length);
  writeVarint(target, at + 1, length);
  return start + movedBy + length;
}

function writeDigest(target: Buffer, at: number, { message, bodyCrc }: Deliverable, language: string): number {
  // Every length in here is one byte.
  target[at] = 34;
  target[at + 2] = 8;
  target[at + 3] = digestType(language);
  target[at + 4] = 18;
  const end = writeChecksum(target, at + 6, language, bodyCrc, message, places.bodyStart, places.bodyLength);
  target[at + 5] = end - at - 6;
  target[at + 1] = end - at - 2;
  return end;
}

function writeExtra(target: Buffer, at: number, delivery: Deliverable, storeHost: string, language: string): number {
  let next = writeDigest(target, at, delivery, language);
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
