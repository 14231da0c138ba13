import type { ReplicaId } from "../../ports.ts";
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
        const entry = at.live.entries[index - 1];
        const first = known[index - 1];
        if (entry === undefined) {
          // A snapshot took its place.
          if (first === undefined) throw new Violation(name, `group ${at.group}: ${at.node} commits ${index} unseen`);
          continue;
        }
        if (first !== undefined) {
          if (first.chain !== committed.chain.of(entry))
            throw new Violation(name, `group ${at.group}: ${at.node} commits another entry ${index}`);
          continue;
        }
        requireMajority(world, at, index, committed);
        known.push({
          term: entry.term,
          kind: entry.kind,
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
  const holds = (node: ReplicaId): boolean => {
    const disk = world.disk(node, at.group);
    const held = disk.entries[index - 1];
    const running = world.replica(node, at.group);
    // Whoever acknowledged it and lost it elects nobody before it has it again.
    const fenced = running === undefined ? disk.damage === "fetch" : running.state.standing === "fenced";
    return fenced || disk.start.index >= index || (held !== undefined && chain.of(held) === wanted);
  };
  // In force is what the log says, not what the replica believes.
  const configuration = at.live.configurations.at(-1)?.configuration;
  for (const half of [configuration?.incoming ?? [], configuration?.outgoing ?? []]) {
    const holders = half.filter(holds);
    if (half.length > 0 && holders.length * 2 <= half.length)
      throw new Violation(
        name,
        `group ${at.group}: ${at.node} commits ${index}, of [${half.join(", ")}] durable only on [${holders.join(", ")}]`,
      );
  }
}
