import { type Invariant, type ReplicaView, Violation, type World } from "../world.ts";

const name = "Lease exclusivity (Raft thesis §6.4.1): while a leader's lease holds, nobody leads a later term";

export function leaseExclusivity(): Invariant {
  return {
    name,
    afterEvent(world) {
      for (const group of world.groups) checkGroup(world, group);
    },
  };
}

function checkGroup(world: World, group: number): void {
  const leaders: ReplicaView[] = [];
  for (const node of world.nodes) {
    const replica = world.replica(node, group);
    if (replica?.state.role.kind === "leader") leaders.push(replica);
  }
  if (leaders.length < 2) return;
  for (const holder of leaders) {
    if (!holder.leaseValid) continue;
    const { term } = holder.state.hardState;
    const later = leaders.find((other) => other.state.hardState.term > term);
    if (later !== undefined)
      throw new Violation(
        name,
        `group ${group}: ${holder.node} holds a lease of term ${term} while ${later.node} leads ${later.state.hardState.term}`,
      );
  }
}
