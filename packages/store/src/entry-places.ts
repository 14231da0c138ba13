import { assert } from "@saturnmq/kit";

/**
 * Where one group's entries of the unsealed segments lie, staged ones included, by index: a window [first, next) that grows at the end,
 * is truncated there, and shrinks at the beginning as segments are sealed.
 */
export class EntryPlaces {
  #segments = new Uint32Array(64);
  #offsets = new Uint32Array(64);
  #lengths = new Uint32Array(64);
  /** Row of `first`. */
  #head = 0;
  #first = 1;
  #count = 0;

  get first(): number {
    return this.#first;
  }

  get next(): number {
    return this.#first + this.#count;
  }

  /** Starts over, empty, at `first`. */
  restart(first: number): void {
    this.#head = 0;
    this.#first = first;
    this.#count = 0;
  }

  has(index: number): boolean {
    return index >= this.#first && index < this.next;
  }

  /** Segment sequence number; 0 for a staged entry, which has no place yet. */
  segment(index: number): number {
    return this.#segments[this.#row(index)] as number;
  }

  /** Of the payload, in the segment's file; of a staged entry: from the start of its frame's entries. */
  offset(index: number): number {
    return this.#offsets[this.#row(index)] as number;
  }

  /** Of the payload. */
  length(index: number): number {
    return this.#lengths[this.#row(index)] as number;
  }

  push(segment: number, offset: number, length: number): void {
    if (this.#head + this.#count === this.#segments.length) this.#makeRoom();
    const row = this.#head + this.#count;
    this.#segments[row] = segment;
    this.#offsets[row] = offset;
    this.#lengths[row] = length;
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
    if (index <= this.#first) this.restart(index);
    else this.#count = index - this.#first;
  }

  /** Drops the entries below `index`: they are sealed or not needed any more. */
  dropBelow(index: number): void {
    const dropped = Math.min(index - this.#first, this.#count);
    if (dropped <= 0) return;
    this.#head += dropped;
    this.#first += dropped;
    this.#count -= dropped;
  }

  #row(index: number): number {
    assert(this.has(index), "an entry is asked for by an index that is held");
    return this.#head + index - this.#first;
  }

  #makeRoom(): void {
    const size = this.#head > this.#segments.length / 2 ? this.#segments.length : 2 * this.#segments.length;
    const moved = (rows: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> => {
      const target = new Uint32Array(size);
      target.set(rows.subarray(this.#head, this.#head + this.#count));
      return target;
    };
    this.#segments = moved(this.#segments);
    this.#offsets = moved(this.#offsets);
    this.#lengths = moved(this.#lengths);
    this.#head = 0;
  }
}
