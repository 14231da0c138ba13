import type { ReplicaId } from "../ports.ts";
import { configure, unconfigure } from "./configure.ts";
import { healIfWhole, noteHealIndex } from "./heal.ts";
import type { AppendRequest, Entry, Heartbeat } from "./messages.ts";
import { type Draft, lastIndexOfTerm, termAt } from "./state.ts";
import { follow, sendDurably, suspect } from "./transitions.ts";

/** Takes entries from the leader of the current term, or says where the logs part (Raft paper §5.3). */
export function takeAppend(draft: Draft, from: ReplicaId, request: AppendRequest): void {
  if (!acceptLeader(draft, from)) return;
  const { state } = draft;
  const { prevIndex, prevTerm } = request;
  noteHealIndex(draft, request);
  // Committed entries are common to every later leader's log, and may be out of this one's reach by now.
  if (prevIndex < state.commit) return takeKnownPrefix(draft, from, request);
  if (termAt(draft, prevIndex) !== prevTerm) {
    rejectAppend(draft, from, prevIndex, lastIndexOfTerm(draft, prevIndex, prevTerm));
    return;
  }
  takeEntries(draft, from, request, request.entries);
}

/** A leader of the current term lives; what it says is committed is. The driver answers. */
export function takeHeartbeat(draft: Draft, from: ReplicaId, heartbeat: Heartbeat): void {
  if (!acceptLeader(draft, from)) return;
  const { standing, healIndex, lastIndex } = draft.state;
  if (standing === "fenced") {
    // The leader believes what was acknowledged before the damage, and may have nothing to append: it must hear of the loss.
    if (healIndex === Infinity) rejectAppend(draft, from, lastIndex + 1, lastIndex);
  } else if (heartbeat.commit > lastIndex) {
    suspect(draft, from, "a heartbeat commits entries that were never acknowledged");
    return;
  }
  advanceCommit(draft, Math.min(heartbeat.commit, lastIndex));
}

/** Says that this log has nothing in common with the leader's at `prevIndex`, but may have at `hintIndex`. */
export function rejectAppend(draft: Draft, from: ReplicaId, prevIndex: number, hintIndex: number): void {
  const { hardState, standing } = draft.state;
  const hintTerm = termAt(draft, hintIndex) ?? 0;
  const lost = standing === "fenced";
  sendDurably(draft, from, { kind: "appendRejected", term: hardState.term, prevIndex, hintIndex, hintTerm, lost });
}

/** Whether `from` is to be obeyed as the leader of the current term. */
export function acceptLeader(draft: Draft, from: ReplicaId): boolean {
  const { role } = draft.state;
  const other = role.kind === "leader" || (role.kind === "follower" && role.leader !== 0 && role.leader !== from);
  if (other) {
    suspect(draft, from, "a second leader of the current term");
    return false;
  }
  follow(draft, from);
  return true;
}

/** An append that begins below the commit index: repeated or late. What it says about committed entries is known already. */
function takeKnownPrefix(draft: Draft, from: ReplicaId, request: AppendRequest): void {
  const { commit } = draft.state;
  const beyond = request.entries.filter((entry) => entry.index > commit);
  const atCommit = request.entries.find((entry) => entry.index === commit);
  if (atCommit === undefined || beyond.length === 0) {
    acknowledge(draft, from, commit);
    return;
  }
  if (atCommit.term !== termAt(draft, commit)) {
    suspect(draft, from, "an append contradicts a committed entry");
    return;
  }
  takeEntries(draft, from, request, beyond);
}

/** `entries` follow what both logs have in common. Entries that are there already stay: an older append must not undo a newer one. */
function takeEntries(draft: Draft, from: ReplicaId, request: AppendRequest, entries: readonly Entry[]): void {
  const { state } = draft;
  const fresh = entries.findIndex((entry) => termAt(draft, entry.index) !== entry.term);
  const added = fresh < 0 ? [] : entries.slice(fresh);
  const first = added[0];
  if (first !== undefined) {
    if (first.index <= state.commit) {
      suspect(draft, from, "an append contradicts a committed entry");
      return;
    }
    append(draft, added, first.index);
  }
  const matchIndex = request.prevIndex + request.entries.length;
  advanceCommit(draft, Math.min(request.commit, matchIndex));
  acknowledge(draft, from, matchIndex);
}

function append(draft: Draft, entries: readonly Entry[], firstIndex: number): void {
  const { state, effects } = draft;
  if (firstIndex <= state.lastIndex) {
    state.truncations += 1;
    state.durableIndex = Math.min(state.durableIndex, firstIndex - 1);
    unconfigure(draft, firstIndex);
  }
  const last = entries[entries.length - 1];
  state.lastIndex = last?.index ?? state.lastIndex;
  state.lastTerm = last?.term ?? state.lastTerm;
  effects.push({ kind: "append", entries });
  const newest = entries.findLast(({ configuration }) => configuration !== undefined);
  if (newest?.configuration !== undefined)
    configure(draft, { index: newest.index, configuration: newest.configuration });
}

export function acknowledge(draft: Draft, from: ReplicaId, matchIndex: number): void {
  const { hardState, standing } = draft.state;
  const lost = standing === "fenced";
  sendDurably(draft, from, { kind: "appendAccepted", term: hardState.term, matchIndex, lost });
}

export function advanceCommit(draft: Draft, commit: number): void {
  const { state, effects } = draft;
  if (commit <= state.commit) return;
  state.commit = commit;
  effects.push({ kind: "commit", index: commit });
  healIfWhole(draft);
}
