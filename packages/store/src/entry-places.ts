import { assert } from "@saturnmq/kit";

/**
 * Where one group's entries of the unsealed segments lie, staged ones included, by index: a window [first, next) that grows at the end,
 * is truncated there, and shrinks at the beginning as segments are sealed. Entries that a restart of the log left behind stay in an older
 * window until their segments are sealed.
 */
export class EntryPlaces {
  #segments = new Uint32Array(64);
  #offsets = new Uint32Array(64);
  #lengths = new Uint32Array(64);
  #terms = new Float64Array(64);
  /** Row of `first`. */
  #head = 0;
  #first = 1;
  #count = 0;
  #older: EntryPlaces | undefined;

  get first(): number {
    return this.#first;
  }

  get next(): number {
    return this.#first + this.#count;
  }

  /** Starts over at `first`; entries up to `keptTo` stay readable. */
  restart(first: number, keptTo = 0): void {
    const kept = Math.min(this.#count, keptTo + 1 - this.#first);
    if (kept > 0) this.#setAside(kept);
    else this.#dropOlder(keptTo);
    this.#begin(first);
  }

  has(index: number): boolean {
    return this.#holds(index) || this.#older?.has(index) === true;
  }

  /** Segment sequence number; 0 for a staged entry, which has no place yet. */
  segment(index: number): number {
    if (!this.#holds(index) && this.#older !== undefined) return this.#older.segment(index);
    return this.#segments[this.#row(index)] as number;
  }

  /** Of the payload, in the segment's file; of a staged entry: from the start of its frame's entries. */
  offset(index: number): number {
    if (!this.#holds(index) && this.#older !== undefined) return this.#older.offset(index);
    return this.#offsets[this.#row(index)] as number;
  }

  /** Of the payload. */
  length(index: number): number {
    if (!this.#holds(index) && this.#older !== undefined) return this.#older.length(index);
    return this.#lengths[this.#row(index)] as number;
  }

  /** What the entry's head must say. */
  term(index: number): number {
    if (!this.#holds(index) && this.#older !== undefined) return this.#older.term(index);
    return this.#terms[this.#row(index)] as number;
  }

  push(term: number, segment: number, offset: number, length: number): void {
    if (this.#head + this.#count === this.#segments.length) this.#makeRoom();
    const row = this.#head + this.#count;
    this.#segments[row] = segment;
    this.#offsets[row] = offset;
    this.#lengths[row] = length;
    this.#terms[row] = term;
    this.#count += 1;
  }

  /** Gives the staged entries from `from` on their place: their frame's entries start at `base` of `segment`. */
  settle(from: number, segment: number, base: number): void {
    for (let index = Math.max(from, this.#first); index < this.next; index += 1) {
      const row = this.#row(index);
      if (this.#segments[row] !== 0) continue;
      this.#segments[row] = segment;
      this.#offsets[row] = (this.#offsets[row] as number) + base;
    }
  }

  /** Discards the entries from `index` on. */
  truncate(index: number): void {
    if (index >= this.next) return;
    if (index <= this.#first) this.#begin(index);
    else this.#count = index - this.#first;
  }

  /** Drops the entries below `index`: they are sealed or not needed any more. */
  dropBelow(index: number): void {
    this.#older?.dropBelow(index);
    if (this.#older?.empty === true) this.#older = undefined;
    const dropped = Math.min(index - this.#first, this.#count);
    if (dropped <= 0) return;
    this.#head += dropped;
    this.#first += dropped;
    this.#count -= dropped;
  }

  /** True when no entry is left, in the older windows neither. */
  get empty(): boolean {
    return this.#count === 0 && this.#older === undefined;
  }

  #begin(first: number): void {
    this.#head = 0;
    this.#first = first;
    this.#count = 0;
  }

  /** Makes the first `count` entries an older window. */
  #setAside(count: number): void {
    const older = new EntryPlaces();
    older.#segments = this.#segments;
    older.#offsets = this.#offsets;
    older.#lengths = this.#lengths;
    older.#terms = this.#terms;
    older.#head = this.#head;
    older.#first = this.#first;
    older.#count = count;
    older.#older = this.#older;
    this.#older = older;
    this.#segments = new Uint32Array(64);
    this.#offsets = new Uint32Array(64);
    this.#lengths = new Uint32Array(64);
    this.#terms = new Float64Array(64);
  }

  /** Drops what the older windows hold above `keptTo`. */
  #dropOlder(keptTo: number): void {
    const older = this.#older;
    if (older === undefined) return;
    if (keptTo >= older.#first) older.#count = Math.min(older.#count, keptTo + 1 - older.#first);
    else {
      this.#older = older.#older;
      this.#dropOlder(keptTo);
    }
  }

  #holds(index: number): boolean {
    return index >= this.#first && index < this.next;
  }

  #row(index: number): number {
    assert(this.#holds(index), "an entry is asked for by an index that is held");
    return this.#head + index - this.#first;
  }

  #makeRoom(): void {
    const size = this.#head > this.#segments.length / 2 ? this.#segments.length : 2 * this.#segments.length;
    const end = this.#head + this.#count;
    const moved = (rows: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> => {
      const target = new Uint32Array(size);
      target.set(rows.subarray(this.#head, end));
      return target;
    };
    this.#segments = moved(this.#segments);
    this.#offsets = moved(this.#offsets);
    this.#lengths = moved(this.#lengths);
    const terms = new Float64Array(size);
    terms.set(this.#terms.subarray(this.#head, end));
    this.#terms = terms;
    this.#head = 0;
  }
}
