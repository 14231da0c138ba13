import { type Invariant, Violation } from "../world.ts";

const name = "Leader append-only (Raft paper, Figure 3): a leader never overwrites or deletes its entries";

export function leaderAppendOnly(): Invariant {
  return {
    name,
    observe(observation) {
      if (observation.kind !== "appends") return;
      const { at, index } = observation;
      const last = at.live.entries.length;
      if (at.state.role.kind === "leader" && index <= last)
        throw new Violation(name, `group ${at.group}: leader ${at.node} replaces entry ${index} of ${last}`);
    },
  };
}
