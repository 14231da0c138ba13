import { type Cancel, type Clock, type Random, SeededRandom, type Timers } from "@saturnmq/kit";
import type { EventQueue } from "@saturnmq/kit/testing";
import type { Turn } from "raft-ts";

/** How a machine's clocks differ from true time. */
export type Skew = {
  /** Added to the wall clock, milliseconds; may change at any moment. */
  wallMs: number;
  /** Milliseconds of the machine in a true one. */
  readonly rate: number;
};

/** Wall clock at the beginning of a run, milliseconds since the epoch. */
const startWallMs = 1_700_000_000_000;
/** Node's timers wait at least so long. */
const timerMinMs = 1;
/** A turn of the event loop. */
const turnMs = 0.01;
/** Rounding must not let a timer ring early by its own clock. */
const roundingMs = 1e-6;

export type ProcessOptions = {
  readonly name: string;
  readonly queue: EventQueue;
  readonly seed: number;
  readonly skew: Skew;
  /** What the process threw where nobody catches. */
  readonly threw: (error: unknown) => void;
};

/**
 * One life of a process: its clock, timers, turns and chance. Suspended, it does nothing, and goes on later with what came meanwhile, in order; ended,
 * nothing is ever called back again: what waits for that is forgotten.
 */
export class SimulatedProcess implements Clock, Timers, Turn {
  readonly name: string;
  readonly random: Random;
  readonly #options: ProcessOptions;
  readonly #bornMs: number;
  #ended = false;
  #suspended = false;
  #deferred: (() => void)[] = [];
  /** What the next turn runs; empty: none is due. */
  #turn: (() => void)[] = [];
  readonly #onEnd: (() => void)[] = [];

  constructor(options: ProcessOptions) {
    this.name = options.name;
    this.#options = options;
    this.random = new SeededRandom(options.seed);
    this.#bornMs = options.queue.nowMs;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get suspended(): boolean {
    return this.#suspended;
  }

  wallMs(): number {
    const { queue, skew } = this.#options;
    return Math.floor(startWallMs + queue.nowMs * skew.rate + skew.wallMs);
  }

  monoMs(): number {
    const { queue, skew } = this.#options;
    return 1_000 + (queue.nowMs - this.#bornMs) * skew.rate;
  }

  after(delayMs: number, callback: () => void): Cancel {
    const { queue, skew } = this.#options;
    let cancelled = false;
    const cancelEvent = queue.after(Math.max(timerMinMs, delayMs) / skew.rate + roundingMs, () => {
      this.enter(() => {
        if (!cancelled) callback();
      });
    });
    return () => {
      cancelled = true;
      cancelEvent();
    };
  }

  /** As Node's immediates: all that was asked for by then runs in one turn. */
  soon(callback: () => void): void {
    if (this.#turn.push(callback) > 1) return;
    this.later(turnMs, () => {
      const due = this.#turn;
      this.#turn = [];
      for (const run of due) if (!this.#ended) this.#run(run);
    });
  }

  /** Calls back after true milliseconds, as the outside does: a disk, a network. */
  later(ms: number, callback: () => void): void {
    this.#options.queue.after(ms, () => {
      this.enter(callback);
    });
  }

  /** Lets the process handle something that came from outside; at once, unless it is suspended. */
  enter(callback: () => void): void {
    if (this.#ended) return;
    if (this.#suspended || this.#deferred.length > 0) this.#deferred.push(callback);
    else this.#run(callback);
  }

  suspend(): void {
    this.#suspended = true;
  }

  resume(): void {
    if (!this.#suspended) return;
    this.#suspended = false;
    this.#catchUp();
  }

  #catchUp(): void {
    this.#options.queue.after(turnMs, () => {
      if (this.#suspended) return;
      const next = this.#deferred.shift();
      if (next === undefined) return;
      this.#run(next);
      if (this.#deferred.length > 0) this.#catchUp();
    });
  }

  #run(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      if (!this.#ended) this.#options.threw(error);
    }
  }

  /** Calls `callback` when this life ends, however it does. */
  onEnd(callback: () => void): void {
    if (this.#ended) callback();
    else this.#onEnd.push(callback);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#deferred = [];
    this.#turn = [];
    for (const callback of this.#onEnd.splice(0)) callback();
  }
}
