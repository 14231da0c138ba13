import { type Invariant, Violation } from "../world.ts";

const name = "Commit rule (Raft paper §5.4.2): a leader commits by counting replicas only for entries of its own term";

export function commitRule(): Invariant {
  return {
    name,
    observe(observation) {
      if (observation.kind !== "stepped") return;
      const { at, before } = observation;
      const { role, commit, hardState } = at.state;
      if (role.kind !== "leader" || before.role !== "leader" || commit === before.commit) return;
      const term = at.live.entries[commit - 1]?.term;
      if (term !== hardState.term)
        throw new Violation(
          name,
          `group ${at.group}: leader ${at.node} of term ${hardState.term} commits ${commit}/${term}`,
        );
    },
  };
}
