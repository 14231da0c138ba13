import { assert } from "@saturnmq/kit";

/** A varint of `value`, 0 to 2^53 - 1 (protobuf encoding, "Base 128 Varints"). */
function varint(value: number): Buffer {
  assert(Number.isSafeInteger(value) && value >= 0, `not a varint: ${String(value)}`);
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** A length-delimited field: text, bytes or an encoded message. */
export function field(number: number, content: string | Uint8Array): Buffer {
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

/** Size of a field with a one-byte key and fewer than 2^21 bytes behind a length. */
export const fieldBytes = (length: number): number => (length < 128 ? 2 : length < 16_384 ? 3 : 4) + length;

/** Writes the key and the length of a length-delimited field, below 2^21 bytes, and answers where its content goes. */
export function writeLength(bytes: Uint8Array, at: number, key: number, length: number): number {
  assert(length < 2 ** 21, "a field is too long");
  bytes[at] = key;
  let next = at + 1;
  for (let rest = length; ; rest >>>= 7) {
    bytes[next] = rest < 128 ? rest : (rest & 127) | 128;
    next += 1;
    if (rest < 128) return next;
  }
}

/** A varint field: integers, enums, booleans. */
export function numberField(number: number, value: number): Buffer {
  return Buffer.concat([varint(number * 8), varint(value)]);
}

/** `google.protobuf.Duration` of whole or fractional milliseconds. */
export function duration(ms: number): Buffer {
  return Buffer.concat([numberField(1, Math.floor(ms / 1000)), numberField(2, Math.round((ms % 1000) * 1e6))]);
}

/** One field as met on the wire. `value` is set for varints, `[start, end)` for length-delimited ones. */
export type WireField = { number: number; kind: number; value: number; start: number; end: number };

/**
 * Walks the fields of one message in place: no object per field, the cursor itself is the result.
 *
 *     const at = new FieldCursor(bytes, start, end);
 *     while (at.next()) switch (at.number) { … at.value … at.start … }
 */
export class FieldCursor implements WireField {
  number = 0;
  kind = 0;
  value = 0;
  start = 0;
  end = 0;
  readonly #bytes: Uint8Array;
  readonly #limit: number;
  #position: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#position = start;
    this.#limit = end;
  }

  /** Moves to the next field; false at the end. @throws {InvariantError} when the bytes are not a protobuf message */
  next(): boolean {
    if (this.#position >= this.#limit) return false;
    const key = this.#varint();
    this.number = Math.floor(key / 8);
    this.kind = key % 8;
    if (this.kind === 0) this.value = this.#varint();
    else this.#span(this.kind);
    return true;
  }

  #span(kind: number): void {
    const length = kind === 2 ? this.#varint() : kind === 1 ? 8 : kind === 5 ? 4 : Number.NaN;
    this.start = this.#position;
    this.end = this.start + length;
    assert(this.end <= this.#limit, `field ${this.number} of kind ${kind} runs over the end of its message`);
    this.#position = this.end;
  }

  #varint(): number {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 63; scale *= 128) {
      const byte = this.#bytes[this.#position];
      assert(byte !== undefined && this.#position < this.#limit, "a varint runs over the end of its message");
      this.#position += 1;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    throw new RangeError("a varint has more than ten bytes");
  }
}
