import type { Claim, Pod } from "./broker-world.ts";

/** What the group says of one that it knows: `awaited` was added and has not come, `leaves` was removed and is not let go yet. */
export type Part = "votes" | "listens" | "awaited" | "leaves";

/** A name server's place: index is its member id. */
export type NameServerMember = {
  readonly index: number;
  readonly pod?: Pod;
  readonly claim?: Claim;
  /** Absent: the group does not know it, or does not tell. */
  readonly part?: Part;
};

/** All that the next move of a name server group depends on. */
export type NameServerWorld = {
  readonly paused: boolean;
  readonly rollsByItself: boolean;
  /** As `spec` says: 1, 3 or 5. */
  readonly replicas: number;
  readonly reclaim: "Delete" | "Retain";
  readonly claimBytes: number;
  /** The group has been ready as a whole: a member without data has lost it. */
  readonly formed: boolean;
  /** A broker set names this group, so what the cluster is to be is known. */
  readonly shaped: boolean;
  /** Members as the group told them last; before it formed, those that it is to be formed of. */
  readonly ids: readonly number[];
  /** Lowest id that a member may be added under; `undefined`: no name server leads, and no member has a `part`. */
  readonly nextId: number | undefined;
  /** By index: members, and whatever else there are pods or claims of. */
  readonly members: readonly NameServerMember[];
};

/** Those that are members, and are to stay as far as anybody has asked yet. */
export function belongingTo({ members, ids, nextId }: NameServerWorld): readonly NameServerMember[] {
  if (nextId === undefined) return members.filter(({ index }) => ids.includes(index));
  return members.filter(({ part }) => part !== undefined && part !== "leaves");
}

/** Its data is gone: under its id nobody may start empty. */
export function isLost({ formed }: NameServerWorld, { claim, part }: NameServerMember): boolean {
  return claim === undefined ? formed && part !== "awaited" : claim.lost;
}

export function isReady({ pod }: NameServerMember): boolean {
  return pod?.ready === true && !pod.terminating;
}
