const high = 4_294_967_296;
const encoder = new TextEncoder();

/** Writes little-endian numbers and bytes into a buffer that grows and is used again. */
export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacity = 4_096) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written since `reset`. */
  get length(): number {
    return this.#length;
  }

  reset(): void {
    this.#length = 0;
  }

  /** What was written; valid until the next `reset` or write. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  u8(value: number): void {
    const at = this.#take(1); // May change the view.
    this.#view.setUint8(at, value);
  }

  u16(value: number): void {
    const at = this.#take(2); // May change the view.
    this.#view.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this.#take(4); // May change the view.
    this.#view.setUint32(at, value, true);
  }

  /** An integer of 0 to 2^53 - 1 as eight bytes. */
  u53(value: number): void {
    const at = this.#take(8);
    this.#view.setUint32(at, value % high, true);
    this.#view.setUint32(at + 4, Math.floor(value / high), true);
  }

  bytes(value: Uint8Array): void {
    const at = this.#take(value.length);
    this.#bytes.set(value, at);
  }

  /** UTF-8 behind its length in two bytes. @throws {RangeError} if longer than 65,535 bytes */
  text(value: string): void {
    const bytes = encoder.encode(value);
    if (bytes.length > 65_535) throw new RangeError(`text of ${bytes.length} bytes is too long, at most 65535 fit`);
    this.u16(bytes.length);
    this.bytes(bytes);
  }

  #take(length: number): number {
    const at = this.#length;
    this.#length = at + length;
    if (this.#length > this.#bytes.length) this.#grow();
    return at;
  }

  #grow(): void {
    const bytes = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
    bytes.set(this.#bytes);
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}
