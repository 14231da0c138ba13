/** At most this many appends to one follower, and this much payload in them, are unanswered. */
const inflightMax = 64;
const inflightBytesMax = 4 * 1024 * 1024;

/**
 * What a leader knows of one follower.
 *
 * `probe`: where the logs part is not known; one append at a time. `replicate`: it is, and appends are sent ahead of their answers. `snapshot`: our log
 * does not reach back to it; nothing is appended until it has taken a snapshot.
 */
export type Progress = {
  mode: "probe" | "replicate" | "snapshot";
  /** The follower's log equals ours up to here, durably. */
  match: number;
  /** The next entry to send; `match` < `next`. */
  next: number;
  /** Each append that is not answered yet: the index of its last entry, rising, and its payload's bytes. */
  inflight: { readonly last: number; readonly bytes: number }[];
  inflightBytes: number;
  /** In `probe`: an append is unanswered. */
  probing: boolean;
  /** In `snapshot`: index of the one that was offered; 0 for none yet. */
  snapshotIndex: number;
  /** It lost entries: until it says that it has healed it counts for no commit. */
  uncounted: boolean;
  /** The commit index that the newest append told it. */
  toldCommit: number;
  /** When the oldest unanswered append was sent, an answer last moved `match`, or a snapshot was asked for. */
  movedMs: number;
  /** When anything of this term was last received from it. */
  heardMs: number;
  /** When the newest heartbeat that it answered was sent. */
  contactMs: number;
};

/** A follower of which nothing is known: its log is guessed to reach to `next`. */
export function newProgress(next: number, nowMs: number): Progress {
  return {
    mode: "probe",
    match: 0,
    next,
    inflight: [],
    inflightBytes: 0,
    probing: false,
    snapshotIndex: 0,
    uncounted: false,
    toldCommit: 0,
    movedMs: nowMs,
    heardMs: nowMs,
    contactMs: -Infinity,
  };
}

/** Whether another append may be sent. A probe goes out even when there is no entry to send: its answer tells where the logs part. */
export function maySend(progress: Progress, lastIndex: number): boolean {
  if (progress.mode === "snapshot") return false;
  if (progress.mode === "probe") return !progress.probing;
  const { next, inflight, inflightBytes } = progress;
  return next <= lastIndex && inflight.length < inflightMax && inflightBytes < inflightBytesMax;
}

/** Accounts for an append that ends at `last`. */
export function noteSent(progress: Progress, last: number, bytes: number, nowMs: number): void {
  if (progress.mode === "probe") {
    progress.probing = true;
    progress.movedMs = nowMs;
    return;
  }
  if (progress.inflight.length === 0) progress.movedMs = nowMs;
  progress.inflight.push({ last, bytes });
  progress.inflightBytes += bytes;
  progress.next = last + 1;
}

/** Takes an acknowledgement of everything up to `match`. `firstIndex`: where our log begins. */
export function noteAccepted(progress: Progress, match: number, firstIndex: number, nowMs: number): void {
  if (match > progress.match) {
    progress.match = match;
    progress.movedMs = nowMs;
  }
  if (progress.mode === "replicate") {
    progress.next = Math.max(progress.next, progress.match + 1);
    dropAnswered(progress);
    return;
  }
  // An answer to an append of before: a snapshot is still what it needs.
  if (progress.mode === "snapshot" && progress.match + 1 < firstIndex) return;
  progress.mode = "replicate";
  progress.next = progress.match + 1;
  forgetSent(progress);
}

/** Starts over from `next`, one append at a time. */
export function becomeProbe(progress: Progress, next: number): void {
  progress.mode = "probe";
  progress.next = Math.max(next, progress.match + 1);
  forgetSent(progress);
}

/** Sends nothing more until a snapshot has taken it to where our log begins. */
export function becomeSnapshot(progress: Progress, nowMs: number): void {
  progress.mode = "snapshot";
  progress.movedMs = nowMs;
  forgetSent(progress);
}

/** What is unanswered will not be answered. A probe goes to the same place again: that nothing is known to match does not mean that nothing does. */
export function takeForLost(progress: Progress): void {
  if (progress.mode === "probe") progress.probing = false;
  else if (progress.mode === "replicate" && progress.inflight.length > 0) becomeProbe(progress, progress.match + 1);
}

/** The follower lost entries: nothing that was believed of it holds any more. */
export function takeBack(progress: Progress): void {
  progress.uncounted = true;
  progress.match = 0;
  becomeProbe(progress, 1);
}

function forgetSent(progress: Progress): void {
  progress.inflight = [];
  progress.inflightBytes = 0;
  progress.probing = false;
  progress.snapshotIndex = 0;
}

function dropAnswered(progress: Progress): void {
  const { inflight, match } = progress;
  let answered = 0;
  for (const { last, bytes } of inflight) {
    if (last > match) break;
    answered += 1;
    progress.inflightBytes -= bytes;
  }
  if (answered > 0) inflight.splice(0, answered);
}
