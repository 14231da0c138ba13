import { type Clock, InvariantError, type Logger, SaturnError, type Timers } from "@saturnmq/kit";
import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import { TimingWheel } from "../domain/timing-wheel.ts";
import type { Delivery, ReceiveRequest } from "../messaging.ts";
import type { ShardReader } from "./shard-reader.ts";
import type { ShardRuntime } from "./shard-runtime.ts";
import { newWaiter, type QueuesByShard, Subscription, type Waiter } from "./subscription.ts";
import type { Totals } from "./totals.ts";

/** Longest time a receive is held (design 1). */
const waitMaxMs = 40_000;
/** Longest time a receive is held beyond its own until its group has begun on the topic's queues. */
const startMaxMs = 1_000;
/** How soon a receive that found messages but no leader lease is tried again. */
const leaseRetryMs = 50;

/** A shard as receives use it. */
export type ReadableShard = { readonly runtime: ShardRuntime; readonly reader: ShardReader };

export type ReceivesOptions = {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly totals: Totals;
  readonly shards: ReadonlyMap<number, ReadableShard>;
  readonly queuesOf: (topic: TopicInfo) => QueuesByShard;
  readonly giveBack: (deliveries: readonly Delivery[]) => void;
  /** `advance` is to be called at this reading of the monotonic clock, or earlier. */
  readonly alarmAt: (monoMs: number) => void;
  /** A broken invariant: the process must end. */
  readonly fatal: (error: unknown) => void;
};

/**
 * All receives of this process. One that finds nothing is parked with its group and topic and served in its turn when a shard says that
 * something may be ready; only as many are woken as there is something for. Deadlines share one wheel.
 */
export class Receives {
  readonly #options: ReceivesOptions;
  /** By topic id, then by group id. */
  readonly #subscriptions = new Map<number, Map<number, Subscription>>();
  readonly #wheel: TimingWheel;
  /** Parked receives by their number in the wheel. */
  #waiters: (Waiter | undefined)[] = [];
  #freeIds: number[] = [];
  readonly #retrying = new Set<string>();
  #waiting = 0;
  #closed = false;

  constructor(options: ReceivesOptions) {
    this.#options = options;
    this.#wheel = new TimingWheel(options.clock.monoMs());
  }

  /** Receives on hold now. */
  get waiting(): number {
    return this.#waiting;
  }

  receive(request: ReceiveRequest, signal: AbortSignal): Promise<readonly Delivery[]> {
    this.#options.totals.receives += 1;
    if (signal.aborted || this.#closed) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const subscription = this.#subscription(request.topic, request.group);
      const untilMonoMs = this.#options.clock.monoMs() + Math.min(request.waitMs, waitMaxMs);
      const gone = (): void => {
        this.#end(subscription, waiter, []);
      };
      const unlisten = (): void => {
        signal.removeEventListener("abort", gone);
      };
      const waiter = newWaiter(request, this.#freeIds.pop() ?? this.#waiters.length, untilMonoMs, {
        resolve,
        reject,
        unlisten,
      });
      this.#waiters[waiter.id] = waiter;
      this.#waiting += 1;
      subscription.waiters.add(waiter);
      signal.addEventListener("abort", gone, { once: true });
      this.#serve(subscription);
      if (!waiter.serving) this.#park(subscription, waiter);
    });
  }

  /** A topic, or one group of it, may have something ready. */
  ready(topic: number, group: number | undefined): void {
    const groups = this.#subscriptions.get(topic);
    if (groups === undefined) return;
    if (group === undefined) for (const subscription of groups.values()) this.#serve(subscription);
    else {
      const subscription = groups.get(group);
      if (subscription !== undefined) this.#serve(subscription);
    }
  }

  /** Anything may have changed: a shard began to serve. */
  allReady(): void {
    for (const groups of this.#subscriptions.values()) {
      for (const subscription of groups.values()) this.#serve(subscription);
    }
  }

  /** Ends receives whose time has come. @returns when it should be called again, `Infinity` for never */
  advance(monoMs: number): number {
    this.#wheel.advance(monoMs, (id) => {
      const waiter = this.#waiters[id];
      if (waiter === undefined || waiter.serving) return;
      const { topic, group } = waiter.request;
      this.#end(this.#subscription(topic, group), waiter, []);
    });
    return this.#wheel.nextDueMs();
  }

  /** Refuses the receives of topics and groups that are gone. */
  drop(isGone: (topic: TopicInfo, group: GroupInfo) => SaturnError | undefined): void {
    for (const [topic, groups] of this.#subscriptions) {
      for (const [group, subscription] of groups) {
        const error = isGone(subscription.topic, subscription.group);
        if (error === undefined) continue;
        for (const waiter of [...subscription.waiters]) this.#end(subscription, waiter, error);
        groups.delete(group);
      }
      if (groups.size === 0) this.#subscriptions.delete(topic);
    }
  }

  /** Ends every receive, empty, and takes no more. */
  close(): void {
    this.#closed = true;
    for (const groups of this.#subscriptions.values()) {
      for (const subscription of groups.values()) {
        for (const waiter of [...subscription.waiters]) this.#end(subscription, waiter, []);
      }
    }
  }

  #subscription(topic: TopicInfo, group: GroupInfo): Subscription {
    let groups = this.#subscriptions.get(topic.id);
    if (groups === undefined) {
      groups = new Map<number, Subscription>();
      this.#subscriptions.set(topic.id, groups);
    }
    let subscription = groups.get(group.id);
    if (subscription === undefined) {
      subscription = new Subscription(topic, group);
      groups.set(group.id, subscription);
    }
    subscription.topic = topic;
    subscription.group = group;
    return subscription;
  }

  /** Hands what is ready to those who wait, longest first. */
  #serve(subscription: Subscription): void {
    for (const waiter of subscription.waiters) {
      if (waiter.serving) continue;
      if (!this.#hasReady(subscription)) {
        this.#endOverdue(subscription);
        return;
      }
      waiter.serving = true;
      // The messages are taken within this call; reading them may end later.
      this.#serveOne(subscription, waiter).catch((error: unknown) => {
        if (error instanceof InvariantError) this.#options.fatal(error);
        this.#options.logger.error(
          { topic: subscription.topic.name, group: subscription.group.name, err: error },
          "a receive failed",
        );
        this.#end(
          subscription,
          waiter,
          new SaturnError("INTERNAL_ERROR", "stored messages could not be read", { cause: error }),
        );
      });
    }
  }

  async #serveOne(subscription: Subscription, waiter: Waiter): Promise<void> {
    const deliveries = await this.#collect(subscription, waiter);
    waiter.serving = false;
    if (deliveries.length > 0) {
      if (waiter.ended) this.#options.giveBack(deliveries);
      else this.#end(subscription, waiter, deliveries);
      return;
    }
    if (waiter.ended) return;
    this.#park(subscription, waiter);
    // What was looked at was not wanted; there may be more, but others run first.
    if (this.#hasReady(subscription)) {
      this.#options.timers.after(0, () => {
        this.#serve(subscription);
      });
    }
  }

  async #collect(subscription: Subscription, waiter: Waiter): Promise<Delivery[]> {
    const { topic, group, batchSize, invisibleMs } = waiter.request;
    const places = [...this.#options.queuesOf(topic)];
    const used: ShardRuntime[] = [];
    const from = subscription.nextTurn();
    let deliveries: Delivery[] = [];
    for (let at = 0; at < places.length && deliveries.length < batchSize && !waiter.ended; at += 1) {
      const [number, queues] = places[(from + at) % places.length] ?? [0, []];
      const shard = this.#options.shards.get(number);
      if (shard?.reader.hasReady(topic, group, queues) !== true) continue;
      const got = await shard.reader.receive({
        topic,
        group,
        queues,
        from,
        wanted: waiter.wanted,
        count: batchSize - deliveries.length,
        invisibleMs,
        alive: () => !waiter.ended,
      });
      deliveries = deliveries.length === 0 ? got : deliveries.concat(got);
      used.push(shard.runtime);
    }
    if (deliveries.length === 0 || used.every((runtime) => runtime.leaseValid)) return deliveries;
    this.#options.giveBack(deliveries);
    return [];
  }

  #hasReady({ topic, group }: Subscription): boolean {
    let withoutLease = false;
    for (const [number, queues] of this.#options.queuesOf(topic)) {
      const shard = this.#options.shards.get(number);
      if (shard === undefined) continue;
      if (shard.reader.hasReady(topic, group, queues)) return true;
      withoutLease ||= shard.runtime.led !== undefined && !shard.runtime.leaseValid;
    }
    if (withoutLease) this.#retry(topic.id, group.id);
    return false;
  }

  /** A leader without a lease hands out nothing; the lease comes back without an event. */
  #retry(topic: number, group: number): void {
    const key = `${topic}/${group}`;
    if (this.#retrying.has(key)) return;
    this.#retrying.add(key);
    this.#options.timers.after(leaseRetryMs, () => {
      this.#retrying.delete(key);
      this.ready(topic, group);
    });
  }

  #park(subscription: Subscription, waiter: Waiter): void {
    if (waiter.ended) return;
    const nowMs = this.#options.clock.monoMs();
    // "Nothing there" would be wrong before it is known where the group begins.
    const untilMs = this.#isStarting(subscription)
      ? Math.max(waiter.untilMonoMs, nowMs + startMaxMs)
      : waiter.untilMonoMs;
    if (untilMs <= nowMs) {
      this.#end(subscription, waiter, []);
      return;
    }
    this.#wheel.schedule(waiter.id, untilMs);
    this.#options.alarmAt(untilMs);
  }

  /** After a start, receives that were held beyond their time only for it. */
  #endOverdue(subscription: Subscription): void {
    const nowMs = this.#options.clock.monoMs();
    for (const waiter of subscription.waiters) {
      if (!waiter.serving && waiter.untilMonoMs <= nowMs) this.#park(subscription, waiter);
    }
  }

  #isStarting({ topic, group }: Subscription): boolean {
    for (const number of this.#options.queuesOf(topic).keys()) {
      if (this.#options.shards.get(number)?.reader.isStarting(topic, group) === true) return true;
    }
    return false;
  }

  #end(subscription: Subscription, waiter: Waiter, outcome: readonly Delivery[] | SaturnError): void {
    if (waiter.ended) return;
    waiter.ended = true;
    waiter.unlisten();
    subscription.waiters.delete(waiter);
    this.#wheel.remove(waiter.id);
    this.#waiters[waiter.id] = undefined;
    this.#freeIds.push(waiter.id);
    this.#waiting -= 1;
    if (outcome instanceof SaturnError) waiter.reject(outcome);
    else waiter.resolve(outcome);
  }
}
