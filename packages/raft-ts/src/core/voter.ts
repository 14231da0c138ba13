import type { ReplicaId } from "../ports.ts";
import type { PreVoteRequest, VoteRequest } from "./messages.ts";
import type { Draft, RaftState } from "./state.ts";
import { raftTimes } from "./times.ts";
import { adoptTerm, sendDurably, setHardState, waitForLeader } from "./transitions.ts";

// Whoever is asked answers, member or not: a replica may not know yet that it, or the candidate, is one (Raft thesis §4.2.1 and §4.2.2).

/** Tells whether it would vote for the sender. Changes nothing, so that a replica that cannot win disturbs nobody (Raft thesis §9.6). */
export function answerPreVote(draft: Draft, from: ReplicaId, request: PreVoteRequest): void {
  const { state } = draft;
  const { electionTerm } = request;
  const free = state.standing === "whole" && !mustStayLoyal(state);
  const granted = free && electionTerm > state.hardState.term && !isBehind(state, request);
  const { term } = state.hardState;
  sendDurably(draft, from, { kind: "preVoteReply", term, electionTerm, granted });
}

/** Votes, once a term, for a candidate whose log holds all that this one does (Raft paper §5.2, §5.4.1). */
export function answerVote(draft: Draft, from: ReplicaId, request: VoteRequest): void {
  const { state } = draft;
  const electionTerm = request.term;
  // Not even the term is adopted: the leader that may still hold a lease would be deposed by it.
  if (state.standing !== "whole" || (mustStayLoyal(state) && !isHandOver(state, request))) {
    const { term } = state.hardState;
    sendDurably(draft, from, { kind: "voteReply", term, electionTerm, granted: false });
    return;
  }
  if (request.term > state.hardState.term) adoptTerm(draft, request.term);
  const { term, vote } = state.hardState;
  const granted = request.term === term && (vote === 0 || vote === from) && !isBehind(state, request);
  if (granted) {
    if (vote === 0) setHardState(draft, { term, vote: from });
    waitForLeader(draft);
  }
  sendDurably(draft, from, { kind: "voteReply", term, electionTerm, granted });
}

/** A leader that this replica answered may hold a lease: whoever heard one, may have before its start, or is one, elects nobody. */
function mustStayLoyal(state: RaftState): boolean {
  if (state.role.kind === "leader") return true;
  return state.nowMs < state.quietUntilMs || state.nowMs < state.heardMs + raftTimes.leaderQuietMs;
}

/** The leader of the term before gave up its lease for this election. A leader itself knows whether it did. */
function isHandOver({ role }: RaftState, request: VoteRequest): boolean {
  return request.transfer && (role.kind !== "leader" || role.handOver?.told === true);
}

/** The candidate's log ends in an earlier term, or in the same and is shorter (Raft paper §5.4.1). */
function isBehind(state: RaftState, candidate: { readonly lastIndex: number; readonly lastTerm: number }): boolean {
  if (candidate.lastTerm !== state.lastTerm) return candidate.lastTerm < state.lastTerm;
  return candidate.lastIndex < state.lastIndex;
}
