import { WireError } from "../wire-error.ts";
import { varintBytes } from "./varint.ts";

const scratchBytesKept = 1 << 20;
/** Largest message written: what a broker takes in one call. */
const messageBytesMax = 64 << 20;

/** Appends protobuf's parts to a scratch area that grows. Reused: `finish` copies out. */
export class Writer {
  #bytes = Buffer.allocUnsafeSlow(16_384);
  #at = 0;

  /** What was written since the last `finish`, as a buffer of its own. */
  finish(): Buffer {
    const result = Buffer.allocUnsafe(this.#at);
    this.#bytes.copy(result, 0, 0, this.#at);
    this.reset();
    return result;
  }

  /** Forgets what was written. */
  reset(): void {
    this.#at = 0;
    if (this.#bytes.length > scratchBytesKept) this.#bytes = Buffer.allocUnsafeSlow(scratchBytesKept);
  }

  /** A non-negative safe integer, or a negative one in its ten bytes of two's complement. */
  varint(value: number): void {
    this.#room(10);
    let low = value >>> 0;
    let high = Math.floor(value / 4_294_967_296) >>> 0;
    while (high > 0 || low > 0x7f) {
      this.#bytes[this.#at] = (low & 0x7f) | 0x80;
      this.#at += 1;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.#bytes[this.#at] = low;
    this.#at += 1;
  }

  float(value: number): void {
    this.#room(4);
    this.#at = this.#bytes.writeFloatLE(value, this.#at);
  }

  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.#room(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  text(value: string): void {
    const length = Buffer.byteLength(value);
    this.varint(length);
    this.#room(length);
    this.#at += this.#bytes.write(value, this.#at, "utf8");
  }

  /** Starts a value whose length is not known yet; pass the mark to `close`. */
  open(): number {
    this.#room(1);
    this.#at += 1;
    return this.#at;
  }

  /** Writes the length before the value that began at `mark`, moving the value when its length needs more than one byte. */
  close(mark: number): void {
    const length = this.#at - mark;
    if (length < 0x80) {
      this.#bytes[mark - 1] = length;
      return;
    }
    const prefix = varintBytes(length);
    this.#room(prefix);
    this.#bytes.copyWithin(mark - 1 + prefix, mark, mark + length);
    this.#at = mark - 1;
    this.varint(length);
    this.#at += length;
  }

  #room(length: number): void {
    const needed = this.#at + length;
    if (needed <= this.#bytes.length) return;
    if (needed > messageBytesMax)
      throw new WireError(`a message of more than ${messageBytesMax} bytes cannot be written`);
    const grown = Buffer.allocUnsafeSlow(Math.min(messageBytesMax, Math.max(needed, this.#bytes.length * 2)));
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
  }
}
