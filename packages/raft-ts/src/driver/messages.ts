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

/** One for all groups of a pair of processes, every 100 ms while the sender leads any that the receiver votes in. */
export type PairHeartbeat = {
  readonly kind: "pairHeartbeat";
  /** Counts this sender's heartbeats to this receiver; the answer repeats it. */
  readonly sequence: number;
  readonly led: readonly LedGroup[];
};

/** `refused` names every group of the heartbeat in which the responder does not follow its sender in exactly the named term, with its own term. */
export type PairHeartbeatReply = {
  readonly kind: "pairHeartbeatReply";
  readonly sequence: number;
  readonly refused: readonly { readonly group: GroupId; readonly term: number }[];
};

/** What drivers of two processes say to each other. */
export type PeerMessage = GroupMessage | PairHeartbeat | PairHeartbeatReply;
