import { SaturnError } from "@saturnmq/kit";
import type { GroupInfo, MessageType, TopicInfo } from "@saturnmq/wire";
import { noRefusals, type Refusals } from "../../domain/leases.ts";
import type {
  Delivery,
  GroupTopicStatus,
  HandleTexts,
  Hold,
  LoneMessage,
  Messaging,
  OutgoingMessage,
  PeekedMessage,
  QueueStatus,
  ReceiveRequest,
  Receiver,
  SendOutcome,
  SkippedMessage,
  Subscriber,
  Waiter,
} from "../../messaging.ts";

type StoredBytes = Pick<OutgoingMessage, "bytes" | "start" | "length" | "bodyCrc">;

/** A data plane of one queue in memory: no leases, no time. What handlers asked of it can be looked at. */
export class FakeMessaging implements Messaging {
  readonly ready = true;
  readonly topics = new Map<string, TopicInfo>();
  readonly groups = new Map<string, GroupInfo>();
  readonly stored: Delivery[] = [];
  readonly givenBack: Delivery[] = [];
  readonly received: ReceiveRequest[] = [];
  readonly subscribed: Subscriber[] = [];
  readonly acked: string[] = [];
  readonly forwarded: string[] = [];
  readonly changed: { readonly handle: string; readonly invisibleMs: number }[] = [];
  /** Clients that are connected to some broker. */
  readonly present = new Set<string>();
  /** Thrown by the next call of any kind. */
  failure: Error | undefined;
  /** What becomes of messages that were staged. */
  lateFailure: SaturnError | undefined;

  addTopic(name: string, type: MessageType = "NORMAL"): void {
    const id = this.topics.size + 1;
    this.topics.set(name, { id, name, type, queues: 8, retentionMs: undefined, createdAtMs: 0 });
  }

  isPresent(clientId: string): boolean {
    return this.present.has(clientId);
  }

  leadersOf(): readonly number[] {
    return [1, 4];
  }

  topic(name: string): Promise<TopicInfo> {
    const topic = this.topics.get(name);
    if (this.failure !== undefined) return this.#fail();
    if (topic === undefined)
      return Promise.reject(new SaturnError("TOPIC_NOT_FOUND", `topic ${name} does not exist: create it`));
    return Promise.resolve(topic);
  }

  knownTopic(name: string): TopicInfo | undefined {
    return this.failure === undefined ? this.topics.get(name) : undefined;
  }

  sendNow(_topic: TopicInfo, message: LoneMessage, waiter: Waiter, ticket: number): SendOutcome | undefined {
    if (this.failure !== undefined) return undefined;
    const { tagLength, length, bodyCrc } = message;
    const bytes = new Uint8Array(tagLength + length);
    message.write(bytes, 0);
    const outcome = this.#store({ bytes, start: tagLength, length, bodyCrc });
    queueMicrotask(() => {
      waiter.settled(ticket, this.lateFailure, 0);
    });
    return outcome;
  }

  group(name: string): Promise<GroupInfo> {
    if (this.failure !== undefined) return this.#fail();
    const known = this.groups.get(name);
    const start = { kind: "default" } as const;
    const facts = { order: false, start, maxAttempts: 17, cursorEpoch: 1, createdAtMs: 0 };
    const group = known ?? { id: this.groups.size + 1, name, ...facts };
    this.groups.set(name, group);
    return Promise.resolve(group);
  }

  send(_topic: TopicInfo, messages: readonly OutgoingMessage[]): Promise<readonly SendOutcome[]> {
    return Promise.resolve(messages.map((message) => this.#store(message)));
  }

  #store({ bytes, start, length, bodyCrc }: StoredBytes): SendOutcome {
    const offset = this.stored.length;
    const message = Uint8Array.from(bytes.subarray(start, start + length));
    const place = { queue: 0, offset, storedAtMs: 1_700_000_000_123 };
    const lease = { attempt: 1, receiptHandle: `handle-${String(offset)}`, invisibleMs: 30_000 };
    this.stored.push({ message, bodyCrc, ...place, ...lease });
    return place;
  }

  subscribe(subscriber: Subscriber): Promise<void> {
    this.subscribed.push(subscriber);
    return Promise.resolve();
  }

  hold(request: ReceiveRequest, receiver: Receiver): Hold {
    this.received.push(request);
    const ready = this.stored.splice(0, request.batchSize);
    if (ready.length > 0) {
      receiver.received(ready);
      return { leave: () => undefined };
    }
    let ended = false;
    const end = (): void => {
      clearTimeout(timer);
      if (!ended) receiver.received([]);
      ended = true;
    };
    const timer = setTimeout(end, request.waitMs);
    return { leave: end };
  }

  knownGroup(name: string): GroupInfo | undefined {
    return this.failure === undefined ? this.groups.get(name) : undefined;
  }

  ackNow(
    _topic: TopicInfo,
    _group: GroupInfo,
    handles: HandleTexts,
    waiter: Waiter,
    ticket: number,
  ): Refusals | undefined {
    const texts = Array.from({ length: handles.count }, (_, at) => {
      const start = handles.handleStart(at);
      return Buffer.from(handles.bytes).toString("utf8", start, start + handles.handleLength(at));
    });
    // As the data plane, which leaves what it cannot read.
    if (!texts.every((text) => text.startsWith("handle-"))) return undefined;
    const refusals: (SaturnError | undefined)[] = [];
    for (const [at, text] of texts.entries()) {
      const refusal = this.#ackOne(text);
      if (refusal !== undefined) refusals[at] = refusal;
    }
    queueMicrotask(() => {
      waiter.settled(ticket, this.lateFailure, 0);
    });
    return refusals.length === 0 ? noRefusals : refusals;
  }

  #ackOne(handle: string): SaturnError | undefined {
    if (!handle.startsWith("handle-") || handle.endsWith("expired"))
      return new SaturnError("INVALID_RECEIPT_HANDLE", "the handle is not ours, or expired");
    this.acked.push(handle);
    return undefined;
  }

  ack(_topic: TopicInfo, _group: GroupInfo, handles: readonly string[]): Promise<readonly (SaturnError | undefined)[]> {
    const { lateFailure } = this;
    return Promise.resolve(handles.map((handle) => lateFailure ?? this.#ackOne(handle)));
  }

  changeInvisible(_topic: TopicInfo, _group: GroupInfo, handle: string, invisibleMs: number): Promise<string> {
    this.changed.push({ handle, invisibleMs });
    return Promise.resolve(`${handle}+`);
  }

  forwardToDeadLetters(_topic: TopicInfo, _group: GroupInfo, handle: string): Promise<void> {
    if (!handle.startsWith("handle-"))
      return Promise.reject(new SaturnError("INVALID_RECEIPT_HANDLE", "the handle is not ours"));
    this.forwarded.push(handle);
    return Promise.resolve();
  }

  giveBack(deliveries: readonly Delivery[]): void {
    this.givenBack.push(...deliveries);
  }

  describeTopic(): Promise<readonly QueueStatus[]> {
    return Promise.resolve([]);
  }

  describeGroup(): Promise<readonly GroupTopicStatus[]> {
    return Promise.resolve([]);
  }

  peek(): Promise<PeekedMessage> {
    return Promise.reject(new SaturnError("OFFSET_NOT_FOUND", "nothing is kept here"));
  }

  skip(): Promise<SkippedMessage> {
    return Promise.reject(new SaturnError("OFFSET_NOT_FOUND", "nothing is kept here"));
  }

  #fail(): Promise<never> {
    return Promise.reject(this.failure ?? new Error("nothing to fail with"));
  }
}
