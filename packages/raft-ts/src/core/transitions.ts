import type { HardState, ReplicaId } from "../ports.ts";
import type { Message } from "./messages.ts";
import { type Draft, leaderOf, type Role } from "./state.ts";
import { raftTimes } from "./times.ts";

/** Changes the term or vote and asks for it to be persisted. */
export function setHardState({ state, effects }: Draft, hardState: HardState): void {
  state.hardState = hardState;
  effects.push({ kind: "persistHardState", hardState });
}

/** Changes the role and tells so if anything that is visible from outside changed. */
export function setRole({ state, effects }: Draft, role: Role): void {
  const before = state.role.kind;
  const leaderBefore = leaderOf(state);
  state.role = role;
  const leader = leaderOf(state);
  if (before === role.kind && leaderBefore === leader) return;
  effects.push({ kind: "roleChanged", role: role.kind, term: state.hardState.term, leader });
}

/** Raft paper, Figure 2, "All Servers": a larger term always turns a replica into a follower, with a vote to give. */
export function adoptTerm(draft: Draft, term: number): void {
  setHardState(draft, { term, vote: 0 });
  stepDown(draft);
}

/** Gives up whatever role it has; nobody is known to lead. */
export function stepDown(draft: Draft): void {
  const { state } = draft;
  // Who led waits like everyone else; who just lost an election tries again soon; a follower's wait goes on.
  if (state.role.kind === "leader") waitForLeader(draft);
  else if (state.role.kind !== "follower") retrySoon(draft);
  setRole(draft, { kind: "follower", leader: 0 });
}

/** Follows `leader`, which was heard just now. */
export function follow(draft: Draft, leader: ReplicaId): void {
  const { state } = draft;
  state.heardMs = state.nowMs;
  waitForLeader(draft);
  if (state.role.kind === "follower" && state.role.leader === leader) return;
  setRole(draft, { kind: "follower", leader });
}

/** Campaigns unless a leader is heard within an election timeout from now. */
export function waitForLeader({ state }: Draft): void {
  state.campaignAtMs = state.nowMs + raftTimes.leaderQuietMs + state.electionJitterMs;
}

/** Campaigns again after the short random wait that follows a lost round, or when it would have anyway. */
export function retrySoon({ state }: Draft): void {
  state.campaignAtMs = Math.min(state.campaignAtMs, state.nowMs + state.retryDelayMs);
}

/** Sends once everything staged so far is durable. */
export function sendDurably({ effects }: Draft, to: ReplicaId, message: Message): void {
  effects.push({ kind: "send", to, message, waitsFor: "durable" });
}

/** Sends at once: the message reveals nothing that is not durable. */
export function sendNow({ effects }: Draft, to: ReplicaId, message: Message): void {
  effects.push({ kind: "send", to, message, waitsFor: "nothing" });
}

/** Refuses a message that no correct replica sends. */
export function suspect({ effects }: Draft, from: ReplicaId, reason: string): void {
  effects.push({ kind: "suspect", from, reason });
}

/** What the owner asked for cannot be done now. */
export function refuse({ effects }: Draft, reason: string): void {
  effects.push({ kind: "refused", reason });
}
