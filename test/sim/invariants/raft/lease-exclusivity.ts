import { leaseUntilMs, type RaftState } from "raft-ts/testing";
import { Violation } from "../invariant.ts";
import { isElected, type RaftRule, type RaftStep } from "./raft-step.ts";

const name = "while a leader's lease holds by its own clock nobody is elected (Raft thesis §6.4.1)";

type Leader = { readonly machine: string; readonly state: RaftState; readonly monoMs: () => number };

export function leaseExclusivity(): RaftRule {
  /** Whoever led, by group; those that lead no more are found by their state. */
  const leaders = new Map<string, Leader[]>();
  return {
    stepped: (step) => {
      if (!isElected(step)) return;
      const { group, machine, state, monoMs } = step;
      const before = (leaders.get(group) ?? []).filter((one) => one.state.role.kind === "leader");
      for (const one of before) check(step, one);
      leaders.set(group, [...before, { machine, state, monoMs }]);
    },
  };
}

function check({ group, machine, state }: RaftStep, holder: Leader): void {
  const { term } = state.hardState;
  if (holder.state === state || holder.state.hardState.term >= term) return;
  const leftMs = leaseUntilMs(holder.state) - holder.monoMs();
  if (leftMs > 0)
    throw new Violation(
      `${name}: ${group}: ${holder.machine} holds a lease of term ${holder.state.hardState.term} for ${leftMs} ms, ${machine} is elected in ${term}`,
    );
}
