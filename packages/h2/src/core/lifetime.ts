import type { Limits } from "./limits.ts";
import { errorCode } from "./protocol.ts";

/** What a connection's time asks for. */
export type Verdict =
  | { readonly kind: "nothing" | "ping" | "leave" }
  | { readonly kind: "cut"; readonly reason: string }
  | { readonly kind: "fail"; readonly code: number; readonly reason: string };

const nothing: Verdict = { kind: "nothing" };
const ping: Verdict = { kind: "ping" };
const leave: Verdict = { kind: "leave" };
const neverSpoke: Verdict = { kind: "cut", reason: "no preface and SETTINGS in time" };
const silent: Verdict = { kind: "cut", reason: "the peer is silent" };
const stalled: Verdict = { kind: "cut", reason: "the peer takes nothing of what waits for it" };
const slowBlock: Verdict = {
  kind: "fail",
  code: errorCode.enhanceYourCalm,
  reason: "a header block takes too long",
};
const noAck: Verdict = {
  kind: "fail",
  code: errorCode.settingsTimeout,
  reason: "our SETTINGS were not acknowledged",
};

const never = Number.POSITIVE_INFINITY;

/** What a connection looks like now. */
export type Facts = {
  readonly streams: number;
  /** Since when a header block is unfinished; `Infinity`: none is. */
  readonly blockSinceMs: number;
  /** Something waits for the peer to read, or to grant a window. */
  readonly waits: boolean;
  /** DATA bytes sent, ever. */
  readonly sentBytes: number;
  /** We do not read for now, so the peer's silence means nothing. */
  readonly deaf: boolean;
};

/** The bounds in time of one connection, each from the last event that counts for it. Monotonic milliseconds. */
export class Lifetime {
  readonly #limits: Limits;
  readonly #openedMs: number;
  #ageEndMs: number;
  #settingsSeen = false;
  #settingsAcked = false;
  #heardMs: number;
  #pingSentMs = never;
  #idleSinceMs: number;
  #progressMs: number;
  #progressBytes = 0;

  constructor(limits: Limits, nowMs: number, ageEndMs: number) {
    this.#limits = limits;
    this.#openedMs = nowMs;
    this.#ageEndMs = ageEndMs;
    this.#heardMs = nowMs;
    this.#idleSinceMs = nowMs;
    this.#progressMs = nowMs;
  }

  /** The peer said something. */
  heard(nowMs: number): void {
    this.#heardMs = nowMs;
    this.#pingSentMs = never;
  }

  sawSettings(): void {
    this.#settingsSeen = true;
  }

  sawSettingsAck(): void {
    this.#settingsAcked = true;
  }

  /** It is to take leave by then, if not before. */
  endBy(atMs: number): void {
    this.#ageEndMs = Math.min(this.#ageEndMs, atMs);
  }

  /** The last stream has ended. */
  idle(nowMs: number): void {
    this.#idleSinceMs = nowMs;
  }

  /** The system took some of our output. */
  progressed(nowMs: number): void {
    this.#progressMs = nowMs;
  }

  /** The one thing to do now, most urgent first. */
  verdict(nowMs: number, facts: Facts): Verdict {
    if (facts.deaf) this.#heardMs = nowMs;
    if (!facts.waits || facts.sentBytes !== this.#progressBytes) {
      this.#progressMs = nowMs;
      this.#progressBytes = facts.sentBytes;
    }
    const { handshakeMs, settingsAckMs, keepaliveMs, keepaliveTimeoutMs, stallMs, idleMs } = this.#limits;
    if (!this.#settingsSeen && nowMs - this.#openedMs > handshakeMs) return neverSpoke;
    if (nowMs - facts.blockSinceMs > handshakeMs) return slowBlock;
    if (!this.#settingsAcked && nowMs - this.#openedMs > settingsAckMs) return noAck;
    if (nowMs - this.#progressMs > stallMs) return stalled;
    if (nowMs - this.#pingSentMs > keepaliveTimeoutMs && !facts.deaf) return silent;
    if (nowMs >= this.#ageEndMs) return leave;
    if (facts.streams === 0 && nowMs - this.#idleSinceMs > idleMs) return leave;
    if (nowMs - this.#heardMs <= keepaliveMs || this.#pingSentMs < never) return nothing;
    this.#pingSentMs = nowMs;
    return ping;
  }
}
