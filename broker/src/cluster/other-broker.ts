import { type Clock, errorTable, SaturnError, type Timers } from "@saturnmq/kit";
import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import type { Filter } from "../domain/filter.ts";
import { NotLedError, type Pop, type Popped, type ShardCalls } from "../led-shards.ts";
import { type Brokers, type Interest, interestKey } from "./ports.ts";
import type { ReadySource } from "./receives.ts";

/** Pops for one interest at once, while the other broker has more than one answer holds. */
const popsMax = 8;
/**
 * A broker that was told what is waited for is asked again after so long all the same: it keeps a group's filter only while that is used, and whatever
 * was lost on the way is made good.
 */
const askAgainMs = 60_000;
/** How soon a broker whose answer was lost is asked again. */
const retryMs = 100;
/** How soon one in which a group is about to begin is asked again. */
const startingMs = 20;

export type OtherBrokerOptions = {
  readonly broker: number;
  readonly brokers: Brokers;
  readonly clock: Clock;
  readonly timers: Timers;
  /** The interest may have something again. */
  readonly ready: (interest: Interest) => void;
  /** Whether the broker leads a shard that holds a queue of the topic. */
  readonly leads: (topic: TopicInfo) => boolean;
};

/**
 * What is known of an interest at the other broker. `unasked`: it may have something; `more`: it had more than was asked for; `armed`: it had
 * nothing and tells when it has.
 */
type Knowledge = { state: "unasked" | "more" | "armed"; pops: number; askedMonoMs: number };

/**
 * Another broker as a source of messages. Asked only when it may have something: after an answer that left receives waiting it is told what they
 * wait for, and says once when there is something.
 */
export class OtherBroker implements ReadySource {
  readonly #options: OtherBrokerOptions;
  readonly #calls: ShardCalls;
  readonly #known = new Map<string, Knowledge>();
  /** Groups that were about to begin on a topic there. */
  readonly #starting = new Set<string>();
  #gone = false;

  constructor(options: OtherBrokerOptions) {
    this.#options = options;
    this.#calls = options.brokers.at(options.broker);
  }

  hasReady(topic: TopicInfo, group: GroupInfo, filter: Filter): boolean {
    if (!this.leads(topic)) return false;
    const known = this.#known.get(interestKey({ topic: topic.id, group: group.id, filter }));
    if (known === undefined) return true;
    if (known.state === "armed" && this.#options.clock.monoMs() - known.askedMonoMs >= askAgainMs)
      known.state = "unasked";
    return known.state !== "armed" && known.pops < (known.state === "more" ? popsMax : 1);
  }

  /** Whether it leads a shard that holds a queue of the topic. */
  leads(topic: TopicInfo): boolean {
    return !this.#gone && this.#options.leads(topic);
  }

  /** As it said when it was asked last. */
  isStarting(topic: TopicInfo, group: GroupInfo): boolean {
    return this.#starting.has(beginningOf(topic, group));
  }

  /** It may: only that broker knows. */
  holds({ topic }: Pop): boolean {
    return this.leads(topic);
  }

  async again(request: Pop, alive: () => boolean): Promise<Popped> {
    try {
      return await this.#calls.again(request, alive);
    } catch (error) {
      if (!isPassing(error)) throw error;
      return nothing;
    }
  }

  async pop(request: Pop, alive: () => boolean): Promise<Popped> {
    const interest = { topic: request.topic.id, group: request.group.id, filter: request.filter };
    const known = this.#knowledge(interest);
    known.pops += 1;
    known.askedMonoMs = this.#options.clock.monoMs();
    try {
      const popped = await this.#calls.pop(request, alive);
      this.#noteStarting(request, popped.starting);
      if (popped.more) this.#change(interest, known, "more");
      // It tells when something is ready, not when it has found out that nothing is.
      else if (popped.starting) this.#askLater(interest, known, startingMs);
      else this.#arm(interest, known);
      return popped;
    } catch (error) {
      if (!isPassing(error)) throw error;
      this.#askLater(interest, known, retryMs);
      return nothing;
    } finally {
      known.pops -= 1;
    }
  }

  /** The broker says that it has something for an interest that it was told of. */
  told(interest: Interest): void {
    const known = this.#known.get(interestKey(interest));
    if (known !== undefined) this.#change(interest, known, "unasked");
  }

  /** Anything may be different there now: it leads other shards than before. */
  changed(): void {
    for (const known of this.#known.values()) known.state = "unasked";
  }

  /** The link to it ended. */
  close(): void {
    this.#gone = true;
  }

  #knowledge(interest: Interest): Knowledge {
    const key = interestKey(interest);
    const known = this.#known.get(key) ?? { state: "unasked", pops: 0, askedMonoMs: 0 };
    this.#known.set(key, known);
    return known;
  }

  #noteStarting({ topic, group }: Pop, starting: boolean): void {
    if (starting) this.#starting.add(beginningOf(topic, group));
    else this.#starting.delete(beginningOf(topic, group));
  }

  /** Armed once however many pops found nothing. */
  #arm(interest: Interest, known: Knowledge): void {
    if (this.#gone || known.state === "armed") return;
    known.state = "armed";
    this.#options.brokers.arm(this.#options.broker, interest);
  }

  #askLater(interest: Interest, known: Knowledge, afterMs: number): void {
    known.state = "armed";
    this.#options.timers.after(afterMs, () => {
      if (!this.#gone) this.#change(interest, known, "unasked");
    });
  }

  #change(interest: Interest, known: Knowledge, state: "unasked" | "more"): void {
    known.state = state;
    this.#options.ready(interest);
  }
}

const nothing: Popped = { deliveries: [], leaseUntilMonoMs: Infinity, more: false, starting: false };

function beginningOf(topic: TopicInfo, group: GroupInfo): string {
  return `${topic.id}/${group.id}`;
}

/** It did nothing, or its answer was lost: it may be asked again. */
function isPassing(error: unknown): boolean {
  return error instanceof NotLedError || (error instanceof SaturnError && errorTable[error.code].retry === "later");
}
