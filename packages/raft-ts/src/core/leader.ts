import { assert } from "@saturnmq/kit";
import type { ReplicaId } from "../ports.ts";
import type { AppendAccepted, AppendRejected, Entry, HeartbeatReply } from "./messages.ts";
import { becomeProbe, maySend, newProgress, noteAccepted, noteSent, type Progress } from "./progress.ts";
import { quorumValue, votersOf } from "./quorum.ts";
import { type Draft, lastIndexOfTerm, nextTickMs, termAt } from "./state.ts";
import { raftTimes } from "./times.ts";
import { sendNow, setRole, stepDown, suspect } from "./transitions.ts";

/** At most this many entries travel in one append. */
const entriesPerAppend = 8;

/** Leads the current term. Its first entry is empty: by committing it, it commits what earlier terms left (Raft paper §5.4.2, §8). */
export function becomeLeader(draft: Draft): void {
  const { state } = draft;
  const progress = new Map<ReplicaId, Progress>();
  for (const voter of votersOf(state.configuration)) {
    if (voter !== state.self) progress.set(voter, newProgress(state.lastIndex, state.nowMs));
  }
  setRole(draft, { kind: "leader", progress });
  propose(draft);
}

/** Appends one entry and sends it on; ignored by whoever does not lead. */
export function propose(draft: Draft): void {
  const { state, effects } = draft;
  if (state.role.kind !== "leader") return;
  const entry: Entry = { index: state.lastIndex + 1, term: state.hardState.term };
  state.lastIndex = entry.index;
  state.lastTerm = entry.term;
  effects.push({ kind: "append", entries: [entry] });
  for (const [follower, progress] of state.role.progress) replicate(draft, follower, progress);
}

/** A follower holds, durably, all entries up to `matchIndex`. */
export function takeAccepted(draft: Draft, from: ReplicaId, reply: AppendAccepted): void {
  const progress = progressOf(draft, from);
  if (progress === undefined) return;
  if (reply.matchIndex > draft.state.lastIndex) {
    suspect(draft, from, "an acknowledgement of entries that were never sent");
    return;
  }
  progress.heardMs = draft.state.nowMs;
  noteAccepted(progress, reply.matchIndex, draft.state.nowMs);
  advanceCommit(draft);
  replicate(draft, from, progress);
}

/** A follower's log parts from ours before `prevIndex`: goes back to the last place that may be common (Raft paper, end of §5.3). */
export function takeRejected(draft: Draft, from: ReplicaId, reply: AppendRejected): void {
  const progress = progressOf(draft, from);
  if (progress === undefined) return;
  progress.heardMs = draft.state.nowMs;
  const expected = progress.mode === "probe" ? reply.prevIndex === progress.next - 1 : reply.prevIndex > progress.match;
  if (!expected) return;
  becomeProbe(progress, lastIndexOfTerm(draft, reply.hintIndex, reply.hintTerm) + 1);
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
  if (progress.match >= state.lastIndex) return;
  const overdue = state.nowMs - progress.movedMs >= raftTimes.resendMs;
  const waits = progress.mode === "probe" ? progress.probing : progress.inflight.length > 0;
  if (overdue && waits) becomeProbe(progress, progress.match + 1);
  replicate(draft, from, progress);
}

/** Commits what a majority holds durably, counting only entries of its own term (Raft paper §5.4.2). Followers with nothing on its way are told. */
export function advanceCommit(draft: Draft): void {
  const { state, effects } = draft;
  const { role, self } = state;
  if (role.kind !== "leader") return;
  const reached = quorumValue(state.configuration, (voter) =>
    voter === self ? state.durableIndex : (role.progress.get(voter)?.match ?? 0),
  );
  if (reached <= state.commit || termAt(draft, reached) !== state.hardState.term) return;
  state.commit = reached;
  effects.push({ kind: "commit", index: reached });
  for (const [follower, progress] of role.progress) {
    const idle = progress.mode === "replicate" && progress.inflight.length === 0 && progress.next > state.lastIndex;
    if (idle) sendAppend(draft, follower, progress.next - 1, []);
  }
}

/** Steps down when no majority was heard for too long: another may lead by then (check-quorum, Raft thesis §6.2). */
export function checkQuorum(draft: Draft): void {
  // Compared as the due time is computed: rounded otherwise, a tick could be due for ever and change nothing.
  if (draft.state.nowMs >= nextTickMs(draft.state)) stepDown(draft);
}

/** Sends a follower what it lacks, ahead of answers while its log is known to agree. */
function replicate(draft: Draft, follower: ReplicaId, progress: Progress): void {
  const { state } = draft;
  while (maySend(progress, state.lastIndex)) {
    const prevIndex = progress.next - 1;
    if (termAt(draft, prevIndex) === undefined) {
      reportOutOfReach(draft, follower, progress);
      return;
    }
    const last = Math.min(state.lastIndex, prevIndex + entriesPerAppend);
    sendAppend(draft, follower, prevIndex, entriesBetween(draft, progress.next, last));
    noteSent(progress, last, state.nowMs);
  }
}

function sendAppend(draft: Draft, follower: ReplicaId, prevIndex: number, entries: readonly Entry[]): void {
  const { term } = draft.state.hardState;
  const prevTerm = termOf(draft, prevIndex);
  // Its own write may still be under way: it counts itself only later, and its term was durable before it could be elected.
  sendNow(draft, follower, { kind: "appendRequest", term, prevIndex, prevTerm, entries, commit: draft.state.commit });
}

function entriesBetween(draft: Draft, first: number, last: number): readonly Entry[] {
  const entries: Entry[] = [];
  for (let index = first; index <= last; index += 1) entries.push({ index, term: termOf(draft, index) });
  return entries;
}

function termOf(draft: Draft, index: number): number {
  const term = termAt(draft, index);
  assert(term !== undefined, "a leader's log misses an entry between its first and its last");
  return term;
}

function reportOutOfReach({ effects }: Draft, to: ReplicaId, progress: Progress): void {
  if (!progress.outOfReach) effects.push({ kind: "outOfReach", to, nextIndex: progress.next });
  progress.outOfReach = true;
}

function progressOf({ state }: Draft, follower: ReplicaId): Progress | undefined {
  return state.role.kind === "leader" ? state.role.progress.get(follower) : undefined;
}
