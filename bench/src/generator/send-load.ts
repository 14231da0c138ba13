import { assert, defined } from "@saturnmq/kit";
import { Connection } from "./connection.ts";
import { flag, frame, frameHeadBytes, frameType, grpcMessage } from "./frames.ts";
import { encodeHeaders, tableBytes } from "./hpack.ts";
import { newClientId, requestHeaders } from "./identity.ts";
import type { LatencyHistogram } from "./latency.ts";
import { checkSendReply, code, encodeSend } from "./messages.ts";
import type { Address } from "./rpc-client.ts";

/** Eight characters in the message id and in the body that differ in every message: a hexadecimal counter. */
const counterPlace = "\u0001COUNTER";
const idPrefix = "01A2B3C4D5E6F708090A0B";
const hexDigits = Buffer.from("0123456789ABCDEF");
/** Requests in one write. */
const requestsPerWrite = 256;
const timeoutMs = 30_000;

export type SendLoadOptions = Address & {
  readonly topic: string;
  /** At least 16. All messages of a request go in one DATA frame: together at most about 16,000 bytes. */
  readonly bodyBytes: number;
  /** Messages in one request. */
  readonly batch: number;
  /** Requests this connection keeps open. */
  readonly inFlight: number;
};

/** What came of the requests so far, over all connections of a load. */
export type SendCounters = {
  /** Requests answered OK, all their messages stored. */
  ok: number;
  /** Replies that were not OK: by RocketMQ code, "grpc N" or "reset N". */
  readonly failures: Map<string, number>;
  readonly latency: LatencyHistogram;
};

/**
 * One connection that keeps `inFlight` SendMessage calls open. Everything is encoded once; a request is a copy in a pooled buffer with its
 * stream ids and counters patched in, and all requests that one socket read set free leave in one write. Each reply's gRPC status, body
 * status, entry status and message id are checked.
 */
export class SendLoad {
  readonly #options: SendLoadOptions;
  readonly #counters: SendCounters;
  readonly #template: RequestTemplate;
  #connection: Connection | undefined;
  readonly #free: Buffer[] = [];
  /** By stream id / 2: when it was written; `#status` is what its reply's body said, 0 while there is none. */
  readonly #sentAt = new Float64Array(ringSize);
  readonly #status = new Int32Array(ringSize);
  readonly #counter = new Float64Array(ringSize);
  readonly #statusSeen = new Uint8Array(ringSize);
  readonly #digits = Buffer.alloc(8);
  readonly #partial = new Map<number, Buffer>();
  #wanted: number;
  #open = 0;
  #sequence: number;
  #stopped = false;
  #goingAway = false;
  #firstSent = false;
  #now = 0;
  #idle: (() => void) | undefined;

  private constructor(options: SendLoadOptions, counters: SendCounters) {
    this.#options = options;
    this.#counters = counters;
    this.#wanted = options.inFlight;
    this.#sequence = Math.floor(Math.random() * 2 ** 31);
    this.#template = new RequestTemplate(options, newClientId());
  }

  /** Connects and starts to send. @throws {Error} when the server cannot be reached or its limits do not fit the load */
  static async start(options: SendLoadOptions, counters: SendCounters): Promise<SendLoad> {
    const load = new SendLoad(options, counters);
    await load.#connect();
    return load;
  }

  async #connect(): Promise<void> {
    const connection = await Connection.open(this.#options, {
      data: (stream, bytes, start, end) => {
        this.#reply(stream, bytes, start, end);
      },
      headers: (stream, fields) => {
        const status = fields.get("grpc-status");
        if (status === "0") this.#statusSeen[(stream >>> 1) % ringSize] = 1;
        else if (status !== undefined) this.#fail(stream, `grpc ${status} ${fields.get("grpc-message") ?? ""}`);
      },
      ended: (stream) => {
        this.#finish(stream);
      },
      reset: (stream, errorCode) => {
        this.#fail(stream, `reset ${errorCode}`);
        this.#finish(stream);
      },
      readDone: () => {
        this.#fill();
        this.#now = 0;
      },
      goAway: () => {
        this.#goingAway = true;
      },
      closed: (reason) => {
        if (reason !== undefined && this.#open > 0) this.#count(`connection lost: ${reason.message}`, this.#open);
        this.#open = 0;
        this.#idle?.();
      },
    });
    const { peer } = connection;
    const size = this.#template.dataBytes;
    assert(
      size <= peer.maxFrameBytes && size <= peer.initialWindow,
      `a request of ${size} bytes needs more than one frame`,
    );
    assert(
      peer.headerTableBytes >= this.#template.tableBytes,
      "the server's header table is too small for the request headers",
    );
    connection.onWindow = () => {
      this.#fill();
    };
    this.#connection = connection;
    this.#firstSent = false;
    this.#goingAway = false;
    this.#fill();
  }

  /** Sends nothing more, waits until every open call has ended, and closes. Bounded by the calls' deadline. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#open > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
        setTimeout(resolve, timeoutMs).unref();
      });
    }
    this.#connection?.close();
  }

  #fill(): void {
    const connection = this.#connection;
    if (connection === undefined || this.#stopped) return;
    if (this.#goingAway) {
      this.#reconnect(connection);
      return;
    }
    this.#now = performance.now();
    const size = this.#template.dataBytes;
    while (this.#wanted > 0) {
      const room = Math.min(Math.floor(connection.sendWindow / size), connection.peer.maxStreams - this.#open);
      const count = Math.min(this.#wanted, room, this.#firstSent ? requestsPerWrite : 1);
      if (count <= 0) return;
      this.#send(connection, count);
    }
  }

  #send(connection: Connection, count: number): void {
    const template = this.#firstSent ? this.#template.later : this.#template.first;
    const buffer = this.#firstSent ? (this.#free.pop() ?? this.#template.pool()) : Buffer.from(template.bytes);
    for (let n = 0; n < count; n += 1) this.#patch(connection, buffer, n * template.bytes.length, template);
    connection.sendWindow -= count * this.#template.dataBytes;
    this.#wanted -= count;
    this.#open += count;
    const reusable = this.#firstSent;
    connection.write(buffer.subarray(0, count * template.bytes.length), () => {
      if (reusable) this.#free.push(buffer);
    });
    this.#firstSent = true;
  }

  #patch(connection: Connection, buffer: Buffer, at: number, template: Request): void {
    const stream = connection.takeStream();
    const slot = (stream >>> 1) % ringSize;
    const sequence = this.#sequence;
    this.#sequence = (sequence + 1) % 2 ** 32;
    this.#sentAt[slot] = this.#now;
    this.#status[slot] = 0;
    this.#statusSeen[slot] = 0;
    this.#counter[slot] = sequence;
    buffer.writeUInt32BE(stream, at + 5);
    buffer.writeUInt32BE(stream, at + template.dataFrameStart + 5);
    for (const start of template.counters) writeHex(buffer, at + start, sequence);
  }

  #reply(stream: number, bytes: Buffer, start: number, end: number): void {
    const whole = this.#partial.get(stream);
    const message = whole === undefined ? bytes : Buffer.concat([whole, bytes.subarray(start, end)]);
    const from = whole === undefined ? start : 0;
    const to = whole === undefined ? end : message.length;
    if (to - from < 5 || to - from < 5 + message.readUInt32BE(from + 1)) {
      this.#partial.set(stream, Buffer.from(message.subarray(from, to)));
      return;
    }
    if (whole !== undefined) this.#partial.delete(stream);
    const slot = (stream >>> 1) % ringSize;
    writeHex(this.#digits, 0, defined(this.#counter[slot], "counter"));
    this.#status[slot] = checkSendReply(message, from + 5, to, this.#options.batch, this.#digits, 0);
  }

  #fail(stream: number, reason: string): void {
    this.#status[(stream >>> 1) % ringSize] = counted;
    this.#count(reason.trim(), 1);
  }

  #finish(stream: number): void {
    const slot = (stream >>> 1) % ringSize;
    const status = defined(this.#status[slot], "status");
    if (this.#now === 0) this.#now = performance.now();
    if (status === code.ok && this.#statusSeen[slot] === 1) {
      this.#counters.ok += 1;
      this.#counters.latency.record(this.#now - defined(this.#sentAt[slot], "sent at"));
    } else if (status !== counted) this.#count(whatIsWrong(status), 1);
    this.#open -= 1;
    this.#wanted += 1;
    if (this.#open === 0) this.#idle?.();
  }

  #count(reason: string, times: number): void {
    this.#counters.failures.set(reason, (this.#counters.failures.get(reason) ?? 0) + times);
  }

  #reconnect(connection: Connection): void {
    if (this.#open > 0) return;
    this.#connection = undefined;
    connection.close();
    this.#connect().catch((error: unknown) => {
      this.#count(`cannot connect again: ${String(error)}`, 1);
    });
  }
}

/** Open calls are told apart by stream id modulo this; far more than any server lets be open. */
const ringSize = 65_536;
/** A reply whose failure has been counted already. */
const counted = -2;

function whatIsWrong(status: number): string {
  if (status === code.ok) return "no gRPC status";
  return status === -1 ? "reply does not fit its request" : `code ${status}`;
}

function writeHex(buffer: Buffer, at: number, value: number): void {
  let rest = value >>> 0;
  for (let n = 7; n >= 0; n -= 1) {
    buffer[at + n] = hexDigits[rest & 15] ?? 0;
    rest >>>= 4;
  }
}

/** HEADERS and DATA of one request; `counters` are where the eight digits go. */
type Request = { readonly bytes: Buffer; readonly dataFrameStart: number; readonly counters: readonly number[] };

class RequestTemplate {
  readonly first: Request;
  readonly later: Request;
  /** Payload of the DATA frame: what counts against the windows. */
  readonly dataBytes: number;
  readonly tableBytes: number;

  constructor({ host, port, topic, bodyBytes, batch }: SendLoadOptions, clientId: string) {
    assert(bodyBytes >= 16, "a body has at least 16 bytes");
    assert(batch >= 1 && batch <= 32, "a request has 1 to 32 messages");
    const body = Buffer.alloc(bodyBytes, "x");
    body.write(counterPlace, 0);
    const fields = { topic, body, tag: "TagA", keys: ["key-123456"], properties: { k1: "value-1" } };
    const messages = Array.from({ length: batch }, (_, n) => {
      return { ...fields, messageId: idPrefix + n.toString(16).padStart(4, "0") + counterPlace };
    });
    const data = grpcMessage(encodeSend(messages));
    const headers = requestHeaders("SendMessage", `${host}:${port}`, clientId, timeoutMs);
    const blocks = encodeHeaders(headers);
    this.dataBytes = data.length;
    this.tableBytes = tableBytes(headers);
    this.first = request(blocks.first, data);
    this.later = request(blocks.later, data);
  }

  /** A buffer of `requestsPerWrite` requests, to be patched. */
  pool(): Buffer {
    const size = this.later.bytes.length;
    const buffer = Buffer.allocUnsafeSlow(size * requestsPerWrite);
    for (let n = 0; n < requestsPerWrite; n += 1) this.later.bytes.copy(buffer, n * size);
    return buffer;
  }
}

function request(block: Buffer, data: Buffer): Request {
  const head = frame(frameType.headers, flag.endHeaders, 0, block);
  const dataFrameStart = head.length;
  const dataStart = dataFrameStart + frameHeadBytes;
  const counters = occurrences(data, counterPlace).map((at) => dataStart + at);
  return {
    bytes: Buffer.concat([head, frame(frameType.data, flag.endStream, 0, data)]),
    dataFrameStart,
    counters,
  };
}

function occurrences(data: Buffer, text: string): number[] {
  const found: number[] = [];
  for (let at = data.indexOf(text); at >= 0; at = data.indexOf(text, at + text.length)) found.push(at);
  return found;
}
