import type { Clock } from "@saturnmq/kit";

/** What this broker remembers of a client. Soft state: it is empty after a restart, and no call depends on it. */
export type Session = {
  readonly clientId: string;
  /** Upper case, as the metadata says. */
  language: string;
  lastSeenMs: number;
  /** Telemetry streams open now. */
  streams: number;
};

/** A client that neither called nor holds a stream is forgotten after so long (that of the reference server's proxy). */
const expiryMs = 120_000;
/** A client that neither calls nor holds a stream for so long has gone: a reconnect is faster. */
const absentMs = 20_000;
/** A sign of life so soon after another changes nothing: one that calls all the time is not moved with every call. */
const fineMs = 1_000;
/** Above it the client that was silent longest is forgotten first. */
const sessionsMax = 100_000;
const sweepEveryMs = 10_000;

/** Clients by id, longest silent first, give or take a second. */
export class Sessions {
  readonly #clock: Clock;
  readonly #byClient = new Map<string, Session>();
  #sweptMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sweptMs = clock.monoMs();
  }

  get count(): number {
    return this.#byClient.size;
  }

  /** Notes a sign of life. */
  seen(clientId: string, language: string, nowMs = this.#clock.monoMs()): Session {
    const known = this.#byClient.get(clientId);
    if (known !== undefined && nowMs - known.lastSeenMs < fineMs && known.language === language) return known;
    const session = known ?? { clientId, language, lastSeenMs: nowMs, streams: 0 };
    session.lastSeenMs = nowMs;
    session.language = language;
    this.#byClient.delete(clientId);
    this.#byClient.set(clientId, session);
    this.#sweep(nowMs);
    return session;
  }

  streamOpened(clientId: string, language: string): void {
    this.seen(clientId, language).streams += 1;
  }

  streamClosed(clientId: string): void {
    const session = this.#byClient.get(clientId);
    if (session !== undefined) session.streams = Math.max(0, session.streams - 1);
  }

  /** Whether the client holds a stream, or called not long ago. */
  isPresent(clientId: string): boolean {
    const session = this.#byClient.get(clientId);
    if (session === undefined) return false;
    return session.streams > 0 || this.#clock.monoMs() - session.lastSeenMs <= absentMs;
  }

  /** The client said goodbye. */
  forget(clientId: string): void {
    this.#byClient.delete(clientId);
  }

  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptMs < sweepEveryMs && this.#byClient.size <= sessionsMax) return;
    this.#sweptMs = nowMs;
    for (const session of this.#byClient.values()) {
      const expired = nowMs - session.lastSeenMs > expiryMs;
      if (!expired && this.#byClient.size <= sessionsMax) return;
      if (session.streams === 0) this.#byClient.delete(session.clientId);
    }
  }
}
