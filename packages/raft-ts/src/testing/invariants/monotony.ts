import type { HardState } from "../../ports.ts";
import { type Invariant, Violation } from "../world.ts";

const name =
  "Monotony (Raft paper, Figure 2): terms never fall, not even by a crash; a vote is never changed; the commit index never falls";

export function monotony(): Invariant {
  const onDisk = new Map<string, HardState>();
  return {
    name,
    observe(observation) {
      if (observation.kind !== "stepped") return;
      const { at, before } = observation;
      if (at.state.hardState.term < before.term)
        throw new Violation(name, `group ${at.group}: the term of ${at.node} falls`);
      if (at.state.commit < before.commit)
        throw new Violation(name, `group ${at.group}: the commit index of ${at.node} falls`);
    },
    afterEvent(world) {
      for (const group of world.groups) {
        for (const node of world.nodes) {
          // What a lost disk had promised others must notice.
          const key = `${group} ${node} ${world.disksLost(node)}`;
          const now = world.disk(node, group).hardState;
          const before = onDisk.get(key);
          if (before === now) continue;
          onDisk.set(key, now);
          if (before === undefined) continue;
          const changed = now.term === before.term && before.vote !== 0 && now.vote !== before.vote;
          if (now.term < before.term || changed)
            throw new Violation(name, `group ${group}: the disk of ${node} goes from ${show(before)} to ${show(now)}`);
        }
      }
    },
  };
}

function show({ term, vote }: HardState): string {
  return `term ${term}, vote ${vote}`;
}
