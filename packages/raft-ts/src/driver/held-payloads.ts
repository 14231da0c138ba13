import type { Payload } from "../ports.ts";

/** Payloads of entries that are appended but not applied yet, so that neither applying nor replicating them reads the disk. */
export class HeldPayloads {
  readonly #byIndex = new Map<number, Payload>();

  /** Holds the payload of an entry; one at or below the last replaces it and all after it. `undefined` is an empty entry. */
  append(index: number, payload: Payload | undefined): void {
    if (this.#byIndex.has(index)) this.#discardFrom(index);
    this.#byIndex.set(index, payload ?? emptyPayload);
  }

  /** `undefined` when the entry is not held. */
  get(index: number): Payload | undefined {
    return this.#byIndex.get(index);
  }

  /** The entry is applied: its bytes may be overwritten from now on. */
  release(index: number): void {
    this.#byIndex.delete(index);
  }

  #discardFrom(index: number): void {
    for (const held of [...this.#byIndex.keys()]) if (held >= index) this.#byIndex.delete(held);
  }
}

/** What an entry without content is applied with. */
const emptyPayload: Payload = { bytes: new Uint8Array(0), start: 0, length: 0, crc: 0 };
