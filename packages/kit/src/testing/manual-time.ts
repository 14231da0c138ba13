import type { Cancel, Clock, Timers } from "../clock.ts";

/** A clock and timers that stand still until `advance`. */
export class ManualTime implements Clock, Timers {
  #now = 0;
  readonly #startMs: number;
  #waiting: { readonly at: number; readonly callback: () => void }[] = [];

  /** @param startMs wall clock at the beginning */
  constructor(startMs = 1_700_000_000_000) {
    this.#startMs = startMs;
  }

  wallMs(): number {
    return this.#startMs + this.#now;
  }

  monoMs(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void): Cancel {
    const timer = { at: this.#now + delayMs, callback };
    this.#waiting.push(timer);
    return () => {
      this.#waiting = this.#waiting.filter((waiting) => waiting !== timer);
    };
  }

  /** Moves time on by `ms` and calls what falls due, in order of its time. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = this.#waiting.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#waiting = this.#waiting.filter((waiting) => waiting !== due);
      this.#now = Math.max(this.#now, due.at);
      due.callback();
    }
    this.#now = end;
  }
}
