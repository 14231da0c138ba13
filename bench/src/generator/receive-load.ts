import { setTimeout as sleep } from "node:timers/promises";
import { defined } from "@saturnmq/kit";
import { LatencyHistogram } from "./latency.ts";
import {
  code,
  type DeliveredMessage,
  decodeReceived,
  decodeRoute,
  encodeAck,
  encodeConsumerSettings,
  encodeQueryRoute,
  encodeReceive,
  responseStatus,
} from "./messages.ts";
import { type Address, type CallResult, grpcOk, RpcClient } from "./rpc-client.ts";
import { readCounter } from "./send-template.ts";
import type { SendTimes } from "./send-times.ts";

export type ReceiveLoadOptions = Address & {
  readonly topic: string;
  readonly group: string;
  /** Messages asked for in one call, 1 to 32. */
  readonly batchSize: number;
  /** ReceiveMessage calls this connection keeps open. */
  readonly inFlight: number;
  readonly pollMs: number;
  /** Of the sends that make the messages: when the messages that come are theirs, `ages` gets how old each is. */
  readonly times?: SendTimes;
  readonly ages?: LatencyHistogram;
};

/** What came of a receive load so far, over all its connections. */
export type ReceiveCounters = {
  /** Messages whose ack was answered OK. */
  acked: number;
  received: number;
  /** Of the bodies received. */
  bytes: number;
  receives: number;
  empty: number;
  readonly failures: Map<string, number>;
  /** Of a ReceiveMessage that brought something, from the call to the end of its stream. */
  readonly latency: LatencyHistogram;
  readonly seen: SeenOffsets;
};

/** Nothing yet. */
export function newReceiveCounters(): ReceiveCounters {
  const [latency, seen, failures] = [new LatencyHistogram(), new SeenOffsets(), new Map<string, number>()];
  return { acked: 0, received: 0, bytes: 0, receives: 0, empty: 0, failures, latency, seen };
}

/** Which offsets of which queues were delivered: tells a message that came twice. A bit per message. */
export class SeenOffsets {
  readonly #queues = new Map<number, Uint8Array>();

  /** Notes one; false when it was there before. */
  add(queue: number, offset: number): boolean {
    const bits = this.#bitsFor(queue, offset);
    const before = defined(bits[offset >>> 3], "byte");
    const bit = 1 << (offset & 7);
    bits[offset >>> 3] = before | bit;
    return (before & bit) === 0;
  }

  #bitsFor(queue: number, offset: number): Uint8Array {
    const bits = this.#queues.get(queue) ?? new Uint8Array(8_192);
    if (offset >>> 3 < bits.length) {
      this.#queues.set(queue, bits);
      return bits;
    }
    const larger = new Uint8Array(2 * ((offset >>> 3) + 1));
    larger.set(bits);
    this.#queues.set(queue, larger);
    return larger;
  }
}

const invisibleMs = 60_000;
const requestTimeoutMs = 10_000;
/** After a failed call or a lost session, so that a server in trouble is not flooded, milliseconds. */
const failurePauseMs = 100;

/** A connection whose telemetry stream and route are in place. */
type Session = { readonly client: RpcClient; readonly queue: Buffer };

/**
 * One connection of a simple consumer: it keeps `inFlight` ReceiveMessage calls open and acknowledges what each brought in one AckMessage,
 * without waiting for that answer before it asks again. Every body is checked against its digest, offsets within one reply must rise, and no
 * offset may come twice. When the connection is lost or the server wants to be rid of it, it goes on with a new one.
 */
export class ReceiveLoad {
  readonly #options: ReceiveLoadOptions;
  readonly #counters: ReceiveCounters;
  #session: Session;
  #opening: Promise<void> | undefined;
  readonly #loops: Promise<void>[] = [];
  readonly #acks = new Set<Promise<void>>();
  #stopped = false;

  private constructor(options: ReceiveLoadOptions, counters: ReceiveCounters, session: Session) {
    this.#options = options;
    this.#counters = counters;
    this.#session = session;
  }

  /** Connects, opens the telemetry stream, asks for the route and starts. @throws {Error} when any of these fails */
  static async start(options: ReceiveLoadOptions, counters: ReceiveCounters): Promise<ReceiveLoad> {
    const load = new ReceiveLoad(options, counters, await openReceiveSession(options));
    for (let n = 0; n < options.inFlight; n += 1) load.#loops.push(load.#loop());
    return load;
  }

  /** Ends after the open calls and their acks have been answered. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops);
    await Promise.all(this.#acks);
    this.#session.client.close();
  }

  /** Goes on with a new connection, as a client that is started anew; calls that are open end on the old one. */
  async reconnect(): Promise<void> {
    const old = this.#session;
    this.#session = await openReceiveSession(this.#options);
    old.client.retire();
  }

  async #loop(): Promise<void> {
    while (!this.#stopped) {
      const messages = await this.#receive(await this.#usableSession());
      if (messages.length === 0) continue;
      const ack = this.#ack(messages);
      this.#acks.add(ack);
      void ack.finally(() => this.#acks.delete(ack));
    }
  }

  /** The session, after the time it takes to open another when it is gone; still unusable when that failed. */
  async #usableSession(): Promise<Session> {
    if (!this.#session.client.usable) await (this.#opening ??= this.#reopen());
    return this.#session;
  }

  async #reopen(): Promise<void> {
    try {
      this.#session = await openReceiveSession(this.#options);
    } catch (error) {
      this.#count(`cannot open a session: ${error instanceof Error ? error.message : String(error)}`, 1);
      await sleep(failurePauseMs);
    }
    this.#opening = undefined;
  }

  async #receive({ client, queue }: Session): Promise<readonly DeliveredMessage[]> {
    const { topic, group, batchSize, pollMs } = this.#options;
    const request = encodeReceive({ topic, group, queue, batchSize, invisibleMs, pollMs });
    const startedAt = performance.now();
    const result = await client.unary("ReceiveMessage", request, pollMs + requestTimeoutMs);
    if (result.end.kind === "notProcessed") return []; // The connection goes away; the loop opens another.
    const { status, messages } = readDeliveries(result);
    this.#counters.receives += 1;
    if (status === `code ${code.messageNotFound}`) this.#counters.empty += 1;
    else if (status !== `code ${code.ok}`) {
      this.#count(`receive ${status}`, 1);
      await sleep(failurePauseMs);
    }
    if (messages.length > 0) this.#counters.latency.record(performance.now() - startedAt);
    this.#check(messages);
    return messages;
  }

  #check(messages: readonly DeliveredMessage[]): void {
    const { times, ages } = this.#options;
    const nowMs = performance.now();
    const lastOf = new Map<number, number>();
    for (const { queue, offset, digestOk, body } of messages) {
      const sentMs = times?.atMs(readCounter(body)) ?? Number.NaN;
      if (ages !== undefined && !Number.isNaN(sentMs)) ages.record(nowMs - sentMs);
      this.#counters.bytes += body.length;
      if (!digestOk) this.#count("body does not fit its digest", 1);
      if (!this.#counters.seen.add(queue, offset)) this.#count("delivered twice", 1);
      if (offset <= (lastOf.get(queue) ?? -1)) this.#count("offsets do not rise within a reply", 1);
      lastOf.set(queue, offset);
    }
    this.#counters.received += messages.length;
  }

  async #ack(messages: readonly DeliveredMessage[]): Promise<void> {
    const request = encodeAck(this.#options, messages);
    let result: CallResult;
    do {
      const { client } = await this.#usableSession();
      result = await client.unary("AckMessage", request, requestTimeoutMs);
    } while (result.end.kind === "notProcessed" && !this.#stopped);
    const { end, messages: replies } = result;
    if (end.kind !== "status") {
      this.#count(`ack ${end.reason}`, messages.length);
      return;
    }
    if (end.code !== grpcOk) {
      this.#count(`ack grpc ${end.code} ${end.message}`, messages.length);
      return;
    }
    const status = responseStatus(defined(replies[0], "ack reply")).code;
    if (status === code.ok) this.#counters.acked += messages.length;
    else this.#count(`ack code ${status}`, messages.length);
  }

  #count(reason: string, times: number): void {
    this.#counters.failures.set(reason, (this.#counters.failures.get(reason) ?? 0) + times);
  }
}

async function openReceiveSession(options: ReceiveLoadOptions): Promise<Session> {
  const client = await RpcClient.open(options);
  try {
    return { client, queue: await openSession(client, options) };
  } catch (error) {
    client.close();
    throw error;
  }
}

/** `clientId`: the connection's own when absent. */
export type SessionOptions = {
  readonly topic: string;
  readonly group: string;
  readonly pollMs: number;
  readonly clientId?: string;
};

/** Settings over a telemetry stream, then the route: an encoded `MessageQueue` of the topic. @throws {Error} when either is refused */
export async function openSession(
  client: RpcClient,
  { topic, group, pollMs, clientId = client.clientId }: SessionOptions,
): Promise<Buffer> {
  const { promise: settled, resolve, reject } = Promise.withResolvers<Buffer>();
  const ended = client.stream("Telemetry", encodeConsumerSettings({ topic, group }, pollMs), {
    timeoutMs: 24 * 3_600_000,
    halfClose: false,
    onMessage: resolve,
    clientId,
  });
  void ended.then(({ end }) => {
    reject(new Error(`the telemetry stream ended: ${JSON.stringify(end)}`));
  });
  const settings = responseStatus(await settled);
  if (settings.code !== code.ok) throw new Error(`settings refused: ${settings.code} ${settings.message}`);
  const { host, port } = client.address;
  const { messages, end } = await client.unary(
    "QueryRoute",
    encodeQueryRoute(topic, host, port),
    requestTimeoutMs,
    clientId,
  );
  const reply = messages[0];
  if (reply === undefined) throw new Error(`no route of ${topic}: ${JSON.stringify(end)}`);
  const queue = decodeRoute(reply).queues[0];
  if (queue === undefined) throw new Error(`no route of ${topic}: ${JSON.stringify(responseStatus(reply))}`);
  return queue;
}

/** The messages of a ReceiveMessage stream, and its outcome in words: "code N", "grpc N …" or why there is none. */
export function readDeliveries(result: CallResult): {
  readonly status: string;
  readonly messages: readonly DeliveredMessage[];
} {
  let status = "";
  const messages: DeliveredMessage[] = [];
  for (const element of result.messages.map(decodeReceived)) {
    if (element.kind === "status") status = `code ${element.code}`;
    if (element.kind === "message") messages.push(element.message);
  }
  if (result.end.kind !== "status") return { status: result.end.reason, messages };
  if (result.end.code !== grpcOk) return { status: `grpc ${result.end.code} ${result.end.message}`, messages };
  return { status: status === "" ? "stream without a status" : status, messages };
}
