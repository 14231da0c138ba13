import { type BrokerWorld, candidatesOf, isDoomed, isServing, type Member } from "./broker-world.ts";

/**
 * The one member that should leave next, or `undefined` when as many stay as are wanted.
 *
 * Whoever is leaving already goes on. Then whoever has lost its claim or does not serve, then one of the fullest zone, then the youngest: so a set
 * that shrinks keeps its spread and loses what it has least of.
 *
 * @param desired members wanted
 */
export function victimOf(world: BrokerWorld, desired: number): Member | undefined {
  const candidates = candidatesOf(world);
  const staying = candidates.filter((member) => !isDoomed(member));
  const doomed = candidates.filter(isDoomed);
  if (staying.length > desired) return first([...doomed, ...staying], zoneSizes(candidates));
  // A doomed member leaves only when those that stay are enough.
  return staying.length === desired ? first(doomed, zoneSizes(candidates)) : undefined;
}

function first(members: readonly Member[], zones: ReadonlyMap<string, number>): Member | undefined {
  return members.toSorted((one, other) => compare(rank(one, zones), rank(other, zones)))[0];
}

/** Lowest goes first. */
function rank(member: Member, zones: ReadonlyMap<string, number>): readonly number[] {
  const { pod, broker, index } = member;
  return [
    broker?.draining === true ? 0 : 1,
    isDoomed(member) ? 0 : 1,
    pod === undefined ? 0 : 1,
    isServing(member) ? 1 : 0,
    -(zones.get(pod?.zone ?? "") ?? 0),
    -index,
  ];
}

function compare(one: readonly number[], other: readonly number[]): number {
  for (const [place, value] of one.entries()) {
    const difference = value - (other[place] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function zoneSizes(members: readonly Member[]): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  for (const { pod } of members) {
    if (pod?.zone !== undefined) sizes.set(pod.zone, (sizes.get(pod.zone) ?? 0) + 1);
  }
  return sizes;
}
