import { mkdtemp, rm, stat } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { SaturnError, SeededRandom, silentLogger } from "@saturnmq/kit";
import { systemClock, systemTimers } from "@saturnmq/kit/node";
import { type KeyPair, ownCertificate } from "./certificate.ts";
import { serve, type TransportKind } from "./serve.ts";
import type { Call, Method, Service, StreamingCall, Transport } from "./service.ts";

const clock = systemClock();
const timers = systemTimers();
const random = new SeededRandom(1);
const asIs = (bytes: Buffer): Buffer => bytes;

let folder: string;
let pair: KeyPair;
let transport: Transport;
const seen: { call?: Call; finished: string[]; streamSignal?: AbortSignal } = { finished: [] };

const echo: Service = {
  name: "test.Echo",
  methods: new Map<string, Method>([
    [
      "Echo",
      {
        kind: "unary",
        handle: (bytes, start, length, call) => {
          seen.call = call;
          return Promise.resolve(bytes.subarray(start, start + length));
        },
      },
    ],
    [
      "Refuse",
      {
        kind: "unary",
        handle: () => {
          throw new SaturnError("TOPIC_NOT_FOUND", "topic x is unknown; create it");
        },
      },
    ],
    ["Bug", { kind: "unary", handle: () => Promise.reject(new TypeError("secret")) }],
    [
      "Wait",
      { kind: "unary", handle: (bytes, start, length, call) => waitFor(call, bytes.subarray(start, start + length)) },
    ],
    [
      "Count",
      {
        kind: "serverStreaming",
        handle: async (bytes, start, _length, call) => {
          for (let left = bytes[start] ?? 0; left > 0; left -= 1)
            if (!call.write(Buffer.alloc(200_000, left))) await call.drained();
        },
      },
    ],
    [
      "Later",
      {
        kind: "serverStreaming",
        headers: ["x-kept"],
        handle: (bytes, start, _length, call) => {
          const code = bytes[start] ?? 0;
          setTimeout(() => {
            call.write(Buffer.from(call.header("x-kept") ?? "nothing"));
            call.end(code === 0 ? undefined : { code: "TOPIC_NOT_FOUND", message: "there is none" });
          }, 20);
          return "later";
        },
      },
    ],
    ["Talk", { kind: "bidirectional", open: talk }],
  ]),
};

function waitFor(call: Call, bytes: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      resolve(bytes);
    }, 300);
    call.signal.addEventListener("abort", () => {
      clearTimeout(timer);
      seen.finished.push("aborted");
      resolve(bytes);
    });
  });
}

function talk(call: StreamingCall): { message: (b: Uint8Array, s: number, l: number) => void; end: () => void } {
  seen.streamSignal = call.signal;
  call.onGone(() => {
    seen.finished.push("gone");
    call.onGone(() => seen.finished.push("gone already"));
  });
  return {
    message: (bytes, start, length) => {
      if (bytes[start] === 0) throw new SaturnError("BAD_REQUEST", "zero is not welcome");
      call.write(bytes.subarray(start, start + length));
    },
    end: () => {
      call.end();
    },
  };
}

function serveEcho(kind: TransportKind, firstBytesTimeoutMs = 200): Promise<Transport> {
  return serve(kind, [echo], {
    host: "127.0.0.1",
    port: 0,
    tls: pair,
    receiveBytesMax: 1 << 20,
    concurrentStreamsMax: 1_024,
    connectionsMax: 100,
    addressConnectionsMax: 100,
    connectionMemoryMib: 64,
    idleMs: 600_000,
    ageMs: 600_000,
    firstBytesTimeoutMs,
    ...{ clock, timers, random },
    log: silentLogger,
    observe: (path, _tookMs, code) => {
      seen.finished.push(`${path} ${String(code)}`);
    },
  });
}

function dial(secure: boolean): Client {
  const address = `localhost:${String(transport.port)}`;
  return new Client(
    address,
    secure ? credentials.createSsl(pair.certificate, null, null) : credentials.createInsecure(),
  );
}

function unary(client: Client, method: string, bytes: Buffer, timeoutMs = 5_000): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      `/test.Echo/${method}`,
      asIs,
      asIs,
      bytes,
      { deadline: Date.now() + timeoutMs },
      (error, reply) => {
        if (error !== null) reject(error);
        else resolve(reply ?? Buffer.alloc(0));
      },
    );
  });
}

/** What the port answers to `bytes` until it closes the connection. */
function raw(bytes: Buffer | string, close = false): Promise<{ text: string; tookMs: number }> {
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(transport.port, "127.0.0.1", () => {
      if (close) socket.end();
      else if (bytes.length > 0) socket.write(bytes);
    });
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET") reject(error);
    });
    socket.on("close", () => {
      resolve({ text: Buffer.concat(chunks).toString("latin1"), tookMs: performance.now() - startedMs });
    });
  });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "saturn-transport-"));
  pair = await ownCertificate(folder);
});

afterAll(() => rm(folder, { recursive: true }));

describe.each<TransportKind>(["h2", "grpc-js"])("the %s transport", (kind) => {
  beforeAll(async () => {
    transport = await serveEcho(kind);
  });

  afterAll(() => transport.close(500));

  test.each([false, true])("serves unary calls on the one port (TLS: %p)", async (secure) => {
    const client = dial(secure);
    expect((await unary(client, "Echo", Buffer.from("hello"))).toString()).toBe("hello");
    expect(seen.call?.client.authority).toBe(`localhost:${String(transport.port)}`);
    expect(seen.call?.gone).toBe(false);
    const leftMs = (seen.call?.deadlineMs ?? 0) - performance.now();
    expect(leftMs).toBeGreaterThan(3_000);
    expect(leftMs).toBeLessThan(5_001);
    client.close();
  });

  test("answers a SaturnError with its row's status and text, and hides a bug", async () => {
    const client = dial(false);
    const refused = await unary(client, "Refuse", Buffer.alloc(0)).catch((error: unknown) => error as ServiceError);
    expect(refused).toMatchObject({ code: status.NOT_FOUND, details: "topic x is unknown; create it" });
    expect((refused as ServiceError).metadata.get("saturnmq-error-code")).toEqual(["TOPIC_NOT_FOUND"]);
    const bug = await unary(client, "Bug", Buffer.alloc(0)).catch((error: unknown) => error as ServiceError);
    expect(bug).toMatchObject({ code: status.INTERNAL });
    expect(String(bug)).not.toContain("secret");
    const unknown = await unary(client, "Nothing", Buffer.alloc(0)).catch((error: unknown) => error as ServiceError);
    expect(unknown).toMatchObject({ code: status.UNIMPLEMENTED });
    client.close();
  });

  test("refuses a request above the limit", async () => {
    const client = dial(false);
    const tooBig = unary(client, "Echo", Buffer.alloc((1 << 20) + 1));
    await expect(tooBig).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    client.close();
  });

  test("aborts the signal when the client's deadline passes, not after an answer", async () => {
    const client = dial(false);
    // A busy machine takes longer than the deadline to connect.
    await unary(client, "Echo", Buffer.from("x"));
    seen.finished.length = 0;
    await expect(unary(client, "Wait", Buffer.from("x"), 50)).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    await unary(client, "Wait", Buffer.from("x"), 5_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(seen.finished.filter((what) => what === "aborted")).toHaveLength(1);
    expect(seen.finished).toContain("/test.Echo/Wait 0");
    client.close();
  });

  test("streams replies with back pressure", async () => {
    const client = dial(false);
    const replies: number[] = [];
    const stream = client.makeServerStreamRequest("/test.Echo/Count", asIs, asIs, Buffer.from([40]));
    for await (const reply of stream) replies.push((reply as Buffer)[0] ?? 0);
    expect(replies).toEqual(Array.from({ length: 40 }, (_, at) => 40 - at));
    client.close();
  });

  test("ends a stream of replies when the handler says so, well or not, and keeps the metadata that it names", async () => {
    const client = dial(false);
    const metadata = new Metadata();
    metadata.set("x-kept", "kept");
    metadata.set("x-other", "other");
    for (const code of [0, 1]) {
      const stream = client.makeServerStreamRequest("/test.Echo/Later", asIs, asIs, Buffer.from([code]), metadata);
      const replies: string[] = [];
      const failure = await new Promise<ServiceError | undefined>((resolve) => {
        stream.on("data", (reply: Buffer) => replies.push(reply.toString()));
        stream.on("error", resolve as (e: Error) => void).on("end", () => {
          setImmediate(resolve, undefined);
        });
      });
      expect(replies).toEqual(["kept"]);
      if (code === 1) expect(failure).toMatchObject({ code: status.NOT_FOUND, details: "there is none" });
      else expect(failure).toBeUndefined();
    }
    client.close();
  });

  test("talks both ways; the client's end, its loss and a refusal each end the call", async () => {
    const client = dial(false);
    const open = () => client.makeBidiStreamRequest("/test.Echo/Talk", asIs, asIs);
    const polite = open();
    polite.write(Buffer.from([1]));
    polite.write(Buffer.from([2]));
    polite.end();
    const replies: Buffer[] = [];
    for await (const reply of polite) replies.push(reply as Buffer);
    expect(Buffer.concat(replies)).toEqual(Buffer.from([1, 2]));

    const refused = open();
    refused.write(Buffer.from([0]));
    const error = await new Promise<ServiceError>((resolve) =>
      refused.on("error", resolve as (e: Error) => void).resume(),
    );
    expect(error).toMatchObject({ code: status.INVALID_ARGUMENT, details: "zero is not welcome" });

    const lost = open();
    lost.on("error", () => undefined).write(Buffer.from([3]));
    await new Promise((resolve) => lost.once("data", resolve));
    const signal = seen.streamSignal;
    seen.finished.length = 0;
    lost.cancel();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(signal?.aborted).toBe(true);
    expect(seen.finished.filter((what) => what.startsWith("gone"))).toEqual(["gone", "gone already"]);
    client.close();
  });

  test("answers HTTP/1.1 with a text that says what the port speaks", async () => {
    const { text } = await raw("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(text).toMatch(/^HTTP\/1\.1 400 .*gRPC/s);
  });

  test.each([
    { what: "random bytes", bytes: Buffer.from("00ff13372a", "hex"), fastest: 0 },
    { what: "half a preface, then silence", bytes: Buffer.from("PRI * HTTP"), fastest: 190 },
    { what: "silence", bytes: Buffer.alloc(0), fastest: 190 },
    { what: "a broken ClientHello", bytes: Buffer.from("1603010005aaaaaaaaaa", "hex"), fastest: 0 },
    {
      what: "a preface and garbage",
      bytes: Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ngarbage garbage"),
      fastest: 0,
    },
  ])("closes a connection that sends $what, and goes on", async ({ bytes, fastest }) => {
    const { tookMs } = await raw(bytes);
    expect(tookMs).toBeGreaterThanOrEqual(fastest);
    expect(tookMs).toBeLessThan(3_000);
    const client = dial(false);
    expect((await unary(client, "Echo", Buffer.from("on"))).toString()).toBe("on");
    client.close();
  });

  test("a probe that connects and leaves is forgotten", async () => {
    const { tookMs } = await raw("", true);
    expect(tookMs).toBeLessThan(150);
  });

  test("a port in use is said with the port and what to do", async () => {
    const second = serve(kind, [echo], {
      ...{ host: "127.0.0.1", port: transport.port, tls: pair, receiveBytesMax: 1, concurrentStreamsMax: 1 },
      ...{
        connectionsMax: 1,
        addressConnectionsMax: 1,
        connectionMemoryMib: 1,
        idleMs: 1_000,
        ageMs: 1_000,
        firstBytesTimeoutMs: 1,
      },
      ...{ clock, timers, random, log: silentLogger },
    });
    await expect(second).rejects.toThrow(new RegExp(`port ${String(transport.port)} .*in use.*choose another`));
  });

  test("close lets calls in flight finish and ends what is left at the deadline", async () => {
    const own = transport;
    transport = await serveEcho(kind);
    const client = dial(false);
    const inFlight = unary(client, "Wait", Buffer.from("last"));
    const idle = client.makeBidiStreamRequest("/test.Echo/Talk", asIs, asIs);
    const ended = new Promise((resolve) => idle.on("error", resolve).resume());
    idle.write(Buffer.from([1]));
    await new Promise((resolve) => idle.once("data", resolve));
    const startedMs = performance.now();
    const closing = transport.close(600);
    expect((await inFlight).toString()).toBe("last");
    await closing;
    await ended;
    expect(performance.now() - startedMs).toBeLessThan(1_500);
    client.close();
    transport = own;
  });
});

describe("ownCertificate", () => {
  test("is made once, kept, and its key is for the owner alone", async () => {
    const again = await ownCertificate(folder);
    expect(again.certificate.equals(pair.certificate)).toBe(true);
    expect((await stat(join(folder, "tls-key.pem"))).mode & 0o777).toBe(0o600);
  });
});
