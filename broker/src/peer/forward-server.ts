import { type Clock, type Logger, SaturnError } from "@saturnmq/kit";
import { forward, type GroupInfo, type TopicInfo, WireError } from "@saturnmq/wire";
import type { AskedEntries, LogEntry } from "../cluster/ports.ts";
import { type LedShards, NotLedError } from "../led-shards.ts";
import {
  ackWords,
  deliveryWords,
  entryWords,
  filterOf,
  outgoingOf,
  progressWords,
  refusalWords,
  startOf,
} from "./words.ts";

/** What this broker does for others, and what it must know for that. */
export type ForwardRoom = {
  readonly shards: LedShards;
  /** Resolves when metadata of at least this revision was watched. @throws {SaturnError} `HA_NOT_AVAILABLE` if it does not come in time */
  readonly caughtUp: (revision: number) => Promise<void>;
  /** @throws {SaturnError} `TOPIC_NOT_FOUND` */
  readonly topic: (id: number) => TopicInfo;
  /** @throws {SaturnError} `CONSUMER_GROUP_NOT_FOUND` */
  readonly group: (id: number) => GroupInfo;
  /** Entries of this replica's log, see `Brokers.entries`. */
  readonly entries: (asked: AskedEntries) => Promise<readonly LogEntry[]>;
  /** Another broker says that something is ready for what receives here wait for. */
  readonly ready: (from: number, words: forward.WaitingFor) => void;
  readonly clock: Clock;
  readonly logger: Logger;
};

type Request = forward.ForwardRequest;
type Reply = Parameters<typeof forward.ForwardReply.encode>[0];

/** Answers one forwarded call of another broker. Never rejects: a failure is an answer. */
export async function answerForward(
  room: ForwardRoom,
  from: number,
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<Uint8Array> {
  try {
    const request = decode(bytes);
    await room.caughtUp(request.revision);
    return forward.ForwardReply.encode(await perform(room, from, request, signal));
  } catch (error) {
    if (!(error instanceof SaturnError) && !(error instanceof NotLedError))
      room.logger.error({ err: error }, "a call of another broker failed on a bug");
    return forward.ForwardReply.encode({ refusal: refusalWords(error) });
  }
}

function decode(bytes: Uint8Array): Request {
  try {
    return forward.ForwardRequest.decode(bytes);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw new SaturnError("BAD_REQUEST", `a forwarded call cannot be read: ${error.message}`, { cause: error });
  }
}

async function perform(room: ForwardRoom, from: number, request: Request, signal: AbortSignal): Promise<Reply> {
  if (request.send !== undefined) return { send: await send(room, request.send) };
  if (request.pop !== undefined) return { pop: await pop(room, request.pop, signal) };
  if (request.ack !== undefined) return { ack: await ack(room, request.ack) };
  if (request.changeInvisible !== undefined) return { changeInvisible: await change(room, request.changeInvisible) };
  if (request.describeTopic !== undefined) return { describeTopic: await describeTopic(room, request.describeTopic) };
  if (request.describeGroup !== undefined) return { describeGroup: await describeGroup(room, request.describeGroup) };
  if (request.peek !== undefined) return { peek: await peek(room, request.peek) };
  if (request.skip !== undefined) return { skip: await skip(room, request.skip) };
  if (request.giveBack !== undefined) {
    room.shards.giveBack(request.giveBack.receiptHandles);
    return { done: true };
  }
  if (request.deadLetter !== undefined) {
    const { topic, group, receiptHandle } = request.deadLetter;
    await room.shards.forwardToDeadLetters(room.topic(topic), room.group(group), receiptHandle);
    return { done: true };
  }
  if (request.subscribe !== undefined) {
    const { topic, group, filter, clientId } = request.subscribe;
    const who = { topic: room.topic(topic), group: room.group(group), filter: filterOf(filter), clientId };
    await room.shards.subscribe(who);
    return { done: true };
  }
  if (request.ready?.waitingFor !== undefined) {
    room.ready(from, request.ready.waitingFor);
    return { done: true };
  }
  if (request.entries !== undefined)
    return { entries: { entries: (await room.entries(request.entries)).map(entryWords) } };
  throw new SaturnError("UNIMPLEMENTED", "a newer broker forwards a call that this one does not know: update it");
}

async function send(room: ForwardRoom, { topic, shard, messages }: forward.ForwardSend) {
  return { stored: await room.shards.send(room.topic(topic), shard, messages.map(outgoingOf)) };
}

async function pop({ shards, topic, group, clock }: ForwardRoom, asked: forward.ForwardPop, signal: AbortSignal) {
  const request = {
    topic: topic(asked.topic),
    group: group(asked.group),
    filter: filterOf(asked.filter),
    batchSize: asked.count,
    invisibleMs: asked.invisibleMs,
    clientId: asked.clientId,
    attemptId: asked.attemptId,
  };
  const alive = (): boolean => !signal.aborted;
  // What this very pop got before, its answer lost between brokers, is also what a repetition is to get.
  const repeated = request.group.order && request.attemptId !== "" && shards.holds(request);
  const { deliveries, leaseUntilMonoMs, more, starting } = await (asked.heldOnly || repeated
    ? shards.again(request, alive)
    : shards.pop(request, alive));
  // A sole voter's lease has no end; whoever relays needs some number.
  const leaseLeftMs = Math.min(Math.floor(leaseUntilMonoMs - clock.monoMs()), leaseLeftMaxMs);
  if (!signal.aborted && (deliveries.length === 0 || leaseLeftMs > 0))
    return { deliveries: deliveries.map(deliveryWords), leaseLeftMs: Math.max(0, leaseLeftMs), more, starting };
  shards.giveBack(deliveries.map(({ receiptHandle }) => receiptHandle));
  return { deliveries: [], leaseLeftMs: 0, more, starting };
}

const leaseLeftMaxMs = 60_000;

async function ack({ shards, topic, group }: ForwardRoom, asked: forward.ForwardAck) {
  const handles = asked.receiptHandles.map((text) => ({ text }));
  const outcomes = await shards.ack(topic(asked.topic), group(asked.group), handles);
  return { outcomes: outcomes.map(ackWords) };
}

async function change({ shards, topic, group }: ForwardRoom, asked: forward.ForwardVisibility) {
  const { receiptHandle, invisibleMs } = asked;
  return {
    receiptHandle: await shards.changeInvisible(topic(asked.topic), group(asked.group), receiptHandle, invisibleMs),
  };
}

async function describeTopic({ shards, topic }: ForwardRoom, asked: forward.ForwardDescribeTopic) {
  return { queues: await shards.describeTopic(topic(asked.topic)) };
}

async function describeGroup({ shards, topic, group }: ForwardRoom, asked: forward.ForwardDescribeGroup) {
  const start = asked.asIfReset && startOf(asked.asIfReset);
  const progress = await shards.describeGroup(group(asked.group), asked.topics.map(topic), start);
  return { shards: progress.shards, queues: progress.queues.map(progressWords) };
}

async function skip({ shards, topic, group }: ForwardRoom, asked: forward.ForwardSkip) {
  const { queue, offset, confirmed } = asked;
  return shards.skip(group(asked.group), { topic: topic(asked.topic), queue, offset, confirmed });
}

async function peek({ shards, topic }: ForwardRoom, asked: forward.ForwardPeek) {
  return shards.peek(topic(asked.topic), asked.queue, asked.offset);
}
