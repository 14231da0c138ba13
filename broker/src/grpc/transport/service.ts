import type { ErrorCode } from "@saturnmq/kit";

/**
 * What a gRPC transport and the services on it say to each other. grpc-js stands behind it (`grpc-js.ts`); any other HTTP/2 server can.
 *
 * Messages are raw protobuf bytes both ways: a handler gets a range of a buffer that is its to read until it returns (synchronously or by its
 * promise), and answers with bytes that nobody changes afterwards.
 */
export type Service = {
  /** Full protobuf name: `apache.rocketmq.v2.MessagingService`. */
  readonly name: string;
  /** By method name, as in the `.proto`. A call of any other method ends with UNIMPLEMENTED. */
  readonly methods: ReadonlyMap<string, Method>;
};

export type Method = UnaryMethod | ServerStreamingMethod | BidirectionalMethod;

/**
 * One request, one reply.
 *
 * A thrown or rejected `SaturnError` ends the call with the gRPC status of its row in the error table, its message, and its code in the trailer
 * `errorCodeTrailer`; anything else is logged once and ends it with INTERNAL. The same holds for every kind of method.
 */
export type UnaryMethod = {
  readonly kind: "unary";
  handle(bytes: Uint8Array, start: number, length: number, call: Call): Uint8Array | Promise<Uint8Array>;
};

/** One request, any number of replies; the call ends with OK when `handle` is done. */
export type ServerStreamingMethod = {
  readonly kind: "serverStreaming";
  handle(bytes: Uint8Array, start: number, length: number, call: StreamingCall): void | Promise<void>;
};

/** Both sides write until one ends. Response headers leave when the call arrives, before the first reply. */
export type BidirectionalMethod = {
  readonly kind: "bidirectional";
  open(call: StreamingCall): IncomingStream;
};

/** The receiving half of a bidirectional call. What it throws ends the call as for `UnaryMethod`. */
export type IncomingStream = {
  message(bytes: Uint8Array, start: number, length: number): void;
  /** The client has written its last message; the call goes on until `StreamingCall.end`. Not called when `signal` aborted before. */
  end(): void;
};

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
}

export interface StreamingCall extends Call {
  /** Appends a reply. False: the send buffer is over its mark, wait for `drained` before the next. Nothing happens once the client is gone. */
  write(reply: Uint8Array): boolean;
  /** Resolves when the send buffer is below its mark, or the client is gone. */
  drained(): Promise<void>;
  /** Ends a bidirectional call: OK without `failure`. Calling it again does nothing. */
  end(failure?: { readonly code: ErrorCode; readonly message: string }): void;
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
  /**
   * Stops to accept, tells every connection to go away, waits for calls in flight, and ends what is left `deadlineMs` milliseconds from now.
   */
  close(deadlineMs: number): Promise<void>;
}
