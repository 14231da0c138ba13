// A unary echo behind one of the transports, for `echo-bench.ts`: prints its port, ends with its parent.
import { type handleUnaryCall, Server, ServerCredentials } from "@grpc/grpc-js";
import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { systemClock, systemTimers } from "@saturnmq/kit/node";
import { type FastUnaryMethod, serveH2, type UnaryMethod } from "../index.ts";

const receiveBytesMax = 8 << 20;

const fast: FastUnaryMethod = {
  kind: "fastUnary",
  headers: [],
  handle: (bytes, start, length, call) => {
    call.answers.answer(call.ticket, bytes, start, length);
    return true;
  },
};
const plain: UnaryMethod = {
  kind: "unary",
  handle: (bytes, start, length) => Promise.resolve(bytes.subarray(start, start + length)),
};

async function serveOurs(method: FastUnaryMethod | UnaryMethod): Promise<number> {
  const { port } = await serveH2([{ name: "bench.Echo", methods: new Map([["Echo", method]]) }], {
    host: "127.0.0.1",
    port: 0,
    connectionsMax: 1_000,
    receiveBytesMax,
    clock: systemClock(),
    timers: systemTimers(),
    random: new SeededRandom(1),
    log: silentLogger,
  });
  return port;
}

function serveGrpcJs(): Promise<number> {
  const asIs = (bytes: Buffer): Buffer => bytes;
  const server = new Server({
    "grpc.max_receive_message_length": receiveBytesMax,
    "grpc.max_concurrent_streams": 1_024,
    "grpc.enable_channelz": 0,
  });
  server.register<Buffer, Buffer>(
    "/bench.Echo/Echo",
    ((call, callback) => {
      callback(null, call.request);
    }) satisfies handleUnaryCall<Buffer, Buffer>,
    asIs,
    asIs,
    "unary",
  );
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}

const kind = process.argv[2];
const port = kind === "grpc-js" ? await serveGrpcJs() : await serveOurs(kind === "h2-plain" ? plain : fast);
process.send?.(port);
process.on("disconnect", () => process.exit());
