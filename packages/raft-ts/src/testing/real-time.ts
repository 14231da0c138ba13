import type { Clock, Timers } from "@saturnmq/kit";

/** The machine's own clock, for tests that need no seed. */
export const realClock: Clock = { wallMs: () => Date.now(), monoMs: () => performance.now() };

/** The machine's own timers. */
export const realTimers: Timers = {
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.ceil(delayMs));
    timer.unref();
    return () => {
      clearTimeout(timer);
    };
  },
};
