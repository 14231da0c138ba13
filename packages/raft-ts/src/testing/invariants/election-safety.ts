import type { GroupId, ReplicaId } from "../../ports.ts";
import { type Invariant, Violation } from "../world.ts";

const name = "Election safety (Raft paper, Figure 3): at most one leader a term";

/** Remembers who led each term, across restarts. */
export function electionSafety(): Invariant {
  const leaders = new Map<string, ReplicaId>();
  const keyOf = (group: GroupId, term: number): string => `${group} ${term}`;
  return {
    name,
    observe(observation) {
      if (observation.kind !== "stepped") return;
      const { node, group, state } = observation.at;
      if (state.role.kind !== "leader") return;
      const key = keyOf(group, state.hardState.term);
      const known = leaders.get(key);
      if (known === undefined) leaders.set(key, node);
      else if (known !== node)
        throw new Violation(name, `group ${group}, term ${state.hardState.term}: ${known} led it, now ${node} does`);
    },
  };
}
