import { type Clock, errorTable, type Logger, SaturnError, type Timers } from "@saturnmq/kit";
import type { GroupInfo, StartPosition, TopicInfo } from "@saturnmq/wire";
import type { Directory } from "../directory.ts";
import { queueOfGroup } from "../domain/order.ts";
import { decodeReceiptHandle, type ReceiptHandle, refusedHandle } from "../domain/receipt-handle.ts";
import {
  type AckOutcome,
  type LedShards,
  type LedShardsEvents,
  NotLedError,
  noLeader,
  type QueueProgress,
} from "../led-shards.ts";
import type {
  Delivery,
  GroupTopicStatus,
  Hold,
  Messaging,
  OutgoingMessage,
  PeekedMessage,
  QueueStatus,
  ReceiveRequest,
  Receiver,
  SendOutcome,
  SkippedMessage,
  SkipRequest,
  Subscriber,
} from "../messaging.ts";
import type { TopicRoutes } from "../topic-routes.ts";
import { Interests } from "./interests.ts";
import { LeaderCalls, type Placed } from "./leader-calls.ts";
import { OtherBroker } from "./other-broker.ts";
import type { Brokers, BrokersListener, Interest } from "./ports.ts";
import { type ReadySource, Receives } from "./receives.ts";

export type ClusterMessagingOptions = {
  readonly self: number;
  readonly shards: LedShards;
  readonly brokers: Brokers;
  readonly directory: Directory;
  readonly routes: TopicRoutes;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly fatal: (error: unknown) => void;
  /** How long a call waits for a shard's leader, milliseconds. */
  readonly leaderWaitMs: number;
  /** `advance` is to be called at this reading of the monotonic clock, or earlier. */
  readonly alarmAt: (monoMs: number) => void;
};

/**
 * The shards of the whole cluster as one `Messaging`: each call goes to whoever leads the shard that it is about, waits while nobody does, and is
 * never repeated unless it is proven that nothing came of it.
 */
export class ClusterMessaging
  implements
    Omit<Messaging, "ready" | "isPresent" | "knownTopic" | "knownGroup" | "sendNow" | "ackNow">,
    LedShardsEvents
{
  readonly #options: ClusterMessagingOptions;
  readonly #calls: LeaderCalls;
  readonly #others = new Map<number, OtherBroker>();
  readonly #interests: Interests;
  readonly #receives: Receives;
  /** Which of the other brokers an ungrouped send goes to when nothing is led here. */
  #turn = 0;

  constructor(options: ClusterMessagingOptions) {
    const { shards, directory, brokers, clock, timers, logger, fatal, alarmAt } = options;
    this.#options = options;
    this.#calls = new LeaderCalls(options);
    this.#interests = new Interests({
      shards,
      topicById: (id) => directory.topicById(id),
      groupById: (id) => directory.groupById(id),
      tell: (broker, interest) => {
        brokers.tellReady(broker, interest);
      },
    });
    this.#receives = new Receives({
      ...{ clock, timers, logger, fatal, alarmAt },
      sourcesOf: (topic) => this.#sourcesOf(topic),
      giveBack: (deliveries) => {
        this.giveBack(deliveries);
      },
    });
  }

  /** What other brokers tell of what concerns calls. */
  get listener(): Omit<BrokersListener, "filling" | "client"> {
    return {
      led: (broker, led) => {
        this.#toldLed(broker, led);
      },
      gone: (broker) => {
        this.#gone(broker);
      },
      armed: (broker, interest) => {
        this.#interests.arm(broker, interest);
      },
      ready: (broker, interest) => {
        this.#others.get(broker)?.told(interest);
      },
    };
  }

  /** Receives on hold, and all since the start; other calls that wait for a leader. */
  get waitingReceives(): number {
    return this.#receives.waiting;
  }

  get receivesTotal(): number {
    return this.#receives.total;
  }

  get heldCalls(): number {
    return this.#calls.held;
  }

  async topic(name: string): Promise<TopicInfo> {
    return this.#options.directory.topic(name);
  }

  async group(name: string): Promise<GroupInfo> {
    return this.#options.directory.group(name);
  }

  async send(
    topic: TopicInfo,
    messages: readonly OutgoingMessage[],
    deadlineMs: number,
  ): Promise<readonly SendOutcome[]> {
    if (messages.length === 0) return [];
    const bytes = messages.reduce((sum, { length }) => sum + length, 0);
    const refusal = this.#options.shards.refusalOf(messages.length, bytes);
    if (refusal !== undefined) throw refusal;
    const untilMs = this.#calls.patience(deadlineMs);
    return messages.some(({ messageGroup }) => messageGroup !== undefined)
      ? this.#sendInOrder(topic, messages, untilMs)
      : this.#sendAnywhere(topic, messages, bytes, untilMs);
  }

  async #sendAnywhere(
    topic: TopicInfo,
    messages: readonly OutgoingMessage[],
    bytes: number,
    untilMs: number,
  ): Promise<readonly SendOutcome[]> {
    for (;;) {
      const shard = this.#shardFor(topic);
      if (shard !== undefined) {
        const outcomes = await this.#calls.once(shard, (leader) => leader.send(topic, shard, messages));
        if (outcomes !== undefined) return outcomes;
      } else if (!(await this.#calls.wait(bytes, untilMs, () => this.#shardFor(topic) !== undefined))) {
        throw new SaturnError(
          "TOO_MANY_REQUESTS",
          `no shard of topic ${topic.name} has a leader at the moment: try again`,
        );
      }
    }
  }

  /** Each message to the queue of its group; the shards of a call each store theirs all or none. */
  async #sendInOrder(
    topic: TopicInfo,
    messages: readonly OutgoingMessage[],
    untilMs: number,
  ): Promise<readonly SendOutcome[]> {
    const { routes } = this.#options;
    const shardOf = (at: number): number =>
      routes.shardOf(topic, queueOfGroup(messages[at]?.messageGroup ?? "", topic.queues));
    const outcomes: SendOutcome[] = [];
    await Promise.all(
      Array.from(Map.groupBy(messages.keys(), shardOf), async ([shard, places]) => {
        const own = places.map((at) => messages[at]).filter((message) => message !== undefined);
        const stored = await this.#calls.at(shard, (leader) => leader.send(topic, shard, own), untilMs);
        stored.forEach((outcome, nth) => {
          outcomes[places[nth] ?? 0] = outcome;
        });
      }),
    );
    return outcomes;
  }

  /** What a leader does not hear of now, because there is none or its answer is lost, it hears with the first receive. */
  async subscribe(subscriber: Subscriber): Promise<void> {
    const leaders = this.leadersOf(subscriber.topic);
    await Promise.all(
      leaders.map((broker) =>
        this.#calls
          .of(broker)
          .subscribe(subscriber)
          .catch((error: unknown) => {
            if (error instanceof NotLedError) return;
            if (!(error instanceof SaturnError) || errorTable[error.code].retry === "never") throw error;
          }),
      ),
    );
  }

  hold(request: ReceiveRequest, receiver: Receiver): Hold {
    return this.#receives.hold(request, receiver, this.#options.directory.gone(request.topic, request.group));
  }

  async ack(
    topic: TopicInfo,
    group: GroupInfo,
    handles: readonly string[],
  ): Promise<readonly (SaturnError | undefined)[]> {
    const outcomes: AckOutcome[] = handles.map(() => undefined);
    const placed: Placed[] = [];
    handles.forEach((text, at) => {
      const lease = this.#leaseOf(text, topic, group);
      if (lease instanceof SaturnError) outcomes[at] = lease;
      else placed.push({ text, lease, at, shard: lease.shard });
    });
    await this.#calls.acks(topic, group, placed, outcomes);
    return outcomes.map((outcome) => (outcome instanceof NotLedError ? noLeader(outcome.shard) : outcome));
  }

  async changeInvisible(topic: TopicInfo, group: GroupInfo, handle: string, invisibleMs: number): Promise<string> {
    const shard = this.#shardOf(handle, topic, group);
    if (shard instanceof SaturnError) throw shard;
    return this.#calls.at(shard, (leader) => leader.changeInvisible(topic, group, handle, invisibleMs));
  }

  async forwardToDeadLetters(topic: TopicInfo, group: GroupInfo, handle: string): Promise<void> {
    const shard = this.#shardOf(handle, topic, group);
    if (shard instanceof SaturnError) throw shard;
    await this.#calls.at(shard, (leader) => leader.forwardToDeadLetters(topic, group, handle));
  }

  giveBack(deliveries: readonly Delivery[]): void {
    const byBroker = Map.groupBy(deliveries, ({ receiptHandle }) => {
      const { shard } = decodeReceiptHandle(receiptHandle, this.#options.directory.handleKeys);
      return this.#calls.leaders.of(shard);
    });
    for (const [broker, given] of byBroker) {
      // Without a leader their leases end by themselves, which gives them back as well.
      if (broker !== undefined) this.#calls.of(broker).giveBack(given.map(({ receiptHandle }) => receiptHandle));
    }
  }

  async describeTopic(topic: TopicInfo): Promise<readonly QueueStatus[]> {
    const shards = [...this.#options.routes.queuesOf(topic).keys()];
    const statuses = new Map<number, QueueStatus>();
    await this.#calls.each(shards, async (leader) => {
      const queues = await leader.describeTopic(topic);
      for (const status of queues) statuses.set(status.queue, status);
      return queues.map(({ shard }) => shard);
    });
    return [...statuses.values()].sort((a, b) => a.queue - b.queue);
  }

  async describeGroup(group: GroupInfo, asIfReset?: StartPosition): Promise<readonly GroupTopicStatus[]> {
    const begun = await this.#progress(group, []);
    const topics = [...new Set(begun.map(({ topic }) => topic))]
      .map((id) => this.#options.directory.topicById(id))
      .filter((topic) => topic !== undefined);
    const queues = topics.length === 0 ? [] : await this.#progress(group, topics, asIfReset);
    return topics
      .map(({ id, name }) => ({
        topic: name,
        queues: queues
          .filter(({ topic }) => topic === id)
          .map(({ status }) => status)
          .sort((a, b) => a.queue - b.queue),
      }))
      .sort((a, b) => (a.topic < b.topic ? -1 : 1));
  }

  peek(topic: TopicInfo, queue: number, offset: number): Promise<PeekedMessage> {
    return this.#calls.at(this.#options.routes.shardOf(topic, queue), (leader) => leader.peek(topic, queue, offset));
  }

  skip(group: GroupInfo, request: SkipRequest): Promise<SkippedMessage> {
    const shard = this.#options.routes.shardOf(request.topic, request.queue);
    return this.#calls.at(shard, (leader) => leader.skip(group, request));
  }

  /** Brokers that lead a queue of the topic, ascending; this one while none is known, as it answers any call. */
  leadersOf(topic: TopicInfo): readonly number[] {
    const leaders = new Set<number>();
    for (const shard of this.#options.routes.queuesOf(topic).keys()) {
      const broker = this.#calls.leaders.of(shard);
      if (broker !== undefined) leaders.add(broker);
    }
    return leaders.size === 0 ? [this.#options.self] : [...leaders].sort((a, b) => a - b);
  }

  ledChanged(): void {
    const { led } = this.#options.shards;
    this.#calls.leaders.told(this.#options.self, led);
    this.#options.brokers.tellLed(led);
    this.#receives.allReady();
    this.#interests.allReady();
  }

  ready(topic: number, group: number | undefined): void {
    this.#receives.ready(topic, group);
    this.#interests.ready(topic, group);
  }

  /** The cluster's metadata changed. */
  viewChanged(): void {
    const { directory } = this.#options;
    this.#receives.drop((topic, group) => directory.gone(topic, group));
    this.#receives.follow((id) => directory.groupById(id));
    this.#interests.drop((topic, group) => directory.isTopicDeleted(topic) || directory.isGroupDeleted(group));
    this.#interests.allReady();
  }

  /** Ends receives whose time has come. @returns when it should be called again, `Infinity` for never */
  advance(monoMs: number): number {
    return this.#receives.advance(monoMs);
  }

  /** Answers every receive on hold, empty, and takes no more. */
  close(): void {
    this.#receives.close();
  }

  #sourcesOf(topic: TopicInfo): readonly ReadySource[] {
    const { shards } = this.#options;
    if (this.#others.size === 0) return [shards];
    return [shards, ...[...this.#others.values()].filter((other) => other.leads(topic))];
  }

  /** Where an ungrouped send goes: the shard whose turn it is here, else one that is led elsewhere. */
  #shardFor(topic: TopicInfo): number | undefined {
    const here = this.#options.shards.turnOf(topic);
    if (here !== undefined) return here;
    const led = [...this.#options.routes.queuesOf(topic).keys()].filter(
      (shard) => this.#calls.leaders.of(shard) !== undefined,
    );
    this.#turn = (this.#turn + 1) % 0x4000_0000;
    return led[this.#turn % led.length];
  }

  async #progress(
    group: GroupInfo,
    topics: readonly TopicInfo[],
    asIfReset?: StartPosition,
  ): Promise<readonly QueueProgress[]> {
    const shards = Array.from({ length: this.#options.routes.shardCount }, (_, shard) => shard);
    const byQueue = new Map<string, QueueProgress>();
    await this.#calls.each(shards, async (leader) => {
      const { shards: covered, queues } = await leader.describeGroup(group, topics, asIfReset);
      for (const progress of queues) byQueue.set(`${progress.topic}/${progress.status.queue}`, progress);
      return covered;
    });
    return [...byQueue.values()];
  }

  /** The shard that a handle of this topic and group names. */
  #shardOf(handle: string, topic: TopicInfo, group: GroupInfo): number | SaturnError {
    const lease = this.#leaseOf(handle, topic, group);
    return lease instanceof SaturnError ? lease : lease.shard;
  }

  /** What a handle of this topic and group says. */
  #leaseOf(handle: string, topic: TopicInfo, group: GroupInfo): ReceiptHandle | SaturnError {
    try {
      const lease = decodeReceiptHandle(handle, this.#options.directory.handleKeys);
      if (lease.topic !== topic.id) return refusedHandle("is of another topic, or of a deleted one of this name");
      if (lease.group !== group.id)
        return refusedHandle("is of another consumer group, or of a deleted one of this name");
      return lease;
    } catch (error) {
      if (error instanceof SaturnError) return error;
      throw error;
    }
  }

  #toldLed(broker: number, led: ReadonlyMap<number, number>): void {
    this.#calls.leaders.told(broker, led);
    const other = this.#others.get(broker) ?? this.#newOther(broker);
    other.changed();
    this.#receives.allReady();
  }

  #newOther(broker: number): OtherBroker {
    const { brokers, clock, timers, routes } = this.#options;
    const other = new OtherBroker({
      ...{ broker, brokers, clock, timers },
      ready: ({ topic, group }: Interest) => this.#receives.ready(topic, group),
      leads: (topic) => {
        for (const shard of routes.queuesOf(topic).keys()) if (this.#calls.leaders.of(shard) === broker) return true;
        return false;
      },
    });
    this.#others.set(broker, other);
    return other;
  }

  #gone(broker: number): void {
    this.#calls.leaders.told(broker, new Map());
    this.#others.get(broker)?.close();
    this.#others.delete(broker);
    this.#interests.gone(broker);
  }
}
