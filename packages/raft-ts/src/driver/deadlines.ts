import type { Cancel, Timers } from "@saturnmq/kit";

export type DeadlinesOptions = {
  readonly timers: Timers;
  readonly monoMs: () => number;
  readonly guard: (callback: () => void) => void;
  readonly groups: () => Iterable<{ readonly nextTickMs: number; tick(nowMs: number): void }>;
};

/** One timer for the ticks of all groups. A tick that moved to later costs nothing until the old time has come. */
export class Deadlines {
  readonly #options: DeadlinesOptions;
  #armedMs = Infinity;
  #cancel: Cancel | undefined;

  constructor(options: DeadlinesOptions) {
    this.#options = options;
  }

  /** Some group's next tick is due at `dueMs`. */
  note(dueMs: number): void {
    if (dueMs >= this.#armedMs) return;
    this.#cancel?.();
    this.#armedMs = dueMs;
    this.#cancel = this.#options.timers.after(Math.max(0, dueMs - this.#options.monoMs()), () => {
      this.#options.guard(() => {
        this.#fire();
      });
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#armedMs = Infinity;
  }

  #fire(): void {
    this.#armedMs = Infinity;
    this.#cancel = undefined;
    const nowMs = this.#options.monoMs();
    for (const group of this.#options.groups()) if (group.nextTickMs <= nowMs) group.tick(nowMs);
    for (const group of this.#options.groups()) this.note(group.nextTickMs);
  }
}
