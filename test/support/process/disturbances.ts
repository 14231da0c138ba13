/** Milliseconds as of `nowMs`. */
export type Span = { readonly fromMs: number; readonly untilMs: number };

/** A span in which something was wrong on purpose. What clients met then may follow from it. */
export type Disturbance = Span & { readonly what: string };

/** Milliseconds since the epoch that never go back, and are the same in all processes of one machine up to a correction of its clock. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** The disturbances of a run, for the checker to tell what they explain. */
export class Disturbances {
  readonly #begun: { what: string; fromMs: number; untilMs: number }[] = [];

  /** Notes that one begins now; the function that is returned notes its end, once. */
  begin(what: string): () => void {
    const one = { what, fromMs: nowMs(), untilMs: Number.POSITIVE_INFINITY };
    this.#begun.push(one);
    return () => {
      one.untilMs = Math.min(one.untilMs, nowMs());
    };
  }

  /** In the order in which they began; one without an end has `untilMs` infinite. */
  get all(): readonly Disturbance[] {
    return this.#begun;
  }
}
