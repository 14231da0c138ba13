/** Milliseconds of a bucket: how late a deadline may be noticed. */
const bucketMs = 8;
const bucketCount = 1_024;
const rowsAtStart = 64;
const none = -1;

/**
 * Deadlines of small integers (stream slots): 1,024 buckets of 8 ms around which time turns; one that lies further ahead is passed over until its
 * turn. Scheduling and removing are a few stores, and nothing is allocated for a row.
 */
export class DeadlineWheel {
  readonly #first = new Int32Array(bucketCount).fill(none);
  #next = new Int32Array(rowsAtStart).fill(none);
  #previous = new Int32Array(rowsAtStart).fill(none);
  /** Bucket of each row, or none. */
  #bucket = new Int32Array(rowsAtStart).fill(none);
  #deadlineMs = new Float64Array(rowsAtStart);
  /** The bucket of the moment up to which all is done. */
  #turn: number;
  #count = 0;

  constructor(nowMs: number) {
    this.#turn = Math.floor(nowMs / bucketMs);
  }

  /** Rows scheduled. */
  get count(): number {
    return this.#count;
  }

  /** Schedules a row, or moves it. A deadline in the past is due at the next `advance`. */
  schedule(row: number, deadlineMs: number): void {
    this.remove(row);
    if (row >= this.#next.length) this.#grow(row + 1);
    const bucket = Math.max(this.#turn, Math.floor(deadlineMs / bucketMs)) % bucketCount;
    const behind = this.#first[bucket] ?? none;
    this.#deadlineMs[row] = deadlineMs;
    this.#bucket[row] = bucket;
    this.#next[row] = behind;
    this.#previous[row] = none;
    if (behind !== none) this.#previous[behind] = row;
    this.#first[bucket] = row;
    this.#count += 1;
  }

  remove(row: number): void {
    const bucket = this.#bucket[row] ?? none;
    if (bucket === none) return;
    const next = this.#next[row] ?? none;
    const previous = this.#previous[row] ?? none;
    if (previous === none) this.#first[bucket] = next;
    else this.#next[previous] = next;
    if (next !== none) this.#previous[next] = previous;
    this.#bucket[row] = none;
    this.#count -= 1;
  }

  /** Moves time on and calls `due` for each row whose deadline is at or before `nowMs`. `due` may schedule and remove. */
  advance(nowMs: number, due: (row: number) => void): void {
    const to = Math.max(this.#turn, Math.floor(nowMs / bucketMs));
    const buckets = Math.min(to - this.#turn + 1, bucketCount);
    for (const row of this.#rowsDue(buckets, nowMs)) {
      // An earlier `due` may have taken it away or put it off.
      if ((this.#bucket[row] ?? none) === none || (this.#deadlineMs[row] ?? 0) > nowMs) continue;
      this.remove(row);
      due(row);
    }
    this.#turn = to;
  }

  /** When `advance` should be called next: not after the first deadline's bucket ends; `Infinity` when nothing is scheduled. */
  nextMs(): number {
    if (this.#count === 0) return Number.POSITIVE_INFINITY;
    let ahead = 0;
    while (this.#first[(this.#turn + ahead) % bucketCount] === none) ahead += 1;
    return (this.#turn + ahead + 1) * bucketMs;
  }

  #rowsDue(buckets: number, nowMs: number): readonly number[] {
    const rows: number[] = [];
    for (let n = 0; n < buckets; n += 1) {
      let row = this.#first[(this.#turn + n) % bucketCount] ?? none;
      for (; row !== none; row = this.#next[row] ?? none) if ((this.#deadlineMs[row] ?? 0) <= nowMs) rows.push(row);
    }
    return rows;
  }

  #grow(rows: number): void {
    const size = Math.max(rows, 2 * this.#next.length);
    this.#next = grown(this.#next, size);
    this.#previous = grown(this.#previous, size);
    this.#bucket = grown(this.#bucket, size);
    const deadlines = new Float64Array(size);
    deadlines.set(this.#deadlineMs);
    this.#deadlineMs = deadlines;
  }
}

function grown(column: Int32Array, size: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(size).fill(none);
  larger.set(column);
  return larger;
}
