import { alignedBytes, assert } from "@saturnmq/kit";
import { alignUp, blockBytes } from "./bytes.ts";

const segmentSpan = 4_294_967_296;

/**
 * The memory in which frames are assembled, one after the other around a ring of whole blocks, and which by that holds the newest part of
 * the log: the tail cache.
 *
 * At the front grows the staged frame. What it grows over are the oldest cached frames; they are forgotten first.
 */
export class Arena {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where the staged frame starts. */
  #front = 0;
  /** Cached frames as a ring: place in the log (segment × 2^32 + offset, rising), place in the arena, length. */
  readonly #places: Float64Array;
  readonly #starts: Uint32Array;
  readonly #lengths: Uint32Array;
  #oldest = 0;
  #count = 0;

  /** @param size rounded up to 64 KiB */
  constructor(size: number) {
    this.bytes = alignedBytes(size);
    this.view = new DataView(this.bytes.buffer);
    const frames = this.bytes.length / blockBytes;
    this.#places = new Float64Array(frames);
    this.#starts = new Uint32Array(frames);
    this.#lengths = new Uint32Array(frames);
  }

  /** Where the staged frame starts; moves when it has to wrap. */
  get front(): number {
    return this.#front;
  }

  /**
   * Makes [front, front + needed) free for the staged frame, of which `used` bytes are filled; moves it to the arena's beginning when it
   * would cross the end.
   */
  reserve(used: number, needed: number): void {
    if (this.#front + needed > this.bytes.length) {
      this.#forgetFrom(this.#front);
      this.#forgetBelow(0, needed);
      this.bytes.copyWithin(0, this.#front, this.#front + used);
      this.#front = 0;
    } else {
      this.#forgetBelow(this.#front, this.#front + needed);
    }
  }

  /** Ends the staged frame: it is cached from now on, and the next one is staged behind it. */
  finish(segment: number, offset: number, length: number): void {
    const row = (this.#oldest + this.#count) % this.#places.length;
    this.#places[row] = segment * segmentSpan + offset;
    this.#starts[row] = this.#front;
    this.#lengths[row] = length;
    this.#count += 1;
    assert(this.#count <= this.#places.length, "a cached frame takes at least a block");
    this.#front = alignUp(this.#front + length);
    if (this.#front === this.bytes.length) this.#front = 0;
  }

  /** Where [offset, offset + length) of a segment lies in the arena, or -1 when it is not cached. */
  find(segment: number, offset: number, length: number): number {
    const place = segment * segmentSpan + offset;
    let low = 0;
    let high = this.#count - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const row = (this.#oldest + middle) % this.#places.length;
      const start = this.#places[row] as number;
      if (place < start) high = middle - 1;
      else if (place >= start + (this.#lengths[row] as number)) low = middle + 1;
      else {
        const inside = place - start;
        return inside + length > (this.#lengths[row] as number) ? -1 : (this.#starts[row] as number) + inside;
      }
    }
    return -1;
  }

  /** Forgets the oldest frames as long as they lie in the arena at or behind `start`: after a wrap they are older than those before. */
  #forgetFrom(start: number): void {
    while (this.#count > 0 && (this.#starts[this.#oldest] as number) >= start) this.#forgetOldest();
  }

  /** Forgets the oldest frames as long as they overlap [start, end). */
  #forgetBelow(start: number, end: number): void {
    while (this.#count > 0) {
      const from = this.#starts[this.#oldest] as number;
      if (from >= end || from + (this.#lengths[this.#oldest] as number) <= start) return;
      this.#forgetOldest();
    }
  }

  #forgetOldest(): void {
    this.#oldest = (this.#oldest + 1) % this.#places.length;
    this.#count -= 1;
  }
}
