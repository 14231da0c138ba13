import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { afterEach, expect, test } from "@jest/globals";
import { type ErrorCode, SaturnError, silentLogger } from "@saturnmq/kit";
import { errorCodeTrailer, leaderTrailer } from "@saturnmq/wire";
import { type RunningGrpc, serveGrpc } from "./serve.ts";
import type { Method, Outgoing, Service } from "./service.ts";

const closing: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const streams: Outgoing[] = [];
const methods: readonly (readonly [string, Method])[] = [
  ["Refuse", { kind: "unary", handle: (code) => Promise.reject(new SaturnError(codeOf(code), "no")) }],
  ["Break", { kind: "unary", handle: () => Promise.reject(new TypeError("a bug with a secret")) }],
  [
    "Follow",
    {
      kind: "serverStreaming",
      open: (_, stream) => {
        streams.push(stream);
      },
    },
  ],
  ["Echo", { kind: "bidirectional", open: (stream) => ({ message: (bytes) => stream.write(Uint8Array.from(bytes)) }) }],
];
const service: Service = { name: "test.Service", methods: new Map(methods) };

function codeOf(bytes: Uint8Array): ErrorCode {
  return Buffer.from(bytes).toString() as ErrorCode;
}

async function serve(logger = silentLogger): Promise<{ client: Client; grpc: RunningGrpc }> {
  streams.length = 0;
  const grpc = await serveGrpc([service], { host: "127.0.0.1", port: 0, logger, leaderAddress: () => "ns-2:8082" });
  closing.push(() => grpc.close(0));
  const client = new Client(`127.0.0.1:${grpc.port}`, credentials.createInsecure());
  closing.push(() => client.close());
  return { client, grpc };
}

const whole = (bytes: Buffer): Buffer => bytes;

function call(client: Client, method: string, request: string): Promise<ServiceError> {
  return new Promise((resolve, reject) => {
    const answered = (error: ServiceError | null): void => {
      if (error === null) reject(new Error("it was answered"));
      else resolve(error);
    };
    client.makeUnaryRequest(`/test.Service/${method}`, whole, whole, Buffer.from(request), new Metadata(), answered);
  });
}

test("who does not lead names who does; other refusals name nobody", async () => {
  const { client } = await serve();
  const away = await call(client, "Refuse", "HA_NOT_AVAILABLE");
  expect(away.code).toBe(status.UNAVAILABLE);
  expect(away.metadata.get(leaderTrailer)).toEqual(["ns-2:8082"]);
  const refused = await call(client, "Refuse", "FAILED_PRECONDITION");
  expect(refused).toMatchObject({ code: status.FAILED_PRECONDITION, details: "no" });
  expect(refused.metadata.get(errorCodeTrailer)).toEqual(["FAILED_PRECONDITION"]);
  expect(refused.metadata.get(leaderTrailer)).toEqual([]);
});

test("a bug is logged, and hidden from the caller", async () => {
  const logged: unknown[] = [];
  const { client } = await serve({ ...silentLogger, error: (fields) => logged.push(fields["err"]) });
  const failed = await call(client, "Break", "");
  expect(failed).toMatchObject({ code: status.INTERNAL, details: "the name server failed; its log has the reason" });
  expect(logged).toMatchObject([{ message: "a bug with a secret" }]);
});

test("streams are counted, end when the caller goes, and are ended when the server closes", async () => {
  const { client, grpc } = await serve();
  const open = () => {
    const stream = client.makeServerStreamRequest("/test.Service/Follow", whole, whole, Buffer.alloc(0));
    const failed = new Promise<ServiceError>((resolve) => {
      stream.on("error", (error) => resolve(error as ServiceError)).on("data", () => undefined);
    });
    return { stream, failed };
  };
  const one = open();
  const two = open();
  while (grpc.streams < 2) await new Promise((resolve) => setImmediate(resolve));
  one.stream.cancel();
  while (grpc.streams > 1) await new Promise((resolve) => setImmediate(resolve));
  await grpc.close(1_000);
  expect(await two.failed).toMatchObject({ code: status.UNAVAILABLE, details: expect.stringContaining("is stopping") });
  expect(grpc.streams).toBe(0);
  expect(streams.map((stream) => stream.write(new Uint8Array(1)))).toEqual([true, true]);
});

test("a stream of both directions carries both", async () => {
  const { client } = await serve();
  const stream = client.makeBidiStreamRequest("/test.Service/Echo", whole, whole);
  const echoed = new Promise((resolve) => stream.on("data", resolve));
  const ended = new Promise((resolve) => stream.on("end", resolve));
  stream.write(Buffer.from("hello"));
  expect(await echoed).toEqual(Buffer.from("hello"));
  stream.end();
  await ended;
});
