import type { ConfigurationAt, HardState, ReplicaId, SnapshotHead } from "../ports.ts";
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

/** The configuration in force is another: an entry brought it, or a discard of one brought back the one before, or a snapshot did. */
export type Configured = { readonly kind: "configured"; readonly at: ConfigurationAt };

/** What the last input asked for cannot be done now, and why. */
export type Refused = { readonly kind: "refused"; readonly reason: string };

/** This leader hands over: its lease is void, and the machine must serve nothing more, before the effects after this one are carried out. */
export type HandingOver = { readonly kind: "handingOver"; readonly to: ReplicaId };

/** Handing over failed before the other was told to take over: this leader serves again, once all that its log holds now is applied. */
export type HandOverFailed = { readonly kind: "handOverFailed"; readonly to: ReplicaId };

/** `to` needs entries from `nextIndex` on that this log no longer holds. Asked again, not too often, until it has caught up. */
export type SendSnapshot = { readonly kind: "sendSnapshot"; readonly to: ReplicaId; readonly nextIndex: number };

/** `from` offers a state ahead of this log: to be fetched, and told by `restored` once it is durable. */
export type FetchSnapshot = {
  readonly kind: "fetchSnapshot";
  readonly from: ReplicaId;
  readonly snapshot: SnapshotHead;
};

/** Stage that the log begins after this snapshot; what it holds beyond stays only if it holds the snapshot's entry itself. */
export type RestartLog = { readonly kind: "restartLog"; readonly snapshot: SnapshotHead };

/** The log again holds all that this replica had ever acknowledged: stage that the damage is healed. */
export type Healed = { readonly kind: "healed" };

/** Effects that do not come with every entry. */
export type RareEffect =
  | Configured
  | Refused
  | HandingOver
  | HandOverFailed
  | SendSnapshot
  | FetchSnapshot
  | RestartLog
  | Healed;

/** What the driver must do, in this order. */
export type Effect = Append | PersistHardState | Send | Commit | RoleChanged | Suspect | RareEffect;
