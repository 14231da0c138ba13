import { type Clock, defined, type Logger } from "@saturnmq/kit";
import type { Connection, ConnectionRoom, ConnectionUser } from "../core/connection.ts";
import { DeadlineWheel } from "../core/deadline-wheel.ts";
import { FieldList } from "../core/field-list.ts";
import { type HeaderField, standardHead, standardTrailers } from "../core/hpack-encoder.ts";
import { type Limits, price } from "../core/limits.ts";
import type { MessageReader } from "../core/message-reader.ts";
import { errorCode } from "../core/protocol.ts";
import { emptyRows, type RequestRows } from "../core/request-rules.ts";
import { type Stream, StreamPool } from "../core/stream.ts";
import type { Answers, FastUnaryMethod, Service } from "../service.ts";
import { Exchange } from "./exchange.ts";
import { failureFields, failureOf } from "./failure.ts";
import { Inflater } from "./inflate.ts";
import { namedMetadata, requestMetadata } from "./metadata.ts";
import { isGrpc, keepHeaders, readHead } from "./request-head.ts";
import { Routes } from "./routes.ts";
import { type CallPort, ServedCall } from "./served-call.ts";
import { type Failure, grpcStatus } from "./status.ts";

export type EngineOptions = {
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: Limits;
  /** Largest request, bytes, also after inflating. */
  readonly receiveBytesMax: number;
  /** A unary request must be there, whole, by then. */
  readonly requestMs: number;
  /** Memory that requests under way may hold, of one connection and of all; a call that would go beyond ends with RESOURCE_EXHAUSTED. */
  readonly connectionMemoryBytes: number;
  readonly memoryBytes: number;
  /** Name of the trailer that carries a `SaturnError`'s code. */
  readonly codeTrailer: string;
  /** Told of each finished call of services that do not count their own: `/package.Service/Method`, milliseconds, gRPC status number. */
  readonly observe: ((path: string, tookMs: number, grpcStatus: number) => void) | undefined;
  /** A deadline before all others was set. */
  readonly onEarlierDeadline: (atMs: number) => void;
};

/** Body of a request that is not gRPC, after which the rest does not matter. */
const discardedBytesMax = 65_536;
const notGrpcText = Buffer.from("This port speaks gRPC: POST with content-type application/grpc.\n");
const notGrpcHead: readonly HeaderField[] = [
  [":status", "415"],
  ["content-type", "text/plain; charset=utf-8"],
  ["content-length", String(notGrpcText.length)],
];
const tooLargeHeadMessage = "the metadata is larger than SETTINGS_MAX_HEADER_LIST_SIZE";

/** gRPC on HTTP/2 streams: from a request's fields and body to its handler, and from the handler's answer to frames. */
export class Engine implements ConnectionUser<Exchange>, Answers {
  readonly room: ConnectionRoom<Exchange>;
  readonly streams: StreamPool<Exchange>;
  readonly #options: EngineOptions;
  readonly #routes: Routes;
  readonly #wheel: DeadlineWheel;
  readonly #inflater = new Inflater();
  #memoryBytes = 0;
  readonly #port: CallPort;

  constructor(services: readonly Service[], options: EngineOptions) {
    this.#options = options;
    this.#routes = new Routes(services);
    this.#wheel = new DeadlineWheel(options.clock.monoMs());
    this.streams = new StreamPool<Exchange>(
      (stream) => new Exchange(stream, this),
      (exchange) => {
        exchange.release();
      },
    );
    this.room = {
      limits: options.limits,
      streams: this.streams,
      user: this,
      list: new FieldList(options.limits.headerListBytesMax),
      rows: emptyRows(),
    };
    this.#port = {
      write: (call, bytes, start, length, owned) => this.#writeReply(call, bytes, start, length, owned),
      waits: (call) => this.#exchangeOf(call).stream.queuedBytes > 0,
      finish: (call, failure) => {
        this.#finish(this.#exchangeOf(call), failure);
      },
    };
  }

  /** When `advance` is to be called next, monotonic milliseconds. */
  get nextDeadlineMs(): number {
    return this.#wheel.nextMs();
  }

  /** Ends calls whose time has passed. */
  advance(nowMs: number): void {
    this.#wheel.advance(nowMs, (slot) => {
      this.#overtime(this.streams.bySlot(slot), nowMs);
    });
  }

  // What the connection tells.

  admits(): boolean {
    return this.#memoryBytes < this.#options.memoryBytes;
  }

  request(connection: Connection<Exchange>, stream: Stream<Exchange>, list: FieldList, rows: RequestRows): void {
    const exchange = stream.user;
    exchange.begin(connection, this.streams.ticket(stream), connection.nowMs);
    if (!isGrpc(list, rows)) {
      exchange.phase = "discarding";
      this.#expectBody(exchange);
      if (stream.remoteEnded) this.#answerNotGrpc(exchange);
      return;
    }
    const path = list.value(rows.path);
    exchange.route = this.#routes.find(path);
    const failure = exchange.route === undefined ? this.#routes.notFound(path) : readHead(exchange, list, rows);
    if (failure !== undefined) {
      this.#finish(exchange, failure);
      return;
    }
    this.#open(exchange, list, rows);
  }

  oversized(connection: Connection<Exchange>, stream: Stream<Exchange>): void {
    const exchange = stream.user;
    exchange.begin(connection, this.streams.ticket(stream), connection.nowMs);
    this.#finish(exchange, { code: grpcStatus.resourceExhausted, message: tooLargeHeadMessage });
  }

  data(stream: Stream<Exchange>, bytes: Buffer, start: number, end: number): void {
    const exchange = stream.user;
    if (exchange.phase === "answered") return;
    if (exchange.phase === "discarding") {
      exchange.discardedBytes += end - start;
      if (stream.remoteEnded || exchange.discardedBytes > discardedBytesMax) this.#answerNotGrpc(exchange);
      return;
    }
    const { reader, ticket } = exchange;
    let at = start;
    while (at < end) {
      at = reader.next(bytes, at, end, this.#options.receiveBytesMax, this.#roomFor(exchange));
      if (reader.outcome === "message") {
        this.#message(exchange, at === end && stream.remoteEnded);
        reader.drop();
      }
      if (reader.outcome === "tooLarge" || reader.outcome === "badFlag")
        this.#finish(exchange, this.#badMessage(reader.outcome));
      if (reader.outcome === "noRoom") this.#refuseForMemory(exchange);
      if (!this.waits(ticket)) return;
    }
    if (exchange.keptBytes !== exchange.countedBytes) this.#book(exchange);
    if (stream.remoteEnded && this.waits(ticket)) this.#requestEnded(exchange);
  }

  lost(stream: Stream<Exchange>, code: number): void {
    this.#close(stream.user, code === errorCode.none ? grpcStatus.unknown : grpcStatus.cancelled, true);
  }

  drained(stream: Stream<Exchange>): void {
    stream.user.call?.notifyDrained();
  }

  leaving(stream: Stream<Exchange>): void {
    const { call } = stream.user;
    if (call !== undefined) this.#guard(stream.user, () => call.leaving());
  }

  overdue(stream: Stream<Exchange>): void {
    if (stream.user.phase === "answered") return;
    const message = "the server closes this connection; call again on another";
    stream.user.call?.close(true);
    this.#finish(stream.user, { code: grpcStatus.unavailable, message });
  }

  // Answers to fast calls.

  answer(ticket: number, bytes: Uint8Array, start: number, length: number): void {
    const stream = this.streams.byTicket(ticket);
    if (stream !== undefined && stream.user.phase !== "answered") this.#answer(stream, bytes, start, length, false);
  }

  fail(ticket: number, error: unknown): void {
    const stream = this.streams.byTicket(ticket);
    if (stream === undefined || stream.user.phase === "answered") return;
    this.#finish(stream.user, this.#failureOf(stream.user, error));
  }

  waits(ticket: number): boolean {
    const stream = this.streams.byTicket(ticket);
    return stream !== undefined && stream.user.phase !== "answered";
  }

  // Requests.

  #open(exchange: Exchange, list: FieldList, rows: RequestRows): void {
    const { method } = defined(exchange.route, "route");
    const { stream } = exchange;
    exchange.peer = exchange.connection.peer;
    if (method.kind === "fastUnary") keepHeaders(exchange, method, list);
    else exchange.call = this.#newCall(exchange, list, rows, method.kind === "unary" ? undefined : method.headers);
    if (method.kind === "bidirectional") this.#openBoth(exchange);
    else if (!stream.remoteEnded) this.#expectBody(exchange);
    if (!this.waits(exchange.ticket)) return;
    if (method.kind === "bidirectional" || stream.remoteEnded) this.#schedule(exchange, exchange.deadlineMs);
    if (stream.remoteEnded) this.#requestEnded(exchange);
  }

  /** @param names of the metadata that it may be asked for; default: all */
  #newCall(exchange: Exchange, list: FieldList, rows: RequestRows, names?: readonly string[]): ServedCall {
    return new ServedCall(
      {
        ticket: exchange.ticket,
        deadlineMs: exchange.deadlineMs,
        authority: rows.authority < 0 ? (list.find("host") ?? "") : list.value(rows.authority),
        peer: exchange.peer,
        metadata: names === undefined ? requestMetadata(list) : namedMetadata(list, names),
        codeTrailer: this.#options.codeTrailer,
      },
      this.#port,
    );
  }

  #openBoth(exchange: Exchange): void {
    const { ticket } = exchange;
    const { method } = defined(exchange.route, "route");
    if (method.kind !== "bidirectional") return;
    exchange.phase = "serving";
    const call = defined(exchange.call, "call");
    this.#guard(exchange, () => {
      const incoming = method.open(call);
      if (this.waits(ticket)) exchange.incoming = incoming;
    });
    if (this.waits(ticket) && !call.ended) this.#sendHead(exchange);
  }

  /** A whole message is there: `exchange.reader` says where. */
  #message(exchange: Exchange, last: boolean): void {
    const { bytes, start, length, compressed } = exchange.reader;
    if (exchange.inflating) {
      exchange.backlog ??= [];
      exchange.backlog.push({ bytes: lasting(exchange.reader), compressed });
      exchange.inflateBytes += length;
    } else if (compressed) this.#inflate(exchange, lasting(exchange.reader));
    else this.#deliver(exchange, bytes, start, length, last);
  }

  #deliver(exchange: Exchange, bytes: Buffer, start: number, length: number, last: boolean): void {
    const { method } = defined(exchange.route, "route");
    if (method.kind === "bidirectional") {
      this.#guard(exchange, () => exchange.incoming?.message(bytes, start, length));
    } else if (exchange.held !== undefined || exchange.phase !== "reading") {
      this.#finish(exchange, { code: grpcStatus.unimplemented, message: "the method takes one request message" });
    } else if (last) {
      this.#serve(exchange, bytes, start, length);
    } else {
      // Only the end of the stream says that this was all.
      exchange.held = bytes === exchange.reader.bytes ? lasting(exchange.reader) : bytes;
    }
  }

  #requestEnded(exchange: Exchange): void {
    if (exchange.inflating) return;
    if (exchange.reader.within) {
      this.#finish(exchange, { code: grpcStatus.internal, message: "the request ends within a message" });
      return;
    }
    const { held } = exchange;
    if (defined(exchange.route, "route").method.kind === "bidirectional") {
      this.#clientEnded(exchange);
    } else if (held !== undefined) {
      exchange.held = undefined;
      this.#serve(exchange, held, 0, held.length);
    } else if (exchange.phase === "reading") {
      this.#finish(exchange, { code: grpcStatus.unimplemented, message: "the method takes a request message" });
    }
  }

  /** Tells a handler a turn later: clients that cancel end their half first and reset the stream behind it. */
  #clientEnded(exchange: Exchange): void {
    const { ticket, incoming } = exchange;
    setImmediate(() => {
      if (this.waits(ticket)) this.#guard(exchange, () => incoming?.end());
    });
  }

  #serve(exchange: Exchange, bytes: Buffer, start: number, length: number): void {
    const { method } = defined(exchange.route, "route");
    exchange.phase = "serving";
    this.#schedule(exchange, exchange.deadlineMs);
    if (method.kind === "fastUnary") {
      this.#serveFast(exchange, method, bytes, start, length);
      return;
    }
    if (method.kind === "unary") {
      this.#serveUnary(exchange, (call) => method.handle(bytes, start, length, call));
      return;
    }
    const call = defined(exchange.call, "call");
    this.#guard(exchange, () => {
      if (method.kind !== "serverStreaming") return;
      const run = method.handle(bytes, start, length, call);
      if (run instanceof Promise) this.#await(call, run);
      else if (run !== "later") call.end();
    });
  }

  #serveFast(exchange: Exchange, method: FastUnaryMethod, bytes: Buffer, start: number, length: number): void {
    const { ticket } = exchange;
    try {
      if (method.handle(bytes, start, length, exchange)) return;
    } catch (error) {
      this.fail(ticket, error);
      return;
    }
    const { deadlineMs, peer } = exchange;
    const metadata = exchange.kept(method.headers);
    const head = { ticket, deadlineMs, authority: "", peer, metadata, codeTrailer: this.#options.codeTrailer };
    exchange.call = new ServedCall(head, this.#port);
    this.#serveUnary(exchange, (call) =>
      defined(method.otherwise?.(bytes, start, length, call), "an answer to what the fast handler leaves"),
    );
  }

  #serveUnary(exchange: Exchange, handle: (call: ServedCall) => Uint8Array | Promise<Uint8Array>): void {
    const call = defined(exchange.call, "call");
    this.#guard(exchange, () => {
      const reply = handle(call);
      if (reply instanceof Promise) this.#await(call, reply);
      else this.#reply(call, reply);
    });
  }

  #await(call: ServedCall, work: Promise<unknown>): void {
    work.then(
      (reply) => {
        if (reply instanceof Uint8Array) this.#reply(call, reply);
        else call.end();
      },
      (error: unknown) => {
        if (!call.ended) this.#finish(this.#exchangeOf(call), this.#failureOf(this.#exchangeOf(call), error));
        else if (!call.gone) this.#failureOfLate(call, error);
      },
    );
  }

  /** Runs a handler's step; what it throws ends the call. */
  #guard(exchange: Exchange, step: () => void): void {
    const { ticket } = exchange;
    try {
      step();
    } catch (error) {
      if (this.waits(ticket)) this.#finish(exchange, this.#failureOf(exchange, error));
    }
  }

  // Compression.

  #inflate(exchange: Exchange, bytes: Buffer): void {
    if (!exchange.gzip) {
      const message = "a message is compressed and grpc-encoding does not say how";
      this.#finish(exchange, { code: grpcStatus.internal, message });
      return;
    }
    const { ticket } = exchange;
    exchange.inflating = true;
    exchange.inflateBytes += bytes.length;
    this.#inflater.inflate({
      bytes,
      sizeMax: this.#options.receiveBytesMax,
      wanted: () => this.waits(ticket),
      done: (result) => {
        exchange.inflating = false;
        exchange.inflateBytes -= bytes.length;
        if ("bytes" in result) this.#inflated(exchange, result.bytes);
        else this.#finish(exchange, this.#badInflate(result.problem));
      },
    });
  }

  /** Goes on with what came behind a message that had to be inflated. */
  #inflated(exchange: Exchange, bytes: Buffer): void {
    const { stream, ticket } = exchange;
    const backlog = exchange.backlog ?? [];
    exchange.backlog = undefined;
    this.#deliver(exchange, bytes, 0, bytes.length, stream.remoteEnded && backlog.length === 0);
    for (const [n, message] of backlog.entries()) {
      if (!this.waits(ticket)) return;
      exchange.inflateBytes -= message.bytes.length;
      if (!message.compressed) {
        this.#deliver(exchange, message.bytes, 0, message.bytes.length, false);
        continue;
      }
      this.#inflate(exchange, message.bytes);
      exchange.backlog = backlog.slice(n + 1);
      return;
    }
    if (!this.waits(ticket)) return;
    this.#book(exchange);
    if (stream.remoteEnded && this.waits(ticket)) this.#requestEnded(exchange);
  }

  #badInflate(problem: "tooLarge" | "broken"): Failure {
    if (problem === "tooLarge") return this.#badMessage("tooLarge");
    return { code: grpcStatus.internal, message: "a compressed message is not gzip" };
  }

  #badMessage(outcome: "tooLarge" | "badFlag"): Failure {
    if (outcome === "badFlag")
      return { code: grpcStatus.internal, message: "the flag of a message is neither 0 nor 1" };
    const max = this.#options.receiveBytesMax;
    return { code: grpcStatus.resourceExhausted, message: `a request message may have ${max} bytes` };
  }

  // Answers.

  #exchangeOf(call: ServedCall): Exchange {
    return defined(this.streams.byTicket(call.head.ticket), "stream of an open call").user;
  }

  #reply(call: ServedCall, reply: Uint8Array): void {
    if (call.ended) return;
    if (call.headers.length === 0 && call.trailers.length === 0) {
      this.#answer(this.#exchangeOf(call).stream, reply, 0, reply.length, true);
      return;
    }
    this.#writeReply(call, reply, 0, reply.length, true);
    call.end();
  }

  /** Ends a call well with its one reply. */
  #answer(stream: Stream<Exchange>, bytes: Uint8Array, start: number, length: number, owned: boolean): void {
    const { connection, ticket } = stream.user;
    const { sender } = connection;
    this.#close(stream.user, grpcStatus.ok, false);
    if (!sender.answer(stream, bytes, start, length)) {
      if (!stream.headersSent) sender.headers(stream, standardHead);
      sender.message(stream, bytes, start, length, 5, owned);
      // It was cut if it did not take that.
      if (this.streams.byTicket(ticket) !== undefined) sender.trailers(stream, standardTrailers);
    }
    connection.touch();
  }

  #writeReply(call: ServedCall, bytes: Uint8Array, start: number, length: number, owned: boolean): boolean {
    const exchange = this.#exchangeOf(call);
    const { stream, connection } = exchange;
    this.#sendHead(exchange);
    connection.sender.message(stream, bytes, start, length, 5, owned);
    connection.touch();
    return call.ended || stream.queuedBytes === 0;
  }

  #sendHead(exchange: Exchange): void {
    const { stream, connection } = exchange;
    if (stream.headersSent) return;
    const extra = exchange.call?.headers ?? [];
    connection.sender.headers(stream, extra.length === 0 ? standardHead : [...standardHead, ...extra]);
    connection.touch();
  }

  /** Ends a call in whatever state it is. */
  #finish(exchange: Exchange, failure: Failure | undefined): void {
    const { stream, connection, call } = exchange;
    const { sender } = connection;
    const extra = call?.trailers ?? [];
    const headers = call?.headers ?? [];
    this.#close(exchange, failure?.code ?? grpcStatus.ok, false);
    const ending = [...(failure === undefined ? standardTrailers : failureFields(failure)), ...extra];
    if (stream.headersSent) sender.trailers(stream, ending);
    else if (failure !== undefined) sender.headers(stream, [...standardHead, ...headers, ...ending], true);
    else {
      sender.headers(stream, [...standardHead, ...headers]);
      sender.trailers(stream, ending);
    }
    connection.touch();
  }

  #answerNotGrpc(exchange: Exchange): void {
    const { stream, connection, ticket } = exchange;
    const { sender } = connection;
    this.#close(exchange, grpcStatus.unknown, false);
    sender.headers(stream, notGrpcHead);
    sender.message(stream, notGrpcText, 0, notGrpcText.length, 0, true);
    if (this.streams.byTicket(ticket) !== undefined) sender.endWithData(stream);
    connection.touch();
  }

  /** The handler's part is over; the stream may still have something to send. @param gone nobody waited for an answer */
  #close(exchange: Exchange, code: number, gone: boolean): void {
    if (exchange.phase === "answered") return;
    exchange.phase = "answered";
    this.#wheel.remove(exchange.stream.slot);
    const { call, route } = exchange;
    exchange.clear();
    if (exchange.countedBytes !== 0) this.#book(exchange);
    const { observe, clock } = this.#options;
    if (observe !== undefined && route?.isObserved === true)
      observe(route.path, clock.monoMs() - exchange.startedMs, code);
    call?.close(gone);
  }

  #failureOf(exchange: Exchange, error: unknown): Failure {
    const { codeTrailer, log } = this.#options;
    return failureOf(error, exchange.route?.path ?? "", codeTrailer, log);
  }

  /** A handler that failed after it had ended its call: only the log can be told. */
  #failureOfLate(call: ServedCall, error: unknown): void {
    failureOf(error, call.head.peer, this.#options.codeTrailer, this.#options.log);
  }

  // Time and memory.

  #expectBody(exchange: Exchange): void {
    const byMs = exchange.startedMs + this.#options.requestMs;
    this.#schedule(exchange, Math.min(exchange.deadlineMs, byMs));
  }

  #schedule(exchange: Exchange, atMs: number): void {
    const { slot } = exchange.stream;
    if (atMs === Number.POSITIVE_INFINITY) {
      this.#wheel.remove(slot);
      return;
    }
    this.#wheel.schedule(slot, atMs);
    this.#options.onEarlierDeadline(atMs);
  }

  #overtime(stream: Stream<Exchange>, nowMs: number): void {
    const exchange = stream.user;
    const { connection } = exchange;
    if (exchange.deadlineMs <= nowMs && stream.queuedBytes > 0) {
      // Trailers would wait behind what the client does not take.
      this.#close(exchange, grpcStatus.deadlineExceeded, true);
      connection.reset(stream, errorCode.cancel);
      connection.touch();
      return;
    }
    if (exchange.deadlineMs <= nowMs) {
      exchange.call?.close(true);
      this.#finish(exchange, { code: grpcStatus.deadlineExceeded, message: "the deadline has passed" });
      return;
    }
    // A request of which the rest does not come is a mistake like any other, and may not be made often.
    connection.resetForPeer(stream, errorCode.cancel);
    connection.touch();
  }

  /** How much more may be kept of an unfinished request, bytes. */
  #roomFor({ connection }: Exchange): number {
    const { connectionMemoryBytes, memoryBytes } = this.#options;
    return Math.min(connectionMemoryBytes - connection.heldBytes, memoryBytes - this.#memoryBytes);
  }

  /** Books what is kept of an unfinished request; ends the call when that is too much. */
  #book(exchange: Exchange): void {
    const growth = exchange.keptBytes - exchange.countedBytes;
    exchange.countedBytes += growth;
    exchange.connection.heldBytes += growth;
    this.#memoryBytes += growth;
    if (growth > 0 && this.#roomFor(exchange) < 0) this.#refuseForMemory(exchange);
  }

  /** Whoever goes on beyond what may be kept for it is no better than one who resets its calls. */
  #refuseForMemory(exchange: Exchange): void {
    const { connection } = exchange;
    const message = "too many bytes of unfinished requests; send fewer at once";
    this.#finish(exchange, { code: grpcStatus.resourceExhausted, message });
    connection.charge(price.beyondMemory);
  }
}

/** The message just read, in bytes that stay. */
function lasting(reader: MessageReader): Buffer {
  const bytes = reader.bytes.subarray(reader.start, reader.start + reader.length);
  return reader.owned ? bytes : Buffer.from(bytes);
}
