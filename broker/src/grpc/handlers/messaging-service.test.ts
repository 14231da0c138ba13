import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { defined, type Logger, SaturnError, silentLogger } from "@saturnmq/kit";
import { systemClock, systemTimers } from "@saturnmq/kit/node";
import { type Init, messagingService as rpcs, v2 } from "@saturnmq/wire";
import fc from "fast-check";
import { parseBrokerConfig } from "../../config.ts";
import { FakeCall } from "../testing/fake-call.ts";
import { FakeFastCall } from "../testing/fake-fast-call.ts";
import { FakeMessaging } from "../testing/fake-messaging.ts";
import type { ClientHeaders, Service } from "../transport/service.ts";
import { messagingService } from "./messaging-service.ts";
import { Sessions } from "./sessions.ts";
import { Stopping } from "./stopping.ts";

let messaging: FakeMessaging;
let stopping: Stopping;
let service: Service;
let observed: string[];
let errors: string[];
/** Which way calls of fast methods go, and whether the last of them was served fast. */
let path: "fast" | "general" = "fast";
let servedFast = false;
const limits = parseBrokerConfig({ limits: { pollMaxMs: 300 } }).limits;

beforeEach(() => {
  messaging = new FakeMessaging();
  messaging.addTopic("orders");
  messaging.addTopic("ordered", "FIFO");
  messaging.addTopic("delayed", "DELAY");
  stopping = new Stopping();
  observed = [];
  errors = [];
  const clock = systemClock();
  const log: Logger = { ...silentLogger, error: (_fields, message) => errors.push(message) };
  const sessions = new Sessions(clock);
  const world = { messaging, sessions, limits, clock, timers: systemTimers(), log, stopping };
  service = messagingService({
    ...world,
    ownPort: () => 8_081,
    storeHost: () => "broker:8081",
    observe: (rpc, code) => observed.push(`${rpc} ${String(code)}`),
  }).service;
});

type Rpcs = typeof rpcs;
type Unary = { [Rpc in keyof Rpcs]: Rpcs[Rpc]["responseStream"] extends false ? Rpc : never }[keyof Rpcs];

async function raw(rpc: Unary, bytes: Uint8Array, client: Partial<ClientHeaders> = {}): Promise<Uint8Array> {
  const method = defined(service.methods.get(rpc), rpc);
  if (method.kind === "fastUnary") {
    // As transports do: the fast path first, where there is one.
    const call = new FakeFastCall(client);
    servedFast = path === "fast" && method.handle(bytes, 0, bytes.length, call);
    return servedFast ? call.answered : method.otherwise(bytes, 0, bytes.length, new FakeCall(client));
  }
  if (method.kind !== "unary") throw new Error(`${rpc} is not unary`);
  return method.handle(bytes, 0, bytes.length, new FakeCall(client));
}

async function ask<Rpc extends Unary>(
  rpc: Rpc,
  request: Init<ReturnType<Rpcs[Rpc]["request"]["decode"]>>,
  client: Partial<ClientHeaders> = {},
): Promise<ReturnType<Rpcs[Rpc]["response"]["decode"]>> {
  const codecs = rpcs[rpc] as {
    request: { encode(value: unknown): Buffer };
    response: { decode(bytes: Uint8Array): unknown };
  };
  const reply = await raw(rpc, codecs.request.encode(request), client);
  return codecs.response.decode(reply) as ReturnType<Rpcs[Rpc]["response"]["decode"]>;
}

/** A plain message; `change` overrides its system properties. */
function message(change: Init<v2.SystemProperties> = {}, topic = "orders", body = "hello"): Init<v2.Message> {
  const systemProperties = { messageId: "01AB", messageType: v2.MessageType.NORMAL, ...change };
  return { topic: { name: topic }, body: Buffer.from(body), systemProperties };
}

async function receive(
  request: Init<v2.ReceiveMessageRequest>,
  call = new FakeCall(),
): Promise<readonly v2.ReceiveMessageResponse[]> {
  const method = defined(service.methods.get("ReceiveMessage"), "ReceiveMessage");
  if (method.kind !== "serverStreaming") throw new Error("ReceiveMessage does not stream");
  const asked = {
    group: { name: "billing" },
    messageQueue: { topic: { name: "orders" }, id: -1 },
    batchSize: 16,
    invisibleDuration: { seconds: 30, nanos: 0 },
    longPollingTimeout: { seconds: 10, nanos: 0 },
    ...request,
  };
  const bytes = v2.ReceiveMessageRequest.encode(asked);
  if ((await method.handle(bytes, 0, bytes.length, call)) === "later") await call.done;
  return call.replies.map((reply) => v2.ReceiveMessageResponse.decode(reply));
}

const content = (reply: v2.ReceiveMessageResponse | undefined): string =>
  Object.entries(reply ?? {}).find(([, value]) => value !== undefined)?.[0] ?? "nothing";

describe("QueryRoute", () => {
  test("tells one queue 0 a leading broker, readable and writable, at the access point that was asked", async () => {
    const endpoints = { scheme: v2.AddressScheme.DOMAIN_NAME, addresses: [{ host: "mq", port: 80 }] };
    const { status, messageQueues } = await ask("QueryRoute", { topic: { name: "orders" }, endpoints });
    expect(status?.code).toBe(20_000);
    expect(messageQueues).toHaveLength(2);
    expect(messageQueues.map(({ broker }) => broker?.name)).toEqual(["broker-1", "broker-4"]);
    for (const queue of messageQueues)
      expect(queue).toMatchObject({
        id: 0,
        permission: v2.Permission.READ_WRITE,
        acceptMessageTypes: [v2.MessageType.NORMAL],
        broker: { id: 0, endpoints },
      });
  });

  test("an unknown topic is TOPIC_NOT_FOUND and is not made", async () => {
    const { status } = await ask("QueryRoute", { topic: { name: "nowhere" } });
    expect(status).toMatchObject({ code: 40_402, message: expect.stringContaining("nowhere") });
    expect(messaging.topics.has("nowhere")).toBe(false);
  });
});

describe("every call", () => {
  test("wants a client id", async () => {
    const { status } = await ask("Heartbeat", {}, { clientId: "" });
    expect(status).toMatchObject({ code: 40_017, message: expect.stringContaining("x-mq-client-id") });
  });

  test("answers bytes that are no request in its status", async () => {
    const broken = Buffer.from("0affffffff", "hex");
    const route = v2.QueryRouteResponse.decode(await raw("QueryRoute", broken));
    expect(route.status).toMatchObject({ code: 40_000, message: expect.stringContaining("cannot be read") });
    const send = v2.SendMessageResponse.decode(await raw("SendMessage", broken));
    expect(send.status).toMatchObject({ code: 40_016, message: expect.stringContaining("cannot be read") });
  });

  test("hides a bug behind INTERNAL_SERVER_ERROR and logs it once", async () => {
    messaging.failure = new TypeError("secret");
    const { status } = await ask("QueryRoute", { topic: { name: "orders" } });
    expect(status?.code).toBe(50_001);
    expect(status?.message).not.toContain("secret");
    expect(errors).toHaveLength(1);
  });

  test("is counted with the code of its answer", async () => {
    await ask("QueryRoute", { topic: { name: "nowhere" } });
    await ask("Heartbeat", {});
    expect(observed).toEqual(["QueryRoute 40402", "Heartbeat 20000"]);
  });

  test.each<Unary>([
    ...(["EndTransaction", "RecallMessage", "SyncLiteSubscription"] as const),
    ...(["UpdateOffset", "GetOffset", "QueryOffset"] as const),
  ])("%s says that this version does not have it", async (rpc) => {
    const { status } = await ask(rpc, {});
    expect(status).toMatchObject({ code: 50_100, message: expect.stringContaining("not supported by this version") });
  });

  test("all calls of the contract are there", () => {
    expect([...service.methods.keys()].sort()).toEqual(Object.keys(rpcs).sort());
  });
});

describe("Heartbeat, QueryAssignment, NotifyClientTermination", () => {
  test("a client that this broker has never seen is welcome; its group is made", async () => {
    const { status } = await ask("Heartbeat", { group: { name: "billing" }, clientType: v2.ClientType.PUSH_CONSUMER });
    expect(status?.code).toBe(20_000);
    expect(messaging.groups.has("billing")).toBe(true);
  });

  test("every leading broker is assigned, any queue of it", async () => {
    const { assignments } = await ask("QueryAssignment", { topic: { name: "orders" }, group: { name: "billing" } });
    expect(assignments.map(({ messageQueue }) => [messageQueue?.broker?.name, messageQueue?.id])).toEqual([
      ["broker-1", -1],
      ["broker-4", -1],
    ]);
  });

  test("an illegal group is refused", async () => {
    const { status } = await ask("QueryAssignment", { topic: { name: "orders" }, group: { name: "no group!" } });
    expect(status?.code).toBe(40_003);
  });

  test("goodbye of an unknown client is fine", async () => {
    expect((await ask("NotifyClientTermination", {})).status?.code).toBe(20_000);
  });
});

describe.each(["fast", "general"] as const)("SendMessage, %s path first", (way) => {
  beforeEach(() => {
    path = way;
  });

  afterEach(() => {
    path = "fast";
  });

  test("one plain message is stored and answered alike both ways, to the byte", async () => {
    for (const messageId of ["01", `01${"0123456789ABCDEF".repeat(2)}`, "x".repeat(64)]) {
      const sent = { ...message({ messageId, tag: "t", keys: ["k"] }), userProperties: new Map([["a", "1"]]) };
      const bytes = v2.SendMessageRequest.encode({ messages: [sent] });
      const reply = await raw("SendMessage", bytes);
      expect(servedFast).toBe(way === "fast");
      const { offset, message: stored, bodyCrc } = defined(messaging.stored.at(-1), "stored message");
      path = "general";
      expect((await raw("SendMessage", bytes)).length).toBe(offset === 0 ? reply.length + 2 : reply.length);
      path = way;
      const entry = {
        status: { code: 20_000, message: "OK" },
        messageId,
        transactionId: messageId,
        offset,
        recallHandle: "",
      };
      expect(Buffer.from(reply)).toEqual(v2.SendMessageResponse.encode({ status: entry.status, entries: [entry] }));
      const again = defined(messaging.stored.at(-1), "message stored the general way");
      expect(Buffer.from(again.message)).toEqual(Buffer.from(stored));
      expect(again.bodyCrc).toBe(bodyCrc);
    }
    expect(observed).toEqual(Array<string>(6).fill("SendMessage 20000"));
  });

  test("what is no lone plain message in order is left to the general handler", async () => {
    const request = (...messages: Init<v2.Message>[]) => v2.SendMessageRequest.encode({ messages });
    const long = message({ messageId: "x".repeat(65) });
    for (const bytes of [
      request(message(), message()),
      request(long),
      Buffer.concat([request(message()), Buffer.from([0xff])]),
    ]) {
      await raw("SendMessage", bytes);
      expect(servedFast).toBe(false);
    }
  });

  test("a lead lost before the message is known to be stored is told in the reply", async () => {
    if (way === "general") return;
    messaging.lateFailure = new SaturnError("HA_NOT_AVAILABLE", "the lead was lost");
    const { status, entries } = await ask("SendMessage", { messages: [message()] });
    expect(status).toMatchObject({ code: 50_002, message: "HA_NOT_AVAILABLE: the lead was lost" });
    expect(entries).toEqual([]);
    expect(observed).toEqual(["SendMessage 50002"]);
  });

  test("stores each message and answers in order, the transaction id being the message id", async () => {
    const messages = [message({ messageId: "01A" }), message({ messageId: "01B" })];
    const { status, entries } = await ask("SendMessage", { messages });
    expect(status?.code).toBe(20_000);
    expect(entries.map(({ status, ...rest }) => ({ code: status?.code, ...rest }))).toEqual([
      { code: 20_000, messageId: "01A", transactionId: "01A", offset: 0, recallHandle: "" },
      { code: 20_000, messageId: "01B", transactionId: "01B", offset: 1, recallHandle: "" },
    ]);
  });

  test.each<{ rule: string; messages: Init<v2.Message>[]; code: number; says: RegExp }>([
    { rule: "no message", messages: [], code: 40_016, says: /no message/ },
    { rule: "two topics", messages: [message(), message({}, "ordered")], code: 40_016, says: /different topics/ },
    { rule: "a blank topic", messages: [message({}, "")], code: 40_002, says: /blank/ },
    { rule: "a topic with a bad character", messages: [message({}, "a b")], code: 40_002, says: /not allowed/ },
    { rule: "a system topic", messages: [message({}, "TBW102")], code: 40_002, says: /system/ },
    { rule: "a topic name of 128", messages: [message({}, "t".repeat(128))], code: 40_002, says: /127/ },
    { rule: "an unknown topic", messages: [message({}, "nowhere")], code: 40_402, says: /nowhere/ },
    {
      rule: "the wrong type",
      messages: [message({ messageType: 2, messageGroup: "g" })],
      code: 40_014,
      says: /expected type is NORMAL, but actual type is FIFO/,
    },
    {
      rule: "a type that is not built",
      messages: [message({ messageType: 3, deliveryTimestamp: { seconds: 1, nanos: 0 } }, "delayed")],
      code: 50_100,
      says: /not supported/,
    },
    {
      rule: "a FIFO message without group",
      messages: [message({ messageType: 2 }, "ordered")],
      code: 40_006,
      says: /no message group/,
    },
    {
      rule: "a NORMAL message to a FIFO topic",
      messages: [message({}, "ordered")],
      code: 40_014,
      says: /expected type is FIFO, but actual type is NORMAL/,
    },
    {
      rule: "a message group on a NORMAL topic, whatever type it says it is of",
      messages: [message({ messageGroup: "g" })],
      code: 40_014,
      says: /expected type is NORMAL, but actual type is FIFO/,
    },
    {
      rule: "one bad message among good ones",
      messages: [message(), message({ messageId: "" })],
      code: 40_009,
      says: /message id/,
    },
  ])("refuses $rule: $code, and stores nothing", async ({ messages, code, says }) => {
    const { status, entries } = await ask("SendMessage", { messages });
    expect(status).toMatchObject({ code, message: expect.stringMatching(says) });
    expect(entries).toEqual([]);
    expect(messaging.stored).toEqual([]);
  });

  test("a body digest that the client sent is ignored", async () => {
    const bodyDigest = { type: v2.DigestType.CRC32, checksum: "WRONG" };
    expect((await ask("SendMessage", { messages: [message({ bodyDigest })] })).status?.code).toBe(20_000);
  });
});

describe("ReceiveMessage", () => {
  test("tells the status first, then each message whole, then the time", async () => {
    const sent = message({
      tag: "paid",
      keys: ["k1", "k2"],
      bornHost: "here",
      bornTimestamp: { seconds: 5, nanos: 0 },
    });
    await ask("SendMessage", {
      messages: [{ ...sent, userProperties: new Map([["a", "1"]]) }, message({}, "orders", "2")],
    });
    const replies = await receive({});
    expect(replies.map(content)).toEqual(["status", "message", "message", "deliveryTimestamp"]);
    expect(replies[0]?.status?.code).toBe(20_000);
    const delivered = defined(replies[1]?.message, "message");
    expect(Buffer.from(delivered.body).toString()).toBe("hello");
    expect(Object.fromEntries(delivered.userProperties)).toEqual({ a: "1" });
    expect(delivered.systemProperties).toMatchObject({
      ...{ tag: "paid", keys: ["k1", "k2"], messageId: "01AB", bornHost: "here", storeHost: "broker:8081" },
      ...{ receiptHandle: "handle-0", deliveryAttempt: 1, queueOffset: 0, queueId: 0 },
      ...{ bodyEncoding: v2.Encoding.IDENTITY, messageType: v2.MessageType.NORMAL },
      storeTimestamp: { seconds: 1_700_000_000, nanos: 123_000_000 },
      invisibleDuration: { seconds: 30, nanos: 0 },
    });
  });

  test.each([
    { language: "JAVA", body: "a", digest: { type: 1, checksum: "E8B7BE43" } },
    { language: "JAVA", body: "m279", digest: { type: 1, checksum: "E5E900" } },
    { language: "CPP", body: "m279", digest: { type: 1, checksum: "00E5E900" } },
    { language: "PYTHON", body: "a", digest: { type: 1, checksum: "E8B7BE43" } },
    { language: "HTTP", body: "a", digest: { type: 1, checksum: "3904355907" } },
    { language: "GO", body: "a", digest: { type: 2, checksum: "0CC175B9C0F1B6A831C399E269772661" } },
  ])("the digest is in the form that $language compares", async ({ language, body, digest }) => {
    await ask("SendMessage", { messages: [message({}, "orders", body)] });
    const replies = await receive({}, new FakeCall({ language }));
    expect(replies[1]?.message?.systemProperties?.bodyDigest).toEqual(digest);
  });

  test("an empty receive is held, then says MESSAGE_NOT_FOUND and the time", async () => {
    const startedMs = performance.now();
    const replies = await receive({});
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(295);
    expect(replies.map(content)).toEqual(["status", "deliveryTimestamp"]);
    expect(replies[0]?.status).toMatchObject({ code: 40_401, message: expect.stringContaining("no new message") });
  });

  test("the wait, the batch and the filter are those of the request within the limits", async () => {
    await receive({ batchSize: 100_000, filterExpression: { type: 1, expression: "a || b" } });
    const asked = defined(messaging.received[0], "request");
    expect(asked.batchSize).toBe(32);
    expect(asked.waitMs).toBe(300);
    expect(asked.filter).toEqual({ kind: "tag", expression: "a||b" });
    const soon = new FakeCall({}, performance.now() + 250);
    await receive({ longPollingTimeout: undefined }, soon);
    expect(messaging.received[1]?.waitMs).toBeLessThanOrEqual(50);
  });

  test.each<{ rule: string; request: Init<v2.ReceiveMessageRequest>; code: number; says: RegExp }>([
    {
      rule: "9 s invisible",
      request: { invisibleDuration: { seconds: 9, nanos: 0 } },
      code: 40_011,
      says: /the invisibleTime is too small. min is 10000/,
    },
    { rule: "no invisible time", request: { invisibleDuration: undefined }, code: 40_011, says: /too small/ },
    {
      rule: "over 12 h invisible",
      request: { invisibleDuration: { seconds: 43_201, nanos: 0 } },
      code: 40_011,
      says: /the invisibleTime is too large. max is 43200000/,
    },
    {
      rule: "an SQL filter",
      request: { filterExpression: { type: 2, expression: "a > 1" } },
      code: 40_010,
      says: /SQL92/,
    },
    { rule: "a bad group", request: { group: { name: "CID_RMQ_SYS_x" } }, code: 40_003, says: /system/ },
    {
      rule: "an unknown topic",
      request: { messageQueue: { topic: { name: "nowhere" } } },
      code: 40_402,
      says: /nowhere/,
    },
    { rule: "a batch of none", request: { batchSize: 0 }, code: 40_000, says: /batch_size/ },
  ])("refuses $rule: $code", async ({ request, code, says }) => {
    const replies = await receive(request);
    expect(replies).toHaveLength(1);
    expect(replies[0]?.status).toMatchObject({ code, message: expect.stringMatching(says) });
  });

  test("a server-renewed delivery is leased for a minute, whatever time the client gives", async () => {
    await receive({ autoRenew: true, invisibleDuration: { seconds: 1, nanos: 0 } });
    expect(messaging.received[0]?.invisibleMs).toBe(60_000);
  });

  test("what the client is not there for any more is given back", async () => {
    await ask("SendMessage", { messages: [message(), message(), message()] });
    const call = new FakeCall();
    call.onWrite = () => {
      if (call.replies.length === 2) call.lose();
    };
    await receive({}, call);
    expect(messaging.givenBack.map(({ receiptHandle }) => receiptHandle)).toEqual(["handle-1", "handle-2"]);
  });

  test("a message that cannot be delivered ends the call, once its status is out", async () => {
    await ask("SendMessage", { messages: [message(), message()] });
    Object.assign(defined(messaging.stored[1], "message"), { message: Buffer.from("no message at all") });
    const call = new FakeCall();
    const replies = await receive({}, call);
    expect(replies.map(content)).toEqual(["status", "message"]);
    expect(call.ended).toMatchObject({ code: "INTERNAL_SERVER_ERROR" });
    expect(messaging.givenBack).toHaveLength(1);
    expect(errors).toEqual(["a delivery failed on a bug"]);
  });

  test("a waiting receive ends at once, empty, when its connection takes leave, the broker stops or the client goes", async () => {
    const startedMs = performance.now();
    const leaving = new FakeCall();
    const told = receive({}, leaving);
    setTimeout(() => leaving.leave(), 20);
    expect((await told)[0]?.status?.code).toBe(40_401);
    const waiting = receive({});
    setTimeout(() => stopping.begin(), 20);
    expect((await waiting)[0]?.status?.code).toBe(40_401);
    const lost = new FakeCall();
    const gone = receive({}, lost);
    lost.lose();
    await gone;
    expect(performance.now() - startedMs).toBeLessThan(200);
  });
});

describe("dead letters", () => {
  test("a consumer gives a message up by its handle", async () => {
    const about = { topic: { name: "orders" }, group: { name: "billing" }, messageId: "01AB", deliveryAttempt: 3 };
    const forward = (receiptHandle: string) => ask("ForwardMessageToDeadLetterQueue", { ...about, receiptHandle });
    expect((await forward("handle-0")).status?.code).toBe(20_000);
    expect((await forward("forged")).status).toMatchObject({
      code: 40_013,
      message: expect.stringContaining("INVALID_RECEIPT_HANDLE"),
    });
    expect(messaging.forwarded).toEqual(["handle-0"]);
  });

  test("their topics are read like any other and not written to", async () => {
    messaging.addTopic("%DLQ%billing");
    const topic = { name: "%DLQ%billing" };
    const { messageQueues } = await ask("QueryRoute", { topic });
    expect(messageQueues.map(({ permission }) => permission)).toEqual([v2.Permission.READ, v2.Permission.READ]);
    const group = { name: "undertaker" };
    expect((await ask("QueryAssignment", { topic, group })).status?.code).toBe(20_000);
    const { status } = await ask("SendMessage", { messages: [message({}, "%DLQ%billing")] });
    expect(status).toMatchObject({ code: 40_002, message: expect.stringContaining("kept for the system") });
    expect(messaging.stored).toEqual([]);
  });
});

describe("AckMessage", () => {
  const ack = (...handles: string[]) =>
    ask("AckMessage", {
      topic: { name: "orders" },
      group: { name: "billing" },
      entries: handles.map((receiptHandle) => ({ messageId: "01AB", receiptHandle })),
    });

  test("the top status is that of the only entry, with the code's name", async () => {
    expect((await ack("handle-0")).status?.code).toBe(20_000);
    const { status, entries } = await ack("forged");
    expect(status).toMatchObject({ code: 40_013, message: expect.stringContaining("INVALID_RECEIPT_HANDLE") });
    expect(entries[0]).toMatchObject({ messageId: "01AB", receiptHandle: "forged", status: { code: 40_013 } });
  });

  test("entries that differ are MULTIPLE_RESULTS, each with its own", async () => {
    const { status, entries } = await ack("handle-0", "forged");
    expect(status?.code).toBe(30_000);
    expect(entries.map((entry) => entry.status?.code)).toEqual([20_000, 40_013]);
    expect(messaging.acked).toEqual(["handle-0"]);
  });

  test("nothing to acknowledge is refused", async () => {
    expect((await ack()).status?.code).toBe(40_000);
  });

  const entry = fc.record({
    messageId: fc.string({ maxLength: 80 }),
    receiptHandle: fc.oneof(
      { weight: 20, arbitrary: fc.nat(99).map((at) => `handle-${at}`) },
      { weight: 2, arbitrary: fc.constant("handle-expired") },
      fc.constantFrom("forged", ""),
    ),
  });
  const plain = { topic: { name: "orders" }, group: { name: "billing" } };
  const requests = fc.oneof(
    { weight: 4, arbitrary: fc.array(entry, { maxLength: 40 }).map((entries) => ({ ...plain, entries })) },
    fc.array(entry, { maxLength: 3 }).map((entries) => ({ ...plain, topic: { name: "nowhere" }, entries })),
    fc.array(entry, { maxLength: 3 }).map((entries) => ({ ...plain, group: { name: "bad name" }, entries })),
    fc.array(entry, { maxLength: 3 }).map((entries) => ({ ...plain, topic: undefined, entries })),
    fc.array(entry, { maxLength: 3 }).map((some) => ({
      ...plain,
      entries: some.map((each) => ({ ...each, liteTopic: "lite" })),
    })),
  );

  test("is answered alike both ways, to the byte, and does the same", async () => {
    await messaging.group("billing");
    let servedFastCount = 0;
    const both = fc.asyncProperty(requests, fc.boolean(), async (request, isLost) => {
      messaging.lateFailure = isLost ? new SaturnError("HA_NOT_AVAILABLE", "the lead was lost") : undefined;
      const bytes = v2.AckMessageRequest.encode(request);
      const outcomes = [];
      for (const way of ["fast", "general"] as const) {
        path = way;
        messaging.acked.length = 0;
        observed.length = 0;
        const reply = Buffer.from(await raw("AckMessage", bytes)).toString("hex");
        if (way === "fast" && servedFast) servedFastCount += 1;
        outcomes.push({ reply, acked: isLost ? [] : [...messaging.acked], observed: [...observed] });
      }
      expect(outcomes[0]).toEqual(outcomes[1]);
    });
    try {
      await fc.assert(both, { seed: 20_261_130, numRuns: 400 });
    } finally {
      path = "fast";
    }
    expect(servedFastCount).toBeGreaterThan(50);
  });

  test("a handle that is renewed here leads to the good one, the general way", async () => {
    await messaging.group("billing");
    await ask("SendMessage", { messages: [message()] });
    const replies = await receive({ autoRenew: true });
    const handle = defined(replies[1]?.message?.systemProperties?.receiptHandle, "handle");
    expect((await ack(handle)).status?.code).toBe(20_000);
    expect(servedFast).toBe(false);
    expect((await ack(handle)).status?.code).toBe(20_000);
    expect(servedFast).toBe(true);
  });
});

describe("ChangeInvisibleDuration", () => {
  const change = (invisibleDuration: v2.Duration | undefined) =>
    ask("ChangeInvisibleDuration", {
      ...{ topic: { name: "orders" }, group: { name: "billing" } },
      ...{ receiptHandle: "handle-0", invisibleDuration },
    });

  test.each([
    { duration: { seconds: 0, nanos: 0 }, ms: 0 },
    { duration: undefined, ms: 0 },
    { duration: { seconds: 0, nanos: 10_000_000 }, ms: 10 },
    { duration: { seconds: 43_200, nanos: 0 }, ms: 43_200_000 },
  ])("$ms ms is taken, and a new handle answered", async ({ duration, ms }) => {
    const { status, receiptHandle } = await change(duration);
    expect(status?.code).toBe(20_000);
    expect(receiptHandle).toBe("handle-0+");
    expect(messaging.changed).toEqual([{ handle: "handle-0", invisibleMs: ms }]);
  });

  test.each([
    { duration: { seconds: -1, nanos: 0 }, says: /too small/ },
    { duration: { seconds: 43_201, nanos: 0 }, says: /too large/ },
  ])("refuses $duration.seconds s", async ({ duration, says }) => {
    expect((await change(duration)).status).toMatchObject({ code: 40_011, message: expect.stringMatching(says) });
    expect(messaging.changed).toEqual([]);
  });
});

describe("Telemetry", () => {
  const producer: Init<v2.Settings> = {
    clientType: v2.ClientType.PRODUCER,
    publishing: { topics: [{ name: "orders" }] },
    requestTimeout: { seconds: 3, nanos: 0 },
  };
  const consumer: Init<v2.Settings> = {
    clientType: v2.ClientType.PUSH_CONSUMER,
    subscription: { group: { name: "billing" }, subscriptions: [{ topic: { name: "orders" } }] },
  };

  function open(language: string) {
    const method = defined(service.methods.get("Telemetry"), "Telemetry");
    if (method.kind !== "bidirectional") throw new Error("Telemetry is not bidirectional");
    const call = new FakeCall({ language });
    const incoming = method.open(call);
    const say = (command: Init<v2.TelemetryCommand>): void => {
      const bytes = v2.TelemetryCommand.encode(command);
      incoming.message(bytes, 0, bytes.length);
    };
    const answers = (): v2.TelemetryCommand[] => call.replies.map((reply) => v2.TelemetryCommand.decode(reply));
    return { call, incoming, say, answers };
  }
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

  async function settingsFor(language: string, settings: Init<v2.Settings>): Promise<v2.Settings> {
    const { say, answers } = open(language);
    say({ settings });
    await pause(language === "HTTP" ? 80 : 5);
    expect(answers()[0]?.status?.code).toBe(20_000);
    return defined(answers()[0]?.settings, "settings");
  }

  test.each(["JAVA", "GO", "PYTHON", "CPP", "RUST", "DOTNET", "HTTP"])(
    "a %s producer gets all it needs",
    async (language) => {
      const settings = await settingsFor(language, producer);
      expect(settings).toMatchObject({
        backoffPolicy: {
          maxAttempts: 3,
          exponentialBackoff: {
            initial: { seconds: 0, nanos: 10_000_000 },
            max: { seconds: 1, nanos: 0 },
            multiplier: 2,
          },
        },
        publishing: { topics: [{ name: "orders" }], maxBodySize: 4_194_304, validateMessageType: true },
        requestTimeout: { seconds: 3, nanos: 0 },
      });
      expect(settings.metric?.on).toBe(false);
      expect(settings.subscription).toBeUndefined();
    },
  );

  test.each(["JAVA", "GO", "PYTHON", "CPP", "RUST", "DOTNET", "HTTP"])(
    "a %s consumer gets all it needs",
    async (language) => {
      const settings = await settingsFor(language, consumer);
      expect(settings.subscription).toMatchObject({
        group: { name: "billing" },
        ...{ fifo: false, receiveBatchSize: 32, longPollingTimeout: { seconds: 20, nanos: 0 } },
        ...{ liteSubscriptionQuota: 2_000, maxLiteTopicSize: 64 },
      });
      expect(settings.backoffPolicy?.maxAttempts).toBe(17);
      if (language === "HTTP") expect(settings.backoffPolicy?.exponentialBackoff?.initial?.seconds).toBe(5);
      else expect(settings.backoffPolicy?.customizedBackoff?.next[1]).toEqual({ seconds: 5, nanos: 0 });
      expect(settings.metric?.on).toBe(language === "PYTHON");
      if (language === "PYTHON")
        expect(settings.metric?.endpoints?.addresses).toEqual([{ host: "127.0.0.1", port: 8_081 }]);
      expect(messaging.groups.has("billing")).toBe(true);
    },
  );

  test("what a consumer will ask for is kept for it before it may start; what cannot be is passed over", async () => {
    const subscriptions = [
      { topic: { name: "orders" }, expression: { type: 1, expression: "b || a" } },
      { topic: { name: "nowhere" }, expression: { type: 1, expression: "*" } },
      { topic: { name: "ordered" }, expression: { type: 2, expression: "a > 1" } },
      { topic: { name: "ordered" } },
    ];
    await settingsFor("JAVA", { clientType: 3, subscription: { group: { name: "billing" }, subscriptions } });
    expect(messaging.subscribed.map(({ topic, group, filter }) => [topic.name, group.name, filter.expression])).toEqual(
      [
        ["orders", "billing", "a||b"],
        ["ordered", "billing", "*"],
      ],
    );
    expect(errors).toEqual([]);
  });

  test("Node is answered a little late and once more; later settings at once", async () => {
    const { say, answers } = open("HTTP");
    say({ settings: producer });
    await pause(20);
    expect(answers()).toHaveLength(0);
    await pause(60);
    expect(answers()).toHaveLength(1);
    await pause(1_000);
    expect(answers()).toHaveLength(2);
    say({ settings: producer });
    await pause(5);
    expect(answers()).toHaveLength(3);
  });

  test("settings are answered without a name server, from the defaults", async () => {
    messaging.failure = new SaturnError("HA_NOT_AVAILABLE", "no leader");
    const settings = await settingsFor("JAVA", consumer);
    expect(settings.backoffPolicy?.maxAttempts).toBe(17);
  });

  test("unknown commands and answers nobody asked for are passed over", async () => {
    const { say, answers, call } = open("JAVA");
    say({});
    say({ threadStackTrace: { nonce: "1", threadStackTrace: "at main" } });
    await pause(5);
    expect(answers()).toEqual([]);
    expect(call.ended).toBeUndefined();
  });

  test("settings without a role are refused", () => {
    const { say } = open("JAVA");
    expect(() => say({ settings: { clientType: 1 } })).toThrow(/neither publishing nor subscription/);
  });

  test("the stream ends when the client ends it, when its connection takes leave, and when the broker stops", () => {
    const polite = open("JAVA");
    polite.incoming.end();
    expect(polite.call.ended).toBe("ok");
    const leaving = open("JAVA");
    leaving.call.leave();
    expect(leaving.call.ended).toBe("ok");
    const stopped = open("JAVA");
    stopping.begin();
    expect(stopped.call.ended).toBe("ok");
  });
});
