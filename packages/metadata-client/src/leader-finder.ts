import { type Clock, pause, type Random, SaturnError, type Timers } from "@saturnmq/kit";
import { AttemptFailed, type Failure } from "./rpc.ts";

const firstPauseMs = 50;
const longestPauseMs = 1_000;

export type FinderOptions = {
  /** `host:port` of name servers; any of them knows the others. */
  readonly endpoints: readonly string[];
  readonly clock: Clock;
  readonly timers: Timers;
  /** Draws the jitter of pauses. */
  readonly random: Random;
};

/**
 * Which name server to ask: the one that answered last, or that another one named, else the configured ones in turn. After each round without
 * an answer there is a pause, twice as long each time, up to a second.
 */
export class LeaderFinder {
  readonly #options: FinderOptions;
  #endpoints: readonly string[];
  #current: string;
  #at = 0;
  /** Failures since the last answer. */
  #failures = 0;
  #hintsFollowed = 0;

  constructor(options: FinderOptions) {
    this.#options = options;
    this.#endpoints = options.endpoints;
    const [first] = options.endpoints;
    if (first === undefined) throw new SaturnError("BAD_REQUEST", "at least one name server's address is needed");
    this.#current = first;
  }

  /** Who the name servers are, as the cluster tells: they are asked before the configured ones, which may be gone. None: nothing is known. */
  learned(addresses: readonly string[]): void {
    this.#endpoints = [...new Set([...addresses, ...this.#options.endpoints])];
  }

  get current(): string {
    return this.#current;
  }

  /** `address` answered as the leader does. */
  answered(address: string): void {
    this.#current = address;
    this.#failures = 0;
    this.#hintsFollowed = 0;
  }

  /** `address` does not lead, or does not answer; `hint` is whom it named. Answers how long to wait before the next attempt, milliseconds. */
  failed(address: string, hint: string | undefined): number {
    // Somebody else's attempt has moved on already.
    if (address !== this.#current) return 0;
    // Two that name each other must not be asked in a loop without a pause.
    if (hint !== undefined && hint !== address && this.#hintsFollowed < this.#endpoints.length) {
      this.#hintsFollowed += 1;
      this.#current = hint;
      return 0;
    }
    const endpoints = this.#endpoints;
    this.#failures += 1;
    this.#hintsFollowed = 0;
    const at = endpoints.indexOf(address);
    this.#at = ((at < 0 ? this.#at : at) + 1) % endpoints.length;
    this.#current = endpoints[this.#at] ?? address;
    return this.#failures % endpoints.length === 0 ? this.pauseMs(this.#failures / endpoints.length) : 0;
  }

  /** Of the nth pause in a row: half of it drawn, so that many clients do not come at once. */
  pauseMs(nth: number): number {
    const full = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(nth - 1, 10));
    return full / 2 + this.#options.random.below(Math.ceil(full / 2) + 1);
  }

  /**
   * Asks name servers until one answers as the leader.
   *
   * @param attempt asks one, for at most the given time; throws `AttemptFailed`
   * @param totalMs for all attempts and pauses together
   * @throws {SaturnError} what the leader refuses with, or `HA_NOT_AVAILABLE` when none answered in time
   */
  async ask<Reply>(
    attempt: (address: string, timeoutMs: number) => Promise<Reply>,
    attemptMs: number,
    totalMs: number,
    signal: AbortSignal,
  ): Promise<Reply> {
    const { clock } = this.#options;
    const untilMs = clock.monoMs() + totalMs;
    let reason = "";
    for (let leftMs = totalMs; leftMs > 0 && !signal.aborted; leftMs = untilMs - clock.monoMs()) {
      const address = this.#current;
      try {
        const reply = await attempt(address, Math.min(attemptMs, leftMs));
        this.answered(address);
        return reply;
      } catch (error) {
        const failure = passingFailure(error, () => this.answered(address));
        reason = failure.reason;
        await this.pause(Math.min(this.failed(address, failure.leader), untilMs - clock.monoMs()), signal);
      }
    }
    if (signal.aborted) throw new SaturnError("HA_NOT_AVAILABLE", "this process is stopping");
    throw new SaturnError("HA_NOT_AVAILABLE", `no name server leads, or none is reached (${reason}): try again`);
  }

  /** Resolves after `ms`, or when `signal` aborts. */
  pause(ms: number, signal: AbortSignal): Promise<void> {
    return pause(this.#options.timers, ms, signal);
  }
}

/** What may pass; anything else is thrown on, a refusal as its `SaturnError`: only a leader refuses. */
function passingFailure(error: unknown, refused: () => void): Extract<Failure, { kind: "passing" }> {
  if (!(error instanceof AttemptFailed)) throw error;
  if (error.failure.kind === "passing") return error.failure;
  refused();
  throw error.failure.error;
}
