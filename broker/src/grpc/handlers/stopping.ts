/** What ends when the broker begins to stop. */
export interface Stoppable {
  stop(): void;
}

/** The moment at which the broker begins to stop. Made for many thousands of waiters, which an `AbortSignal` keeps in a list. */
export class Stopping {
  readonly #waiting = new Set<Stoppable>();
  #begun = false;

  /** Has it stop once when the broker begins to stop; at once when it already has. */
  add(waiter: Stoppable): void {
    if (this.#begun) waiter.stop();
    else this.#waiting.add(waiter);
  }

  /** It has ended by itself. */
  delete(waiter: Stoppable): void {
    this.#waiting.delete(waiter);
  }

  begin(): void {
    this.#begun = true;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const waiter of waiting) waiter.stop();
  }
}
