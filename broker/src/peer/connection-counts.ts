import type { Links } from "./linked-brokers.ts";

const key = "connections";
const bytes = 4;

/** How many clients' connections each broker has, told among them as soft state that lives as long as a link. */
export class ConnectionCounts {
  readonly #publish: Links["publish"];
  readonly #others = new Map<number, number>();
  #told: number | undefined;

  constructor(publish: Links["publish"]) {
    this.#publish = publish;
  }

  /** Of the other brokers, as they told last; one that did not tell is missing. */
  get others(): ReadonlyMap<number, number> {
    return this.#others;
  }

  tell(count: number): void {
    if (count === this.#told) return;
    this.#told = count;
    const value = new Uint8Array(bytes);
    new DataView(value.buffer).setUint32(0, count, true);
    this.#publish("all", key, value);
  }

  /** Soft state of another broker. False: it is not about this. */
  peerState(from: number, about: string, value: Uint8Array | undefined): boolean {
    if (about !== key) return false;
    // What cannot be read was not told.
    if (value?.length !== bytes) this.#others.delete(from);
    else this.#others.set(from, new DataView(value.buffer, value.byteOffset).getUint32(0, true));
    return true;
  }

  gone(broker: number): void {
    this.#others.delete(broker);
  }
}
