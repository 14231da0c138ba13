import type { Cancel, Clock, Timers } from "@saturnmq/kit";
import type { Brokers } from "./cluster/ports.ts";

/** How often it is looked at who has gone. */
const everyMs = 5_000;
/** A client that was connected elsewhere is taken for present for so long after that: it reconnects, or the broker that it was at has just ended. */
const absentMs = 20_000;
/** Consumers of this broker that others are told of; further ones are known here only. */
const toldMax = 20_000;

export type PresenceOptions = {
  /** Whether a client is connected to this process. */
  readonly isHere: (clientId: string) => boolean;
  readonly brokers: Pick<Brokers, "tellClient">;
  readonly clock: Clock;
  readonly timers: Timers;
};

type Elsewhere = { readonly brokers: Set<number>; leftMs: number };

/**
 * Which consumers are connected to any broker of the cluster (design 7). Soft state: each broker tells the others of those that receive at it, and what it
 * told ends with the link to it.
 */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #here = new Set<string>();
  readonly #elsewhere = new Map<string, Elsewhere>();
  #cancel: Cancel | undefined;
  #closed = false;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** A consumer receives here. */
  note(clientId: string): void {
    if (this.#here.has(clientId) || this.#here.size >= toldMax || !this.#options.isHere(clientId)) return;
    this.#here.add(clientId);
    this.#options.brokers.tellClient(clientId, true);
    this.#lookLater();
  }

  /** Another broker says whether a consumer is connected to it. */
  told(broker: number, clientId: string, present: boolean): void {
    if (!present) return this.#left(broker, clientId);
    const elsewhere = this.#elsewhere.get(clientId) ?? { brokers: new Set(), leftMs: 0 };
    elsewhere.brokers.add(broker);
    this.#elsewhere.set(clientId, elsewhere);
  }

  /** The link to another broker ended. */
  gone(broker: number): void {
    for (const clientId of this.#elsewhere.keys()) this.#left(broker, clientId);
  }

  isPresent(clientId: string): boolean {
    return this.#options.isHere(clientId) || this.#isElsewhere(this.#elsewhere.get(clientId));
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  #left(broker: number, clientId: string): void {
    const elsewhere = this.#elsewhere.get(clientId);
    if (elsewhere?.brokers.delete(broker) !== true) return;
    elsewhere.leftMs = this.#options.clock.monoMs();
    this.#lookLater();
  }

  #isElsewhere(elsewhere: Elsewhere | undefined): boolean {
    if (elsewhere === undefined) return false;
    return elsewhere.brokers.size > 0 || this.#options.clock.monoMs() - elsewhere.leftMs <= absentMs;
  }

  #lookLater(): void {
    if (this.#closed || this.#cancel !== undefined) return;
    this.#cancel = this.#options.timers.after(everyMs, () => {
      this.#cancel = undefined;
      if (this.#look()) this.#lookLater();
    });
  }

  /** Whether there is anybody who may go. */
  #look(): boolean {
    for (const clientId of this.#here) {
      if (this.#options.isHere(clientId)) continue;
      this.#here.delete(clientId);
      this.#options.brokers.tellClient(clientId, false);
    }
    let leaving = false;
    for (const [clientId, elsewhere] of this.#elsewhere) {
      if (!this.#isElsewhere(elsewhere)) this.#elsewhere.delete(clientId);
      else leaving ||= elsewhere.brokers.size === 0;
    }
    return leaving || this.#here.size > 0;
  }
}
