import type { Group } from "raft-ts";

/** Whom a leader hands over to: of the voters that could take over at once, and suit, the furthest. */
export function successorOf(
  { followers }: Pick<Group, "followers">,
  suits: (replica: number) => boolean,
): number | undefined {
  const able = followers.filter(
    ({ replica, voter, mode, healing }) => voter && !healing && mode === "replicate" && suits(replica),
  );
  return able.toSorted((a, b) => b.matchIndex - a.matchIndex)[0]?.replica;
}
