import { defined } from "@saturnmq/kit";
import type { Segment } from "./segment.ts";

/** The begun segments, oldest first, without a gap; the last is the active one. */
export class SegmentList implements Iterable<Segment> {
  #segments: Segment[];

  constructor(segments: readonly Segment[]) {
    this.#segments = [...segments];
  }

  get oldest(): Segment {
    return defined(this.#segments[0], "the oldest segment");
  }

  get active(): Segment {
    return defined(this.#segments.at(-1), "the active segment");
  }

  get count(): number {
    return this.#segments.length;
  }

  /** By sequence number; `undefined` once it is freed. */
  get(sequence: number): Segment | undefined {
    return this.#segments[sequence - this.oldest.sequence];
  }

  /** The oldest that has no summary; the active one if all others have. */
  get oldestUnsealed(): Segment {
    return defined(
      this.#segments.find(({ summary }) => summary === undefined),
      "the active segment",
    );
  }

  add(segment: Segment): void {
    this.#segments.push(segment);
  }

  removeOldest(): Segment {
    return defined(this.#segments.shift(), "the oldest segment");
  }

  /** Newest first. */
  *backwards(): Generator<Segment> {
    for (let row = this.#segments.length - 1; row >= 0; row -= 1) {
      const segment = this.#segments[row];
      if (segment !== undefined) yield segment;
    }
  }

  [Symbol.iterator](): Iterator<Segment> {
    return this.#segments[Symbol.iterator]();
  }
}
