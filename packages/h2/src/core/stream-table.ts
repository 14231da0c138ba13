import type { Stream } from "./stream.ts";

const slotsAtStart = 8;

/** The open streams of one connection by id. Open addressing; ids rise by two, so neighbours rarely meet. */
export class StreamTable<User> {
  #ids = new Int32Array(slotsAtStart);
  #streams = new Array<Stream<User> | undefined>(slotsAtStart).fill(undefined);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get(id: number): Stream<User> | undefined {
    const mask = this.#ids.length - 1;
    for (let slot = (id >>> 1) & mask; this.#ids[slot] !== 0; slot = (slot + 1) & mask)
      if (this.#ids[slot] === id) return this.#streams[slot];
    return undefined;
  }

  add(stream: Stream<User>): void {
    if (2 * (this.#count + 1) > this.#ids.length) this.#grow();
    this.#place(stream);
    this.#count += 1;
  }

  remove(id: number): void {
    const mask = this.#ids.length - 1;
    let hole = (id >>> 1) & mask;
    while (this.#ids[hole] !== id) {
      if (this.#ids[hole] === 0) return;
      hole = (hole + 1) & mask;
    }
    // What comes behind moves up, unless its own place lies between the hole and where it is.
    for (let slot = (hole + 1) & mask; this.#ids[slot] !== 0; slot = (slot + 1) & mask) {
      const home = ((this.#ids[slot] ?? 0) >>> 1) & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      this.#ids[hole] = this.#ids[slot] ?? 0;
      this.#streams[hole] = this.#streams[slot];
      hole = slot;
    }
    this.#ids[hole] = 0;
    this.#streams[hole] = undefined;
    this.#count -= 1;
  }

  /** The streams that are open now; the caller may open and end some while it goes through them. */
  all(): Stream<User>[] {
    return this.#streams.filter((stream) => stream !== undefined);
  }

  #place(stream: Stream<User>): void {
    const mask = this.#ids.length - 1;
    let slot = (stream.id >>> 1) & mask;
    while (this.#ids[slot] !== 0) slot = (slot + 1) & mask;
    this.#ids[slot] = stream.id;
    this.#streams[slot] = stream;
  }

  #grow(): void {
    const streams = this.all();
    this.#ids = new Int32Array(2 * this.#ids.length);
    this.#streams = new Array<Stream<User> | undefined>(this.#ids.length).fill(undefined);
    for (const stream of streams) this.#place(stream);
  }
}
