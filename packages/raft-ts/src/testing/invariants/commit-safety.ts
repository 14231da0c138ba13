import type { ReplicaView, World } from "../world.ts";
import { type Invariant, Violation } from "../world.ts";
import type { CommittedEntries } from "./committed-entries.ts";

const name = "Commit safety (Raft paper §5.3, Figure 2): committed means durable on a majority, and stays so";

/**
 * An entry that any replica takes for committed is on the disks of a majority at that moment; what is committed never changes. Keeps the list of
 * committed entries for the other rules.
 */
export function commitSafety(committed: CommittedEntries): Invariant {
  return {
    name,
    observe(observation, world) {
      if (observation.kind !== "stepped") return;
      const { at, before } = observation;
      if (at.state.commit === before.commit) return;
      const known = committed.of(at.group);
      for (let index = before.commit + 1; index <= at.state.commit; index += 1) {
        // The step's appends reach the log right after it; what an append brings was committed elsewhere first, or is checked below.
        const entry = at.live.entries[index - 1];
        const first = known[index - 1];
        if (entry === undefined) continue;
        if (first !== undefined) {
          if (first.chain !== committed.chain.of(entry))
            throw new Violation(name, `group ${at.group}: ${at.node} commits another entry ${index}`);
          continue;
        }
        requireMajority(world, at, index, committed);
        known.push({
          term: entry.term,
          chain: committed.chain.of(entry),
          bytes: entry.bytes,
          committedIn: at.state.hardState.term,
        });
      }
    },
  };
}

function requireMajority(world: World, at: ReplicaView, index: number, { chain }: CommittedEntries): void {
  const entry = at.live.entries[index - 1];
  const wanted = entry && chain.of(entry);
  const holders = world.nodes.filter((node) => {
    const held = world.disk(node, at.group).entries[index - 1];
    return held !== undefined && chain.of(held) === wanted;
  });
  if (holders.length * 2 <= world.nodes.length)
    throw new Violation(
      name,
      `group ${at.group}: ${at.node} commits ${index}, durable only on [${holders.join(", ")}]`,
    );
}
