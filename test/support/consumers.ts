import {
  type Address,
  type DeliveredMessage,
  encodeAck,
  encodeReceive,
  openSession,
  RpcClient,
  readDeliveries,
  responseStatus,
} from "@saturnmq/bench";
import type { ReadMessage } from "./history.ts";

const okStatus = "code 20000";
const emptyStatus = "code 40401";
const okCode = 20_000;
const callTimeoutMs = 5_000;
const batchSize = 32;

export type Subscriber = { readonly topic: string; readonly group: string };

/**
 * A group that acknowledges everything and notes what comes again although its ack was answered OK before the receive that brought it began.
 * Lives longer than the servers it asks.
 */
export class AckingConsumer {
  /** Deliveries that break the promise of an ack. */
  readonly brokenAcks: string[] = [];
  readonly #subscriber: Subscriber;
  /** By message id: when the OK of its ack was here. */
  readonly #ackedAt = new Map<string, number>();

  constructor(subscriber: Subscriber) {
    this.#subscriber = subscriber;
  }

  get acknowledged(): number {
    return this.#ackedAt.size;
  }

  /** Receives and acknowledges until `signal` aborts or the connection is lost. */
  async run(address: Address, signal: AbortSignal): Promise<void> {
    const client = await RpcClient.open(address);
    try {
      const queue = await openSession(client, { ...this.#subscriber, pollMs: 500 });
      while (!signal.aborted && client.usable) await this.#turn(client, queue);
    } catch (error) {
      if (client.usable && !signal.aborted) throw error; // Else the server went away during the start.
    } finally {
      client.close();
    }
  }

  async #turn(client: RpcClient, queue: Buffer): Promise<void> {
    const beganAt = performance.now();
    const { messages } = await receive(client, this.#subscriber, { queue, invisibleMs: 15_000, pollMs: 500 });
    for (const message of messages) this.#check(message, beganAt);
    if (messages.length === 0) return;
    const { end, messages: replies } = await client.unary(
      "AckMessage",
      encodeAck(this.#subscriber, messages),
      callTimeoutMs,
    );
    const reply = replies[0];
    if (end.kind !== "status" || end.code !== 0 || reply === undefined || responseStatus(reply).code !== okCode) return;
    for (const { messageId } of messages) this.#ackedAt.set(messageId, performance.now());
  }

  #check({ messageId, queue, offset, attempt }: DeliveredMessage, beganAt: number): void {
    const ackedAt = this.#ackedAt.get(messageId);
    if (ackedAt === undefined || ackedAt > beganAt) return;
    this.brokenAcks.push(`${messageId} at queue ${queue} offset ${offset} came again, attempt ${attempt}`);
  }
}

/**
 * Reads a topic to its end with a group of its own, in the order of delivery, acknowledging as it goes.
 *
 * @throws {Error} on any answer but messages or "no new message", a digest that does not fit, or a refused ack
 */
export async function readAll(address: Address, subscriber: Subscriber): Promise<readonly ReadMessage[]> {
  const client = await RpcClient.open(address);
  const queue = await openSession(client, { ...subscriber, pollMs: 1_000 });
  const reads: ReadMessage[] = [];
  for (let empties = 0; empties < 2; ) {
    const { status, messages } = await receive(client, subscriber, { queue, invisibleMs: 3_600_000, pollMs: 1_000 });
    if (status !== okStatus && status !== emptyStatus) throw new Error(`reading back failed: ${status}`);
    empties = messages.length === 0 ? empties + 1 : 0;
    for (const message of messages) reads.push(checked(message));
    if (messages.length > 0) await acknowledge(client, subscriber, messages);
  }
  client.close();
  return reads;
}

async function receive(
  client: RpcClient,
  subscriber: Subscriber,
  options: { readonly queue: Buffer; readonly invisibleMs: number; readonly pollMs: number },
): ReturnType<typeof readAnswer> {
  const request = encodeReceive({ ...subscriber, batchSize, ...options });
  return readAnswer(client, request, options.pollMs + callTimeoutMs);
}

async function readAnswer(client: RpcClient, request: Buffer, timeoutMs: number) {
  return readDeliveries(await client.unary("ReceiveMessage", request, timeoutMs));
}

async function acknowledge(
  client: RpcClient,
  subscriber: Subscriber,
  messages: readonly DeliveredMessage[],
): Promise<void> {
  const { end, messages: replies } = await client.unary("AckMessage", encodeAck(subscriber, messages), callTimeoutMs);
  const status = replies[0] === undefined ? undefined : responseStatus(replies[0]);
  if (status?.code !== okCode) throw new Error(`an ack was refused: ${JSON.stringify(status ?? end)}`);
}

function checked({ queue, offset, body, digestOk }: DeliveredMessage): ReadMessage {
  if (!digestOk) throw new Error(`queue ${queue} offset ${offset}: the digest does not fit the body`);
  return { queue, offset, body: Buffer.from(body) };
}
