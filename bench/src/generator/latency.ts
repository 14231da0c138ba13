/** Buckets per doubling: a recorded value is known to within 1/64 of itself, about 1.6 %. */
const bucketsPerDoubling = 64;
const doublings = 40;
/** The smallest value told apart, milliseconds. */
const smallestMs = 0.001;

/** Counts of latencies by logarithmic bucket: constant memory, 1 µs to about 12 days. */
export class LatencyHistogram {
  readonly #counts = new Float64Array(bucketsPerDoubling * doublings);
  #total = 0;
  #maxMs = 0;

  get count(): number {
    return this.#total;
  }

  /** The largest value recorded, milliseconds; 0 when none. */
  get maxMs(): number {
    return this.#maxMs;
  }

  record(ms: number): void {
    const bucket = Math.floor(Math.log2(Math.max(ms, smallestMs) / smallestMs) * bucketsPerDoubling);
    const at = Math.min(bucket, this.#counts.length - 1);
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#total += 1;
    if (ms > this.#maxMs) this.#maxMs = ms;
  }

  /** The value that `share`, 0 to 1, of all recorded ones do not exceed, milliseconds; 0 when none. */
  quantileMs(share: number): number {
    const wanted = Math.max(1, Math.ceil(share * this.#total));
    let seen = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      seen += count;
      if (seen >= wanted) return Math.min(this.#maxMs, smallestMs * 2 ** ((bucket + 1) / bucketsPerDoubling));
    }
    return 0;
  }

  /** Forgets everything: the end of the warm-up. */
  clear(): void {
    this.#counts.fill(0);
    this.#total = 0;
    this.#maxMs = 0;
  }
}
