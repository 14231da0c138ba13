import { type ErrorCode, SaturnError } from "@saturnmq/kit";
import type { BrokerReport, ClusterView, GroupInfo, HeartbeatReply, StartPosition, TopicInfo } from "@saturnmq/wire";
import { ClusterMessaging } from "./cluster/cluster-messaging.ts";
import { noBrokers } from "./cluster/ports.ts";
import type {
  DataPlane,
  DataPlaneCounters,
  DataPlaneOptions,
  DataPlaneSettings,
  Forwarding,
} from "./data-plane-api.ts";
import { Directory } from "./directory.ts";
import { unreadMessages } from "./domain/group-progress.ts";
import type { Refusals } from "./domain/leases.ts";
import type {
  Delivery,
  GroupTopicStatus,
  HandleTexts,
  Hold,
  LoneMessage,
  OutgoingMessage,
  PeekedMessage,
  QueueStatus,
  ReceiveRequest,
  Receiver,
  SendOutcome,
  SkippedMessage,
  SkipRequest,
  Subscriber,
  Waiter,
} from "./messaging.ts";
import { Presence } from "./presence.ts";
import { Alarm } from "./shard/alarm.ts";
import { LocalShards } from "./shard/local-shards.ts";
import { TopicRoutes } from "./topic-routes.ts";

const defaults: Required<DataPlaneSettings> = {
  retentionMs: 3 * 24 * 3_600_000,
  retentionBytes: 8 * 1024 ** 3,
  stagedBytesMax: 64 * 1024 ** 2,
  leaderWaitMs: 3_000,
  housekeepingMs: 1_000,
  fillingBytes: 256 * 1024,
};

/**
 * Opens every shard of which this broker is a voter, and serves them together with those of other brokers as one `Messaging`. Resolves once their
 * groups run; `ready` follows when they are led.
 *
 * @throws {CorruptionError} if a shard's checkpoints cannot be read
 */
export async function createDataPlane(options: DataPlaneOptions): Promise<DataPlane> {
  const directory = new Directory(options.metadata, options.random);
  const ending = new AbortController();
  try {
    const view = await firstView(options, directory, ending.signal);
    const plane = new BrokerDataPlane(options, directory, view, ending);
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

/** The shards of this process below, the cluster's above. */
class BrokerDataPlane implements DataPlane {
  readonly #options: DataPlaneOptions;
  readonly #settings: Required<DataPlaneSettings>;
  readonly #directory: Directory;
  readonly #ending: AbortController;
  readonly #alarm: Alarm;
  readonly #presence: Presence;
  readonly #shards: LocalShards;
  readonly #cluster: ClusterMessaging;
  #closing: Promise<void> | undefined;

  constructor(options: DataPlaneOptions, directory: Directory, view: ClusterView, ending: AbortController) {
    const { clock, timers } = options;
    const settings = { ...defaults, ...options.settings };
    this.#settings = settings;
    this.#options = options;
    this.#directory = directory;
    this.#ending = ending;
    const routes = new TopicRoutes(view.shardCount);
    this.#alarm = new Alarm(clock, timers, (monoMs) => this.#guard(() => this.#ring(monoMs), Infinity));
    const alarmAt = (monoMs: number): void => {
      this.#alarm.at(monoMs);
    };
    const brokers = options.brokers ?? noBrokers;
    const isHere = options.isPresent ?? ((): boolean => false);
    this.#presence = new Presence({ isHere, brokers, clock, timers });
    this.#shards = new LocalShards({
      ...options,
      ...{ brokers, directory, routes, alarmAt, limits: settings },
      isPresent: (clientId) => this.isPresent(clientId),
      events: {
        ledChanged: () => {
          this.#cluster.ledChanged();
        },
        ready: (topic, group) => {
          this.#cluster.ready(topic, group);
        },
      },
    });
    this.#cluster = new ClusterMessaging({
      ...options,
      ...{ directory, routes, alarmAt, self: options.brokerId, leaderWaitMs: settings.leaderWaitMs },
      ...{ shards: this.#shards, brokers },
    });
    const { listener } = this.#cluster;
    brokers.listen({
      ...listener,
      client: (broker, clientId, present) => {
        this.#presence.told(broker, clientId, present);
      },
      filling: (broker, lacking) => {
        this.#shards.filling(broker, lacking);
      },
      gone: (broker) => {
        listener.gone(broker);
        this.#presence.gone(broker);
        this.#shards.gone(broker);
      },
    });
  }

  /** Opens the shards, then follows the cluster's changes. */
  async open(view: ClusterView): Promise<void> {
    await this.#shards.open(view);
    this.#options.metadata.watch((changed) => {
      this.#guard(() => {
        this.#directory.changed(changed);
        this.#shards.viewChanged(changed);
        this.#cluster.viewChanged();
      }, undefined);
    }, this.#ending.signal);
  }

  get forwarding(): Forwarding {
    const directory = this.#directory;
    const waitMs = this.#settings.leaderWaitMs;
    return {
      shards: this.#shards,
      revision: () => directory.revision,
      entries: (asked) => this.#shards.entries(asked),
      caughtUp: (revision) => directory.caughtUp(revision, waitMs, this.#options.timers),
      topic: (id) => found(directory.topicById(id), "TOPIC_NOT_FOUND", `topic ${id}`),
      group: (id) => found(directory.groupById(id), "CONSUMER_GROUP_NOT_FOUND", `consumer group ${id}`),
    };
  }

  get ready(): boolean {
    return this.#closing === undefined && this.#shards.ready;
  }

  topic(name: string): Promise<TopicInfo> {
    return this.#cluster.topic(name);
  }

  group(name: string): Promise<GroupInfo> {
    return this.#cluster.group(name);
  }

  send(topic: TopicInfo, messages: readonly OutgoingMessage[], deadlineMs: number): Promise<readonly SendOutcome[]> {
    return this.#cluster.send(topic, messages, deadlineMs);
  }

  knownTopic(name: string): TopicInfo | undefined {
    return this.#directory.view?.topics.get(name);
  }

  sendNow(topic: TopicInfo, message: LoneMessage, waiter: Waiter, ticket: number): SendOutcome | undefined {
    return this.#shards.sendNow(topic, message, waiter, ticket);
  }

  subscribe(subscriber: Subscriber): Promise<void> {
    return this.#cluster.subscribe(subscriber);
  }

  hold(request: ReceiveRequest, receiver: Receiver): Hold {
    this.#presence.note(request.clientId);
    return this.#cluster.hold(request, receiver);
  }

  isPresent(clientId: string): boolean {
    return this.#presence.isPresent(clientId);
  }

  ack(topic: TopicInfo, group: GroupInfo, handles: readonly string[]): Promise<readonly (SaturnError | undefined)[]> {
    return this.#cluster.ack(topic, group, handles);
  }

  knownGroup(name: string): GroupInfo | undefined {
    return this.#directory.view?.groups.get(name);
  }

  ackNow(
    topic: TopicInfo,
    group: GroupInfo,
    handles: HandleTexts,
    waiter: Waiter,
    ticket: number,
  ): Refusals | undefined {
    return this.#shards.ackNow(topic, group, handles, waiter, ticket);
  }

  changeInvisible(topic: TopicInfo, group: GroupInfo, handle: string, invisibleMs: number): Promise<string> {
    return this.#cluster.changeInvisible(topic, group, handle, invisibleMs);
  }

  forwardToDeadLetters(topic: TopicInfo, group: GroupInfo, handle: string): Promise<void> {
    return this.#cluster.forwardToDeadLetters(topic, group, handle);
  }

  giveBack(deliveries: readonly Delivery[]): void {
    this.#cluster.giveBack(deliveries);
  }

  describeTopic(topic: TopicInfo): Promise<readonly QueueStatus[]> {
    return this.#cluster.describeTopic(topic);
  }

  describeGroup(group: GroupInfo, asIfReset?: StartPosition): Promise<readonly GroupTopicStatus[]> {
    return this.#cluster.describeGroup(group, asIfReset);
  }

  peek(topic: TopicInfo, queue: number, offset: number): Promise<PeekedMessage> {
    return this.#cluster.peek(topic, queue, offset);
  }

  skip(group: GroupInfo, request: SkipRequest): Promise<SkippedMessage> {
    return this.#cluster.skip(group, request);
  }

  leadersOf(topic: TopicInfo): readonly number[] {
    return this.#cluster.leadersOf(topic);
  }

  report(): BrokerReport {
    return this.#shards.report();
  }

  wanted({ transfers }: HeartbeatReply): void {
    for (const { shard, to } of transfers) this.#shards.handOver(shard, to);
  }

  counters(): DataPlaneCounters {
    const { runtimes, totals } = this.#shards;
    return {
      ...totals,
      receives: this.#cluster.receivesTotal,
      waitingReceives: this.#cluster.waitingReceives,
      heldCalls: this.#cluster.heldCalls,
      inFlightMessages: runtimes.reduce((sum, { led }) => sum + (led?.overlay.scheduled ?? 0), 0),
      unreadMessages: runtimes.reduce((sum, { led }) => sum + (led === undefined ? 0 : unreadMessages(led.state)), 0),
      shards: runtimes.map(({ shard, appliedTo, led, state }) => ({
        shard,
        appliedIndex: appliedTo.index,
        logStart: state.logStart,
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
    this.#cluster.close();
    this.#presence.close();
    this.#ending.abort();
    this.#alarm.close();
    await this.#shards[Symbol.asyncDispose]();
  }

  /** Everything that is due. @returns when the next thing is */
  #ring(monoMs: number): number {
    return Math.min(this.#cluster.advance(monoMs), this.#shards.ring());
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

function found<T>(known: T | undefined, code: ErrorCode, what: string): T {
  if (known !== undefined) return known;
  throw new SaturnError(code, `${what} was deleted`);
}
