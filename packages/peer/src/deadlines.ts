import type { Cancel, Clock, Timers } from "@saturnmq/kit";

/** Deadlines within this span share a timer: a call in flight costs none of its own. Milliseconds. */
const spanMs = 16;

/** Who has a deadline. */
export interface Expiring {
  /** It is over, and was not called off. */
  expired(): void;
}

type Span = { readonly items: Set<Expiring>; readonly cancel: Cancel };

/** Many deadlines on few timers. Each comes when it is due or up to 16 ms later. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #spans = new Map<number, Span>();

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
  }

  /** @returns the key to call it off with */
  set(delayMs: number, item: Expiring): number {
    const nowMs = this.#clock.monoMs();
    const key = Math.ceil((nowMs + delayMs) / spanMs);
    const span = this.#spans.get(key) ?? this.#open(key, key * spanMs - nowMs);
    span.items.add(item);
    return key;
  }

  /** Does nothing when it was over, or called off, before. */
  callOff(key: number, item: Expiring): void {
    const span = this.#spans.get(key);
    if (span === undefined || !span.items.delete(item) || span.items.size > 0) return;
    span.cancel();
    this.#spans.delete(key);
  }

  #open(key: number, delayMs: number): Span {
    const items = new Set<Expiring>();
    const cancel = this.#timers.after(delayMs, () => {
      this.#spans.delete(key);
      for (const item of items) item.expired();
    });
    const span = { items, cancel };
    this.#spans.set(key, span);
    return span;
  }
}
