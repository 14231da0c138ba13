import { decodeConfiguration } from "../../core/configuration-codec.ts";
import { changed, isJoint, membersOf } from "../../core/membership.ts";
import type { Configuration, ReplicaId } from "../../ports.ts";
import type { MemoryEntry } from "../memory-log.ts";
import { type Invariant, type ReplicaView, Violation, type World } from "../world.ts";

const name =
  "Configuration safety (Raft paper §6; thesis §4.1 to §4.3): one change at a time, each from the one before it, towards the target of its revision";

/** Looks at every configuration entry where it comes into a log. */
export function configurationSafety(): Invariant {
  return {
    name,
    observe(observation, world) {
      if (observation.kind !== "appends" || observation.entry.kind !== "configuration") return;
      const { at, index, entry } = observation;
      const before = at.live.configurations.findLast((known) => known.index < index);
      // A replica that has none yet, and comes by its first one in the middle of a log, cannot tell.
      if (before === undefined) return;
      const problem = problemOf(world, at, entry, before.configuration, before.index);
      if (problem !== undefined)
        throw new Violation(name, `group ${at.group}: ${at.node} appends configuration ${index}: ${problem}`);
    },
  };
}

function problemOf(
  world: World,
  at: ReplicaView,
  entry: MemoryEntry,
  from: Configuration,
  fromIndex: number,
): string | undefined {
  const to = decodeConfiguration(entry.bytes);
  if (to.revision < from.revision) return `revision ${to.revision} after ${from.revision}`;
  if (!isStep(from, to)) return `${show(to)} does not follow from ${show(from)}`;
  const leads = at.state.role.kind === "leader" && at.state.hardState.term === entry.term;
  if (leads && at.state.commit < fromIndex) return `the one at ${fromIndex} is not committed`;
  const target = world.target(at.group, to.revision);
  if (target === undefined) return `nobody asked for revision ${to.revision}`;
  const wanted = [...target.voters, ...(target.learners ?? [])];
  const astray = [
    ...membersOf(to).filter((id) => !membersOf(from).includes(id) && !wanted.includes(id)),
    ...from.incoming.filter((id) => !to.incoming.includes(id) && target.voters.includes(id)),
  ];
  return astray.length === 0 ? undefined : `[${astray.join(", ")}] goes away from the target`;
}

/** Whether one change leads from one to the other: then majorities of both overlap. */
function isStep(from: Configuration, to: Configuration): boolean {
  const { revision } = to;
  if (isJoint(from)) {
    const left = changed(from, { kind: "leave", changes: [], revision });
    return "configuration" in left && show(left.configuration) === show(to);
  }
  if (isJoint(to)) return same(to.outgoing, from.incoming);
  const moved = [
    ...from.incoming.filter((id) => !to.incoming.includes(id)),
    ...to.incoming.filter((id) => !from.incoming.includes(id)),
  ];
  return moved.length <= 1;
}

function same(a: readonly ReplicaId[], b: readonly ReplicaId[]): boolean {
  return a.length === b.length && a.every((id) => b.includes(id));
}

function show({ incoming, outgoing, learners }: Configuration): string {
  const list = (ids: readonly ReplicaId[]): string => [...ids].sort((a, b) => a - b).join(" ");
  return `(${list(incoming)})(${list(outgoing)})(${list(learners)})`;
}
