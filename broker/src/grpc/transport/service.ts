import type * as h2 from "@saturnmq/h2";

/**
 * What a gRPC transport and the services on it say to each other: the part of `@saturnmq/h2`'s contract that grpc-js can keep too, so that either
 * serves the same handlers. Messages are raw protobuf bytes both ways, as there.
 */
export type Service = {
  /** Full protobuf name: `apache.rocketmq.v2.MessagingService`. */
  readonly name: string;
  /** By method name, as in the `.proto`. A call of any other method ends with UNIMPLEMENTED. */
  readonly methods: ReadonlyMap<string, Method>;
  /** It counts its calls itself, by what only it knows of them: the transport's `observe` hears nothing of them. */
  readonly countsCalls?: boolean;
};

export type Method = UnaryMethod | FastUnaryMethod | ServerStreamingMethod | BidirectionalMethod;

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

/** A unary method of which `handle` serves the common case without an object a call. grpc-js gives everything to `otherwise`. */
export type FastUnaryMethod = h2.FastUnaryMethod & { readonly otherwise: UnaryMethod["handle"] };

/** One request, any number of replies; the call ends with OK when `handle` is done, or by `StreamingCall.end` when it answers `"later"`. */
export type ServerStreamingMethod = Pick<h2.ServerStreamingMethod, "headers"> & {
  readonly kind: "serverStreaming";
  handle(bytes: Uint8Array, start: number, length: number, call: StreamingCall): Promise<void> | "later" | undefined;
};

/** Both sides write until one ends. Response headers leave when the call arrives, before the first reply. */
export type BidirectionalMethod = Pick<h2.BidirectionalMethod, "headers"> & {
  readonly kind: "bidirectional";
  open(call: StreamingCall): IncomingStream;
};

export type { Answers, ClientHeaders, FastCall, IncomingStream } from "@saturnmq/h2";

/** One call in progress. */
export type Call = Pick<h2.Call, "client" | "deadlineMs" | "signal" | "gone" | "header">;

/** grpc-js never tells that a connection takes leave (`onLeaving`). */
export type StreamingCall = Call &
  Pick<h2.StreamingCall, "write" | "writeFrom" | "drained" | "end" | "onGone" | "onLeaving">;

/** A transport that serves. */
export type Transport = Pick<h2.Transport, "port" | "connections" | "shed" | "setCertificate" | "close">;

type IncomingStream = h2.IncomingStream;
