import type { Payload } from "../ports.ts";

/** Entries that are appended and not applied hold this much memory at most: a leader gathers no more, a follower reads the rest from the log. */
const bytesMax = 64 * 1024 * 1024;
const entriesMax = 65_536;
/** What followers of all groups of a process hold at most, together. */
const followersBytesMax = 128 * 1024 * 1024;

/** Counts what all groups of a process hold. */
export class HeldBudget {
  bytes = 0;

  /** Whether a follower should hold nothing more of `bytes` payload. */
  isFull(bytes: number): boolean {
    return this.bytes + bytes > followersBytesMax;
  }
}

/** Payloads of entries that are appended but not applied yet, so that neither applying nor replicating them reads the disk. */
export class HeldPayloads {
  readonly #byIndex = new Map<number, Payload>();
  readonly #budget: HeldBudget;
  #bytes = 0;

  constructor(budget: HeldBudget) {
    this.#budget = budget;
  }

  /** Whether an entry of `bytes` payload is too much. */
  isFull(bytes: number): boolean {
    return this.#bytes + bytes > bytesMax || this.#byIndex.size >= entriesMax;
  }

  /** Holds the payload of an entry; one at or below the last replaces it and all after it. `undefined` is an empty entry. */
  append(index: number, payload: Payload | undefined): void {
    if (this.#byIndex.has(index)) this.discardFrom(index);
    const held = payload ?? emptyPayload;
    this.#byIndex.set(index, held);
    this.#count(held.length);
  }

  /** `undefined` when the entry is not held. */
  get(index: number): Payload | undefined {
    return this.#byIndex.get(index);
  }

  /** The entry is applied: its bytes may be overwritten from now on. */
  release(index: number): void {
    this.#count(-(this.#byIndex.get(index)?.length ?? 0));
    this.#byIndex.delete(index);
  }

  /** Entries from `index` on are no more. */
  discardFrom(index: number): void {
    for (const held of [...this.#byIndex.keys()]) if (held >= index) this.release(held);
  }

  /** A snapshot stands for entries up to `index`. */
  releaseUpTo(index: number): void {
    for (const held of [...this.#byIndex.keys()]) if (held <= index) this.release(held);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#budget.bytes += bytes;
  }
}

/** What an entry without content is applied with. */
export const emptyPayload: Payload = { bytes: new Uint8Array(0), start: 0, length: 0, crc: 0 };

/** What a configuration entry is held as: its content is the log's and the core's. */
export const configurationPayload: Payload = { ...emptyPayload };
