import { WireError } from "../wire-error.ts";
import { isUtf8 } from "./utf8.ts";

/** How a field's value lies in the bytes (protobuf.dev/programming-guides/encoding). The group forms, 3 and 4, are of proto2 and refused. */
export const wireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

const emptyBytes = Buffer.alloc(0);

/**
 * Reads protobuf's parts in order from `bytes[at, end)`, checking every length before it is used. Reused: nothing is allocated per field.
 *
 * A caller enters a sub-message by lowering `end` and restores it after. Every method throws `WireError` on malformed input.
 */
export class Cursor {
  at = 0;
  end = 0;
  /** What is being read, for errors. */
  place = "message";
  #bytes: Buffer = emptyBytes;

  /** The bytes being read. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Starts at `bytes[start, end)`. */
  open(bytes: Uint8Array, start: number, end: number): void {
    if (start < 0 || start > end || end > bytes.length) {
      throw new WireError(`range ${start} to ${end} lies outside of ${bytes.length} bytes`);
    }
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.at = start;
    this.end = end;
  }

  /** Lets go of the bytes, so that a cursor kept for reuse does not keep them alive. */
  close(): void {
    this.#bytes = emptyBytes;
    this.at = 0;
    this.end = 0;
  }

  /** Throws with the present place and position. */
  fail(reason: string): never {
    throw new WireError(`${reason}, in ${this.place} at byte ${this.at}`);
  }

  /** A field's key: number * 8 + wire type. */
  key(): number {
    const start = this.at;
    if (start < this.end) {
      const first = this.#bytes[start] as number;
      if (first >= 8 && first < 0x80) {
        this.at = start + 1;
        return first;
      }
    }
    const key = this.#longVarint();
    if (key < 8 || key > 0xffffffff) {
      this.at = start;
      this.fail("the field number is not 1 to 536870911");
    }
    return key;
  }

  /** An `int64`. Refused when no safe integer. */
  int64(): number {
    const start = this.at;
    if (start < this.end) {
      const first = this.#bytes[start] as number;
      if (first < 0x80) {
        this.at = start + 1;
        return first;
      }
    }
    const value = this.#longVarint();
    if (!Number.isSafeInteger(value)) {
      this.at = start;
      this.fail("the integer is beyond 2^53");
    }
    return value;
  }

  /** An `int32` or enum: the low 32 bits, as every parser takes them. */
  int32(): number {
    if (this.at < this.end) {
      const first = this.#bytes[this.at] as number;
      if (first < 0x80) {
        this.at += 1;
        return first;
      }
    }
    this.#longVarint();
    return this.#low | 0;
  }

  bool(): boolean {
    return this.#longVarint() !== 0;
  }

  float(): number {
    if (this.end - this.at < 4) this.fail("a float is cut off");
    const value = this.#bytes.readFloatLE(this.at);
    this.at += 4;
    return value;
  }

  /** The length that stands before bytes, text or a sub-message; those bytes are there. */
  length(): number {
    const start = this.at;
    let length = -1;
    if (start < this.end) {
      const first = this.#bytes[start] as number;
      if (first < 0x80) {
        this.at = start + 1;
        length = first;
      }
    }
    if (length < 0) length = this.#longVarint();
    if (length < 0 || length > this.end - this.at) {
      const left = this.end - this.at;
      this.at = start;
      this.fail(`a length of ${length} runs past the ${left} bytes that are left`);
    }
    return length;
  }

  /** Checks that the next `length` bytes, known to be there, are text, and passes them. */
  passText(length: number): void {
    if (!isUtf8(this.#bytes, this.at, this.at + length)) this.fail("a text is not UTF-8");
    this.at += length;
  }

  /** A `string` field's value. */
  text(): string {
    const length = this.length();
    const start = this.at;
    this.passText(length);
    return this.#bytes.toString("utf8", start, this.at);
  }

  /** Passes the value of a field that is not known. */
  skip(key: number): void {
    switch (key & 7) {
      case wireType.varint:
        this.#longVarint();
        return;
      case wireType.fixed64:
        this.#pass(8);
        return;
      case wireType.bytes:
        this.#pass(this.length());
        return;
      case wireType.fixed32:
        this.#pass(4);
        return;
      default:
        this.fail(`wire type ${key & 7} is not used by proto3`);
    }
  }

  #pass(length: number): void {
    if (length > this.end - this.at) this.fail("a value is cut off");
    this.at += length;
  }

  /** Low 32 bits of the last long varint: a second result without an object. */
  #low = 0;

  /** A varint of one to ten bytes as a signed 64-bit integer; rounded when beyond 2^53. */
  #longVarint(): number {
    const bytes = this.#bytes;
    const start = this.at;
    let low = 0;
    let middle = 0;
    let high = 0;
    for (let index = 0; index < 10; index += 1) {
      if (start + index >= this.end) this.fail("a varint is cut off");
      const byte = bytes[start + index] as number;
      const bits = byte & 0x7f;
      if (index < 4) low |= bits << (7 * index);
      else if (index < 8) middle |= bits << (7 * (index - 4));
      else high |= bits << (7 * (index - 8));
      if (byte < 0x80) {
        if (index === 9 && bits > 1) this.fail("a varint has more than 64 bits");
        this.at = start + index + 1;
        this.#low = low | (middle << 28);
        return ((middle >>> 4) | (high << 24)) * 4_294_967_296 + (this.#low >>> 0);
      }
    }
    return this.fail("a varint has more than ten bytes");
  }
}
