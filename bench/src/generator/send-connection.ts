import { defined, SaturnError } from "@saturnmq/kit";
import { Connection } from "./connection.ts";
import { newClientId } from "./identity.ts";
import { checkSendReply, code } from "./messages.ts";
import { type Request, type SendFields, SendTemplate, writeCounter } from "./send-template.ts";
import type { SendTimes } from "./send-times.ts";

/** How long the server has for a call, milliseconds. */
export const sendTimeoutMs = 30_000;
/** Open calls are told apart by stream id modulo this; far more than any server lets be open. */
const ringSize = 65_536;
/** A reply whose failure has been told already. */
const told = -2;
/** A stream that is not open. */
const none = -1;

/** What a send connection tells its load. */
export interface SendConnectionUser {
  /** A request was answered OK and its messages are stored; it was meant to be sent at `intendedMs`. */
  stored(intendedMs: number, nowMs: number): void;
  /** A request came to nothing, or to nothing known. */
  failed(reason: string): void;
  /** The server says that it did not process a request that was meant to be sent at `intendedMs`: it may be sent again. */
  returned(intendedMs: number): void;
  /** Everything one read brought has been told: the moment to write. */
  readDone(): void;
  /** The server takes no new requests here: go on elsewhere. Those that are open are still answered. */
  goingAway(): void;
  /** The connection is gone, and what was open on it has failed; `undefined` when it was closed here. */
  closed(reason: Error | undefined): void;
}

/**
 * One connection on which SendMessage calls are written and checked. Everything is encoded once; a request is a copy in a pooled buffer with
 * its stream ids and counters patched in. Each reply's gRPC status, body status, entry status and message id are checked.
 */
export class SendConnection {
  readonly #user: SendConnectionUser;
  readonly #template: SendTemplate;
  readonly #times: SendTimes;
  readonly #batch: number;
  #connection: Connection | undefined;
  readonly #free: Buffer[] = [];
  /** By stream id / 2: the request's number, and what its reply's body said, 0 while there is none. */
  readonly #numbers = new Float64Array(ringSize).fill(none);
  readonly #status = new Int32Array(ringSize);
  readonly #statusSeen = new Uint8Array(ringSize);
  readonly #digits = Buffer.alloc(8);
  readonly #partial = new Map<number, Buffer>();
  #open = 0;
  #retired = false;
  #firstSent = false;
  /** Of the read that is being told; 0 between reads. */
  #nowMs = 0;

  private constructor(fields: SendFields, times: SendTimes, user: SendConnectionUser) {
    this.#template = new SendTemplate(fields, newClientId(), sendTimeoutMs);
    this.#batch = fields.batch;
    this.#times = times;
    this.#user = user;
  }

  /** Connects. @throws {Error} when the server cannot be reached @throws {SaturnError} BAD_REQUEST when its limits do not fit the load */
  static async open(fields: SendFields, times: SendTimes, user: SendConnectionUser): Promise<SendConnection> {
    const sender = new SendConnection(fields, times, user);
    await sender.#connect(fields);
    return sender;
  }

  async #connect(fields: SendFields): Promise<void> {
    const connection = await Connection.open(fields, {
      data: (stream, bytes, start, end) => {
        this.#reply(stream, bytes, start, end);
      },
      headers: (stream, headers) => {
        const status = headers.get("grpc-status");
        if (status === "0") this.#statusSeen[slotOf(stream)] = 1;
        else if (status !== undefined) this.#fail(stream, `grpc ${status} ${headers.get("grpc-message") ?? ""}`);
      },
      ended: (stream) => {
        this.#finish(stream);
      },
      reset: (stream, errorCode) => {
        this.#fail(stream, `reset ${errorCode}`);
        this.#finish(stream);
      },
      readDone: () => {
        this.#nowMs = 0;
        this.#user.readDone();
        this.#closeWhenDrained();
      },
      goAway: (lastStream) => {
        this.#returnAbove(lastStream);
        if (!this.#retired) this.#user.goingAway();
        this.retire();
      },
      closed: (reason) => {
        for (; this.#open > 0; this.#open -= 1)
          this.#user.failed(`connection lost: ${reason?.message ?? "closed here"}`);
        this.#user.closed(reason);
      },
    });
    this.#connection = connection;
    this.#checkLimits(connection);
    connection.onWindow = () => {
      this.#user.readDone();
    };
  }

  #checkLimits(connection: Connection): void {
    const { dataBytes, tableBytes } = this.#template;
    const { initialWindow, headerTableBytes } = connection.peer;
    if (dataBytes <= initialWindow && tableBytes <= headerTableBytes) return;
    connection.close();
    const limits = `windows of ${initialWindow} bytes and header tables of ${headerTableBytes}`;
    throw new SaturnError("BAD_REQUEST", `a request of ${dataBytes} bytes is too large: the server allows ${limits}`);
  }

  /** Requests that are not answered yet. */
  get open(): number {
    return this.#open;
  }

  /** How many requests the windows and the server's limit of streams allow now. */
  get room(): number {
    const connection = this.#connection;
    if (connection === undefined || this.#retired) return 0;
    const windows = Math.floor(connection.sendWindow / this.#template.dataBytes);
    return Math.min(windows, connection.peer.maxStreams - this.#open);
  }

  /** Writes the next request or requests, at most `count` (1 to `room`), each meant to be sent at `intendedMs()`. @returns how many */
  send(count: number, intendedMs: () => number): number {
    const connection = defined(this.#connection, "send connection");
    const template = this.#firstSent ? this.#template.later : this.#template.first;
    const fitting = this.#firstSent ? Math.min(count, this.#template.requestsPerWrite) : 1;
    const buffer = this.#firstSent ? (this.#free.pop() ?? this.#template.pool()) : Buffer.from(template.bytes);
    const reusable = this.#firstSent;
    for (let n = 0; n < fitting; n += 1)
      this.#patch(connection, buffer, n * template.bytes.length, template, this.#times.take(intendedMs()));
    connection.sendWindow -= fitting * this.#template.dataBytes;
    this.#open += fitting;
    connection.write(buffer.subarray(0, fitting * template.bytes.length), () => {
      if (reusable) this.#free.push(buffer);
    });
    this.#firstSent = true;
    return fitting;
  }

  /** Takes no more requests, and closes once those that are open have ended. */
  retire(): void {
    this.#retired = true;
    // Not in the middle of a read: its rest is still to be told.
    setImmediate(() => {
      this.#closeWhenDrained();
    });
  }

  /** Closes at once; what is open fails. */
  close(): void {
    this.#retired = true;
    this.#connection?.close();
  }

  #closeWhenDrained(): void {
    if (this.#retired && this.#open === 0) this.#connection?.close();
  }

  #patch(connection: Connection, buffer: Buffer, at: number, template: Request, number: number): void {
    const stream = connection.takeStream();
    const slot = slotOf(stream);
    this.#numbers[slot] = number;
    this.#status[slot] = 0;
    this.#statusSeen[slot] = 0;
    for (const place of template.streamPlaces) buffer.writeUInt32BE(stream, at + place);
    for (const place of template.counterPlaces) writeCounter(buffer, at + place, number);
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
    const slot = slotOf(stream);
    writeCounter(this.#digits, 0, defined(this.#numbers[slot], "number"));
    this.#status[slot] = checkSendReply(message, from + 5, to, this.#batch, this.#digits, 0);
  }

  #fail(stream: number, reason: string): void {
    this.#status[slotOf(stream)] = told;
    this.#user.failed(reason.trim());
  }

  #finish(stream: number): void {
    const slot = slotOf(stream);
    const number = defined(this.#numbers[slot], "number");
    if (number === none) return; // Given back by a GOAWAY before.
    const status = defined(this.#status[slot], "status");
    if (this.#nowMs === 0) this.#nowMs = performance.now();
    this.#numbers[slot] = none;
    this.#open -= 1;
    if (status === code.ok && this.#statusSeen[slot] === 1) this.#user.stored(this.#times.atMs(number), this.#nowMs);
    else if (status !== told) this.#user.failed(whatIsWrong(status));
  }

  #return(stream: number): void {
    const slot = slotOf(stream);
    const number = defined(this.#numbers[slot], "number");
    if (number === none) return;
    this.#numbers[slot] = none;
    this.#open -= 1;
    this.#user.returned(this.#times.atMs(number));
  }

  /** Streams above the last one that a GOAWAY names were not processed (RFC 9113, 6.8). */
  #returnAbove(lastStream: number): void {
    const newest = defined(this.#connection, "send connection").nextStream - 2;
    for (let stream = newest; stream > lastStream && stream > newest - 2 * ringSize; stream -= 2) this.#return(stream);
  }
}

function slotOf(stream: number): number {
  return (stream >>> 1) % ringSize;
}

function whatIsWrong(status: number): string {
  if (status === code.ok) return "no gRPC status";
  return status === -1 ? "reply does not fit its request" : `code ${status}`;
}
