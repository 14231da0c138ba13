import { type Clock, InvariantError, type Logger, SaturnError, type Timers } from "@saturnmq/kit";
import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import type { Filter } from "../domain/filter.ts";
import { TimingWheel } from "../domain/timing-wheel.ts";
import type { Pop, Popped } from "../led-shards.ts";
import type { Delivery, Hold, ReceiveRequest, Receiver } from "../messaging.ts";
import { Subscription, Waiter, type WaitingQueue } from "./subscription.ts";

/** Longest time a receive is held (design 1). */
const waitMaxMs = 40_000;
/** Longest time a receive is held beyond its own until its group has begun on the topic's queues with its filter. */
const startMaxMs = 1_000;

/** Who may have messages: this process, or another broker. */
export interface ReadySource {
  /**
   * Whether a pop may find something. Costs nothing; says yes rather than no while it does not know.
   *
   * @throws {SaturnError} when the filter is one too many
   */
  hasReady(topic: TopicInfo, group: GroupInfo, filter: Filter): boolean;
  /** Whether this very attempt of an ordered group's client may hold messages there, its answer lost: it is asked before anything else is done for it. */
  holds(request: Pop): boolean;
  /** Gives the messages that this attempt holds again. */
  again(request: Pop, alive: () => boolean): Promise<Popped>;
  /** Whether the group is about to begin there. */
  isStarting(topic: TopicInfo, group: GroupInfo): boolean;
  /** Leases what is ready, without waiting. Rejects with a `SaturnError` only for what lies with the request; a source without answer has nothing. */
  pop(request: Pop, alive: () => boolean): Promise<Popped>;
}

/** What was answered already. */
const ended: Hold = { leave: () => undefined };

export type ReceivesOptions = {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Who may have messages of the topic, this process first. */
  readonly sourcesOf: (topic: TopicInfo) => readonly ReadySource[];
  readonly giveBack: (deliveries: readonly Delivery[]) => void;
  /** `advance` is to be called at this reading of the monotonic clock, or earlier. */
  readonly alarmAt: (monoMs: number) => void;
  /** A broken invariant: the process must end. */
  readonly fatal: (error: unknown) => void;
};

/**
 * All receives of this broker's clients. One that finds nothing is parked with its group and topic and served in its turn when a source says that
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
  #waiting = 0;
  #total = 0;
  #closed = false;

  constructor(options: ReceivesOptions) {
    this.#options = options;
    this.#wheel = new TimingWheel(options.clock.monoMs());
  }

  /** Receives on hold now. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Receives since the start. */
  get total(): number {
    return this.#total;
  }

  /** As `Messaging.hold`. @param refusal why it cannot be served */
  hold(request: ReceiveRequest, receiver: Receiver, refusal?: SaturnError): Hold {
    this.#total += 1;
    if (refusal !== undefined || this.#closed) {
      if (refusal === undefined) receiver.received([]);
      else receiver.refused(refusal);
      return ended;
    }
    const subscription = this.#subscription(request.topic, request.group);
    const waiter = new Waiter(request, receiver, subscription.queueOf(request.filter), {
      id: this.#freeIds.pop() ?? this.#waiters.length,
      untilMonoMs: this.#options.clock.monoMs() + Math.min(request.waitMs, waitMaxMs),
      owner: this,
    });
    this.#waiters[waiter.id] = waiter;
    this.#waiting += 1;
    waiter.queue.waiters.add(waiter);
    this.#begin(subscription, waiter);
    return waiter;
  }

  /** Nobody waits for it any more. */
  left(waiter: Waiter): void {
    this.#end(waiter.queue.subscription, waiter, []);
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

  /** Anything may have changed: a shard began to serve, here or elsewhere. */
  allReady(): void {
    for (const groups of this.#subscriptions.values()) {
      for (const subscription of groups.values()) this.#serve(subscription);
    }
  }

  /** Looks at receives whose time has come. @returns when it should be called again, `Infinity` for never */
  advance(monoMs: number): number {
    this.#wheel.advance(monoMs, (id) => {
      const waiter = this.#waiters[id];
      if (waiter === undefined || waiter.serving) return;
      this.#park(waiter.queue.subscription, waiter);
    });
    return this.#wheel.nextDueMs();
  }

  /** Refuses the receives of topics and groups that are gone. */
  drop(isGone: (topic: TopicInfo, group: GroupInfo) => SaturnError | undefined): void {
    for (const [topic, groups] of this.#subscriptions) {
      for (const [group, subscription] of groups) {
        const error = isGone(subscription.topic, subscription.group);
        if (error === undefined) continue;
        this.#endAll(subscription, error);
        groups.delete(group);
      }
      if (groups.size === 0) this.#subscriptions.delete(topic);
    }
  }

  /** Takes up what the groups are now, and looks again for those that were reset: what they wait for may be there already. */
  follow(groupById: (id: number) => GroupInfo | undefined): void {
    for (const groups of this.#subscriptions.values()) {
      for (const subscription of groups.values()) {
        const group = groupById(subscription.group.id);
        if (group === undefined || group === subscription.group) continue;
        subscription.group = group;
        this.#serve(subscription);
      }
    }
  }

  /** Ends every receive, empty, and takes no more. */
  close(): void {
    this.#closed = true;
    for (const groups of this.#subscriptions.values()) {
      for (const subscription of groups.values()) this.#endAll(subscription, []);
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

  #serve(subscription: Subscription): void {
    for (const queue of subscription.queues()) this.#serveQueue(subscription, queue);
  }

  /** Hands what is ready to those who wait, longest first. */
  #serveQueue(subscription: Subscription, queue: WaitingQueue): void {
    for (const waiter of queue.waiters) {
      if (waiter.serving) continue;
      const ready = this.#readiness(subscription, queue.filter);
      if (ready !== true) {
        this.#endOverdue(subscription, queue, ready === false ? undefined : ready);
        return;
      }
      waiter.serving = true;
      // The messages are taken within this call; reading them may end later.
      this.#run(subscription, waiter, this.#serveOne(subscription, waiter));
    }
  }

  #run(subscription: Subscription, waiter: Waiter, serving: Promise<void>): void {
    serving.catch((error: unknown) => {
      if (error instanceof SaturnError) {
        this.#end(subscription, waiter, error);
        return;
      }
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

  /** Who may hold messages for this very attempt. */
  #holdersOf({ request }: Waiter): readonly ReadySource[] {
    if (!request.group.order || (request.attemptId ?? "") === "") return [];
    return this.#options.sourcesOf(request.topic).filter((source) => source.holds(request));
  }

  /** Gives what this very attempt holds already again; else it is served in its turn. */
  #begin(subscription: Subscription, waiter: Waiter): void {
    const holders = this.#holdersOf(waiter);
    if (holders.length === 0) {
      this.#wait(subscription, waiter);
      return;
    }
    waiter.serving = true;
    this.#run(subscription, waiter, this.#serveAgain(subscription, waiter, holders));
  }

  /** Hands the same messages to the attempt that holds them; when there are none, it waits like any other. All are asked at once. */
  async #serveAgain(subscription: Subscription, waiter: Waiter, holders: readonly ReadySource[]): Promise<void> {
    const popped = await Promise.all(holders.map((holder) => holder.again(waiter.request, () => !waiter.ended)));
    const deliveries = popped.map((one) => this.#held(one)).flat();
    if (deliveries.length > 0 || waiter.ended) {
      this.#answer(subscription, waiter, deliveries);
      return;
    }
    waiter.serving = false;
    this.#wait(subscription, waiter);
  }

  /** Serves a receive in its turn, at once if there is something. */
  #wait(subscription: Subscription, waiter: Waiter): void {
    this.#serveQueue(subscription, waiter.queue);
    if (!waiter.serving) this.#park(subscription, waiter);
  }

  async #serveOne(subscription: Subscription, waiter: Waiter): Promise<void> {
    this.#answer(subscription, waiter, await this.#collect(subscription, waiter));
    if (waiter.ended) return;
    // What was looked at was not wanted; there may be more, but others run first.
    if (this.#readiness(subscription, waiter.queue.filter) === true) {
      this.#options.timers.after(0, () => {
        this.#serveQueue(subscription, waiter.queue);
      });
    }
  }

  /** Ends a receive with what was found for it, or lets it wait. */
  #answer(subscription: Subscription, waiter: Waiter, deliveries: readonly Delivery[]): void {
    waiter.serving = false;
    if (waiter.ended) this.#options.giveBack(deliveries);
    else if (deliveries.length > 0) this.#end(subscription, waiter, deliveries);
    else this.#park(subscription, waiter);
  }

  /** Asks source after source, another one first each time, until one has something: what is at hand does not wait for what is elsewhere. */
  async #collect(subscription: Subscription, waiter: Waiter): Promise<readonly Delivery[]> {
    const { topic, filter } = waiter.request;
    const sources = this.#options.sourcesOf(topic);
    const from = subscription.nextTurn();
    const alive = (): boolean => !waiter.ended;
    for (let at = 0; at < sources.length && alive(); at += 1) {
      const source = sources[(from + at) % sources.length];
      if (source?.hasReady(topic, subscription.group, filter) !== true) continue;
      const deliveries = this.#held(await source.pop(waiter.request, alive));
      if (deliveries.length > 0) return deliveries;
    }
    return [];
  }

  /** What was leased while the leader's lease still holds: what nobody may hand out any more must not reach a client. */
  #held({ deliveries, leaseUntilMonoMs }: Popped): readonly Delivery[] {
    if (this.#options.clock.monoMs() < leaseUntilMonoMs) return deliveries;
    this.#options.giveBack(deliveries);
    return [];
  }

  /** Whether there is something to look at with a filter, or why there never will be. */
  #readiness({ topic, group }: Subscription, filter: Filter): boolean | SaturnError {
    try {
      return this.#options.sourcesOf(topic).some((source) => source.hasReady(topic, group, filter));
    } catch (error) {
      if (error instanceof SaturnError) return error;
      throw error;
    }
  }

  #park(subscription: Subscription, waiter: Waiter): void {
    if (waiter.ended) return;
    const nowMs = this.#options.clock.monoMs();
    const isOver = waiter.untilMonoMs <= nowMs;
    // "Nothing there" would be wrong before it is known where the group begins, and before its filter keeps what it wants.
    const untilMs = waiter.untilMonoMs + (isOver && this.#isStarting(subscription) ? startMaxMs : 0);
    if (untilMs <= nowMs) {
      this.#end(subscription, waiter, []);
      return;
    }
    this.#wheel.schedule(waiter.id, untilMs);
    this.#options.alarmAt(untilMs);
  }

  /** Ends those who wait for nothing: all when they are refused, else, after a start, those held beyond their time only for it. */
  #endOverdue(subscription: Subscription, { waiters }: WaitingQueue, refusal: SaturnError | undefined): void {
    const nowMs = this.#options.clock.monoMs();
    for (const waiter of waiters) {
      if (waiter.serving) continue;
      if (refusal !== undefined) this.#end(subscription, waiter, refusal);
      else if (waiter.untilMonoMs <= nowMs) this.#park(subscription, waiter);
    }
  }

  #isStarting({ topic, group }: Subscription): boolean {
    return this.#options.sourcesOf(topic).some((source) => source.isStarting(topic, group));
  }

  #endAll(subscription: Subscription, outcome: readonly Delivery[] | SaturnError): void {
    for (const { waiters } of [...subscription.queues()]) {
      for (const waiter of [...waiters]) this.#end(subscription, waiter, outcome);
    }
  }

  #end(subscription: Subscription, waiter: Waiter, outcome: readonly Delivery[] | SaturnError): void {
    if (waiter.ended) return;
    waiter.ended = true;
    waiter.queue.waiters.delete(waiter);
    subscription.left(waiter.queue);
    this.#wheel.remove(waiter.id);
    this.#waiters[waiter.id] = undefined;
    this.#freeIds.push(waiter.id);
    this.#waiting -= 1;
    if (outcome instanceof SaturnError) waiter.receiver.refused(outcome);
    else waiter.receiver.received(outcome);
  }
}
