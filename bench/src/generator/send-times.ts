import { randomInt } from "node:crypto";

/** How many of the newest requests are remembered: more than any load has open or undelivered for long. */
const remembered = 2 ** 20;

/**
 * Numbers requests and remembers when each was meant to be sent, over all connections of a run: for the latency of its reply, and for the age
 * of the message when a receiver gets it.
 */
export class SendTimes {
  readonly #atMs = new Float64Array(remembered);
  readonly #numbers = new Float64Array(remembered).fill(-1);
  /** Starts anywhere, so that the messages of an earlier run are not taken for this one's. */
  #next = randomInt(2 ** 32);

  /** Notes a request that was meant to be sent at `atMs` and gives it a number, 0 to 2^32 - 1. */
  take(atMs: number): number {
    const number = this.#next;
    this.#next = (number + 1) % 2 ** 32;
    this.#atMs[number % remembered] = atMs;
    this.#numbers[number % remembered] = number;
    return number;
  }

  /** When request `number` was meant to be sent; NaN when it is not one of the last million of this run. */
  atMs(number: number): number {
    const slot = number % remembered;
    return this.#numbers[slot] === number ? (this.#atMs[slot] ?? Number.NaN) : Number.NaN;
  }
}
