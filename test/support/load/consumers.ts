import { setTimeout as sleep } from "node:timers/promises";
import {
  type Address,
  type CallEnd,
  type DeliveredMessage,
  encodeAck,
  encodeReceive,
  openSession,
  type RpcClient,
  readDeliveries,
  responseStatus,
} from "@saturnmq/bench";
import { SeededRandom } from "@saturnmq/kit";
import type { Delivery, Settlement } from "../check/history.ts";
import { nowMs } from "../process/disturbances.ts";
import { keepConnected } from "./connections.ts";
import type { Recorder } from "./recorder.ts";
import { type BodyMaker, contentOf } from "./seeded-bodies.ts";

const okCode = 20_000;
const callTimeoutMs = 5_000;
const batchSize = 32;
const pollMs = 500;
/** After a failed call, so that a broker that refuses is not flooded. */
const pauseMs = 50;

export type ConsumersOptions = {
  readonly topic: string;
  readonly group: string;
  readonly count: number;
  readonly bodies: BodyMaker;
  readonly recorder: Recorder;
  /** How long a delivery is invisible to others, milliseconds; default 15,000. */
  readonly invisibleMs?: number;
  /** Percent of the deliveries that are not acknowledged, so that their leases run out; default 0. */
  readonly forgetPercent?: number;
};

/** Consumers of one group that acknowledge what they get, and note everything. They live longer than the servers they ask. */
export class Consumers {
  readonly #options: ConsumersOptions;
  readonly #random = new SeededRandom(1);

  constructor(options: ConsumersOptions) {
    this.#options = options;
  }

  /** Receives and acknowledges until `signal` aborts. A connection for each consumer. */
  async run(endpoints: readonly Address[], signal: AbortSignal): Promise<void> {
    await Promise.all(
      Array.from({ length: this.#options.count }, (_, nth) =>
        keepConnected(endpoints, nth, signal, (client) => this.#consume(client, signal)),
      ),
    );
  }

  async #consume(client: RpcClient, signal: AbortSignal): Promise<void> {
    const { topic, group, recorder } = this.#options;
    const queue = await openSession(client, { topic, group, pollMs }).catch((error: unknown) => {
      recorder.because(`session: ${(error as Error).message}`);
      return undefined;
    });
    while (queue !== undefined && !signal.aborted && client.usable) {
      const got = await this.#receive(client, queue);
      if (got.status !== "") await sleep(pauseMs);
      await this.#settle(client, got.deliveries, got.messages);
    }
  }

  async #receive(client: RpcClient, queue: Buffer) {
    const { topic, group, recorder, bodies, invisibleMs = 15_000 } = this.#options;
    const receive = recorder.nextReceive();
    const invokedMs = nowMs();
    const request = encodeReceive({ topic, group, queue, batchSize, invisibleMs, pollMs });
    const result = readDeliveries(await client.unary("ReceiveMessage", request, pollMs + callTimeoutMs));
    const receivedMs = nowMs();
    const deliveries = result.messages.map(({ queue: number, offset, attempt, body, digestOk }, position): Delivery => {
      const content = contentOf(body, digestOk, bodies);
      const when = { receive, position, invokedMs, receivedMs, invisibleMs, attempt };
      return { consumerGroup: group, queue: number, offset, content, ...when };
    });
    for (const delivery of deliveries) recorder.delivered(delivery);
    const isFine = result.status === `code ${okCode}` || result.status === "code 40401";
    if (!isFine) recorder.because(`receive: ${result.status}`);
    return { deliveries, messages: result.messages, status: isFine ? "" : result.status };
  }

  async #settle(
    client: RpcClient,
    deliveries: readonly Delivery[],
    messages: readonly DeliveredMessage[],
  ): Promise<void> {
    const { topic, group, recorder, forgetPercent = 0 } = this.#options;
    const kept = messages.map(() => this.#random.below(100) >= forgetPercent);
    const acked = messages.filter((_, at) => kept[at]);
    if (acked.length === 0) return;
    const invokedMs = nowMs();
    const request = encodeAck({ topic, group }, acked);
    const { end, messages: replies } = await client.unary("AckMessage", request, callTimeoutMs);
    const status = replies[0] === undefined ? undefined : responseStatus(replies[0]);
    const isOk = end.kind === "status" && end.code === 0 && status?.code === okCode;
    // An answer that is not OK as a whole may be so for a part: nothing follows from it.
    const outcome = isOk ? "ok" : end.kind === "notProcessed" ? "fail" : "info";
    if (!isOk) recorder.because(`ack: ${reasonOf(end, status)}`);
    for (const [at, { consumerGroup, receive, position }] of deliveries.entries()) {
      const place = { consumerGroup, receive, position };
      const settlement: Settlement = { kind: "ack", ...place, invokedMs, endedMs: nowMs(), outcome };
      if (kept[at]) recorder.settled(settlement);
    }
  }
}

function reasonOf(end: CallEnd, status: { readonly code: number; readonly message: string } | undefined): string {
  if (end.kind === "notProcessed") return "not processed";
  if (end.kind === "unknown") return end.reason;
  return status === undefined ? `grpc ${end.code} ${end.message}` : `${status.code} ${status.message}`;
}
