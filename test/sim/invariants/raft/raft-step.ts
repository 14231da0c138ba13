import type { ConfigurationAt, LogView } from "raft-ts";
import type { Effect, Input, RaftState } from "raft-ts/testing";

/** One step of a replica's core, right after it. What it staged the log shows only later. */
export type RaftStep = {
  /** The group, unique in the cluster. */
  readonly group: string;
  /** The replica's machine. */
  readonly machine: string;
  readonly state: RaftState;
  readonly before: Before;
  readonly input: Input;
  readonly effects: readonly Effect[];
  readonly log: LogView;
  /** The replica's own monotonic clock, at any time; `Infinity` once its process has ended. */
  readonly monoMs: () => number;
};

/** The core's state before the step. */
export type Before = Pick<RaftState, "commit" | "hardState" | "lastIndex" | "lastTerm"> & {
  readonly role: RaftState["role"]["kind"];
};

/** A rule about steps of Raft's core. One a file. */
export interface RaftRule {
  /** @throws {Violation} */
  stepped(step: RaftStep): void;
}

/** Whether the replica has come to lead by this step. */
export function isElected({ before, state }: RaftStep): boolean {
  return state.role.kind === "leader" && before.role !== "leader";
}

/** Tells of each step the newest configuration that the replica takes for committed, when it did not say so before. */
export function newlyCommitted(): (step: RaftStep) => ConfigurationAt | undefined {
  const told = new WeakMap<LogView, number>();
  return ({ state, before, log }) => {
    if (state.commit === before.commit) return undefined;
    const at = log.configurationAt(state.commit);
    if (at === undefined || at.index === told.get(log)) return undefined;
    told.set(log, at.index);
    return at;
  };
}

/** Term of the entry at `index`, as far as it is known. */
export function termOf({ state, log }: RaftStep, index: number): number | undefined {
  return index === state.lastIndex ? state.lastTerm : log.termAt(index);
}
