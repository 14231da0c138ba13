/** An entry as the core knows it. Payloads stay with the driver. */
export type Entry = { readonly index: number; readonly term: number };

/** Asks whether an election in `electionTerm` could be won, before any term is raised (Raft thesis §9.6). */
export type PreVoteRequest = {
  readonly kind: "preVoteRequest";
  /** The sender's own term, which it has not raised. */
  readonly term: number;
  readonly electionTerm: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
};

/** Asks for a vote in `term` (Raft paper §5.2). */
export type VoteRequest = {
  readonly kind: "voteRequest";
  readonly term: number;
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

/** Entries that follow (`prevIndex`, `prevTerm`), maybe none, and the leader's commit index (Raft paper §5.3). */
export type AppendRequest = {
  readonly kind: "appendRequest";
  readonly term: number;
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly entries: readonly Entry[];
  readonly commit: number;
};

/** The sender's log equals the leader's up to `matchIndex`, and that is durable. */
export type AppendAccepted = {
  readonly kind: "appendAccepted";
  readonly term: number;
  readonly matchIndex: number;
};

/**
 * The sender has no entry (`prevIndex`, with the term asked for).
 *
 * (`hintIndex`, `hintTerm`) is its last entry at or below `prevIndex` whose term is not above the term asked for: no later entry can be common to
 * both logs, so one round trip skips a whole term of differing entries (Raft paper, end of §5.3).
 */
export type AppendRejected = {
  readonly kind: "appendRejected";
  readonly term: number;
  readonly prevIndex: number;
  readonly hintIndex: number;
  readonly hintTerm: number;
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

/** What replicas of a group say to each other. `term` is the sender's current term in every one. */
export type Message =
  | PreVoteRequest
  | VoteRequest
  | VoteReply
  | AppendRequest
  | AppendAccepted
  | AppendRejected
  | Heartbeat
  | HeartbeatReply;
