import { SaturnError } from "@saturnmq/kit";
import type { GroupInfo, StartPosition, TopicInfo } from "@saturnmq/wire";
import type { Filter } from "./domain/filter.ts";
import type { ReceiptHandle } from "./domain/receipt-handle.ts";
import type {
  Delivery,
  GroupTopicStatus,
  OutgoingMessage,
  PeekedMessage,
  QueueStatus,
  ReceiveRequest,
  SendOutcome,
  SkippedMessage,
  SkipRequest,
  Subscriber,
} from "./messaging.ts";

/** A receipt handle as a client gave it, and what it says, once its code has been checked in this process. */
export type GivenHandle = { readonly text: string; readonly lease?: ReceiptHandle };

/** What a leader of shards does for whoever asks: for its own clients, and for other brokers on behalf of theirs. */
export interface ShardCalls {
  /**
   * Stores messages in queues of the topic that live in `shard`, all or none: each in that of its group, those without one in the next. Groups
   * whose queue is in another shard are none of its business.
   *
   * @throws {NotLedError} if the shard is not led there
   * @throws {SaturnError} `TOO_MANY_REQUESTS` if nothing was stored, `HA_NOT_AVAILABLE` if the outcome is unknown
   */
  send(topic: TopicInfo, shard: number, messages: readonly OutgoingMessage[]): Promise<readonly SendOutcome[]>;
  /**
   * Records a consumer's filter in the shards led there, so that nothing that it wants is finished for its group.
   *
   * @throws {SaturnError} `ILLEGAL_FILTER_EXPRESSION` when the group has too many on the topic
   */
  subscribe(subscriber: Subscriber): Promise<void>;
  /** Leases what is ready in the shards led there; never waits for more. Leases nothing for whom `alive` says that nobody waits any more. */
  pop(request: Pop, alive: () => boolean): Promise<Popped>;
  /** Gives the messages that this attempt of an ordered group's client holds again, under new handles; leases nothing. */
  again(request: Pop, alive: () => boolean): Promise<Popped>;
  /** Finishes messages; one outcome a handle, in order. Never throws a `NotLedError`: that is an outcome. */
  ack(topic: TopicInfo, group: GroupInfo, handles: readonly GivenHandle[]): Promise<readonly AckOutcome[]>;
  /** @throws {NotLedError} */
  changeInvisible(topic: TopicInfo, group: GroupInfo, handle: string, invisibleMs: number): Promise<string>;
  /** Gives the message of a handle up to the group's dead letters. @throws {NotLedError} */
  forwardToDeadLetters(topic: TopicInfo, group: GroupInfo, handle: string): Promise<void>;
  /** Gives messages back whose delivery reached nobody. What is not led there ends by its own deadline. */
  giveBack(receiptHandles: readonly string[]): void;
  /** The topic's queues in the shards led there. */
  describeTopic(topic: TopicInfo): Promise<readonly QueueStatus[]>;
  /**
   * The group's progress in the shards led there: on queues that it has begun, and on all queues of `topics`.
   *
   * @param asIfReset on `topics`, as if the group had been reset to there
   */
  describeGroup(group: GroupInfo, topics: readonly TopicInfo[], asIfReset?: StartPosition): Promise<GroupProgress>;
  /** @throws {NotLedError} @throws {SaturnError} `OFFSET_NOT_FOUND` */
  peek(topic: TopicInfo, queue: number, offset: number): Promise<PeekedMessage>;
  /** As `Messaging.skip`. @throws {NotLedError} */
  skip(group: GroupInfo, request: SkipRequest): Promise<SkippedMessage>;
}

/** The shards that this process leads. */
export interface LedShards extends ShardCalls {
  /** By shard, the term in which it is led and served here. */
  readonly led: ReadonlyMap<number, number>;
  /** The shard that takes ungrouped sends of the topic now; `undefined` if none that has a queue of it is led here. */
  turnOf(topic: TopicInfo): number | undefined;
  /**
   * Why sends are refused for the moment, or for their size.
   *
   * @param bytes of all messages together
   */
  refusalOf(messages: number, bytes: number): SaturnError | undefined;
  /**
   * Whether a pop would find something to look at, without reading. Begins the group on queues that it has not read yet, and adds its filter.
   *
   * @throws {SaturnError} `ILLEGAL_FILTER_EXPRESSION` when the group has too many on the topic
   */
  hasReady(topic: TopicInfo, group: GroupInfo, filter: Filter): boolean;
  /** Whether this very attempt of an ordered group's client holds messages here: its answer was lost. */
  holds(request: Pop): boolean;
  /** Whether the group is about to begin on a queue of the topic: until then "nothing ready" may be wrong. */
  isStarting(topic: TopicInfo, group: GroupInfo): boolean;
}

/** What the shards of this process tell. Calls come outside of any call into them. */
export type LedShardsEvents = {
  /** `led` changed. */
  ledChanged(): void;
  /** A topic, or one group of it, may have something ready. */
  ready(topic: number, group: number | undefined): void;
};

/** A receive that does not wait. */
export type Pop = Omit<ReceiveRequest, "waitMs">;

export type Popped = {
  readonly deliveries: readonly Delivery[];
  /** Reading of this process's monotonic clock up to which nobody else can lead the shards that they came from; `Infinity` without deliveries. */
  readonly leaseUntilMonoMs: number;
  /** There may be more. */
  readonly more: boolean;
  /** The group is about to begin there on a queue of the topic: until then "nothing there" may be wrong. */
  readonly starting: boolean;
};

/** `undefined`: done, or done before. */
export type AckOutcome = SaturnError | NotLedError | undefined;

export type QueueProgress = { readonly topic: number; readonly status: GroupTopicStatus["queues"][number] };

/** `shards`: those that were led there and are covered. */
export type GroupProgress = { readonly shards: readonly number[]; readonly queues: readonly QueueProgress[] };

/** Whoever was asked does not lead the shard and did nothing at all: another broker may be asked. */
export class NotLedError extends Error {
  override readonly name = "NotLedError";
  readonly shard: number;

  constructor(shard: number) {
    super(`shard ${String(shard)} is not led by the broker that was asked`);
    this.shard = shard;
  }
}

/** What a client hears when nobody leads a shard. */
export function noLeader(shard: number): SaturnError {
  return new SaturnError("TOO_MANY_REQUESTS", `shard ${String(shard)} has no leader at the moment: try again`);
}
