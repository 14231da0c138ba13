import type { SaturnError } from "@saturnmq/kit";
import type { GroupInfo, StartPosition, TopicInfo } from "@saturnmq/wire";
import type { Filter } from "./domain/filter.ts";
import type { Refusals } from "./domain/leases.ts";

/**
 * The data plane as protocol adapters see it: gRPC handlers translate to these calls and know nothing of shards, Raft or disk.
 * Every method rejects with `SaturnError`. Nothing resolves before what it tells is durable.
 */
export interface Messaging {
  /** True when every shard this broker should lead is led and served. */
  readonly ready: boolean;
  /** @throws {SaturnError} `TOPIC_NOT_FOUND`, or `HA_NOT_AVAILABLE` while the name server cannot be asked */
  topic(name: string): Promise<TopicInfo>;
  /** The group; created with defaults at its first use. */
  group(name: string): Promise<GroupInfo>;
  /**
   * Stores `messages` (one topic); one outcome each, in order. Messages of one shard are stored all or none.
   *
   * @param deadlineMs reading of `Clock.monoMs` at which the caller gives up; `Infinity`: it does not say
   * @throws {SaturnError} `TOO_MANY_REQUESTS` if nothing was stored and a later try may succeed, `HA_NOT_AVAILABLE` if no leader was found
   * or the outcome is unknown
   */
  send(topic: TopicInfo, messages: readonly OutgoingMessage[], deadlineMs: number): Promise<readonly SendOutcome[]>;
  /** As `topic`, of what is known now; `undefined`: `topic` tells why, or waits. */
  knownTopic(name: string): TopicInfo | undefined;
  /**
   * Stages one message that is in no message group, if it can be decided here and now, and has `waiter` told what became of it, later and once.
   * `undefined`: nothing has happened; `send` does it, or tells why not.
   *
   * @param ticket what `waiter` knows the message by
   */
  sendNow(topic: TopicInfo, message: LoneMessage, waiter: Waiter, ticket: number): SendOutcome | undefined;
  /**
   * Tells what a consumer will ask for, so that nothing that it wants is finished for its group before its first receive. Resolves when
   * that holds in every shard that is led here.
   *
   * @throws {SaturnError} `ILLEGAL_FILTER_EXPRESSION` when the group has too many filters on the topic
   */
  subscribe(subscriber: Subscriber): Promise<void>;
  /**
   * Leases up to `batchSize` ready messages; when none is ready, waits until one is, `waitMs` have passed or nobody waits any more (then: none).
   * A message that this filter does not want stays for those of the group that do.
   *
   * @param receiver told once, perhaps within this call; refused with `ILLEGAL_FILTER_EXPRESSION` when the group has too many filters on the topic
   */
  hold(request: ReceiveRequest, receiver: Receiver): Hold;
  /** Whether a consumer is connected to this broker, or was not long ago to another, as far as known. */
  isPresent(clientId: string): boolean;
  /** Finishes messages; one outcome a handle, in order. `undefined`: done, or done before. */
  ack(topic: TopicInfo, group: GroupInfo, handles: readonly string[]): Promise<readonly (SaturnError | undefined)[]>;
  /** As `group`, of what is known now; `undefined`: `group` makes it, or waits. */
  knownGroup(name: string): GroupInfo | undefined;
  /**
   * Finishes the messages of handles of one shard, if that can be decided here and now, and has `waiter` told what became of it, later and once.
   * `undefined`: nothing has happened; `ack` does it, or tells why not.
   *
   * @param ticket what `waiter` knows the call by
   * @returns why handles are no good, at their places; those are settled too, and not before what `waiter` is told
   */
  ackNow(
    topic: TopicInfo,
    group: GroupInfo,
    handles: HandleTexts,
    waiter: Waiter,
    ticket: number,
  ): Refusals | undefined;
  /** Moves a lease's end to `invisibleMs` from now and answers the handle that replaces the old one. 0: visible at once. */
  changeInvisible(topic: TopicInfo, group: GroupInfo, handle: string, invisibleMs: number): Promise<string>;
  /**
   * Gives the message of a handle up: it is finished for the group and kept among the group's dead letters. Done before is as good.
   *
   * @throws {SaturnError} `INVALID_RECEIPT_HANDLE`
   */
  forwardToDeadLetters(topic: TopicInfo, group: GroupInfo, handle: string): Promise<void>;
  /** Gives leased messages back without raising their attempt: the client went away before they were written to it. */
  giveBack(deliveries: readonly Delivery[]): void;
  describeTopic(topic: TopicInfo): Promise<readonly QueueStatus[]>;
  /** @param asIfReset as the group would be after a reset to there */
  describeGroup(group: GroupInfo, asIfReset?: StartPosition): Promise<readonly GroupTopicStatus[]>;
  /** One message by place, without leasing it. @throws {SaturnError} `OFFSET_NOT_FOUND` */
  peek(topic: TopicInfo, queue: number, offset: number): Promise<PeekedMessage>;
  /** Ids of the brokers that lead a queue of the topic, ascending; this broker's while none is known, as it answers any call. */
  leadersOf(topic: TopicInfo): readonly number[];
  /**
   * Finishes one message for a group without delivering it; tells in what state it was. Without `confirmed` it only tells.
   *
   * @throws {SaturnError} `OFFSET_NOT_FOUND`, or `NOT_FOUND` where the group has not begun
   */
  skip(group: GroupInfo, request: SkipRequest): Promise<SkippedMessage>;
}

/**
 * A validated message on its way in. `bytes[start, start + length)` is its protobuf `Message`, re-ordered so that SystemProperties come last
 * (the form that is stored). The range is copied before `send` returns its promise.
 */
export type OutgoingMessage = {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
  /** The body inside that range, from `start`; CRC-32 of it. */
  readonly bodyStart: number;
  readonly bodyLength: number;
  readonly bodyCrc: number;
  /** `undefined`: no tag. */
  readonly tag: string | undefined;
  readonly messageId: string;
  /** `undefined`: it is in none. */
  readonly messageGroup: string | undefined;
};

/** One message in no message group, which writes itself to where it is to lie: so a body is copied once on its way to the log. */
export type LoneMessage = Pick<OutgoingMessage, "length" | "bodyStart" | "bodyLength" | "bodyCrc"> & {
  /** UTF-8 bytes of its tag, 0 for none. */
  readonly tagLength: number;
  /** Writes the tag and behind it the stored form, `tagLength` and `length` bytes, at `target[at…]`. Called within `sendNow`, at most once. */
  write(target: Uint8Array, at: number): void;
};

/** Receipt handles as they lie in a request. */
export interface HandleTexts {
  readonly bytes: Uint8Array;
  readonly count: number;
  handleStart(at: number): number;
  handleLength(at: number): number;
}

/** Waits for many things at once, each known by a number: for what would be a promise each a hundred thousand times a second. */
export interface Waiter {
  /** What was staged is durable and applied; with `error`, its outcome is unknown. @param nowMs reading of the monotonic clock */
  settled(ticket: number, error: SaturnError | undefined, nowMs: number): void;
}

/** Waits for messages, without a promise: there are many thousands at once. */
export interface Receiver {
  received(deliveries: readonly Delivery[]): void;
  /** @param error a `SaturnError`, or a bug's */
  refused(error: unknown): void;
}

/** A receive on hold. */
export interface Hold {
  /** Nobody waits any more: it ends with no messages, now if it has not ended. */
  leave(): void;
}

export type SendOutcome = { readonly queue: number; readonly offset: number; readonly storedAtMs: number };

/** Who reads what: a consumer of a group, on a topic, with a filter. */
export type Subscriber = {
  readonly topic: TopicInfo;
  readonly group: GroupInfo;
  readonly filter: Filter;
  readonly clientId: string;
};

export type ReceiveRequest = Subscriber & {
  readonly batchSize: number;
  readonly invisibleMs: number;
  readonly waitMs: number;
  /** What the client calls this receive and its repetitions; empty: nothing. */
  readonly attemptId?: string;
};

/** A leased message. `message` is its stored protobuf `Message` (SystemProperties last), checked against its CRC; a view or a copy, not to be changed. */
export type Delivery = {
  readonly message: Uint8Array;
  readonly bodyCrc: number;
  readonly queue: number;
  readonly offset: number;
  readonly storedAtMs: number;
  readonly attempt: number;
  readonly receiptHandle: string;
  readonly invisibleMs: number;
};

export type QueueStatus = {
  readonly queue: number;
  readonly shard: number;
  readonly minOffset: number;
  readonly nextOffset: number;
};

export type GroupTopicStatus = {
  readonly topic: string;
  readonly queues: readonly {
    readonly queue: number;
    /** First offset not finished. */
    readonly floor: number;
    readonly nextOffset: number;
    /** Messages neither acked nor parked. Counts those leased. */
    readonly lag: number;
    readonly inFlight: number;
    /** Messages given up after the maximum of attempts. */
    readonly parked: number;
    /** Messages given up to the group's dead letters. */
    readonly deadLettered: number;
    /** Messages that retention removed before they were finished. */
    readonly expired: number;
    /** Store time of the first unfinished message; `undefined` when none. */
    readonly oldestUnackedAtMs: number | undefined;
    /** Offset at which the group began on this queue; `undefined` when it has not yet. */
    readonly startOffset: number | undefined;
  }[];
};

export type SkipRequest = {
  readonly topic: TopicInfo;
  readonly queue: number;
  readonly offset: number;
  readonly confirmed: boolean;
};

export type SkippedMessage = {
  /** The group had finished it already: nothing was done. */
  readonly finishedBefore: boolean;
  /** Why it cannot be read; `undefined` when it can. */
  readonly damage: string | undefined;
};

export type PeekedMessage = {
  readonly message: Uint8Array;
  readonly bodyCrc: number;
  readonly storedAtMs: number;
  readonly offset: number;
};
