import { Budget } from "./budget.ts";
import { budgets, earned } from "./limits.ts";

/** What one peer has done and may still do: a price for whatever asks for work and brings none, wages for calls. Each answer: it can pay. */
export class Tariff {
  readonly #control: Budget;
  readonly #resets: Budget;
  readonly #pings: Budget;
  #framesPaid = 0;

  constructor(nowMs: number) {
    this.#control = new Budget(budgets.control, nowMs);
    this.#resets = new Budget(budgets.resets, nowMs);
    this.#pings = new Budget(budgets.pings, nowMs);
  }

  /** For a frame that carries nothing of a call. */
  control(cost: number, nowMs: number): boolean {
    return this.#control.spend(cost, nowMs);
  }

  /** For a stream that ends without an answer, by the peer's wish or mistake. */
  reset(cost: number, nowMs: number): boolean {
    return this.#resets.spend(cost, nowMs);
  }

  ping(nowMs: number): boolean {
    return this.#pings.spend(1, nowMs);
  }

  /** A stream was opened. */
  opened(): void {
    this.#control.earn(earned.control);
  }

  /** A stream was answered. */
  answered(): void {
    this.#resets.earn(earned.resets);
  }

  /** So many frames of answers were written, ever: the peer will grant windows and measure round trips for them. */
  wrote(frames: number): void {
    const more = frames - this.#framesPaid;
    if (more === 0) return;
    this.#framesPaid = frames;
    this.#control.earn(more * earned.control);
    this.#pings.earn(more * earned.pings);
  }
}
