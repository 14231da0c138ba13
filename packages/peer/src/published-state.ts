import type { ReplicaId } from "raft-ts";
import { entryBytes } from "./state-frame.ts";
import type { StateSource } from "./state-sender.ts";

/** Longest key. Bytes of UTF-8. */
const keyBytesMax = 1_024;

type Table = { readonly entries: Map<string, Uint8Array>; bytes: number };

/** What this process publishes: entries for all peers, and for one peer, which go before those. */
export class PublishedState {
  readonly #bytesMax: number;
  readonly #shared: Table = { entries: new Map(), bytes: 0 };
  readonly #own = new Map<ReplicaId, Table>();

  /** @param bytesMax of what one peer may see, as `entryBytes` counts */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** @throws {RangeError} if the key or the whole is too large; then nothing changed */
  set(to: ReplicaId | "all", key: string, value: Uint8Array | undefined): void {
    if (Buffer.byteLength(key) > keyBytesMax)
      throw new RangeError(`a key of soft state has at most ${keyBytesMax} bytes`);
    const table = to === "all" ? this.#shared : this.#ownOf(to);
    const before = table.entries.get(key);
    const bytes =
      table.bytes -
      (before === undefined ? 0 : entryBytes(key, before)) +
      (value === undefined ? 0 : entryBytes(key, value));
    const others = to === "all" ? this.#largestOwn() : this.#shared.bytes;
    if (value !== undefined && bytes + others > this.#bytesMax)
      throw new RangeError(
        `soft state for one peer would be ${bytes + others} bytes, at most ${this.#bytesMax} are kept`,
      );
    table.bytes = bytes;
    if (value === undefined) table.entries.delete(key);
    else table.entries.set(key, new Uint8Array(value));
    if (to !== "all" && table.entries.size === 0) this.#own.delete(to);
  }

  /** What `peer` sees. */
  sourceFor(peer: ReplicaId): StateSource {
    return {
      keys: () => new Set([...this.#shared.entries.keys(), ...(this.#own.get(peer)?.entries.keys() ?? [])]),
      get: (key) => this.#own.get(peer)?.entries.get(key) ?? this.#shared.entries.get(key),
    };
  }

  /** The peer is forgotten. */
  forget(peer: ReplicaId): void {
    this.#own.delete(peer);
  }

  #ownOf(peer: ReplicaId): Table {
    const known = this.#own.get(peer);
    if (known !== undefined) return known;
    const table: Table = { entries: new Map(), bytes: 0 };
    this.#own.set(peer, table);
    return table;
  }

  #largestOwn(): number {
    let largest = 0;
    for (const { bytes } of this.#own.values()) largest = Math.max(largest, bytes);
    return largest;
  }
}
