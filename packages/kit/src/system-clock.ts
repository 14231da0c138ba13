import type { Cancel, Clock, Timers } from "./clock.ts";

/** The machine's clocks. */
export function systemClock(): Clock {
  return { wallMs: () => Date.now(), monoMs: () => performance.now() };
}

/** The event loop's timers. They do not keep the process alive. */
export function systemTimers(): Timers {
  return {
    after(delayMs: number, callback: () => void): Cancel {
      const timer = setTimeout(callback, delayMs);
      timer.unref();
      return () => {
        clearTimeout(timer);
      };
    },
  };
}
