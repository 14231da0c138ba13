import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { SaturnError, silentLogger } from "@saturnmq/kit";
import { adminServiceName, type Init, messagingService as rpcs, v2 } from "@saturnmq/wire";
import { parseBrokerConfig } from "./config.ts";
import { type RunningBroker, startBroker } from "./main.ts";
import { FixedMetadata } from "./testing/fixed-metadata.ts";

const mib = 2 ** 20;
/** Far beyond what anything here takes on a busy machine: what waits so long waits for ever. */
const patienceMs = 120_000;
jest.setTimeout(2 * patienceMs);
const asIs = (bytes: Buffer): Buffer => bytes;

let dataDir: string;
let metadata: FixedMetadata;
let failures: unknown[];
const running: RunningBroker[] = [];
const clients: Client[] = [];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "saturn-broker-"));
  metadata = new FixedMetadata(3, () => Date.now());
  await metadata.createTopic({ name: "orders", type: "NORMAL", queues: 8, retentionMs: undefined });
  failures = [];
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const broker of running.splice(0)) await broker.close(0);
  await rm(dataDir, { recursive: true });
  expect(failures).toEqual([]);
});

async function start(change: { grpcPort?: number; httpPort?: number } = {}): Promise<RunningBroker> {
  const ports = { host: "127.0.0.1", grpcPort: 0, httpPort: 0, ...change };
  const config = parseBrokerConfig({ dataDir, ...ports, store: { segmentBytes: 8 * mib } });
  const fatal = (error: unknown): void => {
    failures.push(error);
  };
  const broker = await startBroker(config, { metadata, logger: silentLogger, fatal });
  running.push(broker);
  return broker;
}

function dial(broker: RunningBroker): Client {
  const client = new Client(`127.0.0.1:${broker.grpcPort}`, credentials.createInsecure());
  clients.push(client);
  return client;
}

function callMetadata(): Metadata {
  const sent = new Metadata();
  sent.set("x-mq-client-id", "test@1@0@x");
  sent.set("x-mq-language", "JAVA");
  return sent;
}

function unary(client: Client, path: string, bytes: Buffer): Promise<Buffer> {
  const options = { deadline: Date.now() + patienceMs };
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, asIs, asIs, bytes, callMetadata(), options, (error, reply) => {
      if (error === null) resolve(reply ?? Buffer.alloc(0));
      else reject(error);
    });
  });
}

async function send(client: Client, body: string): Promise<v2.SendMessageResponse> {
  const systemProperties = { messageId: `01${body}`, messageType: v2.MessageType.NORMAL };
  const message = { topic: { name: "orders" }, body: Buffer.from(body), systemProperties };
  const request = v2.SendMessageRequest.encode({ messages: [message] });
  return v2.SendMessageResponse.decode(await unary(client, rpcs.SendMessage.path, request));
}

async function receive(client: Client, pollSeconds: number): Promise<v2.ReceiveMessageResponse[]> {
  const request: Init<v2.ReceiveMessageRequest> = {
    group: { name: "billing" },
    messageQueue: { topic: { name: "orders" } },
    batchSize: 32,
    invisibleDuration: { seconds: 30, nanos: 0 },
    longPollingTimeout: { seconds: pollSeconds, nanos: 0 },
  };
  const replies: v2.ReceiveMessageResponse[] = [];
  const stream = client.makeServerStreamRequest(
    rpcs.ReceiveMessage.path,
    asIs,
    asIs,
    v2.ReceiveMessageRequest.encode(request),
    callMetadata(),
    { deadline: Date.now() + patienceMs },
  );
  for await (const reply of stream) replies.push(v2.ReceiveMessageResponse.decode(reply as Buffer));
  return replies;
}

const bodies = (replies: readonly v2.ReceiveMessageResponse[]): string[] =>
  replies.flatMap(({ message }) => (message === undefined ? [] : [Buffer.from(message.body).toString()]));

async function metricsOf(broker: RunningBroker): Promise<string> {
  return (await fetch(`http://127.0.0.1:${broker.httpPort}/metrics`)).text();
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe("startBroker", () => {
  test("serves messages, tools, health and metrics, and keeps all of it over a restart", async () => {
    const first = await start();
    expect(await (await fetch(`http://127.0.0.1:${first.httpPort}/readyz`)).json()).toEqual({ status: "ready" });
    const sent = await send(dial(first), "one");
    expect(sent.status?.code).toBe(20_000);
    const topics = await unary(dial(first), `/${adminServiceName}/ListTopics`, Buffer.alloc(0));
    expect(topics.toString("latin1")).toContain("orders");
    const metrics = await metricsOf(first);
    expect(metrics).toContain("saturnmq_sent_messages_total 1");
    expect(metrics).toContain('saturnmq_rpc_duration_seconds_count{rpc="SendMessage",code="20000"} 1');
    expect(metrics).toContain(`rpc="${adminServiceName}/ListTopics",code="0"`);
    expect(metrics).toMatch(/saturnmq_log_bytes [1-9]/);
    const certificate = await readFile(join(dataDir, "tls", "tls-certificate.pem"), "utf8");
    await first.close();

    const second = await start();
    expect(bodies(await receive(dial(second), 5))).toEqual(["one"]);
    expect(await readFile(join(dataDir, "tls", "tls-certificate.pem"), "utf8")).toBe(certificate);
    expect(second.brokerId).toBe(1);
    expect(second.clusterId).toBe("test");
  });

  test("told to stop, it answers waiting receives at once and closes both ports", async () => {
    const broker = await start();
    const client = dial(broker);
    const waiting = receive(client, 20);
    await until(async () => (await metricsOf(broker)).includes("saturnmq_waiting_receives 1"));
    const closing = broker.close(4 * patienceMs);
    expect((await waiting)[0]?.status?.code).toBe(40_401);
    await closing;
    await expect(fetch(`http://127.0.0.1:${broker.httpPort}/healthz`)).rejects.toThrow();
    await expect(send(client, "late")).rejects.toMatchObject({ code: 14 });
    await broker.close();
  });

  test("sends under way when it stops are answered, or may be tried again; what was acknowledged is there after", async () => {
    const broker = await start();
    const client = dial(broker);
    await send(client, "first");
    const answers = Array.from({ length: 200 }, (_, at) =>
      send(client, `m${at}`).then(
        ({ status }) => {
          if (status?.code === 20_000) return `m${at}`;
          return expect([42_900, 50_002]).toContain(status?.code);
        },
        (error: unknown) => expect([1, 14]).toContain((error as { code: number }).code),
      ),
    );
    await Promise.race(answers);
    await broker.close();
    const stored = (await Promise.all(answers)).filter((answer) => typeof answer === "string");
    const again = dial(await start());
    const got = new Set<string>();
    for (let batch = await receive(again, 1); bodies(batch).length > 0; batch = await receive(again, 1))
      for (const body of bodies(batch)) got.add(body);
    expect(stored.filter((body) => !got.has(body))).toEqual([]);
    expect(stored.length).toBeGreaterThan(0);
  });

  test.each(["grpcPort", "httpPort"] as const)("%s in use: says so, and leaves nothing open", async (which) => {
    const taken = createServer();
    const port = await new Promise<number>((resolve) => {
      taken.listen(0, "127.0.0.1", () => {
        const address = taken.address();
        resolve(address !== null && typeof address === "object" ? address.port : 0);
      });
    });
    await expect(start({ [which]: port })).rejects.toThrow(new RegExp(`port ${port} .*in use.*choose another`));
    taken.close();
    // The folder is free again: what had been opened was closed.
    expect((await send(dial(await start()), "after")).status?.code).toBe(20_000);
  });

  test("a folder that another broker runs on is refused", async () => {
    await start();
    await expect(start()).rejects.toThrow(/broker/);
  });

  test("refused by the name server, it does not start", async () => {
    await (await start()).close();
    metadata.register = () => Promise.reject(new SaturnError("FORBIDDEN", "this broker's data belongs to cluster x"));
    await expect(start()).rejects.toThrow(/belongs to cluster x/);
  });

  test("refused by the name server later, it must end", async () => {
    await start();
    metadata.heartbeat = () => Promise.reject(new SaturnError("FORBIDDEN", "another process took its place"));
    await until(() => failures.length > 0);
    expect(failures.splice(0)).toEqual([expect.objectContaining({ code: "FORBIDDEN" })]);
  });

  test("goes on while no name server hears it", async () => {
    const broker = await start();
    let unheard = 0;
    metadata.heartbeat = () => {
      unheard += 1;
      return Promise.reject(new SaturnError("HA_NOT_AVAILABLE", "no leader"));
    };
    await until(() => unheard > 1);
    expect((await send(dial(broker), "still")).status?.code).toBe(20_000);
  });
});
