import { ProtocolError } from "./protocol-error.ts";
import { entryBytes, entryHash, type IncomingState, type StateDigest } from "./state-frame.ts";

type Row = { readonly hash: number; readonly bytes: number };

/** Called with an entry that was set or removed. */
export type StateChanged = (key: string, value: Uint8Array | undefined) => void;

/** One peer's soft state as this process knows it. Values are passed on, not kept. */
export class StateReceiver {
  readonly #changed: StateChanged;
  readonly #bytesMax: number;
  readonly #rows = new Map<string, Row>();
  /** Keys that the whole table under way has named so far. */
  #renewed: Set<string> | undefined;
  #version = 0;
  #hash = 0;
  #bytes = 0;
  /** Asked for the whole table and it has not begun. */
  #asked = false;

  constructor(bytesMax: number, changed: StateChanged) {
    this.#bytesMax = bytesMax;
    this.#changed = changed;
  }

  /**
   * Takes a piece in.
   *
   * @returns true when the whole table must be asked for
   * @throws {ProtocolError} if it is more than a peer may have
   */
  take({ first, last, version, entries }: IncomingState): boolean {
    if (first) {
      this.#renewed = new Set();
      this.#asked = false;
    } else if (version !== this.#version) {
      const news = !this.#asked;
      this.#asked = true;
      return news;
    }
    this.#version = version + 1;
    for (const [key, value] of entries) {
      this.#set(key, value);
      this.#renewed?.add(key);
    }
    if (last) this.#finishWhole();
    return false;
  }

  /** True when this is not what the sender says it should be: the whole table must be asked for, again if need be. */
  differs({ version, hash }: StateDigest): boolean {
    return version !== this.#version || (hash !== this.#hash && this.#renewed === undefined);
  }

  /** The link is down: everything is forgotten. */
  clear(): void {
    for (const key of [...this.#rows.keys()]) this.#set(key, undefined);
  }

  #set(key: string, value: Uint8Array | undefined): void {
    const before = this.#rows.get(key);
    if (before !== undefined) {
      this.#rows.delete(key);
      this.#hash = (this.#hash - before.hash) >>> 0;
      this.#bytes -= before.bytes;
    }
    if (value !== undefined) {
      const row = { hash: entryHash(key, value), bytes: entryBytes(key, value) };
      this.#rows.set(key, row);
      this.#hash = (this.#hash + row.hash) >>> 0;
      this.#bytes += row.bytes;
    }
    if (value !== undefined || before !== undefined) this.#changed(key, value);
    if (this.#bytes > this.#bytesMax) throw new ProtocolError(`soft state of ${this.#bytes} bytes is too much`);
  }

  #finishWhole(): void {
    const renewed = this.#renewed;
    this.#renewed = undefined;
    if (renewed === undefined) return;
    for (const key of [...this.#rows.keys()]) if (!renewed.has(key)) this.#set(key, undefined);
  }
}
