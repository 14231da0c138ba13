import type { ReplicaId } from "../ports.ts";
import { startElection } from "./election.ts";
import { becomeLeader } from "./leader.ts";
import type { VoteReply } from "./messages.ts";
import { voteResult, votersOf } from "./quorum.ts";
import type { Draft } from "./state.ts";
import { retrySoon, sendDurably, setRole, waitForLeader } from "./transitions.ts";

/** No leader was heard for an election timeout, or a round was lost: asks first whether an election could be won (Raft thesis §9.6). */
export function campaign(draft: Draft): void {
  const { state } = draft;
  const { self } = state;
  // On a slow disk another round would only outdate the vote that is being written.
  if (state.role.kind === "candidate" && state.durableTerm < state.hardState.term) {
    waitForLeader(draft);
    return;
  }
  setRole(draft, { kind: "preCandidate", votes: new Map([[self, true]]) });
  waitForLeader(draft);
  const { term } = state.hardState;
  const { lastIndex, lastTerm } = state;
  for (const voter of votersOf(state.configuration)) {
    if (voter === self) continue;
    sendDurably(draft, voter, { kind: "preVoteRequest", term, electionTerm: term + 1, lastIndex, lastTerm });
  }
  concludeRound(draft);
}

/** Counts an answer to the present round; others have no meaning any more. */
export function countVote(draft: Draft, from: ReplicaId, reply: VoteReply): void {
  const { role, hardState } = draft.state;
  if (role.kind !== "preCandidate" && role.kind !== "candidate") return;
  const [kind, electionTerm] =
    role.kind === "preCandidate" ? ["preVoteReply", hardState.term + 1] : ["voteReply", hardState.term];
  if (reply.kind !== kind || reply.electionTerm !== electionTerm) return;
  role.votes.set(from, reply.granted);
  // Votes are split, or this log is behind: waiting out the whole timeout would only prolong the outage.
  if (!reply.granted) retrySoon(draft);
  concludeRound(draft);
}

/** Its own vote is durable: only now it counts (Raft paper, Figure 2, "persistent state"). */
export function countOwnVote(draft: Draft): void {
  const { role, self } = draft.state;
  if (role.kind !== "candidate") return;
  role.votes.set(self, true);
  concludeRound(draft);
}

function concludeRound(draft: Draft): void {
  const { role, configuration } = draft.state;
  if (role.kind !== "preCandidate" && role.kind !== "candidate") return;
  if (voteResult(configuration, role.votes) !== "won") return;
  if (role.kind === "preCandidate") startElection(draft, false);
  else becomeLeader(draft);
}
