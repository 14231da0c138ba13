import { type Invariant, Violation } from "../world.ts";
import type { CommittedEntries } from "./committed-entries.ts";

const name =
  "Leader completeness (Raft paper, Figure 3): what was committed in an earlier term is in every later leader's log";

export function leaderCompleteness(committed: CommittedEntries): Invariant {
  return {
    name,
    observe(observation) {
      if (observation.kind !== "stepped") return;
      const { at, before } = observation;
      const { role, hardState } = at.state;
      if (role.kind !== "leader" || before.role === "leader") return;
      const entries = committed.of(at.group);
      // Chains cover all before them, so the last one that must be there is enough.
      const last = entries.findLastIndex((entry) => entry.committedIn < hardState.term);
      const entry = entries[last];
      if (entry === undefined) return;
      if (at.live.start.index > last) return;
      const held = at.live.entries[last];
      if (held === undefined || committed.chain.of(held) !== entry.chain)
        throw new Violation(
          name,
          `group ${at.group}: ${at.node} leads term ${hardState.term} without entry ${last + 1}/${entry.term}`,
        );
    },
  };
}
