import { assert } from "@saturnmq/kit";
import type { Configuration, ReplicaId } from "../ports.ts";
import { configure, dropLeavers, trackMembers } from "./configure.ts";
import { continueHandOver, giveUpHandOver } from "./hand-over.ts";
import type { ConfigurationChange } from "./membership.ts";
import type { AppendAccepted, AppendRejected, Entry, HeartbeatReply } from "./messages.ts";
import { becomeProbe, noteAccepted, type Progress, takeBack, takeForLost } from "./progress.ts";
import { quorumValue } from "./quorum.ts";
import { configurationToLeaveTo, proposed, stepDownIfRemoved } from "./reconfigure.ts";
import { askForSnapshot, isIdle, replicate, sendAppend } from "./replicate.ts";
import { type Draft, handOverEndsAtMs, lastIndexOfTerm, quorumLostAtMs, termAt } from "./state.ts";
import { raftTimes } from "./times.ts";
import { refuse, setRole, stepDown, suspect } from "./transitions.ts";

/** Leads the current term. Its first entry is empty: by committing it, it commits what earlier terms left (Raft paper §5.4.2, §8). */
export function becomeLeader(draft: Draft): void {
  const { state } = draft;
  setRole(draft, { kind: "leader", firstIndex: state.lastIndex + 1, progress: new Map(), handOver: undefined });
  append(draft);
}

/** Appends one entry of `bytes` payload and sends it on; ignored by whoever does not lead, or hands over. */
export function propose(draft: Draft, bytes: number): void {
  const { role } = draft.state;
  if (role.kind !== "leader" || role.handOver !== undefined) return;
  draft.freshBytes = bytes;
  append(draft);
}

/** Appends a changed configuration, which is in force at once, or refuses to. */
export function reconfigure(draft: Draft, change: ConfigurationChange): void {
  const next = proposed(draft, change);
  if ("problem" in next) refuse(draft, next.problem);
  else append(draft, next.configuration);
}

/** Appends one entry, and sends it to all members. */
function append(draft: Draft, configuration?: Configuration): void {
  const { state, effects } = draft;
  const { role } = state;
  assert(role.kind === "leader", "a replica that does not lead appends an entry of its own");
  const place = { index: state.lastIndex + 1, term: state.hardState.term };
  const entry: Entry = configuration === undefined ? place : { ...place, configuration };
  state.lastIndex = entry.index;
  state.lastTerm = entry.term;
  effects.push({ kind: "append", entries: [entry] });
  if (configuration !== undefined) configure(draft, { index: entry.index, configuration });
  else if (entry.index === role.firstIndex) trackMembers(draft, role);
  for (const [follower, progress] of role.progress) replicate(draft, follower, progress);
}

/** A follower holds, durably, all entries up to `matchIndex`. */
export function takeAccepted(draft: Draft, from: ReplicaId, reply: AppendAccepted): void {
  const progress = progressOf(draft, from);
  if (progress === undefined) return;
  const { state, log } = draft;
  if (reply.matchIndex > state.lastIndex) {
    suspect(draft, from, "an acknowledgement of entries that were never sent");
    return;
  }
  progress.heardMs = state.nowMs;
  noteLoss(progress, reply.lost);
  noteAccepted(progress, reply.matchIndex, log.firstIndex, state.nowMs);
  advanceCommit(draft);
  if (state.role.kind !== "leader") return;
  replicate(draft, from, progress);
  tellCommit(draft, from, progress);
  dropLeavers(draft, state.role);
  continueHandOver(draft, from);
}

/** A follower's log parts from ours before `prevIndex`: goes back to the last place that may be common (Raft paper, end of §5.3). */
export function takeRejected(draft: Draft, from: ReplicaId, reply: AppendRejected): void {
  const progress = progressOf(draft, from);
  if (progress === undefined) return;
  progress.heardMs = draft.state.nowMs;
  const tookBack = noteLoss(progress, reply.lost);
  if (!tookBack && !isExpected(progress, reply)) return;
  const { hintIndex, hintTerm } = reply;
  const common = lastIndexOfTerm(draft, hintIndex, hintTerm);
  // Whatever may be common lies before our log's start.
  if (common > hintIndex || (termAt(draft, common) ?? 0) > hintTerm) {
    askForSnapshot(draft, from, progress);
    return;
  }
  becomeProbe(progress, common + 1);
  replicate(draft, from, progress);
}

/** A follower answered a heartbeat. Extends the lease only if it follows in exactly this term; finds out what got lost. */
export function takeHeartbeatReply(draft: Draft, from: ReplicaId, reply: HeartbeatReply): void {
  const { state } = draft;
  const progress = progressOf(draft, from);
  if (progress === undefined || !reply.follows) return;
  assert(reply.sentMs <= state.nowMs, "a heartbeat was answered before it was sent");
  progress.heardMs = state.nowMs;
  progress.contactMs = Math.max(progress.contactMs, reply.sentMs);
  if (progress.match >= state.lastIndex && progress.mode === "replicate") {
    // It may have healed since its last answer, and is counted again once it says so.
    if (progress.uncounted) sendAppend(draft, from, progress);
    return;
  }
  if (state.nowMs - progress.movedMs >= raftTimes.resendMs) sendAgain(draft, from, progress);
  replicate(draft, from, progress);
}

/** What was sent is taken for lost. */
function sendAgain(draft: Draft, follower: ReplicaId, progress: Progress): void {
  if (progress.mode === "snapshot") askForSnapshot(draft, follower, progress);
  else takeForLost(progress);
}

/** The connection to a follower broke. It is probed again when it answers a heartbeat. */
export function noteUnreachable(draft: Draft, follower: ReplicaId): void {
  const progress = progressOf(draft, follower);
  if (progress?.mode === "replicate") becomeProbe(progress, progress.match + 1);
  else if (progress !== undefined) takeForLost(progress);
}

/** Takes the follower for what it says it is. True: all that was believed of it before is void. */
function noteLoss(progress: Progress, lost: boolean): boolean {
  const news = lost && !progress.uncounted;
  if (news) takeBack(progress);
  progress.uncounted = lost;
  return news;
}

/** Whether a rejection answers what was sent last, not something before. */
function isExpected({ mode, next, match }: Progress, { prevIndex }: AppendRejected): boolean {
  if (mode === "snapshot") return false;
  return mode === "probe" ? prevIndex === next - 1 : prevIndex > match;
}

/** Commits what a majority holds durably, counting only entries of its own term (Raft paper §5.4.2). Followers with nothing on its way are told. */
export function advanceCommit(draft: Draft): void {
  const { state, effects } = draft;
  const { role, self } = state;
  if (role.kind !== "leader") return;
  const reached = quorumValue(state.configuration, (voter) =>
    voter === self ? state.durableIndex : countedMatch(role.progress.get(voter)),
  );
  if (reached <= state.commit || termAt(draft, reached) !== state.hardState.term) return;
  state.commit = reached;
  effects.push({ kind: "commit", index: reached });
  for (const [follower, progress] of role.progress) tellCommit(draft, follower, progress);
  dropLeavers(draft, role);
}

/**
 * The newest configuration is applied: a joint one is left if it is to be, and a leader that it drops steps down. Not as soon as it is committed, so that
 * what was proposed right after it is committed by the same leader.
 */
export function noteApplied(draft: Draft, index: number): void {
  if (index < draft.state.configurationIndex) return;
  stepDownIfRemoved(draft);
  leaveIfDue(draft);
}

/** Who waits for no answer and gets no entry now would learn of a commit only by the next heartbeat. */
function tellCommit(draft: Draft, follower: ReplicaId, progress: Progress): void {
  if (progress.toldCommit < draft.state.commit && isIdle(draft, progress)) sendAppend(draft, follower, progress);
}

/** A joint configuration that is committed and is to be left by itself is left. */
function leaveIfDue(draft: Draft): void {
  const configuration = configurationToLeaveTo(draft);
  if (configuration !== undefined) append(draft, configuration);
}

/** Time has passed for a leader. */
export function tickLeader(draft: Draft): void {
  const { state } = draft;
  const { role } = state;
  if (role.kind !== "leader") return;
  // Another may lead by then (check-quorum, Raft thesis §6.2). Compared as the due time is computed: rounded otherwise, a tick could be due for ever.
  if (state.nowMs >= quorumLostAtMs(state, role)) stepDown(draft);
  else if (state.nowMs >= handOverEndsAtMs(role)) {
    giveUpHandOver(draft);
    leaveIfDue(draft);
  }
}

function countedMatch(progress: Progress | undefined): number {
  return progress === undefined || progress.uncounted ? 0 : progress.match;
}

function progressOf({ state }: Draft, follower: ReplicaId): Progress | undefined {
  return state.role.kind === "leader" ? state.role.progress.get(follower) : undefined;
}
