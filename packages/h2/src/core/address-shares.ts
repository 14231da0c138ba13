import { neighbourhood } from "./offenders.ts";

/** Counts what peers hold of something that there is a bounded number of, by address: one alone cannot hold it all. */
export class AddressShares {
  readonly #most: number;
  readonly #held = new Map<string, number>();

  /** @param most that one address may hold */
  constructor(most: number) {
    this.#most = most;
  }

  /** Takes one for an address. False: it holds as many as it may, and gets none. */
  take(address: string): boolean {
    const key = neighbourhood(address);
    const held = this.#held.get(key) ?? 0;
    if (held >= this.#most) return false;
    this.#held.set(key, held + 1);
    return true;
  }

  /** Gives back one that `take` gave. */
  release(address: string): void {
    const key = neighbourhood(address);
    const held = this.#held.get(key) ?? 0;
    if (held > 1) this.#held.set(key, held - 1);
    else this.#held.delete(key);
  }

  /** Addresses that hold something. */
  get size(): number {
    return this.#held.size;
  }
}
