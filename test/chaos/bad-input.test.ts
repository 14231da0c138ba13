import { randomBytes } from "node:crypto";
import { cp, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import {
  DevServer,
  decodeSendReply,
  encodeAck,
  encodeReceive,
  encodeSend,
  type OutgoingFields,
  openSession,
  RpcClient,
  readDeliveries,
  responseStatus,
} from "@saturnmq/bench";
import { defined } from "@saturnmq/kit";
import { readAll } from "../support/load/reading.ts";

const patienceMs = 60_000;
const timeoutMs = 5_000;
const topic = "strict";
const good = { topic, messageId: "01000000000000000000000000000000AB", body: Buffer.from("good") };

let server: DevServer;
let client: RpcClient;
let sent = 0;

beforeAll(async () => {
  server = await DevServer.start();
  await server.cli("topic", "create", topic);
  client = await RpcClient.open({ host: server.host, port: server.grpcPort });
}, patienceMs);

// Whatever a test did to the broker, it goes on.
afterEach(async () => {
  expect(await send({})).toMatchObject({ code: 20_000 });
  sent += 1;
});

afterAll(async () => {
  const reads = await readAll(client.address, { topic, group: "at-the-end" });
  expect(reads.map(({ body }) => body.toString())).toEqual(Array<string>(sent).fill("good"));
  client.close();
  await server[Symbol.asyncDispose]();
}, patienceMs);

async function send(change: Partial<OutgoingFields>): Promise<{ code: number; message: string }> {
  const { messages, end } = await client.unary("SendMessage", encodeSend([{ ...good, ...change }]), timeoutMs);
  return messages[0] === undefined ? { code: -1, message: JSON.stringify(end) } : decodeSendReply(messages[0]);
}

describe("a message that cannot be taken is refused with a code and a reason", () => {
  test.each<{ what: string; change: Partial<OutgoingFields>; code: number; says: RegExp }>([
    { what: "an unknown topic", change: { topic: "nowhere" }, code: 40_402, says: /nowhere/ },
    { what: "an illegal topic name", change: { topic: "no topic!" }, code: 40_002, says: /topic/i },
    { what: "a topic name that is too long", change: { topic: "t".repeat(128) }, code: 40_002, says: /127/ },
    { what: "a FIFO message to a NORMAL topic", change: { messageGroup: "g" }, code: 40_014, says: /NORMAL/ },
    { what: "an empty body", change: { body: Buffer.alloc(0) }, code: 41_302, says: /body/i },
    {
      what: "a body above 4 MiB",
      change: { body: Buffer.alloc(4 * 2 ** 20 + 1) },
      code: 41_301,
      says: /4194304|4 MiB/,
    },
    { what: "an illegal tag", change: { tag: "a|b" }, code: 40_004, says: /tag/i },
    { what: "a blank key", change: { keys: [" "] }, code: 40_005, says: /key/i },
    { what: "too many properties", change: { properties: manyProperties(129) }, code: 43_101, says: /128/ },
  ])("$what: $code", async ({ change, code, says }) => {
    const answer = await send(change);
    expect(answer.code).toBe(code);
    expect(answer.message).toMatch(says);
  });
});

test(
  "a body of exactly 4 MiB is taken",
  async () => {
    await server.cli("topic", "create", "large");
    expect(await send({ topic: "large", body: Buffer.alloc(4 * 2 ** 20, "x") })).toMatchObject({ code: 20_000 });
    const [read] = await readAll(client.address, { topic: "large", group: "large-readers" });
    expect(defined(read, "message").body.equals(Buffer.alloc(4 * 2 ** 20, "x"))).toBe(true);
  },
  patienceMs,
);

describe("a receipt handle that the broker did not give is refused", () => {
  test.each<{ what: string; forge: (handle: string) => string }>([
    { what: "nonsense", forge: () => "nonsense" },
    { what: "an empty one", forge: () => "" },
    {
      what: "a real one with a changed character",
      forge: (handle) => `${handle.slice(0, -3)}${flip(handle.at(-3))}${handle.slice(-2)}`,
    },
    { what: "a real one with a changed beginning", forge: (handle) => `${flip(handle[0])}${handle.slice(1)}` },
    { what: "one of 100,000 characters", forge: () => "A".repeat(100_000) },
  ])("$what: 40013", async ({ forge }) => {
    const own = await RpcClient.open(client.address);
    const group = `forgers-${Math.random().toString(36).slice(2)}`;
    await send({});
    sent += 1;
    const queue = await openSession(own, { topic, group, pollMs: 1_000 });
    const request = encodeReceive({ topic, group, queue, batchSize: 1, invisibleMs: 60_000, pollMs: 1_000 });
    const received = readDeliveries(await own.unary("ReceiveMessage", request, timeoutMs));
    const { messageId, receiptHandle } = defined(received.messages[0], "message");
    const ack = encodeAck({ topic, group }, [{ messageId, receiptHandle: forge(receiptHandle) }]);
    const { messages } = await own.unary("AckMessage", ack, timeoutMs);
    own.close();
    expect(responseStatus(defined(messages[0], "reply"))).toMatchObject({ code: 40_013 });
  });
});

test("an illegal group name is refused: 40003", async () => {
  const queue = await openSession(client, { topic, group: "fine", pollMs: 1_000 });
  const request = encodeReceive({ topic, group: "no group!", queue, batchSize: 1, invisibleMs: 60_000, pollMs: 1_000 });
  const { status } = readDeliveries(await client.unary("ReceiveMessage", request, timeoutMs));
  expect(status).toBe("code 40003");
});

test("broken protobuf is refused, call by call", async () => {
  for (const method of [
    "SendMessage",
    "AckMessage",
    "ReceiveMessage",
    "QueryRoute",
    "ChangeInvisibleDuration",
    "Heartbeat",
  ]) {
    const { messages, end } = await client.unary(method, Buffer.from("0affffffffffffffffff7f", "hex"), timeoutMs);
    const refusedInBody = messages.length > 0 && !readDeliveries({ messages, end }).status.includes("20000");
    const refusedByGrpc = end.kind === "status" && end.code !== 0;
    expect({ method, refused: refusedInBody || refusedByGrpc }).toEqual({ method, refused: true });
  }
});

describe("bytes that are no gRPC end their connection, soon", () => {
  test.each([
    { what: "a plain HTTP/1.1 request", bytes: Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") },
    { what: "random bytes", bytes: randomBytes(4_096) },
    { what: "a TLS record of nonsense", bytes: Buffer.concat([Buffer.from("1603010200", "hex"), randomBytes(512)]) },
    {
      what: "an HTTP/2 preface and nonsense",
      bytes: Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), randomBytes(99)]),
    },
  ])(
    "$what",
    async ({ bytes }) => {
      const socket = connect(server.grpcPort, server.host);
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.on("error", () => undefined);
      socket.resume();
      socket.write(bytes);
      const outcome = await Promise.race([closed.then(() => "closed"), sleep(10_000, "still open", { ref: false })]);
      socket.destroy();
      expect(outcome).toBe("closed");
    },
    patienceMs,
  );
});

test(
  "a port in use: the second broker says so and ends",
  async () => {
    await expect(DevServer.start({ grpcPort: server.grpcPort })).rejects.toThrow(
      new RegExp(`port ${server.grpcPort}.*in use`),
    );
    await expect(DevServer.start({ httpPort: server.httpPort })).rejects.toThrow(
      new RegExp(`port ${server.httpPort}.*in use`),
    );
  },
  patienceMs,
);

test(
  "a data folder in use: the second broker says so and ends",
  async () => {
    await expect(DevServer.start({ dataFolder: server.dataFolder })).rejects.toThrow(/in use|locked|another process/);
  },
  patienceMs,
);

describe("a log of another cluster is refused, naming both clusters", () => {
  test.each([
    { what: "the whole log", part: "broker" },
    { what: "the file that says whose it is", part: "broker/identity" },
    { what: "one segment", part: "broker/log/000000000001.seg" },
  ])(
    "$what",
    async ({ part }) => {
      await using one = await DevServer.start();
      await using other = await DevServer.start();
      await one.terminate();
      await other.terminate();
      const clusters = await Promise.all([one, other].map(clusterOf));
      await rm(join(one.dataFolder, part), { recursive: true });
      await cp(join(other.dataFolder, part), join(one.dataFolder, part), { recursive: true });
      const refusal = await DevServer.start({ dataFolder: one.dataFolder }).catch((error: unknown) => String(error));
      for (const cluster of clusters) expect(refusal).toContain(cluster);
    },
    patienceMs,
  );
});

async function clusterOf({ dataFolder }: DevServer): Promise<string> {
  const identity = await readFile(join(dataFolder, "broker/identity"), "utf8");
  return defined(/^cluster (.+)$/m.exec(identity)?.[1], "cluster id");
}

function manyProperties(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`p${n}`, "v"]));
}

function flip(character: string | undefined): string {
  return character === "A" ? "B" : "A";
}
