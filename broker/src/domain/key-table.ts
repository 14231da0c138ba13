import { assert } from "@saturnmq/kit";

const absent = -1;
const leastCapacity = 16;

/** Spreads both halves of the pair; the multipliers are odd 32-bit constants with well mixed bits (splitmix, murmur finaliser style). */
function hashOf(a: number, b: number): number {
  let hash =
    Math.imul(a, 0x9e3779b1) ^ Math.imul(b >>> 0, 0x85ebca6b) ^ Math.imul((b / 4_294_967_296) >>> 0, 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/**
 * Finds a row by a pair of integers: `a` below 2^32, `b` below 2^53. Open addressing with linear probing on typed arrays, 20 bytes a
 * place, at most half full, so that millions of keys cost neither objects nor a long collection.
 */
export class KeyTable {
  #a = new Uint32Array(leastCapacity);
  #b = new Float64Array(leastCapacity);
  #row = new Int32Array(leastCapacity).fill(absent);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The row of the pair, -1 when there is none. */
  get(a: number, b: number): number {
    const mask = this.#row.length - 1;
    for (let at = hashOf(a, b) & mask; ; at = (at + 1) & mask) {
      const row = this.#row[at] ?? absent;
      if (row === absent || (this.#a[at] === a && this.#b[at] === b)) return row;
    }
  }

  /** Adds a pair that is not in the table. */
  add(a: number, b: number, row: number): void {
    if ((this.#count + 1) * 2 > this.#row.length) this.#grow();
    this.#place(a, b, row);
    this.#count += 1;
  }

  /** Removes a pair that is in the table. Later entries of the same probe chain move up, so look-ups never meet a gap. */
  remove(a: number, b: number): void {
    const mask = this.#row.length - 1;
    let hole = hashOf(a, b) & mask;
    while (this.#a[hole] !== a || this.#b[hole] !== b || this.#row[hole] === absent) {
      assert(this.#row[hole] !== absent, "a key to remove is not in the table");
      hole = (hole + 1) & mask;
    }
    for (let at = (hole + 1) & mask; this.#row[at] !== absent; at = (at + 1) & mask) {
      const home = hashOf(this.#a[at] ?? 0, this.#b[at] ?? 0) & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      this.#a[hole] = this.#a[at] ?? 0;
      this.#b[hole] = this.#b[at] ?? 0;
      this.#row[hole] = this.#row[at] ?? absent;
      hole = at;
    }
    this.#row[hole] = absent;
    this.#count -= 1;
  }

  copy(): KeyTable {
    const twin = new KeyTable();
    twin.#a = this.#a.slice();
    twin.#b = this.#b.slice();
    twin.#row = this.#row.slice();
    twin.#count = this.#count;
    return twin;
  }

  #place(a: number, b: number, row: number): void {
    const mask = this.#row.length - 1;
    let at = hashOf(a, b) & mask;
    while (this.#row[at] !== absent) at = (at + 1) & mask;
    this.#a[at] = a;
    this.#b[at] = b;
    this.#row[at] = row;
  }

  #grow(): void {
    const [a, b, rows] = [this.#a, this.#b, this.#row];
    this.#a = new Uint32Array(rows.length * 2);
    this.#b = new Float64Array(rows.length * 2);
    this.#row = new Int32Array(rows.length * 2).fill(absent);
    for (let at = 0; at < rows.length; at += 1) {
      const row = rows[at] ?? absent;
      if (row !== absent) this.#place(a[at] ?? 0, b[at] ?? 0, row);
    }
  }
}
