/** Zone of each broker that is known. */
export type ZoneOf = ReadonlyMap<number, string>;

/**
 * How unevenly replicas lie over zones: the sum of squares of their numbers per zone. Lowest when they are as even as the brokers' zones allow,
 * and then on as many zones as possible, because one more zone always lowers it.
 */
export function unevenness(voters: readonly number[], zoneOf: ZoneOf): number {
  const perZone = new Map<string, number>();
  for (const id of voters) {
    const zone = zoneOf.get(id) ?? "";
    perZone.set(zone, (perZone.get(zone) ?? 0) + 1);
  }
  let sum = 0;
  for (const count of perZone.values()) sum += count * count;
  return sum;
}

/** The set with one broker in another's place. */
export function swapped(voters: readonly number[], from: number, to: number): readonly number[] {
  return voters.map((id) => (id === from ? to : id));
}
