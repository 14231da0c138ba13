import { entryHash, type StateDigest, type StateEntry, type StateFrame } from "./state-frame.ts";

/** Where the present value of each entry is found. */
export type StateSource = {
  keys(): Iterable<string>;
  get(key: string): Uint8Array | undefined;
};

/** About so much goes into one frame. Bytes of values. */
const frameBytes = 65_536;

/**
 * Brings one peer's view of a table up to date: all of it first, then changes. It remembers which keys to look at, never values, so what changes
 * faster than the link takes it costs no memory.
 */
export class StateSender {
  readonly #source: StateSource;
  /** Hash of each entry as it was last sent. */
  readonly #sent = new Map<string, number>();
  readonly #dirty = new Set<string>();
  /** Keys of the whole table that are still to be sent; present from `repeat` until its last piece. */
  #whole: string[] | undefined = [];
  #first = true;
  #version = 0;
  #hash = 0;

  constructor(source: StateSource) {
    this.#source = source;
    this.repeat();
  }

  /** The entry may have changed. */
  touch(key: string): void {
    this.#dirty.add(key);
  }

  /** All of it goes once more. */
  repeat(): void {
    this.#whole = [...this.#source.keys()];
    this.#first = true;
    this.#dirty.clear();
  }

  get digest(): StateDigest {
    return { version: this.#version, hash: this.#hash };
  }

  /** The next piece; `undefined` when the peer has been sent everything. */
  next(): StateFrame | undefined {
    if (this.#whole !== undefined) return this.#nextOfWhole(this.#whole);
    if (this.#dirty.size === 0) return undefined;
    const entries = this.#gather(this.#dirty, (key) => this.#dirty.delete(key));
    return this.#frame(false, false, entries);
  }

  #nextOfWhole(keys: string[]): StateFrame {
    const first = this.#first;
    if (first) {
      this.#sent.clear();
      this.#hash = 0;
      this.#first = false;
    }
    let taken = 0;
    const entries = this.#gather(keys, () => (taken += 1));
    keys.splice(0, taken);
    const last = keys.length === 0;
    if (last) this.#whole = undefined;
    return this.#frame(first, last, entries);
  }

  /** Present values of the first of these keys, as many as fit a frame. */
  #gather(keys: Iterable<string>, took: (key: string) => void): readonly StateEntry[] {
    const entries: StateEntry[] = [];
    let bytes = 0;
    for (const key of keys) {
      if (bytes >= frameBytes) break;
      const value = this.#source.get(key);
      took(key);
      if (value === undefined && !this.#sent.has(key)) continue;
      this.#note(key, value);
      entries.push([key, value]);
      bytes += key.length + (value?.length ?? 0);
    }
    return entries;
  }

  #note(key: string, value: Uint8Array | undefined): void {
    this.#hash = (this.#hash - (this.#sent.get(key) ?? 0)) >>> 0;
    this.#sent.delete(key);
    if (value === undefined) return;
    const hash = entryHash(key, value);
    this.#sent.set(key, hash);
    this.#hash = (this.#hash + hash) >>> 0;
  }

  #frame(first: boolean, last: boolean, entries: readonly StateEntry[]): StateFrame {
    const version = this.#version;
    this.#version += 1;
    return { first, last, version, entries };
  }
}
