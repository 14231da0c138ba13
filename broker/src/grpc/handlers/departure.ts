import type { Departing } from "../../messaging.ts";

/** Whether a client that waits has gone. One for each receive on hold, of which there are many thousands: an `AbortController` is ten times as large. */
export class Departure implements Departing {
  aborted = false;
  #listener: (() => void) | undefined;

  /** One listener at a time, which is what a wait needs. */
  addEventListener(_type: "abort", listener: () => void): void {
    this.#listener = listener;
  }

  removeEventListener(): void {
    this.#listener = undefined;
  }

  /** It has. Telling again does nothing. */
  tell(): void {
    if (this.aborted) return;
    this.aborted = true;
    this.#listener?.();
  }
}
