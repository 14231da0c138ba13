import { once } from "node:events";
import {
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { afterEach, describe, expect, test } from "@jest/globals";
import { grpcMessage } from "./frames.ts";
import { LatencyHistogram } from "./latency.ts";
import { duration, FieldCursor, field, numberField } from "./protobuf.ts";
import { newReceiveCounters, type ReceiveCounters, ReceiveLoad, type ReceiveLoadOptions } from "./receive-load.ts";
import { RpcClient } from "./rpc-client.ts";
import { late, type SendCounters, SendLoad, type SendLoadOptions } from "./send-load.ts";
import { SendTimes } from "./send-times.ts";

type Answer = {
  readonly messages: readonly Buffer[];
  readonly grpcStatus?: string | undefined;
  readonly reset?: number;
  /** Never answered. */
  readonly silent?: boolean;
};
type Handler = (path: string, request: Buffer) => Answer;

const host = "127.0.0.1";
const ok = field(1, numberField(1, 20_000));
const open: Http2Server[] = [];
/** Connections that the server has had, the newest last. */
const sessions: ServerHttp2Session[] = [];

afterEach(() => {
  sessions.splice(0);
  for (const server of open.splice(0)) server.close();
});

describe("SendLoad", () => {
  test("keeps its calls open, with a different id and body in each", async () => {
    const ids = new Set<string>();
    const bodies = new Set<string>();
    const port = await serve(
      (_path, request) => {
        const message = sent(request);
        ids.add(message.id);
        bodies.add(message.body.toString("latin1"));
        return { messages: [sendReply(message.id)] };
      },
      { initialWindowSize: 8_000, maxConcurrentStreams: 20 },
    );
    const counters = await runSend(port);
    expect(counters.failures).toEqual(new Map());
    // More than the server allows at once: calls that ended were followed by others.
    expect(counters.ok).toBeGreaterThan(20);
    expect(ids.size).toBe(counters.ok);
    expect(bodies.size).toBe(counters.ok);
    expect(counters.latency.count).toBe(counters.ok);
    expect(counters.latency.quantileMs(0.5)).toBeGreaterThan(0);
  });

  test.each<{ what: string; answer: (id: string) => Answer; failure: string }>([
    {
      what: "a refusal in the body",
      answer: () => ({ messages: [field(1, numberField(1, 42_900))] }),
      failure: "code 42900",
    },
    { what: "a refused entry", answer: (id) => ({ messages: [sendReply(id, 40_002)] }), failure: "code 40002" },
    { what: "OK without an entry", answer: () => ({ messages: [ok] }), failure: "reply does not fit its request" },
    {
      what: "another message's id",
      answer: () => ({ messages: [sendReply("01A2B3C4D5E6F708090A0B0C0D-WRONG--")] }),
      failure: "reply does not fit its request",
    },
    { what: "a gRPC error", answer: () => ({ messages: [], grpcStatus: "14" }), failure: "grpc 14" },
    { what: "no trailers", answer: (id) => ({ messages: [sendReply(id)], grpcStatus: "" }), failure: "no gRPC status" },
    { what: "a reset", answer: () => ({ messages: [], reset: 7 }), failure: "reset 7" },
  ])("$what is counted as a failure, never as a send", async ({ answer, failure }) => {
    const port = await serve((_path, request) => answer(sent(request).id));
    const counters = await runSend(port);
    expect([...counters.failures.keys()]).toEqual([failure]);
    expect(counters.ok).toBe(0);
  });
});

describe("SendLoad goes on", () => {
  test("with a new connection when the server wants to be rid of the old one, and nothing fails", async () => {
    const port = await serve((_path, request) => ({ messages: [sendReply(sent(request).id)] }));
    const counters = await runSend(port, {}, async () => {
      for (let n = 0; n < 3; n += 1) {
        const before = sessions.length;
        sessions.at(-1)?.goaway(0);
        await until(() => sessions.length > before);
        const okBefore = counts.ok;
        await until(() => counts.ok > okBefore + 50);
      }
    });
    expect(counters.failures).toEqual(new Map());
    expect(sessions).toHaveLength(4);
  });

  test("when a connection is lost, and says what was lost with it", async () => {
    const port = await serve((_path, request) => ({ messages: [sendReply(sent(request).id)] }));
    const counters = await runSend(port, {}, async () => {
      const okBefore = counts.ok;
      sessions.at(-1)?.destroy();
      await until(() => sessions.length === 2 && counts.ok > okBefore + 50);
    });
    expect([...counters.failures.keys()].every((reason) => reason.startsWith("connection lost"))).toBe(true);
  });

  test("with a body of more than one frame", async () => {
    const lengths = new Set<number>();
    const port = await serve((_path, request) => {
      lengths.add(sent(request).body.length);
      return { messages: [sendReply(sent(request).id)] };
    });
    const counters = await runSend(port, { bodyBytes: 40_000 });
    expect(counters.failures).toEqual(new Map());
    expect(counters.ok).toBeGreaterThan(10);
    expect([...lengths]).toEqual([40_000]);
  });
});

describe("SendLoad in an open loop", () => {
  test("sends at its rate, and counts from the intended time", async () => {
    let stallUntil = 0;
    const port = await serve((_path, request) => {
      while (performance.now() < stallUntil); // Nothing is read or answered meanwhile, as in a long pause of a server.
      return { messages: [sendReply(sent(request).id)] };
    });
    const startedAt = performance.now();
    const counters = await runSend(port, { perSecond: 1_000 }, async () => {
      await until(() => counts.ok > 100);
      stallUntil = performance.now() + 200;
      await until(() => counts.ok > 500);
    });
    expect(counters.failures).toEqual(new Map());
    expect(counters.ok).toBeLessThan(performance.now() - startedAt + 50);
    // A closed loop would have had one slow request; here about 200 had to wait, 100 ms on average.
    expect(counters.latency.quantileMs(0.9)).toBeGreaterThan(50);
  });

  test("gives up what it could not write in time, and counts it", async () => {
    const port = await serve(() => ({ messages: [], silent: true }));
    const counters: SendCounters = { ok: 0, failures: new Map(), latency: new LatencyHistogram() };
    const load = { host, port, topic: "t", bodyBytes: 100, batch: 1, inFlight: 5, perSecond: 1_000, giveUpAfterMs: 20 };
    const running = await SendLoad.start(load, counters);
    await until(() => (counters.failures.get(late) ?? 0) > 50);
    expect(counters.ok).toBe(0);
    const stopped = running.stop();
    for (const session of sessions) session.destroy();
    await stopped;
  });
});

test("SendTimes knows its own requests only", () => {
  const times = new SendTimes();
  const first = times.take(17);
  expect(times.atMs(first)).toBe(17);
  expect(times.atMs((first + 1) % 2 ** 32)).toBeNaN();
  for (let n = 0; n < 2 ** 20; n += 1) times.take(18);
  expect(times.atMs(first)).toBeNaN();
});

describe("ReceiveLoad", () => {
  test("receives, checks and acknowledges", async () => {
    let next = 0;
    const acked: string[] = [];
    const port = await serve((path, request) => {
      if (path.endsWith("AckMessage")) acked.push(...handles(request));
      if (!path.endsWith("ReceiveMessage")) return session(path);
      next += 2;
      return { messages: [ok, delivered(next - 2), delivered(next - 1), field(3, duration(1))] };
    });
    const counters = await runReceive(port);
    expect(counters.failures).toEqual(new Map());
    // More than one reply holds: it went on receiving.
    expect(counters.acked).toBeGreaterThan(2);
    expect(acked).toHaveLength(counters.acked);
    expect(new Set(acked).size).toBe(acked.length);
  });

  test("goes on with a new session when the server wants to be rid of the old one, and acknowledges what that one brought", async () => {
    let next = 0;
    let acked = 0;
    const port = await serve((path, request) => {
      if (path.endsWith("AckMessage")) acked += handles(request).length;
      if (!path.endsWith("ReceiveMessage")) return session(path);
      next += 1;
      if (next % 20 === 0) sessions.at(-1)?.goaway(0);
      return { messages: [ok, delivered(next), field(3, duration(1))] };
    });
    const counters = await runReceive(port, () => until(() => sessions.length > 3));
    expect(counters.failures).toEqual(new Map());
    expect(counters.acked).toBe(counters.received);
    expect(acked).toBe(counters.received);
  });

  test("tells how old a message is that this run sent", async () => {
    const times = new SendTimes();
    const number = times.take(performance.now() - 50);
    const ages = new LatencyHistogram();
    const body = Buffer.from(number.toString(16).toUpperCase().padStart(8, "0"));
    const port = await serve((path) =>
      path.endsWith("ReceiveMessage") ? { messages: [ok, delivered(1, undefined, body)] } : session(path),
    );
    await runReceive(port, () => until(() => ages.count > 0), { times, ages });
    expect(ages.quantileMs(0)).toBeGreaterThan(49);
  });

  test.each<{ what: string; messages: readonly Buffer[]; failure: string }>([
    {
      what: "a body that does not fit",
      messages: [ok, delivered(0, "DEADBEEF")],
      failure: "body does not fit its digest",
    },
    { what: "a message twice", messages: [ok, delivered(7)], failure: "delivered twice" },
    {
      what: "falling offsets",
      messages: [ok, delivered(9), delivered(8)],
      failure: "offsets do not rise within a reply",
    },
    { what: "no status", messages: [delivered(1)], failure: "receive stream without a status" },
  ])("$what is counted as a failure", async ({ messages, failure }) => {
    const port = await serve((path) => (path.endsWith("ReceiveMessage") ? { messages } : session(path)));
    const counters = await runReceive(port);
    expect([...counters.failures.keys()]).toContain(failure);
  });
});

test("RpcClient splits a request over frames and windows, and reads an answer of any size", async () => {
  const answer = Buffer.alloc(3_000_000, "a");
  const lengths: number[] = [];
  const port = await serve(
    (_path, request) => {
      lengths.push(request.length);
      return { messages: [answer] };
    },
    { initialWindowSize: 1_000, maxFrameSize: 16_384 },
  );
  const client = await RpcClient.open({ host, port });
  const result = await client.unary("Echo", Buffer.alloc(500_000), 5_000);
  expect(result.end).toEqual({ kind: "status", code: 0, message: "" });
  expect(result.messages.map((message) => message.equals(answer))).toEqual([true]);
  expect(lengths).toEqual([500_000]);
  client.close();
});

test("RpcClient tells what was surely not processed from what is unknown", async () => {
  const port = await serve((path) => ({ messages: [], reset: path.endsWith("Refused") ? 7 : 2 }));
  const client = await RpcClient.open({ host, port });
  expect((await client.unary("Refused", Buffer.alloc(1), 1_000)).end.kind).toBe("notProcessed");
  expect((await client.unary("Broken", Buffer.alloc(1), 1_000)).end.kind).toBe("unknown");
  client.close();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect((await client.unary("Late", Buffer.alloc(1), 1_000)).end.kind).toBe("notProcessed");
});

test("LatencyHistogram knows its quantiles to 2 %", () => {
  const histogram = new LatencyHistogram();
  for (let n = 1; n <= 1_000; n += 1) histogram.record(n / 10);
  expect(histogram.quantileMs(0.5)).toBeCloseTo(50, -1);
  expect(histogram.quantileMs(0.99)).toBeGreaterThan(98);
  expect(histogram.quantileMs(1)).toBe(100);
  histogram.clear();
  expect(histogram.quantileMs(0.5)).toBe(0);
});

async function serve(handler: Handler, settings: Settings = {}): Promise<number> {
  const server = createServer({ settings });
  open.push(server);
  server.on("session", (session) => sessions.push(session));
  server.on("stream", (stream, headers) => {
    stream.on("error", () => undefined);
    const parts: Buffer[] = [];
    stream.on("data", (part: Buffer) => {
      parts.push(part);
      const bytes = Buffer.concat(parts);
      if (bytes.length < 5 || bytes.length < 5 + bytes.readUInt32BE(1)) return;
      parts.splice(0);
      answer(stream, handler(String(headers[":path"]), bytes.subarray(5)), String(headers[":path"]));
    });
  });
  server.listen(0, host);
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

function answer(stream: ServerHttp2Stream, { messages, grpcStatus = "0", reset, silent }: Answer, path: string): void {
  if (silent === true) return;
  if (reset !== undefined) {
    stream.close(reset);
    return;
  }
  stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: grpcStatus !== "" });
  stream.on("wantTrailers", () => {
    stream.sendTrailers({ "grpc-status": grpcStatus });
  });
  const bytes = Buffer.concat(messages.map(grpcMessage));
  if (path.endsWith("Telemetry")) stream.write(bytes);
  else stream.end(bytes);
}

/** Of the send load that runs. */
let counts: SendCounters;

async function runSend(
  port: number,
  more: Partial<SendLoadOptions> = {},
  meanwhile = () => sleep(200),
): Promise<SendCounters> {
  const counters: SendCounters = { ok: 0, failures: new Map(), latency: new LatencyHistogram() };
  counts = counters;
  const options = { host, port, topic: "t", bodyBytes: 1_024, batch: 1, inFlight: 50, ...more };
  const load = await SendLoad.start(options, counters);
  await meanwhile();
  await load.stop();
  return counters;
}

async function runReceive(
  port: number,
  meanwhile = () => sleep(100),
  more: Partial<ReceiveLoadOptions> = {},
): Promise<ReceiveCounters> {
  const counters = newReceiveCounters();
  const options = { host, port, topic: "t", group: "g", batchSize: 32, inFlight: 2, pollMs: 1_000, ...more };
  const load = await ReceiveLoad.start(options, counters);
  await meanwhile();
  await load.stop();
  return counters;
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error("it did not come about within 10 s");
    await sleep(2);
  }
}

function session(path: string): Answer {
  const queue = Buffer.concat([field(1, field(2, "t")), numberField(3, 4)]);
  return { messages: [path.endsWith("QueryRoute") ? Buffer.concat([ok, field(2, queue)]) : ok] };
}

function sendReply(id: string, code = 20_000): Buffer {
  return Buffer.concat([
    ok,
    field(2, Buffer.concat([field(1, numberField(1, code)), field(2, id), numberField(4, 12)])),
  ]);
}

function delivered(offset: number, digest?: string, body = Buffer.from(`body ${offset}`)): Buffer {
  const checksum = digest ?? crc32(body).toString(16).toUpperCase();
  const system = Buffer.concat([
    field(3, `id-${offset}`),
    field(4, Buffer.concat([numberField(1, 1), field(2, checksum)])),
    field(12, `handle-${offset}`),
    numberField(14, offset),
    numberField(16, 1),
  ]);
  return field(2, Buffer.concat([field(1, field(2, "t")), field(3, system), field(4, body)]));
}

function sent(request: Buffer): { id: string; body: Buffer } {
  const message = inner(request, 1);
  return { id: inner(inner(message, 3), 3).toString(), body: inner(message, 4) };
}

function handles(request: Buffer): string[] {
  const found: string[] = [];
  const at = new FieldCursor(request, 0, request.length);
  while (at.next()) if (at.number === 3) found.push(inner(request.subarray(at.start, at.end), 2).toString());
  return found;
}

function inner(bytes: Buffer, number: number): Buffer {
  const at = new FieldCursor(bytes, 0, bytes.length);
  while (at.next()) if (at.number === number) return bytes.subarray(at.start, at.end);
  throw new Error(`no field ${number}`);
}
