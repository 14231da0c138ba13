import {
  type Address,
  type CallResult,
  type DeliveredMessage,
  encodeAck,
  encodeReceive,
  openSession,
  RpcClient,
  readDeliveries,
  responseStatus,
} from "@saturnmq/bench";
import type { Read, Reading } from "../check/history.ts";
import { type BodyMaker, contentOf } from "./seeded-bodies.ts";

const okCode = 20_000;
const okStatus = "code 20000";
const emptyStatus = "code 40401";
const callTimeoutMs = 5_000;
const usualBatchSize = 32;
const pollMs = 1_000;
const invisibleMs = 3_600_000;
const attemptsMax = 5;

export type Subscriber = {
  readonly topic: string;
  readonly group: string;
  /** Messages asked for at once, default 32: fewer where they are large, as each answer has its time. */
  readonly batchSize?: number;
};

/** One message as it was read back, in the order of reading. */
export type ReadMessage = { readonly queue: number; readonly offset: number; readonly body: Buffer };

/**
 * Reads a topic to its end with a group of its own, in the order of delivery, acknowledging as it goes.
 *
 * @throws {Error} on any answer but messages or "no new message", a digest that does not fit, or a refused ack
 */
export async function readAll(address: Address, subscriber: Subscriber): Promise<readonly ReadMessage[]> {
  return readEach(address, subscriber, ({ queue, offset, body, digestOk }) => {
    if (!digestOk) throw new Error(`queue ${queue} offset ${offset}: the digest does not fit the body`);
    return { queue, offset, body: Buffer.from(body) };
  });
}

/** As `readAll`, for the checker: keeps what bodies are, not the bodies. @throws {Error} on a failed receive or ack */
export async function readTopic(address: Address, subscriber: Subscriber, bodies: BodyMaker): Promise<Reading> {
  const reads = await readEach(address, subscriber, ({ queue, offset, body, digestOk }, batch): Read => {
    return { queue, offset, batch, content: contentOf(body, digestOk, bodies) };
  });
  return { reader: subscriber.group, reads };
}

async function readEach<T>(
  address: Address,
  subscriber: Subscriber,
  keep: (message: DeliveredMessage, batch: number) => T,
): Promise<readonly T[]> {
  const reader = new Reader(address, subscriber);
  const kept: T[] = [];
  for (let batch = 0, empties = 0; empties < 2; batch += 1) {
    const messages = await reader.receive();
    empties = messages.length === 0 ? empties + 1 : 0;
    for (const message of messages) kept.push(keep(message, batch));
    if (messages.length > 0) await reader.acknowledge(messages);
  }
  reader.close();
  return kept;
}

/** One subscriber's calls. A connection that was told to go away is no failure: what it did not take goes over the next one. */
class Reader {
  readonly #address: Address;
  readonly #subscriber: Subscriber;
  #session: { readonly client: RpcClient; readonly queue: Buffer } | undefined;

  constructor(address: Address, subscriber: Subscriber) {
    this.#address = address;
    this.#subscriber = subscriber;
  }

  /** @throws {Error} on any answer but messages or "no new message" */
  async receive(): Promise<readonly DeliveredMessage[]> {
    const { batchSize = usualBatchSize } = this.#subscriber;
    const answer = await this.#call("ReceiveMessage", pollMs + callTimeoutMs, (queue) =>
      encodeReceive({ ...this.#subscriber, queue, batchSize, invisibleMs, pollMs }),
    );
    const { status, messages } = readDeliveries(answer);
    if (status !== okStatus && status !== emptyStatus) throw new Error(`reading back failed: ${status}`);
    return messages;
  }

  /** @throws {Error} when it is refused */
  async acknowledge(messages: readonly DeliveredMessage[]): Promise<void> {
    const request = encodeAck(this.#subscriber, messages);
    const { end, messages: replies } = await this.#call("AckMessage", callTimeoutMs, () => request);
    const status = replies[0] === undefined ? undefined : responseStatus(replies[0]);
    if (status?.code !== okCode) throw new Error(`an ack was refused: ${JSON.stringify(status ?? end)}`);
  }

  close(): void {
    this.#session?.client.close();
    this.#session = undefined;
  }

  async #call(method: string, timeoutMs: number, request: (queue: Buffer) => Uint8Array): Promise<CallResult> {
    for (let attempt = 1; ; attempt += 1) {
      const { client, queue } = await this.#open();
      const result = await client.unary(method, request(queue), timeoutMs);
      if (result.end.kind !== "notProcessed" || attempt === attemptsMax) return result;
      this.close();
    }
  }

  async #open(): Promise<{ readonly client: RpcClient; readonly queue: Buffer }> {
    if (this.#session?.client.usable === true) return this.#session;
    this.close();
    const client = await RpcClient.open(this.#address);
    this.#session = { client, queue: await openSession(client, { ...this.#subscriber, pollMs }) };
    return this.#session;
  }
}
