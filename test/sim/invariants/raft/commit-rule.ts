import { Violation } from "../invariant.ts";
import type { Promises } from "./promises.ts";
import { type RaftRule, type RaftStep, termOf } from "./raft-step.ts";

const name =
  "a leader commits what a majority has on its disks, and counts only entries of its own term (Raft paper §5.4.2)";

export function commitRule(promises: Promises): RaftRule {
  return {
    stepped: (step) => {
      const { state, before } = step;
      if (state.role.kind !== "leader" || before.role !== "leader" || state.commit === before.commit) return;
      const { incoming, outgoing } = state.configuration;
      for (const half of [incoming, outgoing]) checkHalf(step, half, promises);
      const term = termOf(step, state.commit);
      if (term !== state.hardState.term) fail(step, `of term ${term ?? "unknown"}`);
    },
  };
}

function checkHalf(step: RaftStep, voters: readonly number[], promises: Promises): void {
  const { state, group } = step;
  const isDurable = (voter: number): boolean =>
    (voter === state.self ? state.durableIndex : promises.durableIndex(group, voter)) >= state.commit;
  const durable = voters.filter(isDurable);
  if (voters.length > 0 && durable.length <= voters.length / 2)
    fail(step, `durable on ${durable.join() || "none"} of ${voters.join()}`);
}

function fail({ group, machine, state }: RaftStep, what: string): never {
  throw new Violation(
    `${name}: ${group}: ${machine}, which leads ${state.hardState.term}, commits ${state.commit}, ${what}`,
  );
}
