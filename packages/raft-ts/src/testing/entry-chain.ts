import type { MemoryEntry } from "./memory-log.ts";

/** Hash of an entry and of all before it, so that two logs can be compared up to an index by one comparison. */
export class EntryChain {
  readonly #chains = new WeakMap<MemoryEntry, number>();

  /** The hash of no entry. */
  static readonly start = 0x811c9dc5;

  /** Notes where an entry was put: after one with the hash `previous`. An entry keeps its predecessor for as long as it is in a log. */
  note(entry: MemoryEntry, previous: number): void {
    let hash = previous;
    hash = mix(hash, entry.term);
    for (const byte of entry.bytes) hash = mix(hash, byte);
    this.#chains.set(entry, hash);
  }

  of(entry: MemoryEntry): number {
    return this.#chains.get(entry) ?? 0;
  }
}

/** Folds a number into a 32-bit hash (FNV-1a's step, with the number's low 32 bits). */
export function mix(hash: number, value: number): number {
  return Math.imul(hash ^ (value | 0), 0x01000193) >>> 0;
}
