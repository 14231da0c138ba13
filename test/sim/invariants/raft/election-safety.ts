import { Violation } from "../invariant.ts";
import { isElected, type RaftRule } from "./raft-step.ts";

const name = "one leader a term (Raft paper, Figure 3)";

export function electionSafety(): RaftRule {
  const leaders = new Map<string, string>();
  return {
    stepped: (step) => {
      if (!isElected(step)) return;
      const { group, machine, state } = step;
      const term = `${group} term ${state.hardState.term}`;
      const before = leaders.get(term);
      if (before !== undefined) throw new Violation(`${name}: ${term}: ${before} led it, now ${machine} does`);
      leaders.set(term, machine);
    },
  };
}
