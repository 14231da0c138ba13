import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { crc32 } from "@saturnmq/kit/node";
import { MemoryLogStore, type MemoryLogStoreOptions } from "@saturnmq/store";
import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import { createDriver, immediateTurn } from "raft-ts";
import { createDataPlane } from "../data-plane.ts";
import type { DataPlane, DataPlaneSettings } from "../data-plane-api.ts";
import { everything } from "../domain/filter.ts";
import type { Delivery, LoneMessage, OutgoingMessage, ReceiveRequest, SendOutcome, Waiter } from "../messaging.ts";
import { FixedMetadata } from "./fixed-metadata.ts";
import { ManualTime, settle } from "./manual-time.ts";
import { receive } from "./receive.ts";

/** A message whose stored form is its text with a body in the middle. */
export function outgoing(text: string, tag?: string, messageGroup?: string): OutgoingMessage {
  const bytes = new TextEncoder().encode(`[${text}]`);
  const bodyLength = bytes.length - 2;
  const bodyCrc = crc32(bytes, 1, bodyLength);
  return {
    bytes,
    start: 0,
    length: bytes.length,
    bodyStart: 1,
    bodyLength,
    bodyCrc,
    tag,
    messageId: text,
    messageGroup,
  };
}

/** A message as `sendNow` takes it. */
export function lone(text: string): LoneMessage {
  const message = outgoing(text);
  return { ...message, tagLength: 0, write: (target, at) => target.set(message.bytes, at) };
}

export function textOf({ message }: { message: Uint8Array }): string {
  return new TextDecoder().decode(message).slice(1, -1);
}

export type BenchOptions = {
  readonly shards?: number;
  readonly store?: MemoryLogStoreOptions;
  readonly settings?: DataPlaneSettings;
  readonly isPresent?: (clientId: string) => boolean;
};

/** A data plane on a log in memory, a name server in a few lines, and time that stands still. */
export class PlaneBench {
  readonly time = new ManualTime();
  readonly metadata: FixedMetadata;
  readonly failures: unknown[] = [];
  readonly #options: BenchOptions;
  store: MemoryLogStore;
  plane!: DataPlane;

  private constructor(options: BenchOptions) {
    this.#options = options;
    this.metadata = new FixedMetadata(options.shards ?? 3, () => this.time.wallMs());
    this.store = new MemoryLogStore({ wallMs: () => this.time.wallMs(), ...options.store });
  }

  static async open(options: BenchOptions = {}): Promise<PlaneBench> {
    const bench = new PlaneBench(options);
    await bench.start();
    return bench;
  }

  async start(): Promise<void> {
    const { time, metadata, store } = this;
    const fatal = (error: unknown): void => {
      // A process that a power cut ended may say what it likes.
      if (store === this.store) this.failures.push(error);
    };
    const common = { clock: time, timers: time, random: new SeededRandom(1), logger: silentLogger, fatal };
    const driver = createDriver({ log: store, turn: immediateTurn, ...common });
    const { settings, isPresent } = this.#options;
    this.plane = await createDataPlane({
      store,
      driver,
      metadata,
      brokerId: 1,
      ...common,
      ...(settings && { settings }),
      ...(isPresent && { isPresent }),
    });
    await this.time.pass(1_000);
  }

  /** A power cut: the process is gone, and what no commit covered. */
  async crash(): Promise<void> {
    this.store = this.store.crash();
    await this.start();
  }

  topic(name: string, queues = 4, retentionMs?: number): Promise<TopicInfo> {
    return this.metadata.createTopic({ name, type: "NORMAL", queues, retentionMs });
  }

  group(name: string): Promise<GroupInfo> {
    return this.plane.group(name);
  }

  async send(topic: TopicInfo, ...texts: string[]): Promise<readonly SendOutcome[]> {
    const outcomes = this.plane.send(
      topic,
      texts.map((text) => outgoing(text)),
      Infinity,
    );
    await settle();
    return outcomes;
  }

  /** One receive, its time passed. */
  async receive(topic: TopicInfo, group: GroupInfo, more: Partial<ReceiveRequest> = {}): Promise<readonly Delivery[]> {
    const request = { topic, group, filter: everything, batchSize: 32, invisibleMs: 10_000, waitMs: 50, clientId: "c" };
    const received = receive(this.plane, { ...request, ...more });
    await this.time.pass((more.waitMs ?? request.waitMs) + 1);
    return received;
  }

  /** Receives until nothing is left. */
  async receiveAll(topic: TopicInfo, group: GroupInfo, more: Partial<ReceiveRequest> = {}): Promise<Delivery[]> {
    const all: Delivery[] = [];
    for (;;) {
      const deliveries = await this.receive(topic, group, more);
      if (deliveries.length === 0) return all;
      all.push(...deliveries);
    }
  }

  async ack(topic: TopicInfo, group: GroupInfo, deliveries: readonly Delivery[]): Promise<(string | undefined)[]> {
    const outcomes = this.plane.ack(
      topic,
      group,
      deliveries.map(({ receiptHandle }) => receiptHandle),
    );
    await settle();
    return (await outcomes).map((error) => error?.message);
  }

  /** As `ack`, of what can be decided at once. `undefined`: it is left to `ack`, and nothing has happened. */
  async ackNow(
    topic: TopicInfo,
    group: GroupInfo,
    deliveries: readonly Delivery[],
  ): Promise<(string | undefined)[] | undefined> {
    const handles = deliveries.map(({ receiptHandle }) => receiptHandle);
    const bytes = Buffer.from(handles.join(""));
    const texts = {
      bytes,
      count: handles.length,
      handleStart: (at: number) => handles.slice(0, at).join("").length,
      handleLength: (at: number) => handles[at]?.length ?? 0,
    };
    const told = Promise.withResolvers<string | undefined>();
    const waiter: Waiter = {
      settled: (_ticket, error) => {
        told.resolve(error?.message);
      },
    };
    const refusals = this.plane.ackNow(topic, group, texts, waiter, 0);
    if (refusals === undefined) return undefined;
    await settle();
    const failure = await told.promise;
    return handles.map((_, at) => failure ?? refusals[at]?.message);
  }
}
