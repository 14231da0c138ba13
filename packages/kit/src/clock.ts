/** Where time comes from. Two readings: only `monoMs` may measure a span, only `wallMs` may be shown or compared across machines. */
export interface Clock {
  /** Milliseconds since the Unix epoch; may jump. */
  wallMs(): number;
  /** Milliseconds since an arbitrary start, with fractions; never goes back. */
  monoMs(): number;
}

/** Ends what it was returned for; calling it twice, or after the fact, does nothing. */
export type Cancel = () => void;

/** Where delays come from. */
export interface Timers {
  /** Calls `callback` once, not before `delayMs` milliseconds have passed. Does not keep the process alive. */
  after(delayMs: number, callback: () => void): Cancel;
}

/** Resolves after `ms` milliseconds, or when `signal` aborts; at once if there is nothing to wait for. */
export function pause(timers: Timers, ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = timers.after(ms, done);
    signal.addEventListener("abort", done);
  });
}
