import { ProtocolError } from "./protocol-error.ts";

const high = 4_294_967_296;
/** Upper half of the largest integer, 2^53 - 1. */
const upperMax = 0x1f_ff_ff;
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Reads what `ByteWriter` wrote. Every method throws `ProtocolError` when the bytes end too early or say something impossible. */
export class ByteReader {
  /** What is read; values that are views point into it. */
  readonly source: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(source: Uint8Array) {
    this.source = source;
    this.#view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  }

  /** Offset of the next byte. */
  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.source.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  u53(): number {
    const at = this.#take(8);
    const upper = this.#view.getUint32(at + 4, true);
    if (upper > upperMax) throw new ProtocolError("a number is above 2^53 - 1");
    return upper * high + this.#view.getUint32(at, true);
  }

  bool(): boolean {
    const value = this.u8();
    if (value > 1) throw new ProtocolError(`a truth value is ${value}`);
    return value === 1;
  }

  /** A view of the next bytes. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.source.subarray(at, at + length);
  }

  skip(length: number): void {
    this.#take(length);
  }

  text(): string {
    const bytes = this.bytes(this.u16());
    try {
      return decoder.decode(bytes);
    } catch (cause) {
      throw new ProtocolError("a text is not UTF-8", { cause });
    }
  }

  /** A count of things of at least `bytesEach` bytes, which must fit into what is left: so no list is made for a count alone. */
  count(bytesEach: number): number {
    const count = this.u32();
    if (count * bytesEach > this.left) throw new ProtocolError(`${count} items do not fit into ${this.left} bytes`);
    return count;
  }

  end(): void {
    if (this.left > 0) throw new ProtocolError(`${this.left} bytes too many`);
  }

  #take(length: number): number {
    const at = this.#at;
    if (length > this.source.length - at) throw new ProtocolError("the bytes end too early");
    this.#at = at + length;
    return at;
  }
}
