import type { Cancel, Clock, Timers } from "@saturnmq/kit";

/** Deadlines within this span share a timer: a call in flight costs none of its own. Milliseconds. */
const spanMs = 16;

type Span = { readonly callbacks: Set<() => void>; readonly cancel: Cancel };

/** Many deadlines on few timers. A callback comes at its deadline or up to 16 ms later. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #spans = new Map<number, Span>();

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
  }

  after(delayMs: number, callback: () => void): Cancel {
    const nowMs = this.#clock.monoMs();
    const key = Math.ceil((nowMs + delayMs) / spanMs);
    const span = this.#spans.get(key) ?? this.#open(key, key * spanMs - nowMs);
    span.callbacks.add(callback);
    return () => {
      span.callbacks.delete(callback);
      if (span.callbacks.size > 0 || this.#spans.get(key) !== span) return;
      span.cancel();
      this.#spans.delete(key);
    };
  }

  #open(key: number, delayMs: number): Span {
    const callbacks = new Set<() => void>();
    const cancel = this.#timers.after(delayMs, () => {
      this.#spans.delete(key);
      for (const callback of callbacks) callback();
    });
    const span = { callbacks, cancel };
    this.#spans.set(key, span);
    return span;
  }
}
