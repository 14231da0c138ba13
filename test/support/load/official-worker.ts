// One producer or consumer of the official Node client, unmodified, in a process of its own: a lost connection may end that process. Writes what it
// does, a JSON line an event, before and after it does it. SIGTERM ends it after what it is doing.
//
//   node official-worker.ts JSON
import { writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type MessageView, Producer, SimpleConsumer } from "rocketmq-client-nodejs";
import type { Content } from "../check/history.ts";
import { nowMs } from "../process/disturbances.ts";
import { contentOf, SeededBodies } from "./seeded-bodies.ts";

export type WorkerOptions = {
  readonly endpoint: string;
  readonly topic: string;
  readonly seed: number;
  readonly largestBodyBytes: number;
} & (
  | {
      readonly role: "producer";
      readonly producer: number;
      readonly firstSequence: number;
      readonly messageGroup?: string;
      /** How long it waits after each answer, milliseconds. */
      readonly pauseMs: number;
    }
  | { readonly role: "consumer"; readonly group: string; readonly invisibleMs: number }
);

export type WorkerEvent =
  | { readonly kind: "begin"; readonly sequence: number; readonly ms: number }
  | {
      readonly kind: "sent";
      readonly sequence: number;
      readonly ms: number;
      readonly offset: number;
      readonly repeats: number;
    }
  | {
      readonly kind: "failed";
      readonly sequence: number;
      readonly ms: number;
      readonly why: string;
      readonly repeats: number;
    }
  | {
      readonly kind: "received";
      readonly receive: number;
      readonly invokedMs: number;
      readonly receivedMs: number;
      readonly messages: readonly { readonly offset: number; readonly attempt: number; readonly content: Content }[];
    }
  | {
      readonly kind: "acked";
      readonly receive: number;
      readonly position: number;
      readonly invokedMs: number;
      readonly ms: number;
      readonly why?: string;
    }
  | { readonly kind: "problem"; readonly why: string };

const awaitMs = 1_000;
const pauseMs = 100;
let isStopping = false;
let repeats = 0;

const ignore = (): void => undefined;
/** The client tells of its repetitions in its log only. */
const noteRepeats = (text: unknown): void => {
  if (String(text).includes("would attempt to resend")) repeats += 1;
};
const logger = { info: ignore, warn: noteRepeats, error: ignore };

function tell(event: WorkerEvent): void {
  writeSync(1, `${JSON.stringify(event)}\n`);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function produce(options: WorkerOptions & { readonly role: "producer" }): Promise<void> {
  const { endpoint, topic, producer: number, firstSequence, messageGroup, pauseMs: betweenMs } = options;
  const bodies = new SeededBodies(options.seed, options.largestBodyBytes);
  const producer = new Producer({ endpoints: endpoint, namespace: "", logger, topics: [topic] });
  await producer.startup();
  for (let sequence = firstSequence; !isStopping; sequence += 1) {
    repeats = 0;
    const message = { topic, tag: "chaos", body: bodies.make(number, sequence) };
    tell({ kind: "begin", sequence, ms: nowMs() });
    const sent = producer.send(messageGroup === undefined ? message : { ...message, messageGroup });
    const failure = await sent.then(
      ({ offset }) => {
        tell({ kind: "sent", sequence, ms: nowMs(), offset, repeats });
        return undefined;
      },
      (error: unknown) => reasonOf(error),
    );
    if (failure === undefined) {
      if (betweenMs > 0) await sleep(betweenMs);
      continue;
    }
    tell({ kind: "failed", sequence, ms: nowMs(), why: failure, repeats });
    await sleep(pauseMs); // The client fails at once, and again and again, while it has no connection.
  }
}

async function consume(options: WorkerOptions & { readonly role: "consumer" }): Promise<void> {
  const { endpoint, topic, group, invisibleMs } = options;
  const bodies = new SeededBodies(options.seed, options.largestBodyBytes);
  const subscriptions = new Map([[topic, "*"]]);
  const consumer = new SimpleConsumer({
    ...{ endpoints: endpoint, namespace: "", logger },
    ...{ consumerGroup: group, subscriptions, awaitDuration: awaitMs },
  });
  await consumer.startup();
  for (let receive = 0; !isStopping; receive += 1) {
    const invokedMs = nowMs();
    const views = await consumer.receive(32, invisibleMs).catch((error: unknown) => {
      tell({ kind: "problem", why: `receive: ${reasonOf(error)}` });
      return undefined;
    });
    if (views === undefined) await sleep(pauseMs);
    else await settle(consumer, { receive, invokedMs, views, bodies });
  }
}

async function settle(
  consumer: SimpleConsumer,
  got: {
    readonly receive: number;
    readonly invokedMs: number;
    readonly views: readonly MessageView[];
    readonly bodies: SeededBodies;
  },
): Promise<void> {
  const { receive, invokedMs, views, bodies } = got;
  const messages = views.map(({ offset = -1, deliveryAttempt = -1, body, corrupted }) => {
    return { offset, attempt: deliveryAttempt, content: contentOf(Buffer.from(body), !corrupted, bodies) };
  });
  tell({ kind: "received", receive, invokedMs, receivedMs: nowMs(), messages });
  for (const [position, view] of views.entries()) {
    const ack = { kind: "acked", receive, position, invokedMs: nowMs() } as const;
    await consumer.ack(view).then(
      () => tell({ ...ack, ms: nowMs() }),
      (error: unknown) => tell({ ...ack, ms: nowMs(), why: reasonOf(error) }),
    );
  }
}

process.on("SIGTERM", () => {
  isStopping = true;
});
const options = JSON.parse(process.argv[2] ?? "") as WorkerOptions;
await (options.role === "producer" ? produce(options) : consume(options));
process.exit(0); // The client keeps timers and streams.
