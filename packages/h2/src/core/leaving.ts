import { farewellMs } from "./limits.ts";
import { streamIdMax } from "./protocol.ts";

const never = Number.POSITIVE_INFINITY;

/**
 * What is next on the way out. `takeNoMore`: the second GOAWAY. `overdue`: end what does not end by itself. `done`: nothing is left. `cut`: something
 * is left that cannot be ended.
 */
export type LeavingStep = "wait" | "takeNoMore" | "overdue" | "done" | "cut";

/**
 * A connection's way out (RFC 9113, 6.8): a GOAWAY that refuses nothing, then, once the peer has surely read it, one that names the last stream
 * taken; streams end by themselves within a time of grace, and by us after it.
 */
export class Leaving {
  /** Streams above it are not taken. */
  lastStream = streamIdMax;
  readonly #answerMs: number;
  #sinceMs = never;
  #graceMs = 0;
  #finalMs = never;
  #overdueMs = never;

  /** @param answerMs how long the answer to the first GOAWAY may take */
  constructor(answerMs: number) {
    this.#answerMs = answerMs;
  }

  get begun(): boolean {
    return this.#sinceMs < never;
  }

  get final(): boolean {
    return this.#finalMs < never;
  }

  /** @param graceMs from now to the end of what does not end by itself */
  begin(nowMs: number, graceMs: number): void {
    this.#sinceMs = nowMs;
    this.#graceMs = graceMs;
  }

  takeNoMore(nowMs: number, lastStream: number): void {
    this.#finalMs = nowMs;
    this.lastStream = lastStream;
  }

  /** @param streams that are open */
  step(nowMs: number, streams: number): LeavingStep {
    if (!this.begun) return "wait";
    if (!this.final) return nowMs - this.#sinceMs >= this.#answerMs ? "takeNoMore" : "wait";
    if (streams === 0) return "done";
    if (nowMs - this.#overdueMs >= farewellMs) return "cut";
    if (this.#overdueMs < never || nowMs - this.#sinceMs < this.#graceMs) return "wait";
    this.#overdueMs = nowMs;
    return "overdue";
  }
}
