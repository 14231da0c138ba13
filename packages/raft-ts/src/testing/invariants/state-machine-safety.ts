import { type Invariant, Violation } from "../world.ts";
import type { CommittedEntries } from "./committed-entries.ts";

const name =
  "State machine safety (Raft paper, Figure 3): all replicas apply the same entry at an index, in order, byte for byte";

export function stateMachineSafety(committed: CommittedEntries): Invariant {
  return {
    name,
    observe(observation) {
      if (observation.kind !== "applies") return;
      const { at, index, term, bytes } = observation;
      const entry = committed.of(at.group)[index - 1];
      if (entry === undefined)
        throw new Violation(name, `group ${at.group}: ${at.node} applies ${index}, which is not committed`);
      if (entry.term !== term || Buffer.compare(entry.bytes, bytes) !== 0)
        throw new Violation(name, `group ${at.group}: ${at.node} applies another entry ${index}/${term}`);
    },
  };
}
