import { defined } from "@saturnmq/kit";
import type { Field } from "./field.ts";

const slotsAtStart = 8;

/** The table that a peer's header blocks fill (RFC 7541 2.3.2, 4): newest first, evicted oldest first, bounded in bytes. */
export class DynamicTable {
  readonly #limitBytes: number;
  #ring: (Field | undefined)[] = [];
  /** Slot of the newest. */
  #head = 0;
  #count = 0;
  #bytes = 0;
  #maxBytes: number;

  /** @param limitBytes what we announced: the most that a size update may ask for */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
    this.#maxBytes = limitBytes;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The field `age` insertions before the newest (0), if there is one. */
  at(age: number): Field | undefined {
    if (age >= this.#count) return undefined;
    return this.#ring[(this.#head - age + this.#ring.length) % this.#ring.length];
  }

  /** Inserts; one that is larger than the table empties it (4.4). */
  insert(field: Field): void {
    if (!this.makeRoom(field.sizeBytes)) return;
    if (this.#count === this.#ring.length) this.#grow();
    this.#head = (this.#head + 1) % this.#ring.length;
    this.#ring[this.#head] = field;
    this.#count += 1;
    this.#bytes += field.sizeBytes;
  }

  /** Evicts until a field of `sizeBytes` fits. False, with an empty table, when it never will. */
  makeRoom(sizeBytes: number): boolean {
    while (this.#count > 0 && this.#bytes + sizeBytes > this.#maxBytes) this.#evict();
    return sizeBytes <= this.#maxBytes;
  }

  /** A size update (6.3). False: above what we announced. */
  resize(maxBytes: number): boolean {
    if (maxBytes > this.#limitBytes) return false;
    this.#maxBytes = maxBytes;
    this.makeRoom(0);
    return true;
  }

  /** Most connections name a dozen fields: slots are made as they are needed. */
  #grow(): void {
    const fields = Array.from({ length: this.#count }, (_, n) => this.at(this.#count - 1 - n));
    const slots = Math.max(slotsAtStart, 2 * this.#ring.length);
    this.#ring = [...fields, ...new Array<Field | undefined>(slots - this.#count).fill(undefined)];
    this.#head = Math.max(0, this.#count - 1);
  }

  #evict(): void {
    const slot = (this.#head - this.#count + 1 + this.#ring.length) % this.#ring.length;
    this.#bytes -= defined(this.#ring[slot], "oldest field").sizeBytes;
    this.#ring[slot] = undefined;
    this.#count -= 1;
  }
}
