import type { Configuration, SnapshotHead } from "../ports.ts";

/** An entry as the core knows it. Payloads stay with the driver; a configuration is the whole content of its entry. */
export type Entry = { readonly index: number; readonly term: number; readonly configuration?: Configuration };

/** Asks whether an election in `electionTerm` could be won, before any term is raised (Raft thesis §9.6). */
export type PreVoteRequest = {
  readonly kind: "preVoteRequest";
  /** The sender's own term, which it has not raised. */
  readonly term: number;
  readonly electionTerm: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
};

/**
 * Asks for a vote in `term` (Raft paper §5.2). `transfer`: the leader of the term before asked for this election and gave up its lease first, so
 * nobody need wait for that to end (Raft thesis §3.10).
 */
export type VoteRequest = {
  readonly kind: "voteRequest";
  readonly term: number;
  readonly transfer: boolean;
  readonly lastIndex: number;
  readonly lastTerm: number;
};

/** Answers either request. `electionTerm` names the election that is meant, so that an answer to an earlier one is never counted. */
export type VoteReply = {
  readonly kind: "preVoteReply" | "voteReply";
  readonly term: number;
  readonly electionTerm: number;
  readonly granted: boolean;
};

/**
 * Entries that follow (`prevIndex`, `prevTerm`), maybe none, and the leader's commit index (Raft paper §5.3).
 *
 * `uncounted`: the leader knows that the receiver lost entries. `commit` covers all that was ever committed with the receiver's help, and the receiver
 * counts for nothing from then on until it says that it has healed.
 */
export type AppendRequest = {
  readonly kind: "appendRequest";
  readonly term: number;
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly entries: readonly Entry[];
  readonly commit: number;
  readonly uncounted: boolean;
};

/** The sender's log equals the leader's up to `matchIndex`, and that is durable. `lost`: it must not be counted, see `AppendRejected`. */
export type AppendAccepted = {
  readonly kind: "appendAccepted";
  readonly term: number;
  readonly matchIndex: number;
  readonly lost: boolean;
};

/**
 * The sender has no entry (`prevIndex`, with the term asked for).
 *
 * (`hintIndex`, `hintTerm`) is its last entry at or below `prevIndex` whose term is not above the term asked for: no later entry can be common to
 * both logs, so one round trip skips a whole term of differing entries (Raft paper, end of §5.3).
 *
 * `lost`: entries that the sender had acknowledged are gone from its disk and not all back yet: the leader takes back what it believed of it.
 */
export type AppendRejected = {
  readonly kind: "appendRejected";
  readonly term: number;
  readonly prevIndex: number;
  readonly hintIndex: number;
  readonly hintTerm: number;
  readonly lost: boolean;
};

/**
 * The sender leads `term`. The driver carries these for all groups of a pair of processes in one message, and the answers likewise.
 * `commit` is what the receiver may take for committed: never above what it acknowledged.
 */
export type Heartbeat = { readonly kind: "heartbeat"; readonly term: number; readonly commit: number };

/**
 * Answers a heartbeat. `follows`: the sender follows this leader in exactly the named term. `sentMs` is the receiver's own clock when that heartbeat
 * left it, put in by the receiver's driver: a peer cannot stretch a lease.
 */
export type HeartbeatReply = {
  readonly kind: "heartbeatReply";
  readonly term: number;
  readonly follows: boolean;
  readonly sentMs: number;
};

/** The sender, which leads `term`, asks the receiver to take over by an election at once (Raft thesis §3.10). */
export type TimeoutNow = { readonly kind: "timeoutNow"; readonly term: number };

/**
 * The receiver needs entries that the leader's log no longer holds: here is a state that covers them. Only this description goes through the core;
 * drivers move the content.
 */
export type SnapshotOffer = { readonly kind: "snapshotOffer"; readonly term: number; readonly snapshot: SnapshotHead };

/** What replicas of a group say to each other. `term` is the sender's current term in every one. */
export type Message =
  | PreVoteRequest
  | VoteRequest
  | VoteReply
  | AppendRequest
  | AppendAccepted
  | AppendRejected
  | Heartbeat
  | HeartbeatReply
  | TimeoutNow
  | SnapshotOffer;
