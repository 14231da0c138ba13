import type { Configuration, ConfigurationAt } from "raft-ts";
import { decodeConfiguration, encodeConfiguration } from "raft-ts";

/** A configuration, the index of the entry that brought it, and the bytes that stand for it on disk. */
export type KnownConfiguration = { readonly index: number; readonly at: ConfigurationAt; readonly bytes: Uint8Array };

/** Of a configuration that is about to be stored. */
export function knownConfiguration(index: number, configuration: Configuration): KnownConfiguration {
  return { index, at: { index, configuration }, bytes: encodeConfiguration(configuration) };
}

/** Of stored bytes, which are copied. @throws {RangeError} if this program does not understand them */
export function readConfiguration(index: number, bytes: Uint8Array): KnownConfiguration {
  return { index, at: { index, configuration: decodeConfiguration(bytes) }, bytes: bytes.slice() };
}

/** True when somebody else votes in it: then what is lost here exists elsewhere. */
export function hasPeers({ incoming, outgoing }: Configuration): boolean {
  return new Set([...incoming, ...outgoing]).size > 1;
}

/** The configurations that a group's log knows: those of its entries, and the newest below them. Few, however long the log is. */
export class Configurations {
  /** By rising index. */
  #known: readonly KnownConfiguration[] = [];

  /** By rising index. */
  get all(): readonly KnownConfiguration[] {
    return this.#known;
  }

  get newest(): KnownConfiguration | undefined {
    return this.#known.at(-1);
  }

  /** The newest at or below `index`. */
  find(index: number): KnownConfiguration | undefined {
    for (let row = this.#known.length - 1; row >= 0; row -= 1) {
      const known = this.#known[row];
      if (known !== undefined && known.index <= index) return known;
    }
    return undefined;
  }

  /** Adds one, in any order; one of the same index is replaced. */
  add(added: KnownConfiguration): void {
    const others = this.#known.filter(({ index }) => index !== added.index);
    this.#known = [...others, added].sort((a, b) => a.index - b.index);
  }

  /** Forgets those of entries from `index` on. */
  truncate(index: number): void {
    if ((this.newest?.index ?? -1) >= index) this.#known = this.#known.filter((known) => known.index < index);
  }

  /** Forgets those that are not in force at `first - 1` or above. */
  trim(first: number): void {
    const base = this.find(first - 1);
    if (base !== undefined && base !== this.#known[0])
      this.#known = this.#known.filter(({ index }) => index >= base.index);
  }

  /** Takes `base` for the one in force at `index`: those of later entries stay. */
  rebase(index: number, base: KnownConfiguration): void {
    this.#known = [base, ...this.#known.filter((known) => known.index > index)];
  }

  copy(): Configurations {
    const copy = new Configurations();
    copy.#known = this.#known;
    return copy;
  }
}
