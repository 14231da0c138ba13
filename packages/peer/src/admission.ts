import type { ReplicaId } from "raft-ts";
import type { Greeting } from "./greeting.ts";
import type { PeerIdentity, RefusalReason } from "./ports.ts";

/** The newest life of a peer that has greeted this process. */
export type KnownLife = { readonly incarnation: number; readonly boot: number };

export type Judge = {
  readonly self: PeerIdentity;
  readonly versions: Greeting["versions"];
  /** Whom this process dialled; `undefined` when it was dialled. */
  readonly dialled: ReplicaId | undefined;
  readonly known: KnownLife | undefined;
  readonly admit: (peer: PeerIdentity) => RefusalReason | undefined;
};

/** Why the sender of a greeting cannot be linked with; `undefined` when it can. Both sides ask it of each other. */
export function judgeGreeting(greeting: Greeting, judge: Judge): RefusalReason | undefined {
  const { identity, target, boot } = greeting;
  const { self, known, dialled } = judge;
  if (identity.clusterId !== self.clusterId) return "wrongCluster";
  if (identity.role !== self.role) return "wrongRole";
  if (identity.id === self.id) return "ownId";
  if (target !== self.id || (dialled !== undefined && identity.id !== dialled)) return "wrongTarget";
  if (commonVersion(greeting.versions, judge.versions) === undefined) return "version";
  if (known !== undefined && identity.incarnation < known.incarnation) return "oldIncarnation";
  if (known !== undefined && identity.incarnation === known.incarnation && boot !== known.boot) return "twin";
  return judge.admit(identity);
}

/** The highest version that both speak. */
export function commonVersion(a: Greeting["versions"], b: Greeting["versions"]): number | undefined {
  const highest = Math.min(a.highest, b.highest);
  return highest >= Math.max(a.lowest, b.lowest) ? highest : undefined;
}

export type Meeting = {
  /** The link that there is: none, of an older life, or of the same one: `fresh` when something came from it lately, else `silent`. */
  readonly present: "none" | "older" | "fresh" | "silent";
  /** This process's own dial to that peer: none, not there yet, or past the peer's door and waiting for its welcome. */
  readonly ownDial: "none" | "connecting" | "greeted";
  /** This process's id is the smaller one. */
  readonly smaller: boolean;
};

export type MeetingOutcome =
  | { readonly kind: "accept"; readonly closesLink: boolean; readonly abortsDial: boolean }
  | { readonly kind: "refuse"; readonly reason: "linked" | "crossing" };

/**
 * What to do with a sound hello. Both sides may dial, because after a restart only the one that moved knows both addresses. Of two dials that cross,
 * the one of the smaller id goes on: it refuses the other, and the larger id gives its own up. A dial that has not reached anybody yet holds
 * nobody up.
 */
export function meet({ present, ownDial, smaller }: Meeting): MeetingOutcome {
  if (present === "fresh") return { kind: "refuse", reason: "linked" };
  if (present === "none" && ownDial === "greeted" && smaller) return { kind: "refuse", reason: "crossing" };
  return { kind: "accept", closesLink: present !== "none", abortsDial: ownDial !== "none" };
}

/** Refusals that pass by themselves. */
export function isPassing(reason: RefusalReason): boolean {
  return reason === "linked" || reason === "crossing";
}
