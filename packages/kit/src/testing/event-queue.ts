import type { Cancel } from "../clock.ts";
import type { Random } from "../random.ts";

/** `run` is undefined once it is cancelled. */
type Event = { readonly atMs: number; readonly tie: number; run: (() => void) | undefined };

/** Simulated time: events in order of time, those of one instant in seeded order, so that no test relies on who came first. */
export class EventQueue {
  nowMs = 0;
  readonly #random: Random;
  /** A binary heap: no event is due before its parent. */
  readonly #heap: Event[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  /** Runs `run` once `delayMs` from now, unless it is cancelled before. */
  after(delayMs: number, run: () => void): Cancel {
    const event: Event = { atMs: this.nowMs + Math.max(0, delayMs), tie: this.#random.below(2 ** 31), run };
    let at = this.#heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, this.#at(parent))) break;
      this.#heap[at] = this.#at(parent);
      at = parent;
    }
    this.#heap[at] = event;
    return () => {
      event.run = undefined;
    };
  }

  /** Advances time to the next event and runs it. False when there is none. */
  runNext(): boolean {
    for (;;) {
      const next = this.#heap[0];
      const last = this.#heap.pop();
      if (next === undefined || last === undefined) return false;
      if (last !== next) this.#sink(last);
      // Where it lies in the heap nobody knows, so a cancelled event stays until its time comes.
      if (next.run === undefined) continue;
      this.nowMs = next.atMs;
      next.run();
      return true;
    }
  }

  #sink(event: Event): void {
    const size = this.#heap.length;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && isBefore(this.#at(child + 1), this.#at(child))) child += 1;
      if (!isBefore(this.#at(child), event)) break;
      this.#heap[at] = this.#at(child);
      at = child;
    }
    this.#heap[at] = event;
  }

  #at(index: number): Event {
    return this.#heap[index] as Event;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.tie < b.tie);
}
