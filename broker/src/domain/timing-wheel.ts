import { grown } from "./columns.ts";
import { Lists } from "./lists.ts";

const levels = 4;
const slotBits = 8;
const slotCount = 1 << slotBits;
/** Milliseconds that one bucket of each level spans: 1, 256, 65,536, 16,777,216 (the whole wheel: 49.7 days). */
const spans = [1, 256, 65_536, 16_777_216] as const;

/**
 * Deadlines of small integers (row numbers) in whole milliseconds. Four levels of 256 buckets; an item moves down a level when its
 * bucket's time begins. Scheduling and removing are a few stores; nothing is allocated an item. Pure: time comes in by `advance`.
 */
export class TimingWheel {
  readonly #lists = new Lists();
  #deadline = new Float64Array(16);
  readonly #perLevel = new Int32Array(levels);
  #now: number;
  #count = 0;

  constructor(nowMs: number) {
    this.#now = Math.floor(nowMs);
  }

  /** Items scheduled. */
  get count(): number {
    return this.#count;
  }

  has(item: number): boolean {
    return this.#lists.ownerOf(item) >= 0;
  }

  /** Schedules an item, or moves it. A deadline in the past is due at the next `advance`. */
  schedule(item: number, deadlineMs: number): void {
    this.remove(item);
    if (item >= this.#deadline.length)
      this.#deadline = grown(this.#deadline, Math.max(this.#deadline.length * 2, item + 1));
    this.#deadline[item] = Math.ceil(deadlineMs);
    this.#file(item);
    this.#count += 1;
  }

  remove(item: number): void {
    const list = this.#lists.ownerOf(item);
    if (list < 0) return;
    this.#unfile(item, list);
    this.#count -= 1;
  }

  /** Moves time to `nowMs` and calls `due` for each item whose deadline is at or before it. `due` may schedule and remove. */
  advance(nowMs: number, due: (item: number) => void): void {
    const to = Math.floor(nowMs);
    for (;;) {
      this.#drain(due);
      if (this.#now >= to) return;
      this.#now = Math.min(to, this.#nextStop());
      this.#cascade();
    }
  }

  /** No item is due before this; `Infinity` when there is none. May be earlier than the first deadline, never later. */
  nextDueMs(): number {
    return this.#count === 0 ? Infinity : this.#nextStop();
  }

  #drain(due: (item: number) => void): void {
    const list = this.#now % slotCount;
    for (let item = this.#lists.first(list); item >= 0; item = this.#lists.first(list)) {
      this.remove(item);
      due(item);
    }
  }

  /** Earliest time at which a bucket holds something: its own moment on the lowest level, its beginning on the others. */
  #nextStop(): number {
    let earliest = Infinity;
    for (let level = 0; level < levels; level += 1) {
      if (this.#perLevel[level] === 0) continue;
      const span = spans[level] ?? 1;
      const current = Math.floor(this.#now / span);
      const from = level === 0 && this.#lists.first(this.#now % slotCount) >= 0 ? 0 : 1;
      for (let ahead = from; ahead <= slotCount; ahead += 1) {
        if (this.#lists.first(level * slotCount + ((current + ahead) % slotCount)) < 0) continue;
        earliest = Math.min(earliest, (current + ahead) * span);
        break;
      }
    }
    return earliest;
  }

  /** Files anew what lies in the buckets that begin now on the upper levels. */
  #cascade(): void {
    for (let level = levels - 1; level > 0; level -= 1) {
      const span = spans[level] ?? 1;
      if (this.#now % span !== 0 || this.#perLevel[level] === 0) continue;
      const list = level * slotCount + ((this.#now / span) % slotCount);
      // Filing may put an item of the far future back into this bucket: stop at the items that were there.
      const items: number[] = [];
      for (let item = this.#lists.first(list); item >= 0; item = this.#lists.first(list)) {
        this.#unfile(item, list);
        items.push(item);
      }
      for (const item of items) this.#file(item);
    }
  }

  #file(item: number): void {
    const deadline = Math.max(this.#deadline[item] ?? 0, this.#now);
    let level = 0;
    // A bucket of an upper level must begin later than now, or it would not be visited again before its time.
    while (
      level < levels - 1 &&
      Math.floor(deadline / (spans[level] ?? 1)) - Math.floor(this.#now / (spans[level] ?? 1)) >= slotCount
    ) {
      level += 1;
    }
    const span = spans[level] ?? 1;
    const furthest = Math.floor(this.#now / span) + slotCount - 1;
    const bucket = Math.min(Math.floor(deadline / span), furthest);
    this.#lists.push(level * slotCount + (bucket % slotCount), item);
    this.#perLevel[level] = (this.#perLevel[level] ?? 0) + 1;
  }

  #unfile(item: number, list: number): void {
    const level = list >>> slotBits;
    this.#lists.remove(item);
    this.#perLevel[level] = (this.#perLevel[level] ?? 0) - 1;
  }
}
