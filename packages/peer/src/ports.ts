import type { Clock, Logger, Net, Random, Timers } from "@saturnmq/kit";
import type { PeerMessage, ReplicaId, Transport, Turn } from "raft-ts";
import type { PeerLimits } from "./limits.ts";

/** What a process of the cluster is. Links join processes of one role only. */
export type PeerRole = "broker" | "nameserver";

/** Who a process says it is. */
export type PeerIdentity = {
  readonly clusterId: string;
  readonly role: PeerRole;
  readonly id: ReplicaId;
  /** Raised on its disk at each start, before anything else. */
  readonly incarnation: number;
  /** The highest feature level that it knows. */
  readonly featureLevel: number;
};

export type PeerAddress = { readonly host: string; readonly port: number };

/** Why one process does not link with another. */
export type RefusalReason =
  /** It belongs to another cluster. */
  | "wrongCluster"
  /** A broker met a name server. */
  | "wrongRole"
  /** It is not the one that was dialled: the address has a new owner. */
  | "wrongTarget"
  /** It has this process's own id. */
  | "ownId"
  /** Another process has the same id and incarnation: a copied disk. */
  | "twin"
  /** A higher incarnation of it is known: an old disk came back. */
  | "oldIncarnation"
  /** Nobody of that id is known. */
  | "unknownId"
  /** Its id was given up for ever. */
  | "forgotten"
  /** No version of the protocol is common. */
  | "version"
  /** It does not know the features that the cluster uses. */
  | "featureLevel"
  /** There is a link already, and it works. For the moment only. */
  | "linked"
  /** Both dialled at the same time and the other call goes on. For the moment only. */
  | "crossing";

/** Whether a process that is refused so must not go on: another one knows better who it is, or it is too old to take part. */
export function mustStop(reason: RefusalReason): boolean {
  return reason === "twin" || reason === "oldIncarnation" || reason === "forgotten" || reason === "featureLevel";
}

/** `restarted`: an earlier process of this peer was linked with before. */
export type LinkChange =
  | { readonly up: true; readonly identity: PeerIdentity; readonly version: number; readonly restarted: boolean }
  | { readonly up: false };

/** What became of a call that has no answer. */
export type CallOutcome =
  /** It never left this process. */
  | "notSent"
  /** The peer says that it did not act on it. */
  | "refused"
  /** The peer may have acted on it, or may still. */
  | "unknown";

/**
 * A call without an answer of its handler. `notSent` and `refused` prove that the peer did not act on it. A handler throws one with
 * `refused` to say so; what it throws as a `SaturnError` reaches the caller as that, and anything else as `unknown`.
 */
export class PeerCallError extends Error {
  override readonly name = "PeerCallError";
  readonly outcome: CallOutcome;

  constructor(outcome: CallOutcome, message: string, options?: ErrorOptions) {
    super(message, options);
    this.outcome = outcome;
  }
}

export type CallOptions = {
  readonly timeoutMs: number;
  /** Gives the call up; the peer is told. */
  readonly signal?: AbortSignal;
};

/** What happened since the start, for metrics. */
export type PeerCounters = {
  /** Messages given to `send` without a link to their receiver. */
  messagesWithoutLink: number;
  /** Messages dropped, oldest first, because the connection did not take them fast enough. */
  messagesDropped: number;
  /** Connections that did not begin as a peer's do. */
  strangers: number;
  /** Peers refused here. */
  refused: number;
  /** Peers that refused this process. */
  refusedByPeers: number;
  /** Links that came up. */
  linksUp: number;
  /** Links closed because nothing came from the peer. */
  linksSilent: number;
  /** Links closed because of bytes that no correct peer sends. */
  linksBroken: number;
  /** Calls that were turned down here because too many were open. */
  callsRefused: number;
  /** Times that a peer's soft state had to be sent whole again. */
  statesRepeated: number;
};

/** Links with the other processes of the same role. */
export interface PeerLinks extends Transport<PeerMessage>, AsyncDisposable {
  /** The port it listens on. */
  readonly port: number;
  readonly counters: Readonly<PeerCounters>;
  /**
   * Sends a message when there is a link, else drops it. Encodes before it returns and never delivers in the same call. While the link lives
   * messages arrive in order, but for those dropped because the peer does not take them fast enough.
   *
   * @throws {RangeError} if the message is larger than a frame may be
   */
  send(to: ReplicaId, message: PeerMessage): void;
  /**
   * Asks a peer's `handle`. The request is copied before this returns, the answer belongs to the caller.
   *
   * Rejects with `PeerCallError`, or with the `SaturnError` that the handler threw.
   */
  call(to: ReplicaId, request: Uint8Array, options: CallOptions): Promise<Uint8Array>;
  /** True while there is a link: it came up and neither side has ended it. */
  connected(id: ReplicaId): boolean;
  /**
   * Sets the entry of `key` in the soft state that `to` sees of this process; `undefined` removes it. What is set for one peer goes before what is
   * set for all. Peers get all of it when a link comes up and changes after; they forget it when the link ends.
   *
   * @throws {RangeError} if the key or all entries together are too large
   */
  publish(to: ReplicaId | "all", key: string, value: Uint8Array | undefined): void;
  /**
   * Whom to dial, and where. One that is not in it any more is forgotten and its link closed. Peers that are not in it may still dial in, if
   * `admit` lets them.
   */
  setPeers(peers: ReadonlyMap<ReplicaId, PeerAddress>): void;
}

export type PeerLinksOptions = {
  readonly identity: PeerIdentity;
  readonly listen: PeerAddress;
  /** Judges a peer whose greeting is sound: a reason to refuse it, or `undefined`. Asked by both sides of a link, at each connection. */
  readonly admit: (peer: PeerIdentity) => RefusalReason | undefined;
  /** A message of a peer, in the order they were sent. Payloads in it are never overwritten. */
  readonly receive: (from: ReplicaId, message: PeerMessage) => void;
  /** Answers a call. `signal` is aborted when nobody waits for the answer any more. The request is never overwritten. */
  readonly handle: (from: ReplicaId, request: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;
  /** An entry of a peer's soft state was set, maybe to what it was, or removed. All are removed when its link ends. The value may be kept. */
  readonly peerState: (from: ReplicaId, key: string, value: Uint8Array | undefined) => void;
  /** A link came up, before anything is received by it; or it is down and nothing more will be. */
  readonly linkChanged: (peer: ReplicaId, change: LinkChange) => void;
  /** A peer refused this process for good; told at each attempt. See `mustStop`. */
  readonly refusedBy?: (peer: ReplicaId, reason: RefusalReason) => void;
  readonly net: Net;
  readonly clock: Clock;
  readonly timers: Timers;
  /** What is sent in one turn of the event loop leaves in one write at its end. `immediateTurn` in production. */
  readonly turn: Turn;
  readonly random: Random;
  readonly logger: Logger;
  /** Sizes and times; what is left out takes its default. */
  readonly limits?: Partial<PeerLimits>;
};
