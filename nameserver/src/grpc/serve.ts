import {
  type handleUnaryCall,
  logVerbosity,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerWritableStream,
  setLogVerbosity,
  status,
} from "@grpc/grpc-js";
import { errorTable, hostAndPort, listenError, SaturnError } from "@saturnmq/kit";
import { errorCodeTrailer, leaderTrailer } from "@saturnmq/wire";
import type { Method, Outgoing, ServedPort, ServeOptions, Service } from "./service.ts";

/** A port by grpc-js. */
export type RunningGrpc = ServedPort & {
  /** Streams open now. */
  readonly streams: number;
};

const limits = {
  // A report of a broker with a thousand shards takes a few hundred KiB.
  "grpc.max_receive_message_length": 4 * 1_024 * 1_024,
  "grpc.max_send_message_length": -1,
  "grpc.max_concurrent_streams": 256,
  "grpc-node.max_session_memory": 64,
  // Together a lease: the stream of a broker whose machine is gone must not outlive it by long.
  "grpc.keepalive_time_ms": 1_500,
  "grpc.keepalive_timeout_ms": 1_500,
  "grpc.enable_channelz": 0,
} as const;
const streamsMax = 8_192;

/** Serves on one port, plaintext, by grpc-js. @throws {SaturnError} when the port cannot be opened */
export async function serveGrpc(services: readonly Service[], options: ServeOptions): Promise<RunningGrpc> {
  // What it would print comes as an error as well, and is told in our own words.
  setLogVerbosity(logVerbosity.NONE);
  const server = new Server(limits);
  const room: Room = { ...options, streams: new Set() };
  for (const { name, methods } of services)
    for (const [method, how] of methods) register(server, `/${name}/${method}`, how, room);
  const port = await listen(server, options);
  return {
    port,
    get streams() {
      return room.streams.size;
    },
    close: (deadlineMs) => close(server, room, deadlineMs),
  };
}

type Room = ServeOptions & { readonly streams: Set<Outgoing> };

function listen(server: Server, { host, port }: ServeOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(hostAndPort(host, port), ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(listenError(error, host, port));
    });
  });
}

function close(server: Server, room: Room, deadlineMs: number): Promise<void> {
  const stopping = new SaturnError("HA_NOT_AVAILABLE", "this name server is stopping: ask another one, or try again");
  for (const stream of [...room.streams]) stream.end(stopping);
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, deadlineMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

const whole = (bytes: Buffer): Buffer => bytes;
const asIs = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function register(server: Server, path: string, method: Method, room: Room): void {
  const types = { unary: "unary", serverStreaming: "serverStream", bidirectional: "bidi" } as const;
  const handler = handlerOf(method, path, room) as handleUnaryCall<Buffer, Uint8Array>;
  server.register(path, handler, asIs, whole, types[method.kind]);
}

function handlerOf(method: Method, path: string, room: Room): unknown {
  switch (method.kind) {
    case "unary":
      return unary(method, path, room);
    case "serverStreaming":
      return serverStreaming(method, path, room);
    case "bidirectional":
      return bidirectional(method, path, room);
  }
}

type Of<Kind extends Method["kind"]> = Extract<Method, { kind: Kind }>;

function unary(method: Of<"unary">, path: string, room: Room): handleUnaryCall<Buffer, Uint8Array> {
  return (call, callback) => {
    const fail = (error: unknown): void => callback(failureOf(error, path, room));
    method.handle(call.request).then((reply) => callback(null, reply), fail);
  };
}

function serverStreaming(method: Of<"serverStreaming">, path: string, room: Room) {
  return (call: ServerWritableStream<Buffer, Uint8Array>): void => {
    const stream = outgoing(call, path, room);
    guarded(stream, () => method.open(call.request, stream));
  };
}

function bidirectional(method: Of<"bidirectional">, path: string, room: Room) {
  return (call: ServerDuplexStream<Buffer, Uint8Array>): void => {
    const stream = outgoing(call, path, room);
    guarded(stream, () => {
      const incoming = method.open(stream);
      call.on("data", (bytes: Buffer) => guarded(stream, () => incoming.message(bytes)));
      call.on("end", () => stream.end());
    });
  };
}

function guarded(stream: Outgoing, step: () => void): void {
  try {
    step();
  } catch (error) {
    stream.end(error);
  }
}

type StreamCall = ServerWritableStream<Buffer, Uint8Array> | ServerDuplexStream<Buffer, Uint8Array>;

function outgoing(call: StreamCall, path: string, room: Room): Outgoing {
  let open = true;
  const over = (): void => {
    if (!open) return;
    open = false;
    room.streams.delete(stream);
    stream.ended();
  };
  const stream: Outgoing = {
    write: (reply) => (open ? call.write(reply) : true),
    drained: () => undefined,
    ended: () => undefined,
    end: (failure) => {
      if (!open) return;
      over();
      if (failure === undefined) call.end();
      else call.emit("error", failureOf(failure, path, room));
    },
  };
  call.on("drain", () => stream.drained());
  call.on("cancelled", over);
  room.streams.add(stream);
  if (room.streams.size > streamsMax)
    stream.end(new SaturnError("TOO_MANY_REQUESTS", `${streamsMax} streams are open: try another name server`));
  return stream;
}

type Failure = { readonly code: number; readonly details: string; readonly metadata?: Metadata };

/** A `SaturnError` is told to the caller; anything else is a bug: logged here, hidden there. */
function failureOf(error: unknown, path: string, { logger, leaderAddress }: Room): Failure {
  const metadata = new Metadata();
  if (!(error instanceof SaturnError)) {
    logger.error({ err: error, rpc: path }, "a call failed on a bug");
    metadata.set(errorCodeTrailer, "INTERNAL_ERROR");
    return { code: status.INTERNAL, details: "the name server failed; its log has the reason", metadata };
  }
  metadata.set(errorCodeTrailer, error.code);
  const leader = error.code === "HA_NOT_AVAILABLE" ? leaderAddress() : undefined;
  if (leader !== undefined) metadata.set(leaderTrailer, leader);
  return { code: errorTable[error.code].grpc, details: error.message, metadata };
}
