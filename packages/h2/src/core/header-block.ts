import { continuationsMax } from "./limits.ts";

const nothing = Buffer.alloc(0);

/** The header block that a connection receives: nothing, or the frames of one stream until the last (RFC 9113, 4.3). */
export class HeaderBlock {
  /** Whose it is; 0: none has begun. */
  stream = 0;
  /** Flags of its HEADERS frame. */
  flags = 0;
  sinceMs = 0;
  readonly #bytesMax: number;
  #bytes: Buffer = nothing;
  #used = 0;
  #continuations = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  begin(stream: number, flags: number, nowMs: number): void {
    this.stream = stream;
    this.flags = flags;
    this.sinceMs = nowMs;
    this.#used = 0;
    this.#continuations = 0;
  }

  /** Adds a frame's part, `bytes[from, to)`. Answers why the block cannot go on. */
  append(bytes: Buffer, from: number, to: number): string | undefined {
    const used = this.#used + to - from;
    if (used > this.#bytesMax) return "a header block is too large";
    this.#continuations += 1;
    if (this.#continuations > continuationsMax) return "a header block has too many frames";
    if (used > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.min(2 * used, this.#bytesMax));
      this.#bytes.copy(larger, 0, 0, this.#used);
      this.#bytes = larger;
    }
    bytes.copy(this.#bytes, this.#used, from, to);
    this.#used = used;
    return undefined;
  }

  /** The whole block; none has begun after this. */
  end(): Buffer {
    const whole = this.#bytes.subarray(0, this.#used);
    this.#bytes = nothing;
    this.stream = 0;
    return whole;
  }
}
