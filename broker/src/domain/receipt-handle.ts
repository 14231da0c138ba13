import { SaturnError } from "@saturnmq/kit";
import { sipHash } from "./sip-hash.ts";

/**
 * A lease, as its holder proves it (design 7). Times are shard time in milliseconds. The lease sequence (term, counter) names the one
 * lease of the message that this handle belongs to.
 */
export type ReceiptHandle = {
  readonly shard: number;
  readonly topic: number;
  readonly group: number;
  /** Cursor epoch of the group when the lease was given. */
  readonly epoch: number;
  readonly queue: number;
  readonly offset: number;
  readonly attempt: number;
  readonly term: number;
  readonly counter: number;
  readonly deadlineMs: number;
};

/*
 * Text: base64url without padding of
 *  0 u8 version (1)   1 u8 zero   2 u16 shard   4 u32 topic   8 u32 group   12 u32 epoch   16 u32 queue   20 u32 attempt
 * 24 f64 offset   32 f64 term   40 f64 counter   48 f64 deadline   56 u64 SipHash-2-4 of bytes [0, 56)
 */
const version = 1;
const signedBytes = 56;
/** Numbers in a handle. */
const columns = 10;
const handleBytes = signedBytes + 8;
const textLength = Math.ceil((handleBytes * 4) / 3);
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const values = new Int16Array(128).fill(-1);
for (let value = 0; value < alphabet.length; value += 1) values[alphabet.charCodeAt(value)] = value;

const bytes = Buffer.alloc(handleBytes);
const view = new DataView(bytes.buffer, bytes.byteOffset, handleBytes);
const text = Buffer.alloc(textLength);
const check = new DataView(new ArrayBuffer(8));

/** The text form, signed. @param key at least 16 bytes */
export function encodeReceiptHandle(handle: ReceiptHandle, key: DataView): string {
  view.setUint8(0, version);
  view.setUint8(1, 0);
  view.setUint16(2, handle.shard, true);
  view.setUint32(4, handle.topic, true);
  view.setUint32(8, handle.group, true);
  view.setUint32(12, handle.epoch, true);
  view.setUint32(16, handle.queue, true);
  view.setUint32(20, handle.attempt, true);
  view.setFloat64(24, handle.offset, true);
  view.setFloat64(32, handle.term, true);
  view.setFloat64(40, handle.counter, true);
  view.setFloat64(48, handle.deadlineMs, true);
  sipHash(key, view, 0, signedBytes, view, signedBytes);
  return bytes.toString("base64url");
}

/**
 * The handle that a client gave back.
 *
 * @param keys any of them may have signed it
 * @throws {SaturnError} `INVALID_RECEIPT_HANDLE` if it is not one of ours
 */
export function decodeReceiptHandle(handle: string, keys: readonly DataView[]): ReceiptHandle {
  // A character beyond ASCII becomes bytes of which none is a letter of ours.
  const isRead = handle.length === textLength && text.write(handle, 0, textLength, "utf8") === textLength;
  if (!isRead || !fromText(text, 0) || view.getUint8(0) !== version) throw refusedHandle("cannot be read");
  if (!isGenuine(keys)) throw refusedHandle("was not given out by this cluster");
  return {
    shard: view.getUint16(2, true),
    topic: view.getUint32(4, true),
    group: view.getUint32(8, true),
    epoch: view.getUint32(12, true),
    queue: view.getUint32(16, true),
    attempt: view.getUint32(20, true),
    offset: view.getFloat64(24, true),
    term: view.getFloat64(32, true),
    counter: view.getFloat64(40, true),
    deadlineMs: view.getFloat64(48, true),
  };
}

/** A list of handles to be used. */
export type Handles = { readonly length: number; at(index: number): ReceiptHandle | undefined };

/** Handles read from a request's bytes, as rows of numbers: nothing is allocated for one. Reused from request to request. */
export class HandleRows implements Handles {
  length = 0;
  #rows = new Float64Array(64 * columns);
  readonly #handle = {
    ...{ shard: 0, topic: 0, group: 0, epoch: 0, queue: 0 },
    ...{ offset: 0, attempt: 0, term: 0, counter: 0, deadlineMs: 0 },
  };

  clear(): void {
    this.length = 0;
  }

  /** Adds the handle whose text is `source[start, start + length)`. False, and nothing added: it is not one of ours. */
  add(source: Uint8Array, start: number, length: number, keys: readonly DataView[]): boolean {
    if (length !== textLength || !fromText(source, start) || view.getUint8(0) !== version) return false;
    if (!isGenuine(keys)) return false;
    if ((this.length + 1) * columns > this.#rows.length) {
      const rows = new Float64Array(2 * this.#rows.length);
      rows.set(this.#rows);
      this.#rows = rows;
    }
    const row = this.length * columns;
    this.#rows[row] = view.getUint16(2, true);
    this.#rows[row + 1] = view.getUint32(4, true);
    this.#rows[row + 2] = view.getUint32(8, true);
    this.#rows[row + 3] = view.getUint32(12, true);
    this.#rows[row + 4] = view.getUint32(16, true);
    this.#rows[row + 5] = view.getUint32(20, true);
    for (let n = 0; n < 4; n += 1) this.#rows[row + 6 + n] = view.getFloat64(24 + 8 * n, true);
    this.length += 1;
    return true;
  }

  /** The handle in a row: one object for all of them, good until the next call. */
  at(index: number): ReceiptHandle {
    const rows = this.#rows;
    const row = index * columns;
    const handle = this.#handle;
    handle.shard = rows[row] ?? 0;
    handle.topic = rows[row + 1] ?? 0;
    handle.group = rows[row + 2] ?? 0;
    handle.epoch = rows[row + 3] ?? 0;
    handle.queue = rows[row + 4] ?? 0;
    handle.attempt = rows[row + 5] ?? 0;
    handle.offset = rows[row + 6] ?? 0;
    handle.term = rows[row + 7] ?? 0;
    handle.counter = rows[row + 8] ?? 0;
    handle.deadlineMs = rows[row + 9] ?? 0;
    return handle;
  }
}

/** Why a handle is of no use. Clients and their tests look for the code's name in the text. */
export function refusedHandle(reason: string): SaturnError {
  return new SaturnError("INVALID_RECEIPT_HANDLE", `INVALID_RECEIPT_HANDLE: receipt handle ${reason}`);
}

/** Whether the code of what is in `bytes` was made with one of these keys. */
function isGenuine(keys: readonly DataView[]): boolean {
  for (const key of keys) {
    sipHash(key, view, 0, signedBytes, check, 0);
    if (check.getUint32(0) === view.getUint32(signedBytes) && check.getUint32(4) === view.getUint32(signedBytes + 4))
      return true;
  }
  return false;
}

/** Fills `bytes` from the text's bytes at `source[start…]`; false if that is not the one form that `encodeReceiptHandle` gives. */
function fromText(source: Uint8Array, start: number): boolean {
  let collected = 0;
  let bits = 0;
  let to = 0;
  for (let from = 0; from < textLength; from += 1) {
    const value = values[source[start + from] ?? 0] ?? -1;
    if (value < 0) return false;
    collected = ((collected << 6) | value) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[to++] = collected >> bits;
  }
  return (collected & ((1 << bits) - 1)) === 0;
}
