/** A bucket of tokens: what a peer may do freely, and how fast it may go on. */
export class Budget {
  readonly #burst: number;
  readonly #perMs: number;
  #tokens: number;
  #atMs: number;

  constructor(rate: { readonly burst: number; readonly perSecond: number }, nowMs: number) {
    this.#burst = rate.burst;
    this.#perMs = rate.perSecond / 1_000;
    this.#tokens = rate.burst;
    this.#atMs = nowMs;
  }

  /** Takes `cost` tokens. False: there are not so many. */
  spend(cost: number, nowMs: number): boolean {
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
    if (this.#tokens < cost) return false;
    this.#tokens -= cost;
    return true;
  }

  /** Gives tokens, up to the burst. */
  earn(tokens: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + tokens);
  }
}
