import { assert } from "@saturnmq/kit";
import type { LogView, ReplicaId } from "../ports.ts";
import { campaign, countOwnVote, countVote } from "./candidate.ts";
import type { Effect } from "./effect.ts";
import { rejectAppend, takeAppend, takeHeartbeat } from "./follower.ts";
import { beginHandOver, takeTimeoutNow } from "./hand-over.ts";
import { healIfWhole } from "./heal.ts";
import type { Input, Persisted, SnapshotReady, Tick } from "./input.ts";
import { noteRestored, takeSnapshotOffer } from "./install.ts";
import {
  advanceCommit,
  noteApplied,
  noteUnreachable,
  propose,
  reconfigure,
  takeAccepted,
  takeHeartbeatReply,
  takeRejected,
  tickLeader,
} from "./leader.ts";
import type { Message } from "./messages.ts";
import { offerSnapshot } from "./replicate.ts";
import { type Draft, mayCampaign, type RaftState } from "./state.ts";
import { adoptTerm, setRole, suspect } from "./transitions.ts";
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
  const draft: Draft = { state, log, effects: [], freshBytes: 0 };
  switch (input.kind) {
    case "tick":
      tick(draft, input);
      break;
    case "propose":
      propose(draft, input.bytes);
      break;
    case "reconfigure":
      reconfigure(draft, input.change);
      break;
    case "transfer":
      beginHandOver(draft, input.to);
      break;
    case "persisted":
      notePersisted(draft, input);
      break;
    case "received":
      receive(draft, input.from, input.message);
      break;
    case "forgetLeader":
      if (state.role.kind === "follower") setRole(draft, { kind: "follower", leader: 0 });
      break;
    case "unreachable":
      noteUnreachable(draft, input.peer);
      break;
    case "applied":
      noteApplied(draft, input.index);
      break;
    case "snapshotReady":
      noteSnapshotReady(draft, input);
      break;
    case "restored":
      noteRestored(draft, input.snapshot);
      break;
  }
  return draft.effects;
}

function tick(draft: Draft, { electionJitterMs, retryDelayMs }: Tick): void {
  const { state } = draft;
  state.electionJitterMs = electionJitterMs;
  state.retryDelayMs = retryDelayMs;
  if (state.role.kind === "leader") tickLeader(draft);
  else if (state.nowMs >= state.campaignAtMs && mayCampaign(state)) campaign(draft);
}

function noteSnapshotReady(draft: Draft, { to, snapshot }: SnapshotReady): void {
  const { role } = draft.state;
  if (role.kind === "leader") offerSnapshot(draft, to, role, snapshot);
}

function notePersisted(draft: Draft, { hardState, index, truncations }: Persisted): void {
  const { state } = draft;
  assert(index <= state.lastIndex || truncations !== state.truncations, "more is durable than was appended");
  state.durableTerm = Math.max(state.durableTerm, hardState.term);
  // After a discard the write's end says nothing about what replaced it; that is part of a later write.
  if (truncations === state.truncations) state.durableIndex = Math.max(state.durableIndex, index);
  if (hardState.term === state.hardState.term) countOwnVote(draft);
  advanceCommit(draft);
  healIfWhole(draft);
}

function receive(draft: Draft, from: ReplicaId, message: Message): void {
  if (draft.state.standing === "barred") return;
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
    case "timeoutNow":
      takeTimeoutNow(draft, from);
      break;
    case "snapshotOffer":
      takeSnapshotOffer(draft, from, message);
      break;
    case "preVoteRequest":
    case "voteRequest":
      break;
  }
}

/** A message of an earlier term. Who still leads that term is told of ours, so that it steps down; a late vote may matter to nobody but its candidate. */
function answerOldTerm(draft: Draft, from: ReplicaId, message: Message): void {
  if (message.kind === "appendRequest") rejectAppend(draft, from, message.prevIndex, 0);
  else if (message.kind === "snapshotOffer") rejectAppend(draft, from, message.snapshot.index, 0);
  else if (message.kind === "preVoteReply" || message.kind === "voteReply") countVote(draft, from, message);
}
