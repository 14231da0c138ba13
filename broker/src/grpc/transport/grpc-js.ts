import {
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerWritableStream,
  status,
} from "@grpc/grpc-js";
import type { KeyPair } from "./certificate.ts";
import { FrontDoor } from "./front-door.ts";
import { type CallRoom, GrpcJsCall, GrpcJsStream, toFailure } from "./grpc-js-call.ts";
import { http1Text, type TransportOptions } from "./options.ts";
import type { BidirectionalMethod, Method, ServerStreamingMethod, Service, Transport } from "./service.ts";

/** Serves on one port, with and without TLS, by grpc-js. @throws {SaturnError} when the port cannot be opened */
export async function serveGrpcJs(services: readonly Service[], options: TransportOptions): Promise<Transport> {
  const server = new Server(serverOptions(options));
  for (const service of services) register(server, service, options);
  const plain = server.createConnectionInjector(ServerCredentials.createInsecure());
  const withPair = ({ certificate, key }: KeyPair): Injector =>
    server.createConnectionInjector(ServerCredentials.createSsl(null, [{ cert_chain: certificate, private_key: key }]));
  // Connections stay with the certificate that they began with.
  const secure = [withPair(options.tls)];
  const door = new FrontDoor({
    ...options,
    http1Text,
    plain: (socket) => {
      plain.injectConnection(socket);
    },
    secure: (socket) => {
      secure.at(-1)?.injectConnection(socket);
    },
  });
  const port = await door.listen();
  return {
    port,
    get connections() {
      return door.connections;
    },
    // It has no way to ask a single connection to go.
    shed: () => undefined,
    setCertificate: (pair) => void secure.push(withPair(pair)),
    close: (deadlineMs) => close(door, [plain, ...secure], deadlineMs),
  };
}

function serverOptions(options: TransportOptions): Record<string, number> {
  return {
    "grpc.max_receive_message_length": options.receiveBytesMax,
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": options.concurrentStreamsMax,
    "grpc-node.max_session_memory": options.connectionMemoryMib,
    "grpc.max_connection_idle_ms": options.idleMs,
    "grpc.keepalive_time_ms": 60_000,
    "grpc.keepalive_timeout_ms": 20_000,
    // Its books grow with every connection and call, and nobody reads them.
    "grpc.enable_channelz": 0,
  };
}

type Injector = ReturnType<Server["createConnectionInjector"]>;

async function close(door: FrontDoor, injectors: readonly Injector[], deadlineMs: number): Promise<void> {
  const closed = door.stop();
  for (const injector of injectors) injector.drain(deadlineMs);
  const timer = setTimeout(() => {
    door.destroyAll();
  }, deadlineMs);
  await closed;
  clearTimeout(timer);
  for (const injector of injectors) injector.destroy();
}

const asIs = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const whole = (bytes: Buffer): Buffer => bytes;

function register(server: Server, service: Service, options: TransportOptions): void {
  for (const [name, method] of service.methods) {
    const path = `/${service.name}/${name}`;
    const room: CallRoom = {
      path,
      clock: options.clock,
      log: options.log,
      observe: (service.countsCalls !== true && options.observe) || (() => undefined),
    };
    if (
      !server.register(
        path,
        handler(method, room) as handleUnaryCall<Buffer, Uint8Array>,
        asIs,
        whole,
        kinds[method.kind],
      )
    )
      throw new Error(`two services offer ${path}`);
  }
}

const kinds = { unary: "unary", fastUnary: "unary", serverStreaming: "serverStream", bidirectional: "bidi" } as const;

function handler(method: Method, room: CallRoom): unknown {
  switch (method.kind) {
    case "unary":
      return unary((bytes, call) => method.handle(bytes, 0, bytes.length, call), room);
    case "fastUnary":
      return unary((bytes, call) => method.otherwise(bytes, 0, bytes.length, call), room);
    case "serverStreaming":
      return serverStreaming(method, room);
    case "bidirectional":
      return bidirectional(method, room);
  }
}

type Answer = (bytes: Buffer, call: GrpcJsCall) => Uint8Array | Promise<Uint8Array>;

function unary(handle: Answer, room: CallRoom): handleUnaryCall<Buffer, Uint8Array> {
  return (grpc, callback) => {
    const call = new GrpcJsCall(grpc, room);
    const succeed = (reply: Uint8Array): void => {
      call.finish(status.OK);
      callback(null, reply);
    };
    const fail = (error: unknown): void => {
      const failure = toFailure(error, room);
      call.finish(failure.code);
      callback(failure);
    };
    try {
      const reply = handle(grpc.request, call);
      if (reply instanceof Promise) reply.then(succeed, fail);
      else succeed(reply);
    } catch (error) {
      fail(error);
    }
  };
}

function serverStreaming(method: ServerStreamingMethod, room: CallRoom) {
  return (grpc: ServerWritableStream<Buffer, Uint8Array>): void => {
    const call = new GrpcJsStream(grpc, room);
    const run = async (): Promise<unknown> => method.handle(grpc.request, 0, grpc.request.length, call);
    run().then(
      (ended) => {
        if (ended !== "later") call.end();
      },
      (error: unknown) => {
        call.fail(error);
      },
    );
  };
}

function bidirectional(method: BidirectionalMethod, room: CallRoom) {
  return (grpc: ServerDuplexStream<Buffer, Uint8Array>): void => {
    const call = new GrpcJsStream(grpc, room);
    const guard = (step: () => void): void => {
      try {
        if (!call.ended) step();
      } catch (error) {
        call.fail(error);
      }
    };
    grpc.sendMetadata(new Metadata());
    guard(() => {
      const incoming = method.open(call);
      grpc.on("data", (bytes: Buffer) => {
        guard(() => {
          incoming.message(bytes, 0, bytes.length);
        });
      });
      grpc.on("end", () => {
        // A reset stream ends too, and is known as cancelled only a little later.
        setImmediate(guard, () => {
          if (!call.gone) incoming.end();
        });
      });
    });
  };
}
