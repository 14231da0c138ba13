import { type Clock, SaturnError } from "@saturnmq/kit";
import { forward, type GroupInfo, type StartPosition, type TopicInfo, WireError } from "@saturnmq/wire";
import {
  type AckOutcome,
  type GivenHandle,
  type GroupProgress,
  NotLedError,
  type Pop,
  type Popped,
  type ShardCalls,
} from "../led-shards.ts";
import type {
  OutgoingMessage,
  PeekedMessage,
  QueueStatus,
  SendOutcome,
  SkippedMessage,
  SkipRequest,
  Subscriber,
} from "../messaging.ts";
import { ackOutcomeOf, deliveryOf, errorOf, messageWords, progressOf, startWords } from "./words.ts";

/** What became of a call that got no answer. `nothing`: it is proven that the other broker did not act on it. */
export type LostCall = { readonly kind: "lost"; readonly outcome: "nothing" | "unknown"; readonly cause: unknown };

/** Calls one broker; answers its reply, or what is known of a call without one. Never rejects. */
export type Ask = (request: Uint8Array, timeoutMs: number) => Promise<Uint8Array | LostCall>;

/** No call between brokers takes longer: what it would wait for, whoever called waits for. */
const timeoutMs = 5_000;
/** A pop reads from the disk and never waits for messages; a receive on hold must not be lost to one that is slow. */
const popTimeoutMs = 2_000;
/** What an attempt holds is asked for before anything else is done for it, of everybody: who is slow must not hold up the others for long. */
const againTimeoutMs = 500;

type Request = Parameters<typeof forward.ForwardRequest.encode>[0];

/** The shards of another broker, asked over a link. */
export class RemoteShards implements ShardCalls {
  readonly #ask: Ask;
  readonly #clock: Clock;
  readonly #revision: () => number;

  /** @param revision of the metadata that this broker has watched */
  constructor(ask: Ask, clock: Clock, revision: () => number) {
    this.#ask = ask;
    this.#clock = clock;
    this.#revision = revision;
  }

  async send(topic: TopicInfo, shard: number, messages: readonly OutgoingMessage[]): Promise<readonly SendOutcome[]> {
    const { send } = await this.#call(
      { send: { topic: topic.id, shard, messages: messages.map(messageWords) } },
      shard,
    );
    const { stored } = present(send);
    if (stored.length !== messages.length) throw unreadable();
    return stored;
  }

  async subscribe({ topic, group, filter, clientId }: Subscriber): Promise<void> {
    await this.#call({ subscribe: { topic: topic.id, group: group.id, filter, clientId } }, anyShard);
  }

  pop(request: Pop): Promise<Popped> {
    return this.#pop(request, false, popTimeoutMs);
  }

  again(request: Pop): Promise<Popped> {
    return this.#pop(request, true, againTimeoutMs);
  }

  async #pop(request: Pop, heldOnly: boolean, limitMs: number): Promise<Popped> {
    const { topic, group, filter, batchSize: count, invisibleMs, clientId, attemptId = "" } = request;
    const sentMs = this.#clock.monoMs();
    const about = { topic: topic.id, group: group.id, filter, clientId, attemptId };
    const { pop } = await this.#call({ pop: { ...about, count, invisibleMs, heldOnly } }, anyShard, limitMs);
    const { deliveries, leaseLeftMs, more, starting } = present(pop);
    // Counted from before the question: that is earlier than the leader's reading of its clock.
    const leaseUntilMonoMs = deliveries.length === 0 ? Infinity : sentMs + leaseLeftMs;
    return { deliveries: deliveries.map(deliveryOf), leaseUntilMonoMs, more, starting };
  }

  async ack(topic: TopicInfo, group: GroupInfo, handles: readonly GivenHandle[]): Promise<readonly AckOutcome[]> {
    const receiptHandles = handles.map(({ text }) => text);
    const { ack } = await this.#call({ ack: { topic: topic.id, group: group.id, receiptHandles } }, anyShard);
    const { outcomes } = present(ack);
    if (outcomes.length !== handles.length) throw unreadable();
    return outcomes.map(ackOutcomeOf);
  }

  async changeInvisible(
    topic: TopicInfo,
    group: GroupInfo,
    receiptHandle: string,
    invisibleMs: number,
  ): Promise<string> {
    const asked = { topic: topic.id, group: group.id, receiptHandle, invisibleMs };
    const { changeInvisible } = await this.#call({ changeInvisible: asked }, anyShard);
    return present(changeInvisible).receiptHandle;
  }

  async forwardToDeadLetters(topic: TopicInfo, group: GroupInfo, receiptHandle: string): Promise<void> {
    await this.#call({ deadLetter: { topic: topic.id, group: group.id, receiptHandle } }, anyShard);
  }

  giveBack(receiptHandles: readonly string[]): void {
    // Lost or refused, their leases end by themselves.
    void this.#ask(this.#encode({ giveBack: { receiptHandles } }), timeoutMs);
  }

  async describeTopic(topic: TopicInfo): Promise<readonly QueueStatus[]> {
    const { describeTopic } = await this.#call({ describeTopic: { topic: topic.id } }, anyShard);
    return present(describeTopic).queues;
  }

  async describeGroup(
    group: GroupInfo,
    topics: readonly TopicInfo[],
    asIfReset?: StartPosition,
  ): Promise<GroupProgress> {
    const start = asIfReset === undefined ? {} : { asIfReset: startWords(asIfReset) };
    const asked = { group: group.id, topics: topics.map(({ id }) => id), ...start };
    const { describeGroup } = await this.#call({ describeGroup: asked }, anyShard);
    const { shards, queues } = present(describeGroup);
    return { shards, queues: queues.map(progressOf) };
  }

  async skip(group: GroupInfo, { topic, queue, offset, confirmed }: SkipRequest): Promise<SkippedMessage> {
    const asked = { topic: topic.id, group: group.id, queue, offset, confirmed };
    const { skip } = await this.#call({ skip: asked }, anyShard);
    const { finishedBefore, damage } = present(skip);
    return { finishedBefore, damage };
  }

  async peek(topic: TopicInfo, queue: number, offset: number): Promise<PeekedMessage> {
    const { peek } = await this.#call({ peek: { topic: topic.id, queue, offset } }, anyShard);
    const { message, bodyCrc, storedAtMs } = present(peek);
    return { message, bodyCrc: bodyCrc >>> 0, storedAtMs, offset };
  }

  /** @throws {NotLedError} if it is proven that nothing was done @throws {SaturnError} what the other broker refused, or that its answer was lost */
  async #call(request: Request, shard: number, limitMs = timeoutMs): Promise<forward.ForwardReply> {
    const answer = await this.#ask(this.#encode(request), limitMs);
    if (!(answer instanceof Uint8Array)) throw lostError(answer, shard);
    const reply = decode(answer);
    if (reply.refusal !== undefined) throw errorOf(reply.refusal, shard);
    return reply;
  }

  #encode(request: Request): Uint8Array {
    return forward.ForwardRequest.encode({ revision: this.#revision(), ...request });
  }
}

/** For calls that are about handles or queues: the caller knows the shard. */
const anyShard = -1;

function lostError({ outcome, cause }: LostCall, shard: number): Error {
  if (outcome === "nothing") return new NotLedError(shard);
  return new SaturnError(
    "HA_NOT_AVAILABLE",
    "the broker that leads the shard did not answer: whether it was done is unknown; try again",
    { cause },
  );
}

function decode(bytes: Uint8Array): forward.ForwardReply {
  try {
    return forward.ForwardReply.decode(bytes);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw unreadable(error);
  }
}

function present<T>(reply: T | undefined): T {
  if (reply === undefined) throw unreadable();
  return reply;
}

function unreadable(cause?: unknown): SaturnError {
  return new SaturnError("INTERNAL_ERROR", "another broker answered in a way that this one cannot read", { cause });
}
