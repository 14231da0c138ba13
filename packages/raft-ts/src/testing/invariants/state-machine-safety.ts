import { type Invariant, type Observation, Violation } from "../world.ts";
import type { CommittedEntries, CommittedEntry } from "./committed-entries.ts";

const name =
  "State machine safety (Raft paper, Figure 3): all replicas apply the same entry at an index, in order, byte for byte";

export function stateMachineSafety(committed: CommittedEntries): Invariant {
  return {
    name,
    observe(observation) {
      if (observation.kind === "restores") checkRestored(committed, observation);
      if (observation.kind !== "applies") return;
      const { at, index, term, bytes } = observation;
      const entry = committed.of(at.group)[index - 1];
      if (entry === undefined)
        throw new Violation(name, `group ${at.group}: ${at.node} applies ${index}, which is not committed`);
      if (entry.term !== term || Buffer.compare(contentOf(entry), bytes) !== 0)
        throw new Violation(name, `group ${at.group}: ${at.node} applies another entry ${index}/${term}`);
    },
  };
}

/** What a machine gets of an entry: a configuration is none of its business. */
function contentOf({ kind, bytes }: CommittedEntry): Uint8Array {
  return kind === "configuration" ? new Uint8Array(0) : bytes;
}

function checkRestored(committed: CommittedEntries, restored: Extract<Observation, { kind: "restores" }>): void {
  const { at, index, term, values } = restored;
  const entries = committed.of(at.group).slice(0, index);
  if (entries.length < index || entries.at(-1)?.term !== term)
    throw new Violation(name, `group ${at.group}: ${at.node} restores ${index}/${term}, which is not committed`);
  const applied = entries.flatMap((entry) => {
    const content = contentOf(entry);
    return content.length === 0 ? [] : new TextDecoder().decode(content).split("\n");
  });
  if (applied.join("\n") !== values.join("\n"))
    throw new Violation(name, `group ${at.group}: ${at.node} restores another state at ${index}`);
}
