import { frameBytesAtStart, frameHeadBytes, preface } from "./protocol.ts";

/** Who gets the frames. */
export interface FrameTaker {
  /** The preface, or a frame with its head: `bytes[at, end)`. False: no more of them. */
  take(bytes: Buffer, at: number, end: number): boolean;
  /** A frame is larger than we said we would take. */
  tooLarge(): void;
}

const nothing = Buffer.alloc(0);

/**
 * Cuts what is read into the preface and frames. They are handed on where they lie; one of which only a part has come is put together in a buffer
 * of its own, which is never used twice: a handler may still read a request that lies in it.
 */
export class FrameSplitter {
  readonly #taker: FrameTaker;
  #prefaceDue = true;
  #part: Buffer = nothing;
  #partUsed = 0;

  constructor(taker: FrameTaker) {
    this.#taker = taker;
  }

  /** Takes what was read. `bytes` is not written to again by anybody. */
  split(bytes: Buffer): void {
    let at = this.#partUsed > 0 ? this.#finishPart(bytes) : 0;
    while (at < bytes.length) {
      const size = this.#sizeAt(bytes, at, bytes.length);
      if (size < 0) return;
      if (size === 0 || at + size > bytes.length) {
        this.#keepPart(bytes, at, bytes.length, size);
        return;
      }
      if (!this.#take(bytes, at, at + size)) return;
      at += size;
    }
  }

  /** Bytes of what begins at `at`; 0 when too few are there to tell; -1 when it is not acceptable, and the taker knows. */
  #sizeAt(bytes: Buffer, at: number, end: number): number {
    if (this.#prefaceDue) return preface.length;
    if (end - at < frameHeadBytes) return 0;
    const length = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    if (length <= frameBytesAtStart) return frameHeadBytes + length;
    this.#taker.tooLarge();
    return -1;
  }

  #take(bytes: Buffer, at: number, end: number): boolean {
    this.#prefaceDue = false;
    return this.#taker.take(bytes, at, end);
  }

  /** @param size of what has begun; 0: not known yet */
  #keepPart(bytes: Buffer, at: number, end: number, size: number): void {
    this.#part = Buffer.allocUnsafe(size === 0 ? frameHeadBytes : size);
    this.#partUsed = bytes.copy(this.#part, 0, at, end);
  }

  /** Completes the frame that an earlier read began; answers where the next one starts. */
  #finishPart(bytes: Buffer): number {
    let at = 0;
    for (;;) {
      const copied = bytes.copy(this.#part, this.#partUsed, at);
      this.#partUsed += copied;
      at += copied;
      if (this.#partUsed < this.#part.length) return at;
      const size = this.#sizeAt(this.#part, 0, this.#partUsed);
      if (size < 0) return bytes.length;
      if (size <= this.#partUsed) break;
      // It was the head of a frame, which now says how long that is.
      this.#keepPart(this.#part, 0, this.#partUsed, size);
    }
    const part = this.#part;
    this.#part = nothing;
    this.#partUsed = 0;
    return this.#take(part, 0, part.length) ? at : bytes.length;
  }
}
