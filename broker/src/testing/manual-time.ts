import type { Cancel, Clock, Timers } from "@saturnmq/kit";

/** Lets I/O callbacks, turns and promises that are ready run until nothing new comes up. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A clock and timers that stand still until they are moved. */
export class ManualTime implements Clock, Timers {
  #mono = 1_000;
  #wall = 1_700_000_000_000;
  #timers: { readonly at: number; readonly callback: () => void }[] = [];

  monoMs(): number {
    return this.#mono;
  }

  wallMs(): number {
    return this.#wall;
  }

  /** Changes the wall clock alone, as an administrator may. */
  jump(ms: number): void {
    this.#wall += ms;
  }

  after(delayMs: number, callback: () => void): Cancel {
    const timer = { at: this.#mono + delayMs, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Moves time, fires what is due in order, and lets what follows from it happen. */
  async pass(ms: number): Promise<void> {
    const end = this.#mono + ms;
    for (;;) {
      await settle();
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#move(Math.max(this.#mono, next.at));
      next.callback();
    }
    this.#move(end);
    await settle();
  }

  #move(to: number): void {
    this.#wall += to - this.#mono;
    this.#mono = to;
  }
}
