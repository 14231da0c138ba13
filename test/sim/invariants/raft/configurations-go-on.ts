import { Violation } from "../invariant.ts";
import { newlyCommitted, type RaftRule } from "./raft-step.ts";

const name = "committed configurations agree, and walk to no older target (design 9)";

/** What is known of a group's committed configurations: by the index of their entries. */
type Known = { readonly texts: Map<number, string>; index: number; revision: number };

/**
 * Committed configurations are the same on all replicas, and the revision of the target that they carry never falls: a leader never acts on an older one
 * (design 9).
 */
export function configurationsGoOn(): RaftRule {
  const groups = new Map<string, Known>();
  const committed = newlyCommitted();
  return {
    stepped: (step) => {
      const at = committed(step);
      if (at === undefined) return;
      const { group, machine } = step;
      const known: Known = groups.get(group) ?? { texts: new Map<number, string>(), index: 0, revision: 0 };
      groups.set(group, known);
      const { index, configuration } = at;
      const problem = noteConfiguration(known, index, configuration.revision, JSON.stringify(configuration));
      if (problem !== undefined) throw new Violation(`${name}: ${group} on ${machine} ${problem}`);
    },
  };
}

function noteConfiguration(known: Known, index: number, revision: number, text: string): string | undefined {
  const before = known.texts.get(index);
  known.texts.set(index, text);
  if (before !== undefined && before !== text) return `has ${text} at ${index}, another replica ${before}`;
  if (index < known.index) return undefined;
  if (index > known.index && revision < known.revision) return `goes from revision ${known.revision} to ${revision}`;
  known.index = index;
  known.revision = revision;
  return undefined;
}
