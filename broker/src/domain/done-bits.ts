import { assert } from "@saturnmq/kit";

const leastWords = 8;
const wordBits = 32;

/**
 * Which offsets above a cursor's floor are finished: one bit an offset in a ring of words. The ring covers [floor rounded down to a
 * word, furthest finished offset] and grows by doubling.
 */
export class DoneBits {
  #words = new Uint32Array(leastWords);
  /** Offset of the first bit of the ring's first word; a multiple of 32. */
  #base: number;
  /** Index of that word in `#words`. */
  #first = 0;

  constructor(floor: number) {
    this.#base = floor - (floor % wordBits);
  }

  /** Offsets from here on are all unfinished. */
  get end(): number {
    return this.#base + this.#words.length * wordBits;
  }

  has(offset: number): boolean {
    const bit = offset - this.#base;
    if (bit < 0 || bit >= this.#words.length * wordBits) return false;
    return (this.#word(bit) & (1 << (bit & 31))) !== 0;
  }

  /** Marks an offset at or above the floor; false when it was marked before. */
  add(offset: number): boolean {
    const bit = offset - this.#base;
    assert(bit >= 0 && bit < 0x7fff_ffff, "a finished offset lies outside what a cursor can span");
    while (bit >= this.#words.length * wordBits) this.#grow();
    const at = (this.#first + (bit >>> 5)) & (this.#words.length - 1);
    const before = this.#words[at] ?? 0;
    const after = (before | (1 << (bit & 31))) >>> 0;
    this.#words[at] = after;
    return after !== before;
  }

  /** First offset at or above `from` that is not marked. */
  nextClear(from: number): number {
    for (let offset = from; offset < this.end; ) {
      const bit = offset - this.#base;
      const open = ~this.#word(bit) & (-1 << (bit & 31));
      if (open !== 0) return offset - (bit & 31) + lowestBit(open);
      offset += wordBits - (bit & 31);
    }
    return Math.max(from, this.end);
  }

  /** First marked offset in [from, to), else `to`. */
  nextSet(from: number, to: number): number {
    for (let offset = Math.max(from, this.#base); offset < to && offset < this.end; ) {
      const bit = offset - this.#base;
      const marked = this.#word(bit) & (-1 << (bit & 31));
      if (marked !== 0) return Math.min(to, offset - (bit & 31) + lowestBit(marked));
      offset += wordBits - (bit & 31);
    }
    return to;
  }

  /** Marked offsets in [from, to). */
  countIn(from: number, to: number): number {
    let count = 0;
    for (let offset = this.nextSet(from, to); offset < to; offset = this.nextSet(offset + 1, to)) count += 1;
    return count;
  }

  /** Forgets everything below `floor`. */
  advance(floor: number): void {
    const words = Math.min((floor - (floor % wordBits) - this.#base) / wordBits, this.#words.length);
    for (let word = 0; word < words; word += 1) {
      this.#words[(this.#first + word) & (this.#words.length - 1)] = 0;
    }
    if (words <= 0) return;
    this.#first = (this.#first + words) & (this.#words.length - 1);
    this.#base = floor - (floor % wordBits);
  }

  copy(): DoneBits {
    const twin = new DoneBits(this.#base);
    twin.#words = this.#words.slice();
    twin.#first = this.#first;
    return twin;
  }

  #word(bit: number): number {
    return this.#words[(this.#first + (bit >>> 5)) & (this.#words.length - 1)] ?? 0;
  }

  #grow(): void {
    const larger = new Uint32Array(this.#words.length * 2);
    larger.set(this.#words.subarray(this.#first));
    larger.set(this.#words.subarray(0, this.#first), this.#words.length - this.#first);
    this.#words = larger;
    this.#first = 0;
  }
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}
