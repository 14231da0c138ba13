import { assert } from "@saturnmq/kit";
import type { LogView, ReplicaId } from "../ports.ts";
import { campaign, countOwnVote, countVote } from "./candidate.ts";
import type { Effect } from "./effect.ts";
import { takeAppend, takeHeartbeat } from "./follower.ts";
import type { Input, Persisted, Tick } from "./input.ts";
import { advanceCommit, checkQuorum, propose, takeAccepted, takeHeartbeatReply, takeRejected } from "./leader.ts";
import type { Message } from "./messages.ts";
import type { Draft, RaftState } from "./state.ts";
import { adoptTerm, sendDurably, suspect } from "./transitions.ts";
import { faultOf } from "./validate.ts";
import { answerPreVote, answerVote } from "./voter.ts";

/**
 * Folds one input into the state and answers what is to be done, in order.
 *
 * `state` is the draft that it works on: it belongs to one owner and is changed in place. `log` must show every append of earlier steps. Total: every
 * input that a peer can send has an outcome, and none throws.
 *
 * @throws {InvariantError} if the owner broke the contract: time that goes back, a log that is not what the steps asked for
 */
export function step(state: RaftState, input: Input, log: LogView): readonly Effect[] {
  assert(input.nowMs >= state.nowMs, "the monotonic clock went back");
  assert(log.lastIndex === state.lastIndex && log.lastTerm === state.lastTerm, "the log is not what was appended");
  state.nowMs = input.nowMs;
  const draft: Draft = { state, log, effects: [] };
  switch (input.kind) {
    case "tick":
      tick(draft, input);
      break;
    case "propose":
      propose(draft);
      break;
    case "persisted":
      notePersisted(draft, input);
      break;
    case "received":
      receive(draft, input.from, input.message);
      break;
  }
  return draft.effects;
}

function tick(draft: Draft, { electionJitterMs, retryDelayMs }: Tick): void {
  const { state } = draft;
  state.electionJitterMs = electionJitterMs;
  state.retryDelayMs = retryDelayMs;
  if (state.role.kind === "leader") checkQuorum(draft);
  else if (state.nowMs >= state.campaignAtMs) campaign(draft);
}

function notePersisted(draft: Draft, { hardState, index, truncations }: Persisted): void {
  const { state } = draft;
  assert(index <= state.lastIndex || truncations !== state.truncations, "more is durable than was appended");
  state.durableTerm = Math.max(state.durableTerm, hardState.term);
  // After a discard the write's end says nothing about what replaced it; that is part of a later write.
  if (truncations === state.truncations) state.durableIndex = Math.max(state.durableIndex, index);
  if (hardState.term === state.hardState.term) countOwnVote(draft);
  advanceCommit(draft);
}

function receive(draft: Draft, from: ReplicaId, message: Message): void {
  const fault = faultOf(draft.state, from, message);
  if (fault !== undefined) {
    suspect(draft, from, fault);
    return;
  }
  // Requests for votes decide by themselves whether a later term is adopted.
  if (message.kind === "preVoteRequest") return answerPreVote(draft, from, message);
  if (message.kind === "voteRequest") return answerVote(draft, from, message);
  const { term } = draft.state.hardState;
  if (message.term > term) adoptTerm(draft, message.term);
  if (message.term < term) answerOldTerm(draft, from, message);
  else dispatch(draft, from, message);
}

function dispatch(draft: Draft, from: ReplicaId, message: Message): void {
  switch (message.kind) {
    case "preVoteReply":
    case "voteReply":
      countVote(draft, from, message);
      break;
    case "appendRequest":
      takeAppend(draft, from, message);
      break;
    case "appendAccepted":
      takeAccepted(draft, from, message);
      break;
    case "appendRejected":
      takeRejected(draft, from, message);
      break;
    case "heartbeat":
      takeHeartbeat(draft, from, message);
      break;
    case "heartbeatReply":
      takeHeartbeatReply(draft, from, message);
      break;
    case "preVoteRequest":
    case "voteRequest":
      break;
  }
}

/** A message of an earlier term. Who still leads that term is told of ours, so that it steps down; a late vote may matter to nobody but its candidate. */
function answerOldTerm(draft: Draft, from: ReplicaId, message: Message): void {
  const { term } = draft.state.hardState;
  if (message.kind === "appendRequest") {
    const { prevIndex } = message;
    sendDurably(draft, from, { kind: "appendRejected", term, prevIndex, hintIndex: 0, hintTerm: 0 });
  } else if (message.kind === "preVoteReply" || message.kind === "voteReply") {
    countVote(draft, from, message);
  }
}
