import { type Cancel, type Clock, type Logger, SaturnError, type Timers } from "@saturnmq/kit";
import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import type { Delivery, Messaging } from "../../messaging.ts";

/** Invisible time of a delivery that the server renews, until its first renewal. */
export const renewedLeaseMs = 60_000;
/** Length of each further lease, the last repeated: the reference server's steps. */
const stepsMs = [60_000, 180_000, 300_000, 600_000, 1_800_000, 3_600_000];
/** After it a message is not renewed any more and comes again by its group's rules. */
const heldMaxMs = 3 * 3_600_000;
const scanEveryMs = 5_000;
const renewWhenLeftMs = 10_000;
/** Messages of a client that has gone are visible again after so long. */
const releaseMs = 1_000;

type Held = {
  readonly topic: TopicInfo;
  readonly group: GroupInfo;
  readonly clientId: string;
  readonly sinceMs: number;
  /** The handle that the client holds. */
  readonly given: string;
  /** The one that is good now. */
  current: string;
  leaseEndsMs: number;
  renewed: number;
  /** The client has answered: no more renewals, only the way from its handle to the good one. */
  settled: boolean;
  busy: Promise<void> | undefined;
};

export type RenewalsOptions = {
  readonly messaging: Messaging;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
};

/**
 * Deliveries whose invisible time the server owns (`auto_renew`): renewed while the client is connected to any broker, released when
 * it has gone from all.
 *
 * Each renewal gives the message a new handle, which the client does not know; `settle` finds it by the old one.
 */
export class Renewals {
  readonly #options: RenewalsOptions;
  readonly #byHandle = new Map<string, Held>();
  #cancel: Cancel | undefined;
  #closed = false;

  constructor(options: RenewalsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#byHandle.size;
  }

  /** Takes over deliveries that were just leased for `renewedLeaseMs`. */
  hold(clientId: string, topic: TopicInfo, group: GroupInfo, deliveries: readonly Delivery[]): void {
    const sinceMs = this.#options.clock.monoMs();
    for (const { receiptHandle } of deliveries)
      this.#byHandle.set(receiptHandle, {
        ...{ topic, group, clientId, sinceMs, given: receiptHandle, current: receiptHandle },
        ...{ leaseEndsMs: sinceMs + renewedLeaseMs, renewed: 0, settled: false, busy: undefined },
      });
    this.#scanLater();
  }

  /** Whether a handle is of a delivery that is renewed here. */
  has(handle: string): boolean {
    return this.#byHandle.has(handle);
  }

  /** The handle that is good now for the one a client holds; the message is renewed no more. */
  async settle(handle: string): Promise<string> {
    const held = this.#byHandle.get(handle);
    if (held === undefined) return handle;
    held.settled = true;
    await held.busy;
    if (held.renewed === 0) this.#byHandle.delete(handle);
    return held.current;
  }

  /** As `settle`, of the handles of one call, of which mostly none is renewed here. */
  async settleAll(handles: readonly string[]): Promise<readonly string[]> {
    if (!handles.some((handle) => this.#byHandle.has(handle))) return handles;
    return Promise.all(handles.map((handle) => this.settle(handle)));
  }

  /** Gives back what a client holds. */
  release(clientId: string): void {
    for (const held of this.#byHandle.values()) if (held.clientId === clientId && !held.settled) this.#release(held);
  }

  /** Renews nothing more: leases end by themselves. Handles still lead to the good ones. */
  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  #scanLater(): void {
    if (this.#closed || this.#cancel !== undefined || this.#byHandle.size === 0) return;
    this.#cancel = this.#options.timers.after(scanEveryMs, () => {
      this.#cancel = undefined;
      this.#scan();
      this.#scanLater();
    });
  }

  #scan(): void {
    const { messaging, clock } = this.#options;
    const nowMs = clock.monoMs();
    for (const held of this.#byHandle.values()) {
      if (held.leaseEndsMs <= nowMs) this.#byHandle.delete(held.given);
      else if (held.settled || held.busy !== undefined) continue;
      else if (!messaging.isPresent(held.clientId)) this.#release(held);
      else if (held.leaseEndsMs - nowMs < renewWhenLeftMs && nowMs - held.sinceMs < heldMaxMs) this.#renew(held);
    }
  }

  #renew(held: Held): void {
    const stepMs = stepsMs[Math.min(held.renewed, stepsMs.length - 1)] ?? renewedLeaseMs;
    held.busy = this.#move(held, stepMs).finally(() => {
      held.busy = undefined;
    });
  }

  #release(held: Held): void {
    held.settled = true;
    held.busy = (held.busy ?? Promise.resolve()).then(() => this.#move(held, releaseMs));
  }

  async #move(held: Held, invisibleMs: number): Promise<void> {
    const { messaging, clock, log } = this.#options;
    const startedMs = clock.monoMs();
    try {
      held.current = await messaging.changeInvisible(held.topic, held.group, held.current, invisibleMs);
      held.renewed += 1;
      held.leaseEndsMs = startedMs + invisibleMs;
    } catch (error) {
      // A handle that is void has nothing left to renew; anything else is tried again at the next scan.
      if (error instanceof SaturnError && error.code === "INVALID_RECEIPT_HANDLE") this.#byHandle.delete(held.given);
      else log.warn({ err: error, topic: held.topic.name, group: held.group.name }, "a lease was not renewed");
    }
  }
}
