import type { EntryChain } from "../entry-chain.ts";
import { type Invariant, Violation } from "../world.ts";

const name = "Log matching (Raft paper, Figure 3): entries of one index and term are equal, and so is all before them";

/** `chain` must know the entry already. */
export function logMatching(chain: EntryChain): Invariant {
  const known = new Map<string, number>();
  return {
    name,
    observe(observation) {
      if (observation.kind !== "appends") return;
      const { at, index, entry } = observation;
      const key = `${at.group} ${index} ${entry.term}`;
      const before = known.get(key);
      const now = chain.of(entry);
      if (before === undefined) known.set(key, now);
      else if (before !== now)
        throw new Violation(
          name,
          `group ${at.group}: ${at.node} holds another entry or history at ${index}/${entry.term}`,
        );
    },
  };
}
