import { votersOf } from "./quorum.ts";
import type { Draft } from "./state.ts";
import { sendDurably, setHardState, setRole, waitForLeader } from "./transitions.ts";

/** Raises the term, votes for itself and asks for votes (Raft paper §5.2). `transfer`: the present leader has given up its lease for it. */
export function startElection(draft: Draft, transfer: boolean): void {
  const { state } = draft;
  const { self, lastIndex, lastTerm } = state;
  const term = state.hardState.term + 1;
  setHardState(draft, { term, vote: self });
  setRole(draft, { kind: "candidate", votes: new Map() });
  waitForLeader(draft);
  for (const voter of votersOf(state.configuration)) {
    if (voter !== self) sendDurably(draft, voter, { kind: "voteRequest", term, transfer, lastIndex, lastTerm });
  }
}
