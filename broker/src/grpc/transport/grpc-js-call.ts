import { status as grpcStatus, Metadata, type ServerDuplexStream, type ServerWritableStream } from "@grpc/grpc-js";
import { type Clock, type ErrorCode, errorTable, type Logger, SaturnError } from "@saturnmq/kit";
import { errorCodeTrailer } from "@saturnmq/wire";
import type { Call, ClientHeaders, StreamingCall } from "./service.ts";

/** What every call of one method shares. */
export type CallRoom = {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly observe: (path: string, tookMs: number, grpcStatus: number) => void;
};

/** What a call of any kind has in grpc-js. */
type GrpcCall = Pick<GrpcStream, "cancelled" | "metadata" | "getHost" | "getPeer" | "getDeadline"> & {
  once(event: "cancelled", listener: () => void): unknown;
};
type GrpcStream = ServerWritableStream<Buffer, Uint8Array> | ServerDuplexStream<Buffer, Uint8Array>;

/** A grpc-js call as the services see it. */
export class GrpcJsCall implements Call {
  readonly #grpc: GrpcCall;
  readonly #room: CallRoom;
  readonly #startedMs: number;
  #ended = false;
  #controller: AbortController | undefined;
  #client: ClientHeaders | undefined;
  #deadlineMs: number | undefined;

  constructor(grpc: GrpcCall, room: CallRoom) {
    this.#grpc = grpc;
    this.#room = room;
    this.#startedMs = room.clock.monoMs();
    grpc.once("cancelled", () => {
      // grpc-js says so after an answer too; only before one does it mean that nobody waits.
      if (!this.#ended) this.#controller?.abort();
    });
  }

  get client(): ClientHeaders {
    this.#client ??= {
      clientId: this.header("x-mq-client-id") ?? "",
      language: (this.header("x-mq-language") ?? "").toUpperCase(),
      version: this.header("x-mq-client-version") ?? "",
      namespace: this.header("x-mq-namespace") ?? "",
      authority: this.#grpc.getHost(),
      peer: this.#grpc.getPeer(),
    };
    return this.#client;
  }

  get deadlineMs(): number {
    this.#deadlineMs ??= monotonic(this.#grpc.getDeadline(), this.#room.clock);
    return this.#deadlineMs;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.gone) this.#controller.abort();
    return this.#controller.signal;
  }

  get gone(): boolean {
    return this.#grpc.cancelled && !this.#ended;
  }

  get ended(): boolean {
    return this.#ended;
  }

  header(name: string): string | undefined {
    const value = this.#grpc.metadata.get(name)[0];
    return typeof value === "string" ? value : undefined;
  }

  /** Books the call as answered; later calls do nothing. */
  finish(code: number): void {
    if (this.#ended) return;
    const outcome = this.#grpc.cancelled ? grpcStatus.CANCELLED : code;
    this.#ended = true;
    this.#room.observe(this.#room.path, this.#room.clock.monoMs() - this.#startedMs, outcome);
  }
}

/** A streaming grpc-js call as the services see it. */
export class GrpcJsStream implements StreamingCall {
  readonly #grpc: GrpcStream;
  readonly #room: CallRoom;
  readonly #call: GrpcJsCall;

  constructor(grpc: GrpcStream, room: CallRoom) {
    this.#grpc = grpc;
    this.#room = room;
    this.#call = new GrpcJsCall(grpc, room);
    grpc.once("cancelled", () => {
      this.#call.finish(grpcStatus.CANCELLED);
    });
  }

  get client(): ClientHeaders {
    return this.#call.client;
  }

  get deadlineMs(): number {
    return this.#call.deadlineMs;
  }

  get signal(): AbortSignal {
    return this.#call.signal;
  }

  get gone(): boolean {
    return this.#grpc.cancelled;
  }

  get ended(): boolean {
    return this.#call.ended;
  }

  header(name: string): string | undefined {
    return this.#call.header(name);
  }

  write(reply: Uint8Array): boolean {
    if (this.ended || this.gone) return true;
    return this.#grpc.write(reply);
  }

  writeFrom(bytes: Uint8Array, start: number, length: number): boolean {
    return this.write(Buffer.from(bytes.subarray(start, start + length)));
  }

  drained(): Promise<void> {
    const grpc = this.#grpc;
    if (this.gone || !grpc.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        grpc.off("drain", done).off("cancelled", done);
        resolve();
      };
      grpc.on("drain", done).on("cancelled", done);
    });
  }

  onGone(listener: () => void): void {
    if (this.gone) listener();
    else this.signal.addEventListener("abort", listener, { once: true });
  }

  onLeaving(): void {
    // Connections live until the server is closed, of which the services hear by themselves.
  }

  end(failure?: { readonly code: ErrorCode; readonly message: string }): void {
    if (this.ended) return;
    const code = failure === undefined ? grpcStatus.OK : errorTable[failure.code].grpc;
    this.#call.finish(code);
    if (failure === undefined) this.#grpc.end();
    else this.#grpc.emit("error", { code, details: failure.message, metadata: codeTrailer(failure.code) });
  }

  /** Ends the call with what a handler threw. */
  fail(error: unknown): void {
    if (this.ended) return;
    const failure = toFailure(error, this.#room);
    this.#call.finish(failure.code);
    this.#grpc.emit("error", failure);
  }
}

function monotonic(deadline: Date | number, clock: Clock): number {
  const atMs = typeof deadline === "number" ? deadline : deadline.getTime();
  return clock.monoMs() + (atMs - clock.wallMs());
}

type Failure = { readonly code: number; readonly details: string; readonly metadata?: Metadata };

/** The gRPC status of what a handler threw. A `SaturnError` is told to the caller; anything else is a bug: logged here, hidden there. */
export function toFailure(error: unknown, room: CallRoom): Failure {
  if (error instanceof SaturnError) {
    return { code: errorTable[error.code].grpc, details: error.message, metadata: codeTrailer(error.code) };
  }
  room.log.error({ err: error, rpc: room.path }, "a call failed on a bug");
  return { code: grpcStatus.INTERNAL, details: "the broker failed; its log has the reason" };
}

/** Several codes share one gRPC status; the trailer tells them apart. */
function codeTrailer(code: ErrorCode): Metadata {
  const metadata = new Metadata();
  metadata.set(errorCodeTrailer, code);
  return metadata;
}
