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
