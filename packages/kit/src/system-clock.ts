import { createHistogram } from "node:perf_hooks";
import type { Cancel, Clock, Timers } from "./clock.ts";

/** How late the timers of this thread came, microseconds: so long something else held its event loop. Whoever reads it may reset it. */
export const timerLateness = createHistogram();

/** The machine's clocks. */
export function systemClock(): Clock {
  return { wallMs: () => Date.now(), monoMs: () => performance.now() };
}

/** The event loop's timers. They do not keep the process alive. */
export function systemTimers(): Timers {
  return {
    after(delayMs: number, callback: () => void): Cancel {
      // The event loop knows no shorter delay than a millisecond.
      const dueMs = performance.now() + Math.max(1, delayMs);
      const timer = setTimeout(() => {
        noteLateness(performance.now() - dueMs);
        callback();
      }, delayMs);
      timer.unref();
      return () => {
        clearTimeout(timer);
      };
    },
  };
}

function noteLateness(lateMs: number): void {
  timerLateness.record(Math.max(1, Math.round(lateMs * 1_000)));
}
