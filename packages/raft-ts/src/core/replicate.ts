import { assert } from "@saturnmq/kit";
import type { ReplicaId, SnapshotHead } from "../ports.ts";
import type { Entry } from "./messages.ts";
import { becomeSnapshot, maySend, noteSent, type Progress } from "./progress.ts";
import { bytesAt, configurationOf, type Draft, type Leader, termAt } from "./state.ts";
import { sendNow } from "./transitions.ts";

/** At most this many entries, and no entry more once there is this much payload, travel in one append. */
const entriesPerAppend = 8;
const bytesPerAppend = 1024 * 1024;

/** Sends a follower what it lacks, ahead of answers while its log is known to agree. */
export function replicate(draft: Draft, follower: ReplicaId, progress: Progress): void {
  const { state } = draft;
  while (maySend(progress, state.lastIndex)) {
    const prevIndex = progress.next - 1;
    if (termAt(draft, prevIndex) === undefined) {
      askForSnapshot(draft, follower, progress);
      return;
    }
    const entries = entriesFrom(draft, progress.next);
    sendAppend(draft, follower, progress, entries);
    let bytes = 0;
    for (const { index } of entries) bytes += bytesAt(draft, index);
    noteSent(progress, prevIndex + entries.length, bytes, state.nowMs);
  }
}

/** Sends entries, or none: then the answer tells how far the follower is, and the follower how far the commit index. */
export function sendAppend(
  draft: Draft,
  follower: ReplicaId,
  progress: Progress,
  entries: readonly Entry[] = [],
): void {
  const { hardState, commit, role } = draft.state;
  const prevIndex = progress.next - 1;
  progress.toldCommit = commit;
  // Its own write may still be under way: it counts itself only later, and its term was durable before it could be elected.
  sendNow(draft, follower, {
    kind: "appendRequest",
    term: hardState.term,
    prevIndex,
    prevTerm: termOf(draft, prevIndex),
    entries,
    commit,
    // Before an entry of its own term is committed, a leader does not know how far earlier ones committed.
    uncounted: progress.uncounted && role.kind === "leader" && commit >= role.firstIndex,
  });
}

/** Whether a follower has answered all that was sent to it, and nothing more is to be sent. */
export function isIdle(draft: Draft, { mode, inflight, next }: Progress): boolean {
  return mode === "replicate" && inflight.length === 0 && next > draft.state.lastIndex;
}

/** The follower needs what the log no longer holds. */
export function askForSnapshot({ state, effects }: Draft, to: ReplicaId, progress: Progress): void {
  becomeSnapshot(progress, state.nowMs);
  effects.push({ kind: "sendSnapshot", to, nextIndex: progress.next });
}

/** Offers a snapshot that reaches far enough; another one, or none, is asked for again later. */
export function offerSnapshot(draft: Draft, to: ReplicaId, role: Leader, snapshot: SnapshotHead | undefined): void {
  const progress = role.progress.get(to);
  if (progress?.mode !== "snapshot" || snapshot === undefined) return;
  const { state, log } = draft;
  assert(snapshot.index <= state.commit, "a snapshot holds entries that are not committed");
  if (snapshot.index + 1 < log.firstIndex) return;
  progress.snapshotIndex = snapshot.index;
  sendNow(draft, to, { kind: "snapshotOffer", term: state.hardState.term, snapshot });
}

function entriesFrom(draft: Draft, first: number): readonly Entry[] {
  const { lastIndex } = draft.state;
  const entries: Entry[] = [];
  let bytes = 0;
  for (let index = first; index <= lastIndex && entries.length < entriesPerAppend; index += 1) {
    bytes += bytesAt(draft, index);
    if (entries.length > 0 && bytes > bytesPerAppend) break;
    const configuration = configurationOf(draft, index);
    const term = termOf(draft, index);
    entries.push(configuration === undefined ? { index, term } : { index, term, configuration });
  }
  return entries;
}

function termOf(draft: Draft, index: number): number {
  const term = termAt(draft, index);
  assert(term !== undefined, "a leader's log misses an entry between its first and its last");
  return term;
}
