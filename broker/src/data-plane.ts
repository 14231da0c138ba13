import { SaturnError } from "@saturnmq/kit";
import type { ClusterView, GroupInfo, TopicInfo } from "@saturnmq/wire";
import type { DataPlane, DataPlaneCounters, DataPlaneOptions } from "./data-plane-api.ts";
import { decodeCheckpoint } from "./domain/checkpoint.ts";
import { decideGroupDelete, decideTopicDelete } from "./domain/queues.ts";
import { decodeReceiptHandle, type ReceiptHandle, refusedHandle } from "./domain/receipt-handle.ts";
import { ShardState } from "./domain/shard-state.ts";
import type {
  Delivery,
  GroupTopicStatus,
  OutgoingMessage,
  PeekedMessage,
  QueueStatus,
  ReceiveRequest,
  SendOutcome,
} from "./messaging.ts";
import { Alarm } from "./shard/alarm.ts";
import { Checkpoints } from "./shard/checkpoints.ts";
import { Directory } from "./shard/directory.ts";
import { type QueueProgress, shardReport, unbegunQueue } from "./shard/group-report.ts";
import { Housekeeping } from "./shard/housekeeping.ts";
import { type ReadableShard, Receives } from "./shard/receives.ts";
import { Retention } from "./shard/retention.ts";
import { Sends } from "./shard/sends.ts";
import type { ShardHost } from "./shard/shard-host.ts";
import { ShardReader } from "./shard/shard-reader.ts";
import { type Led, ShardRuntime } from "./shard/shard-runtime.ts";
import { TopicRoutes } from "./shard/topic-routes.ts";
import { noTotals } from "./shard/totals.ts";
import { whenAnyLed } from "./shard/when-led.ts";

const defaults = {
  retentionMs: 3 * 24 * 3_600_000,
  retentionBytes: 8 * 1024 ** 3,
  stagedBytesMax: 64 * 1024 ** 2,
  leaderWaitMs: 3_000,
  housekeepingMs: 1_000,
};

/**
 * Opens every shard of which this broker is a voter, and serves them as one `Messaging`. Resolves once their groups run; `ready` follows
 * when they are led.
 *
 * @throws {CorruptionError} if a shard's checkpoints cannot be read
 */
export async function createDataPlane(options: DataPlaneOptions): Promise<DataPlane> {
  const directory = new Directory(options.metadata, options.random);
  const ending = new AbortController();
  try {
    const view = await firstView(options, directory, ending.signal);
    const plane = new LocalDataPlane(options, directory, view, ending);
    await plane.open(view);
    return plane;
  } catch (error) {
    ending.abort();
    throw error;
  }
}

function firstView({ metadata }: DataPlaneOptions, directory: Directory, signal: AbortSignal): Promise<ClusterView> {
  return new Promise((resolve) => {
    const heard = new AbortController();
    metadata.watch(
      (view) => {
        directory.changed(view);
        heard.abort();
        resolve(view);
      },
      AbortSignal.any([signal, heard.signal]),
    );
  });
}

/** The data plane over the shards of one process. */
class LocalDataPlane implements DataPlane {
  readonly #options: DataPlaneOptions;
  readonly #settings: typeof defaults;
  readonly #directory: Directory;
  readonly #ending: AbortController;
  readonly #totals = noTotals();
  readonly #shards = new Map<number, ReadableShard>();
  readonly #runtimes: ShardRuntime[] = [];
  readonly #routes: TopicRoutes;
  readonly #alarm: Alarm;
  readonly #receives: Receives;
  readonly #sends: Sends;
  readonly #checkpoints: Checkpoints;
  readonly #housekeeping: Housekeeping;
  #closing: Promise<void> | undefined;

  constructor(options: DataPlaneOptions, directory: Directory, view: ClusterView, ending: AbortController) {
    const { store, clock, timers, logger } = options;
    this.#options = options;
    this.#settings = { ...defaults, ...options.settings };
    this.#directory = directory;
    this.#ending = ending;
    this.#routes = new TopicRoutes(view.shardCount);
    this.#alarm = new Alarm(clock, timers, (monoMs) => this.#guard(() => this.#ring(monoMs), Infinity));
    const common = { store, clock, timers, logger, fatal: options.fatal, totals: this.#totals, routes: this.#routes };
    this.#receives = new Receives({
      ...common,
      shards: this.#shards,
      queuesOf: (topic) => this.#routes.queuesOf(topic),
      giveBack: (deliveries) => {
        this.giveBack(deliveries);
      },
      alarmAt: (monoMs) => {
        this.#alarm.at(monoMs);
      },
    });
    const isDeleted = (topic: TopicInfo): SaturnError | undefined => this.#gone(topic);
    this.#sends = new Sends({ ...common, ...this.#settings, isDeleted, shards: this.#runtimes });
    this.#checkpoints = new Checkpoints(store, this.#runtimes);
    const retention = new Retention({ ...common, ...this.#settings, shards: this.#shards, view: () => directory.view });
    this.#housekeeping = new Housekeeping({
      ...common,
      everyMs: this.#settings.housekeepingMs,
      retention,
      checkpoints: this.#checkpoints,
      sends: this.#sends,
    });
  }

  /** Restores and opens the shards, then follows the cluster's changes. */
  async open(view: ClusterView): Promise<void> {
    const { store, driver, brokerId, metadata } = this.#options;
    const host = this.#host();
    for (const { shard, voters } of view.shards.filter((placed) => placed.voters.includes(brokerId))) {
      const checkpoint = await store.readCheckpoint(shard);
      const state = checkpoint === undefined ? new ShardState() : decodeCheckpoint(checkpoint.bytes);
      const applied = { index: checkpoint?.index ?? 0, term: checkpoint?.term ?? 0 };
      const runtime = new ShardRuntime(shard, state, applied, host);
      this.#runtimes.push(runtime);
      this.#shards.set(shard, { runtime, reader: new ShardReader(runtime, host) });
      this.#checkpoints.opened(shard, applied);
      runtime.attach(
        driver.open({ group: shard, self: brokerId, voters, machine: runtime, appliedIndex: applied.index }),
      );
    }
    metadata.watch((changed) => {
      this.#guard(() => {
        this.#follow(changed);
      }, undefined);
    }, this.#ending.signal);
    this.#housekeeping.start();
  }

  get ready(): boolean {
    return (
      this.#closing === undefined && this.#runtimes.length > 0 && this.#runtimes.every(({ led }) => led !== undefined)
    );
  }

  async topic(name: string): Promise<TopicInfo> {
    return this.#directory.topic(name);
  }

  async group(name: string): Promise<GroupInfo> {
    return this.#directory.group(name);
  }

  send(topic: TopicInfo, messages: readonly OutgoingMessage[], deadlineMs: number): Promise<readonly SendOutcome[]> {
    return this.#sends.send(topic, messages, deadlineMs);
  }

  receive(request: ReceiveRequest, signal: AbortSignal): Promise<readonly Delivery[]> {
    const gone = this.#gone(request.topic, request.group);
    return gone === undefined ? this.#receives.receive(request, signal) : Promise.reject(gone);
  }

  async ack(
    topic: TopicInfo,
    group: GroupInfo,
    handles: readonly string[],
  ): Promise<readonly (SaturnError | undefined)[]> {
    return Promise.all(
      handles.map((handle) =>
        this.#withHandle(topic, group, handle, ({ runtime }, led, decoded) => {
          runtime.ack(led, decoded);
          return undefined;
        }).catch((error: unknown) => {
          if (error instanceof SaturnError) return error;
          throw error;
        }),
      ),
    );
  }

  changeInvisible(topic: TopicInfo, group: GroupInfo, handle: string, invisibleMs: number): Promise<string> {
    return this.#withHandle(topic, group, handle, ({ runtime }, led, decoded) =>
      runtime.changeInvisible(led, decoded, invisibleMs),
    );
  }

  giveBack(deliveries: readonly Delivery[]): void {
    for (const { receiptHandle } of deliveries) {
      const handle = decodeReceiptHandle(receiptHandle, this.#directory.handleKeys);
      const runtime = this.#shards.get(handle.shard)?.runtime;
      const led = runtime?.led;
      if (runtime === undefined || led === undefined) continue;
      try {
        runtime.giveBack(led, handle);
      } catch (error) {
        // Its lease ended by itself, which gives it back as well.
        if (!(error instanceof SaturnError)) throw error;
      }
    }
  }

  async describeTopic(topic: TopicInfo): Promise<readonly QueueStatus[]> {
    const statuses: QueueStatus[] = [];
    for (const [shard, queues] of this.#routes.queuesOf(topic)) {
      const { state } = await this.#led(this.#shard(shard));
      for (const queue of queues) {
        const row = state.queues.find(topic.id, queue);
        const minOffset = row < 0 ? 0 : (state.queues.min[row] ?? 0);
        statuses.push({ queue, shard, minOffset, nextOffset: row < 0 ? 0 : (state.queues.next[row] ?? 0) });
      }
    }
    return statuses.sort((a, b) => a.queue - b.queue);
  }

  async describeGroup(group: GroupInfo): Promise<readonly GroupTopicStatus[]> {
    const begun: QueueProgress[] = [];
    for (const shard of this.#shards.values()) begun.push(...(await shardReport(shard, await this.#led(shard), group)));
    const statuses: GroupTopicStatus[] = [];
    for (const [id, progress] of Map.groupBy(begun, ({ topic }) => topic)) {
      const topic = this.#directory.topicById(id);
      if (topic !== undefined) statuses.push(await this.#topicStatus(topic, group, progress));
    }
    return statuses.sort((a, b) => (a.topic < b.topic ? -1 : 1));
  }

  async peek(topic: TopicInfo, queue: number, offset: number): Promise<PeekedMessage> {
    const shard = this.#shard(this.#routes.shardOf(topic, queue));
    const { state } = await this.#led(shard);
    const row = state.queues.find(topic.id, queue);
    const [min, next] = row < 0 ? [0, 0] : [state.queues.min[row] ?? 0, state.queues.next[row] ?? 0];
    if (queue >= topic.queues || offset < min || offset >= next) {
      const place = `queue ${queue} of topic ${topic.name}`;
      const held = next > min ? `holds offsets ${min} to ${next - 1}, not ${offset}` : "holds nothing";
      throw new SaturnError(
        "OFFSET_NOT_FOUND",
        queue >= topic.queues
          ? `topic ${topic.name} has queues 0 to ${topic.queues - 1}, no queue ${queue}`
          : `${place} ${held}`,
      );
    }
    const { message, bodyCrc, storedAtMs } = await shard.reader.messages.one(topic.id, queue, offset);
    return { message, bodyCrc, storedAtMs, offset };
  }

  counters(): DataPlaneCounters {
    return {
      ...this.#totals,
      waitingReceives: this.#receives.waiting,
      inFlightMessages: this.#runtimes.reduce((sum, { led }) => sum + (led?.overlay.scheduled ?? 0), 0),
      stagedBytes: this.#runtimes.reduce((sum, { stagedBytes }) => sum + stagedBytes, 0),
      shards: this.#runtimes.map(({ shard, appliedTo, led, state }) => ({
        shard,
        appliedIndex: appliedTo.index,
        serving: led !== undefined,
        queues: state.queues.count,
      })),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#sends.close();
    this.#receives.close();
    this.#ending.abort();
    this.#alarm.close();
    await this.#housekeeping.stop();
    // A shard that lost its lead has told those who wait.
    await Promise.allSettled(this.#runtimes.map(async (runtime) => runtime.settled()));
    await this.#checkpoints.takeAll();
    await this.#options.driver.close();
  }

  #host(): ShardHost {
    const { store, clock, logger } = this.#options;
    return {
      store,
      clock,
      logger,
      totals: this.#totals,
      handleKeys: () => this.#directory.handleKeys,
      maxAttemptsOf: (group) => this.#directory.groupById(group)?.maxAttempts,
      alarmAt: (monoMs) => {
        this.#alarm.at(monoMs);
      },
      ready: (topic, group) => {
        this.#receives.ready(topic, group);
      },
      leading: (shard) => {
        this.#deleteGone(this.#shard(shard).runtime);
        this.#receives.allReady();
      },
      gathered: (shard) => {
        this.#sends.gathered(shard);
      },
    };
  }

  /** Everything that is due. @returns when the next thing is */
  #ring(monoMs: number): number {
    let next = this.#receives.advance(monoMs);
    for (const runtime of this.#runtimes) next = Math.min(next, runtime.expire());
    return next;
  }

  #follow(view: ClusterView): void {
    this.#directory.changed(view);
    for (const runtime of this.#runtimes) this.#deleteGone(runtime);
    this.#receives.drop((topic, group) => this.#gone(topic, group));
  }

  /** Why a topic, or a group, that a caller still knows is of no use any more. */
  #gone(topic: TopicInfo, group?: GroupInfo): SaturnError | undefined {
    if (this.#directory.isTopicDeleted(topic.id)) {
      return new SaturnError("TOPIC_NOT_FOUND", `topic ${topic.name} was deleted`);
    }
    if (group === undefined || !this.#directory.isGroupDeleted(group.id)) return undefined;
    return new SaturnError("CONSUMER_GROUP_NOT_FOUND", `consumer group ${group.name} was deleted`);
  }

  /** Has a shard forget the topics and groups that the name server deleted. */
  #deleteGone(runtime: ShardRuntime): void {
    const { led } = runtime;
    if (led === undefined) return;
    const { queues, cursors } = led.overlay.decided;
    const topics = new Set(queues.topic.subarray(0, queues.end));
    const groups = new Set(cursors.group.subarray(0, cursors.end));
    for (const topic of topics) {
      if (topic === 0 || !this.#directory.isTopicDeleted(topic)) continue;
      const record = decideTopicDelete(led.overlay, topic, runtime.now());
      if (record !== undefined) runtime.stage(led, record);
      this.#routes.forget(topic);
    }
    for (const group of groups) {
      if (group === 0 || !this.#directory.isGroupDeleted(group)) continue;
      const record = decideGroupDelete(led.overlay, group, runtime.now());
      if (record !== undefined) runtime.stage(led, record);
    }
  }

  /**
   * Uses a handle on its shard and answers once what that depends on is applied, a refusal too.
   *
   * @throws {SaturnError} `INVALID_RECEIPT_HANDLE`, or that no leader was found or the outcome is unknown
   */
  async #withHandle<T>(
    topic: TopicInfo,
    group: GroupInfo,
    handle: string,
    use: (shard: ReadableShard, led: Led, handle: ReceiptHandle) => T,
  ): Promise<T> {
    const decoded = decodeReceiptHandle(handle, this.#directory.handleKeys);
    if (decoded.topic !== topic.id) throw refusedHandle("is of another topic, or of a deleted one of this name");
    if (decoded.group !== group.id)
      throw refusedHandle("is of another consumer group, or of a deleted one of this name");
    const shard = this.#shard(decoded.shard);
    const led = await this.#led(shard);
    try {
      return use(shard, led, decoded);
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

  async #led({ runtime }: ReadableShard): Promise<Led> {
    const { led } = runtime;
    if (led !== undefined) return led;
    await whenAnyLed([runtime], this.#settings.leaderWaitMs, this.#options.timers);
    if (runtime.led === undefined) throw noLeader(runtime.shard);
    return runtime.led;
  }

  #shard(shard: number): ReadableShard {
    const found = this.#shards.get(shard);
    if (found === undefined) throw noLeader(shard);
    return found;
  }

  async #topicStatus(topic: TopicInfo, group: GroupInfo, begun: readonly QueueProgress[]): Promise<GroupTopicStatus> {
    const queues = begun.map(({ status }) => status);
    const known = new Set(queues.map(({ queue }) => queue));
    for (const [number, numbers] of this.#routes.queuesOf(topic)) {
      const shard = this.#shard(number);
      const led = await this.#led(shard);
      for (const queue of numbers) {
        if (!known.has(queue)) queues.push(await unbegunQueue(shard, led, topic, group, queue));
      }
    }
    return { topic: topic.name, queues: queues.sort((a, b) => a.queue - b.queue) };
  }

  /** Runs what no caller waits for: what it throws is a bug, and ends the process. */
  #guard<T>(run: () => T, otherwise: T): T {
    try {
      return run();
    } catch (error) {
      this.#options.fatal(error);
      return otherwise;
    }
  }
}

function noLeader(shard: number): SaturnError {
  return new SaturnError("TOO_MANY_REQUESTS", `shard ${shard} has no leader here at the moment: try again`);
}
