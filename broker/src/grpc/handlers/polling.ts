/** What the wait of a receive may be. Milliseconds. */
export type PollLimits = { readonly pollMaxMs: number; readonly pollDefaultMs: number };

/** Kept back from the caller's deadline, so that the answer "nothing" is there before it gives up. */
const answerMarginMs = 200;

/**
 * How long an empty receive is held: the requested time, or the default when the client names none, but at most the limit and until
 * shortly before its deadline. Never below 0.
 */
export function pollMs(requestedMs: number | undefined, leftMs: number, limits: PollLimits): number {
  const wantedMs = requestedMs ?? limits.pollDefaultMs;
  return Math.max(0, Math.min(wantedMs, limits.pollMaxMs, leftMs - answerMarginMs));
}
