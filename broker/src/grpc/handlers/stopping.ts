import type { Cancel } from "@saturnmq/kit";

/** The moment at which the broker begins to stop. Made for many thousands of waiters, which an `AbortSignal` keeps in a list. */
export class Stopping {
  readonly #waiting = new Set<() => void>();
  #begun = false;

  /** Calls back once when the broker begins to stop; at once when it already has. */
  onStop(callback: () => void): Cancel {
    if (this.#begun) {
      callback();
      return () => undefined;
    }
    // Wrapped, so that one function may wait twice.
    const waiter = (): void => {
      callback();
    };
    this.#waiting.add(waiter);
    return () => {
      this.#waiting.delete(waiter);
    };
  }

  begin(): void {
    this.#begun = true;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const callback of waiting) callback();
  }
}
