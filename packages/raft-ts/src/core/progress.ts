/** At most this many appends to one follower are unanswered. */
const inflightMax = 64;

/**
 * What a leader knows of one follower.
 *
 * `probe`: where the logs part is not known; one append at a time. `replicate`: it is, and appends are sent ahead of their answers.
 */
export type Progress = {
  mode: "probe" | "replicate";
  /** The follower's log equals ours up to here, durably. */
  match: number;
  /** The next entry to send; `match` < `next`. */
  next: number;
  /** Last index of each append that is not answered yet, rising. */
  inflight: number[];
  /** In `probe`: an append is unanswered. */
  probing: boolean;
  /** When the oldest unanswered append was sent, or an answer last moved `match`. */
  movedMs: number;
  /** When anything of this term was last received from it. */
  heardMs: number;
  /** When the newest heartbeat that it answered was sent. */
  contactMs: number;
  /** It was said that our log no longer reaches back to it. */
  outOfReach: boolean;
};

/** A follower at the begin of a term: nothing known, its log guessed to be as long as ours. */
export function newProgress(lastIndex: number, nowMs: number): Progress {
  return {
    mode: "probe",
    match: 0,
    next: lastIndex + 1,
    inflight: [],
    probing: false,
    movedMs: nowMs,
    heardMs: nowMs,
    contactMs: -Infinity,
    outOfReach: false,
  };
}

/** Whether another append may be sent. A probe goes out even when there is no entry to send: its answer tells where the logs part. */
export function maySend(progress: Progress, lastIndex: number): boolean {
  if (progress.mode === "probe") return !progress.probing;
  return progress.next <= lastIndex && progress.inflight.length < inflightMax;
}

/** Accounts for an append that ends at `lastSent`. */
export function noteSent(progress: Progress, lastSent: number, nowMs: number): void {
  if (progress.mode === "probe") {
    progress.probing = true;
    progress.movedMs = nowMs;
    return;
  }
  if (progress.inflight.length === 0) progress.movedMs = nowMs;
  progress.inflight.push(lastSent);
  progress.next = lastSent + 1;
}

/** Takes an acknowledgement of everything up to `match`. */
export function noteAccepted(progress: Progress, match: number, nowMs: number): void {
  if (match > progress.match) {
    progress.match = match;
    progress.movedMs = nowMs;
  }
  if (progress.mode === "probe") {
    progress.mode = "replicate";
    progress.next = progress.match + 1;
    progress.inflight = [];
  } else {
    progress.next = Math.max(progress.next, progress.match + 1);
    let answered = 0;
    while ((progress.inflight[answered] ?? Infinity) <= progress.match) answered += 1;
    if (answered > 0) progress.inflight.splice(0, answered);
  }
  progress.probing = false;
  progress.outOfReach = false;
}

/** Starts over from `next`, one append at a time. */
export function becomeProbe(progress: Progress, next: number): void {
  progress.mode = "probe";
  progress.next = Math.max(next, progress.match + 1);
  progress.inflight = [];
  progress.probing = false;
}
