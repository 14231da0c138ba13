import type { HardState, ReplicaId } from "../ports.ts";
import type { Entry, Message } from "./messages.ts";

/** Stage these entries, consecutive. Whatever the log holds at or after the first is discarded by the same write. */
export type Append = { readonly kind: "append"; readonly entries: readonly Entry[] };

/** Stage this term and vote. */
export type PersistHardState = { readonly kind: "persistHardState"; readonly hardState: HardState };

/**
 * Send. `waitsFor: "durable"`: only when everything staged for this group before this effect is durable, since the message reveals it (Raft paper,
 * Figure 2, "persistent state"). `"nothing"`: at once; a leader's entries travel while its own write is under way.
 */
export type Send = {
  readonly kind: "send";
  readonly to: ReplicaId;
  readonly message: Message;
  readonly waitsFor: "durable" | "nothing";
};

/** Entries up to `index` are committed. They are applied when they are durable here too. */
export type Commit = { readonly kind: "commit"; readonly index: number };

/** The role, the term or the known leader changed. A new leader's first entry is that of the next `append`. */
export type RoleChanged = {
  readonly kind: "roleChanged";
  readonly role: "follower" | "preCandidate" | "candidate" | "leader";
  readonly term: number;
  /** 0 for nobody known. */
  readonly leader: ReplicaId;
};

/** A message was refused because no correct replica sends it. Worth one log line; nothing else came of it. */
export type Suspect = { readonly kind: "suspect"; readonly from: ReplicaId; readonly reason: string };

/** `to` needs entries from `nextIndex` on that this log no longer holds. Told once until it has caught up. */
export type OutOfReach = { readonly kind: "outOfReach"; readonly to: ReplicaId; readonly nextIndex: number };

/** What the driver must do, in this order. */
export type Effect = Append | PersistHardState | Send | Commit | RoleChanged | Suspect | OutOfReach;
