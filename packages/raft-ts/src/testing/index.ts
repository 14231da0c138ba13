/** What a simulation of whole processes needs to watch the groups in them: the core, and a driver that runs it with whatever is around it. */
export type { Effect } from "../core/effect.ts";
export type { Input } from "../core/input.ts";
export { leaseUntilMs, type RaftState } from "../core/state.ts";
export { step } from "../core/step.ts";
export { createDriverWith } from "../driver/driver.ts";
