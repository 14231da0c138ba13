import type { Turn } from "../ports.ts";

/** The event loop of Node: callbacks run when all I/O events that are ready now have been handled, so one turn's work forms one entry. */
export const immediateTurn: Turn = {
  soon: (callback) => {
    setImmediate(callback);
  },
};
