import type { Delivery, Send, SendOutcome, Settlement } from "../check/history.ts";
import { nowMs } from "../process/disturbances.ts";

/** How far a run has come. */
export type Counts = {
  /** Sends that have no outcome yet. */
  readonly inFlight: number;
  readonly ok: number;
  readonly fail: number;
  readonly info: number;
  readonly delivered: number;
  /** Acks answered OK. */
  readonly acked: number;
};

/** Notes how a send ended: by default now, and sent once. */
export type EndSend = (outcome: SendOutcome, more?: { readonly endedMs?: number; readonly repeats?: number }) => void;

type Watch = { readonly holds: (counts: Counts) => boolean; readonly act: () => void };

/** What every client of a run did and saw, in one history. */
export class Recorder {
  readonly sends: Send[] = [];
  readonly deliveries: Delivery[] = [];
  readonly settlements: Settlement[] = [];
  /** Refusals and failures by reason: shown with a report, so that a run that only failed is not taken for a success. */
  readonly reasons = new Map<string, number>();
  readonly #counts = { inFlight: 0, ok: 0, fail: 0, info: 0, delivered: 0, acked: 0 };
  #watches: Watch[] = [];
  #receives = 0;

  get counts(): Counts {
    return this.#counts;
  }

  /**
   * Acts once, in the very turn in which the history makes `holds` true: "three sends are in flight", "the hundredth was acknowledged". What it does
   * synchronously is done before the client that made it true does anything else.
   */
  once(holds: Watch["holds"], act: Watch["act"]): void {
    this.#watches.push({ holds, act });
    this.#look();
  }

  /** A send begins; the function that is returned notes how it ended. */
  begin(send: Omit<Send, "invokedMs" | "endedMs" | "outcome">, invokedMs = nowMs()): EndSend {
    this.#counts.inFlight += 1;
    this.#look();
    return (outcome, { endedMs = nowMs(), repeats = 0 } = {}) => {
      this.sends.push({ ...send, invokedMs, endedMs, outcome, repeats });
      this.#counts.inFlight -= 1;
      this.#counts[outcome.kind] += 1;
      this.#look();
    };
  }

  /** A number for a receive. */
  nextReceive(): number {
    this.#receives += 1;
    return this.#receives;
  }

  delivered(delivery: Delivery): void {
    this.deliveries.push(delivery);
    this.#counts.delivered += 1;
    this.#look();
  }

  settled(settlement: Settlement): void {
    this.settlements.push(settlement);
    if (settlement.kind === "ack" && settlement.outcome === "ok") this.#counts.acked += 1;
    this.#look();
  }

  because(reason: string): void {
    this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1);
  }

  #look(): void {
    if (this.#watches.length === 0) return;
    const due = this.#watches.filter(({ holds }) => holds(this.#counts));
    if (due.length === 0) return;
    this.#watches = this.#watches.filter((watch) => !due.includes(watch));
    for (const { act } of due) act();
  }
}
