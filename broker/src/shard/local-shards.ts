import { SaturnError } from "@saturnmq/kit";
import type { BrokerReport, ClusterView, GroupInfo, StartPosition, TopicInfo } from "@saturnmq/wire";
import type { AskedEntries, Brokers, LogEntry } from "../cluster/ports.ts";
import type { DataPlaneOptions } from "../data-plane-api.ts";
import type { Directory } from "../directory.ts";
import type { Filter } from "../domain/filter.ts";
import type { Refusals } from "../domain/leases.ts";
import { decideGroupDelete, decideTopicDelete } from "../domain/queues.ts";
import { decodeReceiptHandle, HandleRows, type ReceiptHandle } from "../domain/receipt-handle.ts";
import {
  type AckOutcome,
  type GivenHandle,
  type GroupProgress,
  type LedShards,
  type LedShardsEvents,
  NotLedError,
  noLeader,
  type Pop,
  type Popped,
  type QueueProgress,
} from "../led-shards.ts";
import type {
  Delivery,
  HandleTexts,
  LoneMessage,
  OutgoingMessage,
  PeekedMessage,
  QueueStatus,
  SendOutcome,
  SkippedMessage,
  SkipRequest,
  Subscriber,
  Waiter,
} from "../messaging.ts";
import type { TopicRoutes } from "../topic-routes.ts";
import { Checkpoints } from "./checkpoints.ts";
import { FilterUses } from "./filter-uses.ts";
import { shardReport, unbegunQueue } from "./group-report.ts";
import { asIfReset } from "./group-start.ts";
import { HostedShards } from "./hosted-shards.ts";
import { Housekeeping } from "./housekeeping.ts";
import type { ReadableShard } from "./readable-shard.ts";
import { Retention } from "./retention.ts";
import { Sends } from "./sends.ts";
import type { ShardHost } from "./shard-host.ts";
import type { ShardReceive } from "./shard-receive.ts";
import type { Led, ShardRuntime } from "./shard-runtime.ts";
import { peekOne, skipOne } from "./single-message.ts";
import { noTotals } from "./totals.ts";

/** How soon a receive that found messages but no leader lease is tried again. */
const leaseRetryMs = 50;

/** Entries in one answer to a replica that fills in what it lacks. */
const entriesMax = 1_000;

export type LocalShardsOptions = DataPlaneOptions & {
  readonly brokers: Brokers;
  readonly directory: Directory;
  readonly routes: TopicRoutes;
  readonly events: LedShardsEvents;
  /** `ring` is to be called at this reading of the monotonic clock, or earlier. */
  readonly alarmAt: (monoMs: number) => void;
  readonly limits: LocalLimits;
};

/** Milliseconds and bytes, as in `DataPlaneSettings`. */
export type LocalLimits = {
  readonly retentionMs: number;
  readonly retentionBytes: number | (() => Promise<number>);
  readonly stagedBytesMax: number;
  readonly housekeepingMs: number;
  readonly fillingBytes: number;
};

/** The handles of a call that one shard's leader has to do with, and their places among all. */
type ShardAcks = { readonly led: Led; readonly leases: ReceiptHandle[]; readonly places: number[] };

/** The shards of this process: those it votes in, and the calls to those that it leads. */
export class LocalShards implements LedShards, AsyncDisposable {
  readonly #options: LocalShardsOptions;
  readonly #totals = noTotals();
  readonly #shards = new Map<number, ReadableShard>();
  readonly #runtimes: ShardRuntime[] = [];
  readonly #hosted: HostedShards;
  readonly #led = new Map<number, number>();
  readonly #sends: Sends;
  readonly #filters: FilterUses;
  readonly #checkpoints: Checkpoints;
  readonly #housekeeping: Housekeeping;
  readonly #retrying = new Set<string>();
  /** Those of the acknowledgement that is being decided. */
  readonly #handles = new HandleRows();
  #closing: Promise<void> | undefined;

  constructor(options: LocalShardsOptions) {
    const { store, driver, brokerId: self, brokers, clock, timers, logger, fatal } = options;
    const { routes, directory, limits } = options;
    this.#options = options;
    const common = { store, clock, timers, logger, fatal, totals: this.#totals, routes };
    this.#sends = new Sends({ ...common, ...limits, shards: this.#runtimes });
    this.#filters = new FilterUses({
      clock,
      shards: this.#shards,
      isPresent: options.isPresent ?? (() => false),
      ready: (topic, group) => {
        options.events.ready(topic, group);
      },
    });
    this.#checkpoints = new Checkpoints(store, this.#runtimes);
    const retention = new Retention({ ...common, ...limits, shards: this.#shards, view: () => directory.view });
    this.#housekeeping = new Housekeeping({
      ...common,
      everyMs: limits.housekeepingMs,
      retention,
      checkpoints: this.#checkpoints,
      sends: this.#sends,
      filters: this.#filters,
    });
    this.#hosted = new HostedShards({
      ...{ self, store, driver, brokers, clock, timers, logger, fatal, host: this.#host() },
      ...{ checkpoints: this.#checkpoints, shards: this.#shards, runtimes: this.#runtimes },
      fillingBytes: limits.fillingBytes,
    });
  }

  /** Opens the replicas that are placed on this broker. @throws {CorruptionError} if a checkpoint cannot be read */
  async open(view: ClusterView): Promise<void> {
    await this.#hosted.follow(view);
    this.#housekeeping.start();
  }

  get led(): ReadonlyMap<number, number> {
    return this.#led;
  }

  get runtimes(): readonly ShardRuntime[] {
    return this.#runtimes;
  }

  get totals(): ReturnType<typeof noTotals> {
    return this.#totals;
  }

  /** True when the cluster's shards are placed, and each that has a replica here is led: here, or as far as known elsewhere. */
  get ready(): boolean {
    return this.#closing === undefined && this.#hosted.settled;
  }

  turnOf(topic: TopicInfo): number | undefined {
    return this.#sends.turnOf(topic);
  }

  refusalOf(messages: number, bytes: number): SaturnError | undefined {
    return this.#sends.refusalOf(messages, bytes);
  }

  async send(topic: TopicInfo, shard: number, messages: readonly OutgoingMessage[]): Promise<readonly SendOutcome[]> {
    const gone = this.#options.directory.gone(topic);
    if (gone !== undefined) throw gone;
    const { runtime } = this.#shard(shard);
    return this.#sends.send(runtime, this.#ledAt(runtime), topic, messages);
  }

  /** As `Messaging.sendNow`. */
  sendNow(topic: TopicInfo, message: LoneMessage, waiter: Waiter, ticket: number): SendOutcome | undefined {
    const shard = this.#sends.turnOf(topic);
    const runtime = shard === undefined ? undefined : this.#shards.get(shard)?.runtime;
    return runtime && this.#sends.sendNow(runtime, topic, message, waiter, ticket);
  }

  hasReady(topic: TopicInfo, group: GroupInfo, filter: Filter): boolean {
    let withoutLease = false;
    for (const [number, queues] of this.#options.routes.queuesOf(topic)) {
      const shard = this.#shards.get(number);
      if (shard === undefined) continue;
      if (shard.reader.hasReady(topic, group, queues, filter)) return true;
      withoutLease ||= shard.runtime.led !== undefined && !shard.runtime.leaseValid;
    }
    if (withoutLease) this.#retry(topic.id, group.id);
    return false;
  }

  isStarting(topic: TopicInfo, group: GroupInfo): boolean {
    for (const number of this.#options.routes.queuesOf(topic).keys()) {
      if (this.#shards.get(number)?.reader.beginnings.isWaiting(topic, group) === true) return true;
    }
    return false;
  }

  async subscribe(subscriber: Subscriber): Promise<void> {
    const { topic, group, filter } = subscriber;
    const gone = this.#options.directory.gone(topic, group);
    if (gone !== undefined) throw gone;
    this.#filters.note(subscriber);
    const added: Promise<void>[] = [];
    for (const number of this.#options.routes.queuesOf(topic).keys()) {
      const shard = this.#shards.get(number);
      if (shard?.runtime.led === undefined) continue;
      shard.reader.beginnings.filter(shard.runtime.led, topic, group, filter);
      added.push(shard.runtime.settled() ?? Promise.resolve());
    }
    await Promise.all(added);
  }

  holds(request: Pop): boolean {
    for (const [number, queues] of this.#options.routes.queuesOf(request.topic)) {
      if (this.#shards.get(number)?.reader.ordered.holds(asked(request, queues, request.batchSize)) === true)
        return true;
    }
    return false;
  }

  async again(request: Pop, alive: () => boolean): Promise<Popped> {
    const given: Delivery[] = [];
    let leaseUntilMonoMs = Infinity;
    for (const [number, queues] of this.#options.routes.queuesOf(request.topic)) {
      const shard = this.#shards.get(number);
      if (shard === undefined) continue;
      const wanted = asked(request, queues, request.batchSize - given.length, alive);
      const got = await shard.reader.ordered.again(wanted);
      if (got.length > 0) leaseUntilMonoMs = Math.min(leaseUntilMonoMs, shard.runtime.leaseUntilMonoMs);
      given.push(...got);
    }
    const { topic, group, filter } = request;
    const more = this.hasReady(topic, group, filter);
    return { deliveries: given, leaseUntilMonoMs, more, starting: this.isStarting(topic, group) };
  }

  async pop(request: Pop, alive: () => boolean): Promise<Popped> {
    const { topic, group, filter, batchSize } = request;
    this.#filters.note(request);
    const places = [...this.#options.routes.queuesOf(topic)];
    const from = this.#options.random.below(places.length);
    let leaseUntilMonoMs = Infinity;
    let deliveries: readonly Delivery[] = [];
    for (let at = 0; at < places.length && deliveries.length < batchSize && alive(); at += 1) {
      const [number, queues] = places[(from + at) % places.length] ?? [0, []];
      const shard = this.#shards.get(number);
      if (shard?.reader.hasReady(topic, group, queues, filter) !== true) continue;
      const wanted = asked(request, queues, batchSize - deliveries.length, alive, from);
      const got = await shard.reader.receive(wanted);
      if (got.length === 0) continue;
      deliveries = deliveries.length === 0 ? got : deliveries.concat(got);
      leaseUntilMonoMs = Math.min(leaseUntilMonoMs, shard.runtime.leaseUntilMonoMs);
    }
    const more = this.hasReady(topic, group, filter);
    return { deliveries, leaseUntilMonoMs, more, starting: this.isStarting(topic, group) };
  }

  /** All are decided in this turn; each is answered once what it depends on is applied in its shard, a refusal too. */
  async ack(_topic: TopicInfo, _group: GroupInfo, handles: readonly GivenHandle[]): Promise<readonly AckOutcome[]> {
    const outcomes: AckOutcome[] = [];
    const byShard = new Map<ShardRuntime, ShardAcks>();
    for (const [at, handle] of handles.entries()) outcomes[at] = outcomeOf(() => this.#place(handle, at, byShard));
    await Promise.all(
      Array.from(byShard, async ([runtime, { led, leases, places }]) => {
        const own = runtime.ack(led, leases);
        const failure = await this.#confirmed(runtime).then(() => undefined, failureOf);
        for (const [nth, at] of places.entries()) outcomes[at] = failure ?? own[nth];
      }),
    );
    return outcomes;
  }

  /** As `Messaging.ackNow`. */
  ackNow(topic: TopicInfo, group: GroupInfo, given: HandleTexts, waiter: Waiter, ticket: number): Refusals | undefined {
    const runtime = this.#shardOf(topic, group, given);
    const led = runtime?.led;
    if (runtime === undefined || led === undefined) return undefined;
    const refusals = runtime.ack(led, this.#handles);
    // Not even an earlier record is on its way, so this call staged none: nothing has happened.
    return runtime.tell(waiter, ticket) ? refusals : undefined;
  }

  /** Reads handles into `#handles`; the shard that all of them are of, if it is here, and they are of this topic and group. */
  #shardOf(topic: TopicInfo, group: GroupInfo, given: HandleTexts): ShardRuntime | undefined {
    const handles = this.#handles;
    const { handleKeys } = this.#options.directory;
    let shard = -1;
    handles.clear();
    for (let at = 0; at < given.count; at += 1) {
      if (!handles.add(given.bytes, given.handleStart(at), given.handleLength(at), handleKeys)) return undefined;
      const handle = handles.at(at);
      if (handle.topic !== topic.id || handle.group !== group.id) return undefined;
      if (at > 0 && handle.shard !== shard) return undefined;
      shard = handle.shard;
    }
    return this.#shards.get(shard)?.runtime;
  }

  #place({ text, lease }: GivenHandle, at: number, byShard: Map<ShardRuntime, ShardAcks>): void {
    const handle = lease ?? decodeReceiptHandle(text, this.#options.directory.handleKeys);
    const { runtime } = this.#shard(handle.shard);
    let acks = byShard.get(runtime);
    if (acks === undefined) byShard.set(runtime, (acks = { led: this.#ledAt(runtime), leases: [], places: [] }));
    acks.leases.push(handle);
    acks.places.push(at);
  }

  changeInvisible(_topic: TopicInfo, _group: GroupInfo, handle: string, invisibleMs: number): Promise<string> {
    return this.#withHandle(handle, ({ runtime }, led, decoded) => runtime.changeInvisible(led, decoded, invisibleMs));
  }

  forwardToDeadLetters(_topic: TopicInfo, _group: GroupInfo, handle: string): Promise<void> {
    return this.#withHandle(handle, ({ deadLetters }, led, decoded) => deadLetters.forward(led, decoded));
  }

  giveBack(receiptHandles: readonly string[]): void {
    for (const receiptHandle of receiptHandles) {
      try {
        const handle = decodeReceiptHandle(receiptHandle, this.#options.directory.handleKeys);
        const runtime = this.#shards.get(handle.shard)?.runtime;
        if (runtime?.led !== undefined) runtime.giveBack(runtime.led, handle);
      } catch (error) {
        // Its lease ended by itself, which gives it back as well.
        if (!(error instanceof SaturnError)) throw error;
      }
    }
  }

  async describeTopic(topic: TopicInfo): Promise<readonly QueueStatus[]> {
    const statuses: QueueStatus[] = [];
    for (const [shard, queues] of this.#options.routes.queuesOf(topic)) {
      const state = this.#shards.get(shard)?.runtime.led?.state;
      if (state === undefined) continue;
      for (const queue of queues) {
        const row = state.queues.find(topic.id, queue);
        const minOffset = row < 0 ? 0 : (state.queues.min[row] ?? 0);
        statuses.push({ queue, shard, minOffset, nextOffset: row < 0 ? 0 : (state.queues.next[row] ?? 0) });
      }
    }
    return statuses;
  }

  async describeGroup(known: GroupInfo, topics: readonly TopicInfo[], start?: StartPosition): Promise<GroupProgress> {
    const group = start === undefined ? known : asIfReset(known, start);
    const queues: QueueProgress[] = [];
    const shards: number[] = [];
    for (const shard of this.#shards.values()) {
      const { led } = shard.runtime;
      if (led === undefined) continue;
      const begun = await shardReport(shard, led, group, topics);
      queues.push(...begun, ...(await this.#unbegun(shard, led, group, topics, begun)));
      shards.push(shard.runtime.shard);
    }
    return { shards, queues };
  }

  async peek(topic: TopicInfo, queue: number, offset: number): Promise<PeekedMessage> {
    const shard = this.#shard(this.#options.routes.shardOf(topic, queue));
    return peekOne(shard, this.#ledAt(shard.runtime), { topic, queue, offset });
  }

  async skip(group: GroupInfo, { confirmed, ...place }: SkipRequest): Promise<SkippedMessage> {
    const shard = this.#shard(this.#options.routes.shardOf(place.topic, place.queue));
    const skipped = await skipOne(shard, this.#ledAt(shard.runtime), group, place, confirmed);
    const { topic, queue, offset } = place;
    const about = { topic: topic.name, group: group.name, queue, offset, ...skipped };
    if (confirmed && !skipped.finishedBefore) this.#options.logger.warn(about, "a message was skipped by an operator");
    return skipped;
  }

  /** Everything that is due. @returns when the next thing is, by the monotonic clock */
  ring(): number {
    let next = Infinity;
    for (const runtime of this.#runtimes) next = Math.min(next, runtime.expire());
    return next;
  }

  /** The cluster's metadata changed: shards forget what was deleted, replicas come and go. */
  viewChanged(view: ClusterView): void {
    for (const runtime of this.#runtimes) this.#deleteGone(runtime);
    this.#hosted.follow(view).catch(this.#options.fatal);
  }

  /** How the replicas of this process are, for the name server. */
  report(): BrokerReport {
    const { freeBytes, totalBytes } = this.#options.store.usage();
    return { freeBytes, totalBytes, replicas: this.#hosted.reports() };
  }

  /** Hands the lead of a shard over to another broker, if it is led here. */
  handOver(shard: number, to: number): void {
    this.#hosted.handOver(shard, to);
  }

  /** Another broker lacks entries of these shards. */
  filling(broker: number, shards: ReadonlySet<number>): void {
    this.#hosted.filling(broker, shards);
  }

  /** The link to another broker ended. */
  gone(broker: number): void {
    this.#hosted.gone(broker);
  }

  /** Entries of this replica's log: consecutive from `from` on, none if it does not hold the first. */
  async entries({ shard, from, to, bytes }: AskedEntries): Promise<readonly LogEntry[]> {
    const { store } = this.#options;
    if (store.missing(shard, from, from).length > 0) return [];
    const found: LogEntry[] = [];
    let left = bytes;
    for await (const { index, term, kind, payload, writtenMs } of store.entries(
      shard,
      from,
      Math.min(to, from + entriesMax - 1),
    )) {
      if (found.length > 0 && payload.length > left) break;
      left -= payload.length;
      const copy = payload.bytes.slice(payload.start, payload.start + payload.length);
      found.push({ index, term, kind, payload: { ...payload, bytes: copy, start: 0 }, writtenMs });
      if (store.missing(shard, index + 1, index + 1).length > 0) break;
    }
    return found;
  }

  /** Takes no more sends; resolves when what is staged is settled, checkpoints are written and the driver is closed. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#sends.close();
    await this.#hosted.leaveLead();
    await this.#hosted.close();
    await this.#housekeeping.stop();
    const { driver } = this.#options;
    // A shard that lost its lead has told those who wait; a log that failed tells nobody.
    const settled = Promise.allSettled(this.#runtimes.map(async (runtime) => runtime.settled()));
    await Promise.race([settled, driver.failed]);
    await this.#checkpoints.takeAll();
    await driver.close();
  }

  #host(): Omit<ShardHost, "restored"> {
    const { store, clock, logger, directory, events, alarmAt } = this.#options;
    return {
      ...{ store, clock, logger, alarmAt },
      totals: this.#totals,
      handleKeys: () => directory.handleKeys,
      deadLettersOf: (group, topic) => directory.deadLettersOf(group, topic),
      exhausted: (shard, givenUp) => {
        this.#shard(shard).deadLetters.bury(givenUp);
      },
      maxAttemptsOf: (group) => directory.groupById(group)?.maxAttempts,
      ready: (topic, group) => {
        events.ready(topic, group);
      },
      leading: (shard, term) => {
        this.#led.set(shard, term);
        this.#deleteGone(this.#shard(shard).runtime);
        events.ledChanged();
      },
      following: (shard) => {
        if (this.#led.delete(shard)) events.ledChanged();
      },
      gathered: (shard) => {
        this.#sends.gathered(shard);
      },
    };
  }

  /** A leader without a lease hands out nothing; the lease comes back without an event. */
  #retry(topic: number, group: number): void {
    const key = `${topic}/${group}`;
    if (this.#retrying.has(key)) return;
    this.#retrying.add(key);
    this.#options.timers.after(leaseRetryMs, () => {
      this.#retrying.delete(key);
      this.#options.events.ready(topic, group);
    });
  }

  async #unbegun(
    shard: ReadableShard,
    led: Led,
    group: GroupInfo,
    topics: readonly TopicInfo[],
    begun: readonly QueueProgress[],
  ): Promise<QueueProgress[]> {
    const found: QueueProgress[] = [];
    for (const topic of topics) {
      const known = new Set(begun.filter((progress) => progress.topic === topic.id).map(({ status }) => status.queue));
      for (const queue of this.#options.routes.queuesOf(topic).get(shard.runtime.shard) ?? []) {
        if (known.has(queue)) continue;
        found.push({ topic: topic.id, status: await unbegunQueue(shard, led, topic, group, queue) });
      }
    }
    return found;
  }

  /** Has a shard forget the topics and groups that the name server deleted. */
  #deleteGone(runtime: ShardRuntime): void {
    const { led } = runtime;
    const { directory, routes } = this.#options;
    if (led === undefined) return;
    const { queues, cursors } = led.overlay.decided;
    const topics = new Set(queues.topic.subarray(0, queues.end));
    const groups = new Set(cursors.group.subarray(0, cursors.end));
    for (const topic of topics) {
      if (topic === 0 || !directory.isTopicDeleted(topic)) continue;
      const record = decideTopicDelete(led.overlay, topic, runtime.now());
      if (record !== undefined) runtime.stage(led, record);
      routes.forget(topic);
    }
    for (const group of groups) {
      if (group === 0 || !directory.isGroupDeleted(group)) continue;
      const record = decideGroupDelete(led.overlay, group, runtime.now());
      if (record !== undefined) runtime.stage(led, record);
    }
  }

  /**
   * Uses a handle on its shard and answers once what that depends on is applied, a refusal too.
   *
   * @throws {SaturnError} `INVALID_RECEIPT_HANDLE`, or that the outcome is unknown
   * @throws {NotLedError} if the shard is not led here
   */
  async #withHandle<T>(
    handle: string,
    use: (shard: ReadableShard, led: Led, handle: ReceiptHandle) => T | Promise<T>,
  ): Promise<T> {
    const decoded = decodeReceiptHandle(handle, this.#options.directory.handleKeys);
    const shard = this.#shard(decoded.shard);
    const led = this.#ledAt(shard.runtime);
    try {
      return await use(shard, led, decoded);
    } finally {
      await this.#confirmed(shard.runtime);
    }
  }

  /** Resolves when what was decided so far is applied, or, when nothing is staged, if this replica surely leads. */
  async #confirmed(runtime: ShardRuntime): Promise<void> {
    const settled = runtime.settled();
    if (settled !== undefined) await settled;
    else if (!runtime.leaseValid) throw noLeader(runtime.shard);
  }

  #ledAt({ led, shard }: ShardRuntime): Led {
    if (led === undefined) throw new NotLedError(shard);
    return led;
  }

  #shard(shard: number): ReadableShard {
    const found = this.#shards.get(shard);
    if (found === undefined) throw new NotLedError(shard);
    return found;
  }
}

/** How one of many calls ended. @throws what is no outcome but a bug */
function outcomeOf(call: () => void): AckOutcome {
  try {
    call();
    return undefined;
  } catch (error) {
    return failureOf(error);
  }
}

function failureOf(error: unknown): SaturnError | NotLedError {
  if (error instanceof SaturnError || error instanceof NotLedError) return error;
  throw error;
}

/** A receive as one shard is asked. */
function asked(
  request: Pop,
  queues: readonly number[],
  count: number,
  alive = (): boolean => true,
  from = 0,
): ShardReceive {
  const { topic, group, filter, invisibleMs, clientId, attemptId = "" } = request;
  return { topic, group, queues, from, filter, count, invisibleMs, alive, clientId, attemptId };
}
