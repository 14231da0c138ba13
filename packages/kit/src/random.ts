/** Where chance comes from. */
export interface Random {
  /** A uniform integer in [0, bound). `bound` is 1 to 2^32. */
  below(bound: number): number;
}

/**
 * A small seeded generator (mulberry32, public domain algorithm) for simulations: the same seed gives the same draws on every machine.
 * Not for secrets.
 */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  below(bound: number): number {
    return Math.floor(this.fraction() * bound);
  }

  /** A uniform number in [0, 1). */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 4_294_967_296;
  }
}
