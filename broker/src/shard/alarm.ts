import type { Cancel, Clock, Timers } from "@saturnmq/kit";

/** One timer for all deadlines of a process. */
export class Alarm {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #ring: (monoMs: number) => number;
  #atMs = Infinity;
  #cancel: Cancel | undefined;
  #closed = false;

  /** @param ring called when it is time; answers when it is to be called next, `Infinity` for never */
  constructor(clock: Clock, timers: Timers, ring: (monoMs: number) => number) {
    this.#clock = clock;
    this.#timers = timers;
    this.#ring = ring;
  }

  /** Rings at this reading of the monotonic clock at the latest. */
  at(monoMs: number): void {
    if (monoMs >= this.#atMs || this.#closed) return;
    this.#cancel?.();
    this.#atMs = monoMs;
    // A timer counts whole milliseconds at most 2^31 - 1; ringing early only rearms it.
    const delayMs = Math.min(Math.max(0, Math.ceil(monoMs - this.#clock.monoMs())), 0x7fff_ffff);
    this.#cancel = this.#timers.after(delayMs, () => {
      this.#atMs = Infinity;
      this.#cancel = undefined;
      this.at(this.#ring(this.#clock.monoMs()));
    });
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }
}
