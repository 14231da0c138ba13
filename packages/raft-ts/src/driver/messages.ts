import type { Heartbeat, HeartbeatReply, Message } from "../core/messages.ts";
import type { GroupId, Payload } from "../ports.ts";

/** A message of one group. `payloads` go with the entries of an `appendRequest`, one each; `undefined` is an empty entry. */
export type GroupMessage = {
  readonly kind: "group";
  readonly group: GroupId;
  readonly message: Exclude<Message, Heartbeat | HeartbeatReply>;
  readonly payloads: readonly (Payload | undefined)[];
};

/** A group that the sender of a heartbeat leads. */
export type LedGroup = { readonly group: GroupId; readonly term: number; readonly commit: number };

/**
 * One for all groups of a pair of processes, every 100 ms while the sender leads any that the receiver is a member of.
 *
 * It names every group that the sender leads: in full when `base` is 0, else as what changed since the heartbeat with `version` equal to `base`. `hash`
 * is that of all rows, those that did not change included: a receiver whose own differ asks for all of them.
 */
export type PairHeartbeat = {
  readonly kind: "pairHeartbeat";
  /** Counts this sender's heartbeats to this receiver; the answer repeats it. */
  readonly sequence: number;
  readonly base: number;
  readonly version: number;
  readonly hash: number;
  readonly led: readonly LedGroup[];
  /** Groups that are not led any more. */
  readonly ended: readonly GroupId[];
};

/**
 * `lost`: the responder cannot tell which groups the heartbeat names, and has followed none of them by it. Otherwise `refused` names every group of the
 * heartbeat in which it does not follow the sender in exactly the named term, with its own term.
 */
export type PairHeartbeatReply = {
  readonly kind: "pairHeartbeatReply";
  readonly sequence: number;
  readonly lost: boolean;
  readonly refused: readonly { readonly group: GroupId; readonly term: number }[];
};

/** Asks the sender of a `snapshotOffer` for the content of `id` from `offset` on. One is unanswered at a time. */
export type SnapshotPull = {
  readonly kind: "snapshotPull";
  readonly group: GroupId;
  readonly id: string;
  readonly offset: number;
};

/** Answers a pull: at least one byte and at most `snapshotChunkBytes`. */
export type SnapshotChunk = {
  readonly kind: "snapshotChunk";
  readonly group: GroupId;
  readonly id: string;
  readonly offset: number;
  readonly bytes: Uint8Array;
};

/** The largest `SnapshotChunk`. */
export const snapshotChunkBytes = 256 * 1024;

/** What drivers of two processes say to each other. Snapshot messages are large and may travel on a connection of their own. */
export type PeerMessage = GroupMessage | PairHeartbeat | PairHeartbeatReply | SnapshotPull | SnapshotChunk;
