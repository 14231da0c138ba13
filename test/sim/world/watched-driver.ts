import type { createDriver, Group, GroupOptions, LogView } from "raft-ts";
import { createDriverWith, step } from "raft-ts/testing";
import type { RaftStep } from "../invariants/raft/raft-step.ts";
import type { SimulatedProcess } from "./process.ts";

/** Where a machine's groups are numbered: shards of brokers, and the name servers' own. */
export type GroupSpace = "shard" | "metadata";

export type Watcher = (step: RaftStep) => void;

/** The driver of a process whose groups' every step is told of. */
export function watchedDriver(space: GroupSpace, process: SimulatedProcess, watch: Watcher): typeof createDriver {
  const machine = process.name;
  const monoMs = (): number => (process.ended ? Infinity : process.monoMs());
  return (options) => {
    const groups = new Map<LogView, string>();
    const driver = createDriverWith(options, (state, input, log) => {
      const { commit, hardState, lastIndex, lastTerm, role } = state;
      const before = { commit, hardState, lastIndex, lastTerm, role: role.kind };
      const effects = step(state, input, log);
      watch({ group: groups.get(log) ?? space, machine, state, before, input, effects, log, monoMs });
      return effects;
    });
    const open = driver.open.bind(driver);
    return Object.assign(driver, {
      open: (group: GroupOptions): Group => {
        groups.set(options.log.view(group.group), `${space} ${group.group}`);
        return open(group);
      },
    });
  };
}
