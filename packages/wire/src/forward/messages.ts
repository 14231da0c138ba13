// Written by scripts/generate.ts from proto/saturnmq/v1/forward.proto. Change that file and run `make generate`.

import { type MessageCodec, SchemaCodec } from "../protobuf/message-codec.ts";
import { forwardSchema } from "./schema.ts";

const schema = new SchemaCodec(forwardSchema);

/** `saturnmq.v1.ForwardRequest`. */
export type ForwardRequest = {
  /** Metadata that the sender has watched: the receiver first catches up with it, so that a topic that was just made is known. */
  readonly revision: number;
  readonly send?: ForwardSend | undefined;
  readonly pop?: ForwardPop | undefined;
  readonly ack?: ForwardAck | undefined;
  readonly changeInvisible?: ForwardVisibility | undefined;
  readonly giveBack?: ForwardGiveBack | undefined;
  readonly describeTopic?: ForwardDescribeTopic | undefined;
  readonly describeGroup?: ForwardDescribeGroup | undefined;
  readonly peek?: ForwardPeek | undefined;
  readonly ready?: ForwardReady | undefined;
  readonly entries?: ForwardEntries | undefined;
  readonly subscribe?: ForwardSubscribe | undefined;
  readonly skip?: ForwardSkip | undefined;
  readonly deadLetter?: ForwardDeadLetter | undefined;
};
export const ForwardRequest: MessageCodec<ForwardRequest> = schema.of<ForwardRequest>("ForwardRequest");

/** `saturnmq.v1.ForwardReply`. */
export type ForwardReply = {
  readonly refusal?: ForwardRefusal | undefined;
  readonly send?: ForwardSendReply | undefined;
  readonly pop?: ForwardPopReply | undefined;
  readonly ack?: ForwardAckReply | undefined;
  readonly changeInvisible?: ForwardVisibilityReply | undefined;
  /** Nothing to tell but that it was done. */
  readonly done?: boolean | undefined;
  readonly describeTopic?: ForwardTopicReply | undefined;
  readonly describeGroup?: ForwardGroupReply | undefined;
  readonly peek?: ForwardMessage | undefined;
  readonly entries?: ForwardEntriesReply | undefined;
  readonly skip?: ForwardSkipped | undefined;
};
export const ForwardReply: MessageCodec<ForwardReply> = schema.of<ForwardReply>("ForwardReply");

/** Why a call was refused. */
export type ForwardRefusal = {
  /** Symbolic code, as in the table of errors. */
  readonly code: string;
  readonly message: string;
  /** The receiver did nothing at all for the call: it does not lead the shard, or not yet. The sender may ask another broker. */
  readonly notDone: boolean;
};
export const ForwardRefusal: MessageCodec<ForwardRefusal> = schema.of<ForwardRefusal>("ForwardRefusal");

/** Messages of one topic for one shard, stored all or none. */
export type ForwardSend = {
  readonly topic: number;
  readonly shard: number;
  readonly messages: readonly ForwardMessage[];
};
export const ForwardSend: MessageCodec<ForwardSend> = schema.of<ForwardSend>("ForwardSend");

/** `saturnmq.v1.ForwardMessage`. */
export type ForwardMessage = {
  /** The message in its stored form. */
  readonly message: Uint8Array;
  /** Where in it the body lies. */
  readonly bodyStart: number;
  readonly bodyLength: number;
  /** CRC-32 of the body. */
  readonly bodyCrc: number;
  /** Absent: none. */
  readonly tag?: string | undefined;
  readonly messageId: string;
  /** Set where the message is read, not where it is sent. */
  readonly storedAtMs: number;
  readonly offset: number;
  /** Absent: it is in none. */
  readonly messageGroup?: string | undefined;
};
export const ForwardMessage: MessageCodec<ForwardMessage> = schema.of<ForwardMessage>("ForwardMessage");

/** `saturnmq.v1.ForwardSendReply`. */
export type ForwardSendReply = {
  /** One a message, in order. */
  readonly stored: readonly ForwardStored[];
};
export const ForwardSendReply: MessageCodec<ForwardSendReply> = schema.of<ForwardSendReply>("ForwardSendReply");

/** `saturnmq.v1.ForwardStored`. */
export type ForwardStored = {
  readonly queue: number;
  readonly offset: number;
  readonly storedAtMs: number;
};
export const ForwardStored: MessageCodec<ForwardStored> = schema.of<ForwardStored>("ForwardStored");

/** What a consumer wants of a topic. */
export type ForwardFilter = {
  /** tag */
  readonly kind: string;
  readonly expression: string;
};
export const ForwardFilter: MessageCodec<ForwardFilter> = schema.of<ForwardFilter>("ForwardFilter");

/** Records a consumer's filter in the shards that the receiver leads. */
export type ForwardSubscribe = {
  readonly topic: number;
  readonly group: number;
  readonly filter?: ForwardFilter | undefined;
  readonly clientId: string;
};
export const ForwardSubscribe: MessageCodec<ForwardSubscribe> = schema.of<ForwardSubscribe>("ForwardSubscribe");

/** Leases what is ready; never waits. */
export type ForwardPop = {
  readonly topic: number;
  readonly group: number;
  readonly filter?: ForwardFilter | undefined;
  readonly count: number;
  readonly invisibleMs: number;
  readonly clientId: string;
  /** What the client calls this receive and its repetitions; empty: nothing. */
  readonly attemptId: string;
  /** Only what this very attempt holds already is wanted, and nothing leased for it. */
  readonly heldOnly: boolean;
};
export const ForwardPop: MessageCodec<ForwardPop> = schema.of<ForwardPop>("ForwardPop");

/** `saturnmq.v1.ForwardPopReply`. */
export type ForwardPopReply = {
  readonly deliveries: readonly ForwardDelivery[];
  /** For so long from the sending of the pop on nobody else can lead the shards that these came from: later they must not be written to a client. */
  readonly leaseLeftMs: number;
  /** There may be more. */
  readonly more: boolean;
  /** The group is about to begin on a queue: until then "nothing there" may be wrong. */
  readonly starting: boolean;
};
export const ForwardPopReply: MessageCodec<ForwardPopReply> = schema.of<ForwardPopReply>("ForwardPopReply");

/** `saturnmq.v1.ForwardDelivery`. */
export type ForwardDelivery = {
  readonly message: Uint8Array;
  readonly bodyCrc: number;
  readonly queue: number;
  readonly offset: number;
  readonly storedAtMs: number;
  readonly attempt: number;
  readonly receiptHandle: string;
  readonly invisibleMs: number;
};
export const ForwardDelivery: MessageCodec<ForwardDelivery> = schema.of<ForwardDelivery>("ForwardDelivery");

/** `saturnmq.v1.ForwardAck`. */
export type ForwardAck = {
  readonly topic: number;
  readonly group: number;
  readonly receiptHandles: readonly string[];
};
export const ForwardAck: MessageCodec<ForwardAck> = schema.of<ForwardAck>("ForwardAck");

/** `saturnmq.v1.ForwardAckReply`. */
export type ForwardAckReply = {
  /** One a handle, in order. */
  readonly outcomes: readonly ForwardOutcome[];
};
export const ForwardAckReply: MessageCodec<ForwardAckReply> = schema.of<ForwardAckReply>("ForwardAckReply");

/** `saturnmq.v1.ForwardOutcome`. */
export type ForwardOutcome = {
  /** Absent: done. */
  readonly refusal?: ForwardRefusal | undefined;
  /** The shard, where it is refused because the receiver does not lead it. */
  readonly shard: number;
};
export const ForwardOutcome: MessageCodec<ForwardOutcome> = schema.of<ForwardOutcome>("ForwardOutcome");

/** `saturnmq.v1.ForwardVisibility`. */
export type ForwardVisibility = {
  readonly topic: number;
  readonly group: number;
  readonly receiptHandle: string;
  readonly invisibleMs: number;
};
export const ForwardVisibility: MessageCodec<ForwardVisibility> = schema.of<ForwardVisibility>("ForwardVisibility");

/** `saturnmq.v1.ForwardVisibilityReply`. */
export type ForwardVisibilityReply = {
  readonly receiptHandle: string;
};
export const ForwardVisibilityReply: MessageCodec<ForwardVisibilityReply> =
  schema.of<ForwardVisibilityReply>("ForwardVisibilityReply");

/** Gives the message of a handle up to the group's dead letters. */
export type ForwardDeadLetter = {
  readonly topic: number;
  readonly group: number;
  readonly receiptHandle: string;
};
export const ForwardDeadLetter: MessageCodec<ForwardDeadLetter> = schema.of<ForwardDeadLetter>("ForwardDeadLetter");

/** `saturnmq.v1.ForwardGiveBack`. */
export type ForwardGiveBack = {
  readonly receiptHandles: readonly string[];
};
export const ForwardGiveBack: MessageCodec<ForwardGiveBack> = schema.of<ForwardGiveBack>("ForwardGiveBack");

/** The queues of a topic in shards that the receiver leads. */
export type ForwardDescribeTopic = {
  readonly topic: number;
};
export const ForwardDescribeTopic: MessageCodec<ForwardDescribeTopic> =
  schema.of<ForwardDescribeTopic>("ForwardDescribeTopic");

/** `saturnmq.v1.ForwardTopicReply`. */
export type ForwardTopicReply = {
  readonly queues: readonly ForwardQueue[];
};
export const ForwardTopicReply: MessageCodec<ForwardTopicReply> = schema.of<ForwardTopicReply>("ForwardTopicReply");

/** `saturnmq.v1.ForwardQueue`. */
export type ForwardQueue = {
  readonly queue: number;
  readonly shard: number;
  readonly minOffset: number;
  readonly nextOffset: number;
};
export const ForwardQueue: MessageCodec<ForwardQueue> = schema.of<ForwardQueue>("ForwardQueue");

/** The progress of a group in shards that the receiver leads. */
export type ForwardDescribeGroup = {
  readonly group: number;
  /** Topics of which all queues count, also those that the group has not begun. */
  readonly topics: readonly number[];
  /** Present: as if the group had been reset to there. Since feature level 2. */
  readonly asIfReset?: ForwardStart | undefined;
};
export const ForwardDescribeGroup: MessageCodec<ForwardDescribeGroup> =
  schema.of<ForwardDescribeGroup>("ForwardDescribeGroup");

/** `saturnmq.v1.ForwardStart`. */
export type ForwardStart = {
  /** earliest or time */
  readonly kind: string;
  readonly atMs: number;
};
export const ForwardStart: MessageCodec<ForwardStart> = schema.of<ForwardStart>("ForwardStart");

/** `saturnmq.v1.ForwardGroupReply`. */
export type ForwardGroupReply = {
  /** Led by the receiver, and covered. */
  readonly shards: readonly number[];
  readonly queues: readonly ForwardProgress[];
};
export const ForwardGroupReply: MessageCodec<ForwardGroupReply> = schema.of<ForwardGroupReply>("ForwardGroupReply");

/** `saturnmq.v1.ForwardProgress`. */
export type ForwardProgress = {
  readonly topic: number;
  readonly queue: number;
  readonly floor: number;
  readonly nextOffset: number;
  readonly lag: number;
  readonly inFlight: number;
  readonly parked: number;
  readonly oldestUnackedAtMs?: number | undefined;
  readonly startOffset?: number | undefined;
  readonly expired: number;
  readonly deadLettered: number;
};
export const ForwardProgress: MessageCodec<ForwardProgress> = schema.of<ForwardProgress>("ForwardProgress");

/** `saturnmq.v1.ForwardPeek`. */
export type ForwardPeek = {
  readonly topic: number;
  readonly queue: number;
  readonly offset: number;
};
export const ForwardPeek: MessageCodec<ForwardPeek> = schema.of<ForwardPeek>("ForwardPeek");

/** Finishes one message for a group without delivering it; only tells in what state it is, unless confirmed. */
export type ForwardSkip = {
  readonly topic: number;
  readonly group: number;
  readonly queue: number;
  readonly offset: number;
  readonly confirmed: boolean;
};
export const ForwardSkip: MessageCodec<ForwardSkip> = schema.of<ForwardSkip>("ForwardSkip");

/** `saturnmq.v1.ForwardSkipped`. */
export type ForwardSkipped = {
  readonly finishedBefore: boolean;
  /** Why it cannot be read; absent: it can. */
  readonly damage?: string | undefined;
};
export const ForwardSkipped: MessageCodec<ForwardSkipped> = schema.of<ForwardSkipped>("ForwardSkipped");

/** The sender leads shards in which something is ready for what the receiver waits for. */
export type ForwardReady = {
  readonly waitingFor?: WaitingFor | undefined;
};
export const ForwardReady: MessageCodec<ForwardReady> = schema.of<ForwardReady>("ForwardReady");

/** Entries of a shard's log for a replica that fills in what it lacks. Any replica that holds them may be asked. */
export type ForwardEntries = {
  readonly shard: number;
  readonly from: number;
  readonly to: number;
  /** So many payload bytes at most, but always one entry. */
  readonly bytes: number;
};
export const ForwardEntries: MessageCodec<ForwardEntries> = schema.of<ForwardEntries>("ForwardEntries");

/** `saturnmq.v1.ForwardEntriesReply`. */
export type ForwardEntriesReply = {
  /** Consecutive from `from` on, as many as fit; none, if the replica does not hold the first. */
  readonly entries: readonly ForwardEntry[];
};
export const ForwardEntriesReply: MessageCodec<ForwardEntriesReply> =
  schema.of<ForwardEntriesReply>("ForwardEntriesReply");

/** `saturnmq.v1.ForwardEntry`. */
export type ForwardEntry = {
  readonly index: number;
  readonly term: number;
  /** A configuration, not records. */
  readonly configuration: boolean;
  readonly payload: Uint8Array;
  /** As in the log: over the records' checks. */
  readonly crc: number;
  /** Wall clock of the broker that wrote it, for retention by time. */
  readonly writtenMs: number;
};
export const ForwardEntry: MessageCodec<ForwardEntry> = schema.of<ForwardEntry>("ForwardEntry");

/** Shards of which a broker still lacks entries that it must have before it may vote. */
export type FillingShards = {
  readonly shards: readonly number[];
};
export const FillingShards: MessageCodec<FillingShards> = schema.of<FillingShards>("FillingShards");

/** What a broker says of itself to every other while their link lives: the shards that it leads and serves. */
export type LedShards = {
  readonly shards: readonly LedShard[];
};
export const LedShards: MessageCodec<LedShards> = schema.of<LedShards>("LedShards");

/** `saturnmq.v1.LedShard`. */
export type LedShard = {
  readonly shard: number;
  readonly term: number;
};
export const LedShard: MessageCodec<LedShard> = schema.of<LedShard>("LedShard");

/** What receives on hold at one broker wait for at another. */
export type WaitingFor = {
  readonly topic: number;
  readonly group: number;
  readonly filter?: ForwardFilter | undefined;
  /** Counts how often it was armed: armed anew, it differs from what it was. */
  readonly arming: number;
};
export const WaitingFor: MessageCodec<WaitingFor> = schema.of<WaitingFor>("WaitingFor");
