import type { Stream } from "./stream.ts";

const slotsAtStart = 8;

/** The open streams of one connection by id. Open addressing; ids rise by two, so neighbours rarely meet. */
export class StreamTable<User> {
  #streams = new Array<Stream<User> | undefined>(slotsAtStart).fill(undefined);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get(id: number): Stream<User> | undefined {
    const mask = this.#streams.length - 1;
    for (let slot = (id >>> 1) & mask; ; slot = (slot + 1) & mask) {
      const stream = this.#streams[slot];
      if (stream === undefined || stream.id === id) return stream;
    }
  }

  add(stream: Stream<User>): void {
    if (2 * (this.#count + 1) > this.#streams.length) this.#grow();
    this.#place(stream);
    this.#count += 1;
  }

  remove(id: number): void {
    const mask = this.#streams.length - 1;
    let hole = (id >>> 1) & mask;
    for (; this.#streams[hole]?.id !== id; hole = (hole + 1) & mask) if (this.#streams[hole] === undefined) return;
    // What comes behind moves up, unless its own place lies between the hole and where it is.
    for (let slot = (hole + 1) & mask; ; slot = (slot + 1) & mask) {
      const stream = this.#streams[slot];
      if (stream === undefined) break;
      const home = (stream.id >>> 1) & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      this.#streams[hole] = stream;
      hole = slot;
    }
    this.#streams[hole] = undefined;
    this.#count -= 1;
  }

  /** The streams that are open now; the caller may open and end some while it goes through them. */
  all(): Stream<User>[] {
    return this.#streams.filter((stream) => stream !== undefined);
  }

  #place(stream: Stream<User>): void {
    const mask = this.#streams.length - 1;
    let slot = (stream.id >>> 1) & mask;
    while (this.#streams[slot] !== undefined) slot = (slot + 1) & mask;
    this.#streams[slot] = stream;
  }

  #grow(): void {
    const streams = this.all();
    this.#streams = new Array<Stream<User> | undefined>(2 * this.#streams.length).fill(undefined);
    for (const stream of streams) this.#place(stream);
  }
}
