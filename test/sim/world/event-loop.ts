import type { EventQueue } from "@saturnmq/kit/testing";

/** Node settles promises between two immediates, so as many as this wait at once: one each would pay a turn of the event loop for every event. */
const immediatesAtOnce = 64;
/** More events than this at one instant are a loop that never lets time go on. */
const eventsAtOnceMax = 200_000;

/**
 * Runs events one after the other, each with the promises that it settles, until `done` says so after one of them.
 *
 * @throws what `afterEvent` or an event throws, or that no event is left, or that time stands still
 */
export function runEvents(queue: EventQueue, done: () => boolean, afterEvent: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let waiting = 0;
    let over = false;
    let instantMs = queue.nowMs;
    let atInstant = 0;
    const end = (settle: () => void): void => {
      over = true;
      settle();
    };
    const next = (): void => {
      waiting -= 1;
      if (over) return;
      try {
        // What an event set off is settled by now: it counts as part of it.
        afterEvent();
        if (done()) return end(resolve);
        if (!queue.runNext()) throw new Error("nothing is left to happen");
        atInstant = queue.nowMs === instantMs ? atInstant + 1 : 0;
        instantMs = queue.nowMs;
        if (atInstant > eventsAtOnceMax) throw new Error(`time stands still at ${String(instantMs)} ms`);
      } catch (error) {
        return end(() => reject(error instanceof Error ? error : new Error(String(error))));
      }
      if (waiting === 0) refill();
    };
    const refill = (): void => {
      for (; waiting < immediatesAtOnce; waiting += 1) setImmediate(next);
    };
    refill();
  });
}
