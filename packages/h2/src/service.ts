import type { ErrorCode } from "@saturnmq/kit";

/**
 * What the transport and the services on it say to each other. Messages are raw bytes both ways: a handler gets a range of a buffer that is its to
 * read until it returns (synchronously or by its promise), and answers with bytes that nobody changes afterwards.
 */
export type Service = {
  /** Full protobuf name: `apache.rocketmq.v2.MessagingService`. */
  readonly name: string;
  /** By method name, as in the `.proto`. A call of any other method ends with UNIMPLEMENTED. */
  readonly methods: ReadonlyMap<string, Method>;
  /** It counts its calls itself, by what only it knows of them: the transport's `observe` hears nothing of them. */
  readonly countsCalls?: boolean;
};

export type Method = UnaryMethod | ServerStreamingMethod | BidirectionalMethod | FastUnaryMethod;

/**
 * One request, one reply.
 *
 * A thrown or rejected `SaturnError` ends the call with the gRPC status of its row in the error table, its message, and its code in a trailer;
 * anything else is logged once and ends it with INTERNAL. The same holds for every kind of method.
 */
export type UnaryMethod = {
  readonly kind: "unary";
  handle(bytes: Uint8Array, start: number, length: number, call: Call): Uint8Array | Promise<Uint8Array>;
};

/** One request, any number of replies; the call ends with OK when `handle` is done, or by `StreamingCall.end` when it answers `"later"`. */
export type ServerStreamingMethod = {
  readonly kind: "serverStreaming";
  /** Lower-case names of the metadata that its calls know, for calls that wait by the ten thousand; default: all. */
  readonly headers?: readonly string[];
  handle(bytes: Uint8Array, start: number, length: number, call: StreamingCall): Promise<void> | "later" | undefined;
};

/** Both sides write until one ends; a client stream is one that writes a single reply. Response headers leave once `open` has returned. */
export type BidirectionalMethod = {
  readonly kind: "bidirectional";
  /** As of `ServerStreamingMethod`. */
  readonly headers?: readonly string[];
  open(call: StreamingCall): IncomingStream;
};

/** The receiving half of a bidirectional call. What it throws ends the call as for `UnaryMethod`. */
export type IncomingStream = {
  message(bytes: Uint8Array, start: number, length: number): void;
  /** The client has written its last message; the call goes on until `StreamingCall.end`. Not called when the client is gone. */
  end(): void;
};

/**
 * One request, one reply, without an object, promise or closure a call: for what is called a hundred thousand times a second.
 *
 * The handler answers at once or keeps the ticket and answers later, once, by `Answers`. What it throws ends the call as for `UnaryMethod`.
 */
export type FastUnaryMethod = {
  readonly kind: "fastUnary";
  /** Lower-case names of the metadata that `FastCall.header` is asked for. */
  readonly headers: readonly string[];
  /** Request and call are the handler's to read until it returns. False: it has done nothing about the call, which is `otherwise`'s then. */
  handle(bytes: Uint8Array, start: number, length: number, call: FastCall): boolean;
  /** Serves what `handle` leaves, as a `UnaryMethod` does. Of the request's metadata its call knows `headers` and nothing else. */
  readonly otherwise?: UnaryMethod["handle"];
};

export interface FastCall {
  /** Names the call to `Answers`, also after `handle` has returned. */
  readonly ticket: number;
  /** Monotonic milliseconds at which the request was read. */
  readonly startedMs: number;
  /** Monotonic milliseconds at which the client gives up; `Infinity` when it named no time. */
  readonly deadlineMs: number;
  /** Address and port of the other end. */
  readonly peer: string;
  readonly answers: Answers;
  /** The value of the method's `headers[at]`, if the client sent it. */
  header(at: number): string | undefined;
}

/** Ends calls of `FastUnaryMethod`s by their tickets. A ticket whose call has ended, by whomever, names nothing: all of this is then without effect. */
export interface Answers {
  /** Answers with `bytes[start, start + length)`, which are copied before this returns. */
  answer(ticket: number, bytes: Uint8Array, start: number, length: number): void;
  /** Ends the call with the status of what was thrown, as for `UnaryMethod`. */
  fail(ticket: number, error: unknown): void;
  /** Whether somebody still waits. */
  waits(ticket: number): boolean;
}

/** One call in progress. */
export interface Call {
  /** Who calls, as its metadata says. Unchecked text. */
  readonly client: ClientHeaders;
  /** Monotonic milliseconds (`Clock.monoMs`) at which the client gives up; `Infinity` when it named no time. */
  readonly deadlineMs: number;
  /** Aborts when nobody waits for the answer any more: cancelled, deadline passed, connection lost. Made at first use. */
  readonly signal: AbortSignal;
  /** The same as `signal.aborted`, without making a signal. */
  readonly gone: boolean;
  /** A metadata entry of the request by its lower-case name. */
  header(name: string): string | undefined;
  /** The bytes of a metadata entry whose name ends in `-bin`; undefined too when they are not base64. */
  binaryHeader(name: string): Buffer | undefined;
  /** Adds metadata that goes before the first reply, or after the last. No effect once that has left. */
  addHeader(name: string, value: string | Uint8Array): void;
  addTrailer(name: string, value: string | Uint8Array): void;
}

export interface StreamingCall extends Call {
  /** Appends a reply. False: it waits for the client, so wait for `drained` before the next. Nothing happens once the client is gone. */
  write(reply: Uint8Array): boolean;
  /** The same for the reply `bytes[start, start + length)`, which are the caller's again when this returns. */
  writeFrom(bytes: Uint8Array, start: number, length: number): boolean;
  /** Resolves when nothing waits any more, or the client is gone. */
  drained(): Promise<void>;
  /** Ends a bidirectional call, or one that is to end later: OK without `failure`. Calling it again does nothing. */
  end(failure?: { readonly code: ErrorCode; readonly message: string }): void;
  /** Calls `listener` when nobody waits for the answer any more; at once if so already. What `signal` tells, for calls that wait by the ten thousand. */
  onGone(listener: () => void): void;
  /** Calls `listener` when the connection takes leave: a call that would never end should end soon, the client opens another. */
  onLeaving(listener: () => void): void;
}

/** Metadata that RocketMQ 5 clients send. Empty text when absent. */
export type ClientHeaders = {
  /** `x-mq-client-id`. */
  readonly clientId: string;
  /** `x-mq-language`, upper case: JAVA, CPP, GO, PYTHON, RUST, DOTNET, HTTP (Node), PHP. */
  readonly language: string;
  /** `x-mq-client-version`. */
  readonly version: string;
  /** `x-mq-namespace`. */
  readonly namespace: string;
  /** Host and port the client dialled, HTTP/2 `:authority`. */
  readonly authority: string;
  /** Address and port of the other end of the connection. */
  readonly peer: string;
};

/** A transport that serves. */
export interface Transport {
  /** The port it listens on. */
  readonly port: number;
  /** Connections open now. */
  readonly connections: number;
  /** Calls open now. */
  readonly calls: number;
  readonly answers: Answers;
  /** Stops to read, or goes on: for when what arrived has to be worked off first. Nothing is lost, clients wait. */
  setReading(reading: boolean): void;
  /**
   * Tells a share of the connections to go away, the oldest ones, evenly over a time: so that load moves to others without a crowd at their doors.
   *
   * @param share 0 to 1
   */
  shed(share: number, overMs: number): void;
  /** Serves new TLS connections with another certificate. @throws {Error} when it cannot be used; the old one stays */
  setCertificate(pair: CertificatePair): void;
  /** Stops to accept, tells every connection to go away, waits for calls in flight, and ends what is left `deadlineMs` milliseconds from now. */
  close(deadlineMs: number): Promise<void>;
}

/** A certificate chain and its key, PEM. */
export type CertificatePair = { readonly certificate: Buffer; readonly key: Buffer };
