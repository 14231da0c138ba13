import { once } from "node:events";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { gzipSync } from "node:zlib";
import { Client, compressionAlgorithms, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type LogFields, silentLogger } from "@saturnmq/kit";
import { errorCode, frameType } from "../core/protocol.ts";
import type { CertificatePair, Transport } from "../service.ts";
import { echoService } from "../testing/echo-service.ts";
import { data, frame, grpcMessage, grpcRequest, headers, resetStream, windowUpdate } from "../testing/frames.ts";
import { RawClient } from "../testing/raw-client.ts";
import { serveTest, testCertificate } from "../testing/serve-test.ts";

const asIs = (bytes: Buffer): Buffer => bytes;
const { service, notes } = echoService();
const finished: string[] = [];
let pair: CertificatePair;
let transport: Transport;

beforeAll(async () => {
  pair = await testCertificate();
  transport = await serveTest([service], {
    tls: pair,
    observe: (path, _tookMs, code) => finished.push(`${path} ${code}`),
  });
});

afterAll(async () => {
  await transport.close(500);
});

function dial(secure: boolean, port = transport.port): Client {
  return new Client(
    `localhost:${port}`,
    secure ? credentials.createSsl(pair.certificate, null, null) : credentials.createInsecure(),
  );
}

function unary(client: Client, method: string, bytes: Buffer, timeoutMs = 5_000, metadata = new Metadata()) {
  return new Promise<Buffer>((resolve, reject) => {
    const deadline = { deadline: Date.now() + timeoutMs };
    client.makeUnaryRequest(`/test.Echo/${method}`, asIs, asIs, bytes, metadata, deadline, (error, reply) => {
      if (error !== null) reject(error);
      else resolve(reply ?? Buffer.alloc(0));
    });
  });
}

async function failure(call: Promise<unknown>): Promise<ServiceError> {
  return call.then(
    () => {
      throw new Error("the call went well");
    },
    (error: unknown) => error as ServiceError,
  );
}

/** Waits for what happens on the server without a sign to the client. */
async function eventually(holds: () => boolean): Promise<void> {
  for (const byMs = performance.now() + 3_000; !holds(); ) {
    if (performance.now() > byMs) throw new Error(`never came to hold: ${holds.toString()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function raw(bytes: Buffer | string): Promise<string> {
  const socket = connect(transport.port, "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", () => undefined);
  socket.write(bytes);
  await once(socket, "close");
  return Buffer.concat(chunks).toString("latin1");
}

test("a share of the connections, the oldest ones, is told to go away over a time, and its calls end well", async () => {
  const own = await serveTest([service]);
  const clients: RawClient[] = [];
  for (let n = 0; n < 4; n += 1) clients.push(await RawClient.open(own.port));
  while (own.connections < 4) await new Promise((resolve) => setTimeout(resolve, 5));
  const left = (): boolean[] => clients.map(({ goAway }) => goAway !== undefined);
  own.shed(0.5, 100);
  while (!(left()[0] === true && left()[1] === true)) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(clients[0]?.goAway).toMatchObject({ code: 0 });
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(left()).toEqual([true, true, false, false]);
  for (const client of clients) client.close();
  await own.close(500);
});

describe("a foreign client", () => {
  test.each([false, true])("gets unary answers on the one port (TLS: %p)", async (secure) => {
    const client = dial(secure);
    for (const method of ["Echo", "Fast"]) {
      expect((await unary(client, method, Buffer.from("hello"))).toString()).toBe("hello");
    }
    expect(notes.call?.client.authority).toBe(`localhost:${transport.port}`);
    expect(notes.call?.client.peer).toMatch(/^(::1|127\.0\.0\.1|::ffff:127\.0\.0\.1):\d+$/);
    expect(notes.call?.gone).toBe(false);
    const leftMs = (notes.call?.deadlineMs ?? 0) - performance.now();
    expect(leftMs).toBeGreaterThan(3_000);
    expect(leftMs).toBeLessThan(5_001);
    client.close();
  });

  test("sends metadata, which fast and plain handlers see", async () => {
    const client = dial(false);
    const metadata = new Metadata();
    metadata.set("x-mq-client-id", "me@host");
    metadata.set("x-bytes-bin", Buffer.from([1, 2, 255]));
    await unary(client, "Fast", Buffer.from("x"), 5_000, metadata);
    await unary(client, "Echo", Buffer.from("x"), 5_000, metadata);
    expect(notes.headers).toEqual(["me@host", undefined]);
    expect(notes.call?.client.clientId).toBe("me@host");
    expect(notes.call?.binaryHeader("x-bytes-bin")).toEqual(Buffer.from([1, 2, 255]));
    client.close();
  });

  test("is answered by the plain handler where the fast one leaves a call to it", async () => {
    const client = dial(false);
    const metadata = new Metadata();
    metadata.set("x-mq-client-id", "me@host");
    metadata.set("x-other", "1");
    expect((await unary(client, "Leave", Buffer.from("left"), 5_000, metadata)).toString()).toBe("left");
    expect(notes.call?.client.clientId).toBe("me@host");
    expect(notes.call?.header("x-other")).toBeUndefined();
    const refused = await failure(unary(client, "Leave", Buffer.alloc(0)));
    expect(refused).toMatchObject({ code: status.NOT_FOUND, details: "nothing is no topic" });
    client.close();
  });

  test("gets a SaturnError's status, text and code, and of a bug nothing", async () => {
    const client = dial(false);
    const refused = await failure(unary(client, "Refuse", Buffer.alloc(0)));
    expect(refused).toMatchObject({ code: status.NOT_FOUND, details: "topic é is unknown; create it" });
    expect(refused.metadata.get("saturnmq-error-code")).toEqual(["TOPIC_NOT_FOUND"]);
    const slow = await failure(unary(client, "Fail", Buffer.alloc(0)));
    expect(slow).toMatchObject({ code: status.RESOURCE_EXHAUSTED, details: "slow down" });
    const bug = await failure(unary(client, "Bug", Buffer.alloc(0)));
    expect(bug).toMatchObject({ code: status.INTERNAL });
    expect(String(bug)).not.toContain("secret");
    const unknown = await failure(unary(client, "Nothing", Buffer.alloc(0)));
    expect(unknown).toMatchObject({
      code: status.UNIMPLEMENTED,
      details: "the service test.Echo has no method Nothing",
    });
    client.close();
  });

  test("is refused a request above the limit, by its announced length", async () => {
    const client = dial(false);
    const exact = Buffer.alloc(1 << 20, 3);
    expect((await unary(client, "Fast", exact)).equals(exact)).toBe(true);
    const tooBig = unary(client, "Echo", Buffer.alloc((1 << 20) + 1));
    await expect(tooBig).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    client.close();
  });

  test("gets large replies whole, and is not held up by others'", async () => {
    const client = dial(false);
    const sizes = await Promise.all([60, 1, 30].map((n) => unary(client, "Large", Buffer.from([n]))));
    expect(sizes.map((reply) => reply.length)).toEqual([60 << 16, 1 << 16, 30 << 16]);
    client.close();
  });

  test("ends a call by its deadline; the handler learns it", async () => {
    const client = dial(false);
    const before = notes.aborted;
    finished.length = 0;
    await expect(unary(client, "Wait", Buffer.from("x"), 50)).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    await eventually(() => notes.aborted === before + 1 && finished.length === 1);
    expect(finished[0]).toMatch(/Wait [14]$/);
    client.close();
  });

  test("reads a stream of replies with back pressure", async () => {
    const client = dial(false);
    const replies: number[] = [];
    const stream = client.makeServerStreamRequest("/test.Echo/Count", asIs, asIs, Buffer.from([40]));
    for await (const reply of stream as AsyncIterable<Buffer>) {
      const [byte = 0] = reply;
      expect(reply.equals(Buffer.alloc(200_000, byte))).toBe(true);
      replies.push(byte);
    }
    expect(replies).toEqual(Array.from({ length: 40 }, (_, at) => 40 - at));
    client.close();
  });

  test("talks both ways; its end, its loss and a refusal each end the call", async () => {
    const client = dial(true);
    const calm = client.makeBidiStreamRequest("/test.Echo/Talk", asIs, asIs);
    const echoed: Buffer[] = [];
    calm.on("data", (bytes: Buffer) => echoed.push(bytes));
    calm.write(Buffer.from("one"));
    calm.write(Buffer.from("two"));
    calm.end();
    const [ending] = (await once(calm, "status")) as [{ code: number }];
    expect([ending.code, Buffer.concat(echoed).toString()]).toEqual([status.OK, "onetwo"]);

    const refused = client.makeBidiStreamRequest("/test.Echo/Talk", asIs, asIs);
    refused.write(Buffer.from([0]));
    const [error] = (await once(refused, "error")) as [ServiceError];
    expect(error).toMatchObject({ code: status.INVALID_ARGUMENT, details: "zero is not welcome" });

    const before = notes.aborted;
    const lost = client.makeBidiStreamRequest("/test.Echo/Talk", asIs, asIs);
    lost.on("error", () => undefined).write(Buffer.from("x"));
    await once(lost, "data");
    lost.cancel();
    await eventually(() => notes.aborted === before + 1);
    client.close();
  });

  test("may compress its requests", async () => {
    const client = new Client(`localhost:${transport.port}`, credentials.createInsecure(), {
      "grpc.default_compression_algorithm": compressionAlgorithms.gzip,
    });
    const body = Buffer.alloc(300_000, 5);
    expect((await unary(client, "Echo", body)).equals(body)).toBe(true);
    client.close();
  });
});

describe("frames by hand", () => {
  const request = (stream: number, method: string, body: Buffer, more: [string, string][] = []): Buffer =>
    Buffer.concat([headers(stream, grpcRequest(`/test.Echo/${method}`, more)), data(stream, body, true)]);

  async function statusOf(body: Buffer, more: [string, string][] = [], method = "Echo"): Promise<string> {
    const client = await RawClient.open(transport.port);
    client.send(request(1, method, body, more));
    const answer = await client.untilEnded(1);
    client.close();
    return `${answer.blocks.at(-1)?.get("grpc-status") ?? "none"} ${answer.blocks.at(-1)?.get("grpc-message") ?? ""}`;
  }

  const two = Buffer.concat([grpcMessage(Buffer.from("a")), grpcMessage(Buffer.from("b"))]);
  const bomb = grpcMessage(gzipSync(Buffer.alloc(1 << 24)), true);
  test.each([
    { what: "two messages", body: two, says: "12 the method takes one request message" },
    { what: "no message", body: Buffer.alloc(0), says: "12 the method takes a request message" },
    {
      what: "half a message",
      body: grpcMessage(Buffer.from("abc")).subarray(0, 6),
      says: "13 the request ends within a message",
    },
    { what: "a flag of 2", body: Buffer.from([2, 0, 0, 0, 0]), says: "13 the flag of a message is neither 0 nor 1" },
    {
      what: "compression without a name",
      body: grpcMessage(gzipSync("x"), true),
      says: "13 a message is compressed and grpc-encoding does not say how",
    },
    {
      what: "no gzip",
      body: grpcMessage(Buffer.from("x"), true),
      more: ["grpc-encoding", "gzip"],
      says: "13 a compressed message is not gzip",
    },
    {
      what: "a gzip bomb",
      body: bomb,
      more: ["grpc-encoding", "gzip"],
      says: "8 a request message may have 1048576 bytes",
    },
    {
      what: "another compression",
      body: two,
      more: ["grpc-encoding", "snappy"],
      says: "12 grpc-encoding snappy is not supported",
    },
    { what: "a timeout of nonsense", body: two, more: ["grpc-timeout", "soon"], says: "3 grpc-timeout is malformed" },
  ])("$what: $says", async ({ body, more, says }) => {
    expect(await statusOf(body, more === undefined ? [] : [[more[0] ?? "", more[1] ?? ""]])).toBe(says);
  });

  test("gzip messages of a stream keep their order among plain ones", async () => {
    const client = await RawClient.open(transport.port);
    client.send(headers(1, grpcRequest("/test.Echo/Talk", [["grpc-encoding", "gzip"]])));
    const texts = ["one ", "two ", "three ", "four"];
    const messages = texts.map((text, n) => grpcMessage(n % 2 === 0 ? gzipSync(text) : Buffer.from(text), n % 2 === 0));
    client.send(data(1, Buffer.concat(messages), true));
    const answer = await client.untilEnded(1);
    expect(answer.data.toString("latin1").replaceAll(/\0\0\0\0./g, "")).toBe(texts.join(""));
    expect(answer.blocks.at(-1)?.get("grpc-status")).toBe("0");
    client.close();
  });

  test("what is not gRPC gets 415 and a short text", async () => {
    const client = await RawClient.open(transport.port);
    const fields = grpcRequest("/x").map(([name, value]): [string, string] =>
      name === "content-type" ? [name, "application/json"] : [name, value],
    );
    client.send(headers(1, fields, true));
    const answer = await client.untilEnded(1);
    expect(answer.blocks[0]?.get(":status")).toBe("415");
    expect(answer.data.toString()).toBe("This port speaks gRPC: POST with content-type application/grpc.\n");
    client.close();
  });

  test("a body that is not gRPC is not taken for ever", async () => {
    const client = await RawClient.open(transport.port);
    client.send(
      headers(1, [
        [":method", "PUT"],
        [":scheme", "http"],
        [":path", "/"],
      ]),
    );
    for (let n = 0; n < 5; n += 1) client.send(data(1, Buffer.alloc(16_384)));
    const answer = await client.untilEnded(1);
    expect(answer.blocks[0]?.get(":status")).toBe("415");
    client.close();
  });

  test("the answer to a call whose client is gone goes nowhere, and hurts nobody", async () => {
    const client = await RawClient.open(transport.port);
    notes.tickets.length = 0;
    client.send(request(1, "Keep", grpcMessage(Buffer.from("a"))));
    client.send(request(3, "Keep", grpcMessage(Buffer.from("b"))));
    await eventually(() => notes.tickets.length === 2);
    const [first = 0, second = 0] = notes.tickets;
    client.send(resetStream(1, errorCode.cancel));
    await eventually(() => !transport.answers.waits(first));
    client.send(request(5, "Keep", grpcMessage(Buffer.from("c"))));
    await eventually(() => notes.tickets.length === 3);
    transport.answers.answer(first, Buffer.from("stale"), 0, 5);
    transport.answers.answer(second, Buffer.from("xfreshx"), 1, 5);
    transport.answers.answer(second, Buffer.from("again"), 0, 5);
    const answer = await client.untilEnded(3);
    expect(answer.data.subarray(5).toString()).toBe("fresh");
    transport.answers.answer(notes.tickets[2] ?? 0, Buffer.from("third"), 0, 5);
    expect((await client.untilEnded(5)).data.subarray(5).toString()).toBe("third");
    client.close();
  });

  test("answers of one round leave in one write", async () => {
    const client = await RawClient.open(transport.port);
    notes.tickets.length = 0;
    client.send(Buffer.concat([1, 3, 5, 7].map((stream) => request(stream, "Keep", grpcMessage(Buffer.from("a"))))));
    await eventually(() => notes.tickets.length === 4);
    const reads: number[] = [];
    client.socket.on("data", (bytes: Buffer) => reads.push(bytes.length));
    for (const ticket of notes.tickets) transport.answers.answer(ticket, Buffer.from("same"), 0, 4);
    await client.untilEnded(7);
    expect(reads).toHaveLength(1);
    client.close();
  });

  test("small windows are kept: the reply waits for each grant, trailers come last", async () => {
    const client = await RawClient.open(transport.port, [[4, 10]]);
    client.send(request(1, "Fast", grpcMessage(Buffer.alloc(20, 0x61))));
    const answer = client.answer(1);
    await client.until(() => answer.data.length === 10);
    client.send(windowUpdate(1, 3));
    await client.until(() => answer.data.length === 13);
    expect(answer.blocks).toHaveLength(1);
    client.send(windowUpdate(1, 100));
    await client.untilEnded(1);
    expect(answer.data.equals(grpcMessage(Buffer.alloc(20, 0x61)))).toBe(true);
    client.close();
  });

  test("while the server does not read, clients wait and lose nothing", async () => {
    const client = await RawClient.open(transport.port);
    client.send(request(1, "Fast", grpcMessage(Buffer.from("a"))));
    await client.untilEnded(1);
    transport.setReading(false);
    client.send(request(3, "Fast", grpcMessage(Buffer.from("b"))));
    const other = await RawClient.open(transport.port);
    await other.until(() => other.frames.length > 0);
    expect(client.answer(3).ended).toBe(false);
    transport.setReading(true);
    await client.untilEnded(3);
    client.close();
    other.close();
  });
});

describe("the one port", () => {
  test("tells HTTP/1 what it speaks, and strangers nothing", async () => {
    expect(await raw("GET / HTTP/1.1\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 [\s\S]*gRPC/);
    expect(await raw("hello there")).toBe("");
  });

  test("offers h2 by ALPN, refuses others, and serves a renewed certificate", async () => {
    const handshake = async (protocols: string[]): Promise<string> => {
      const socket = connectTls({
        port: transport.port,
        host: "127.0.0.1",
        ALPNProtocols: protocols,
        rejectUnauthorized: false,
      });
      return new Promise((resolve) => {
        socket.once("secureConnect", () => {
          resolve(`${String(socket.alpnProtocol)} ${socket.getPeerX509Certificate()?.serialNumber ?? ""}`);
          socket.destroy();
        });
        socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
      });
    };
    const before = await handshake(["http/1.1", "h2"]);
    expect(before).toMatch(/^h2 /);
    expect(await handshake(["http/1.1"])).toMatch(/NO_APPLICATION_PROTOCOL/);
    pair = await testCertificate();
    transport.setCertificate(pair);
    const after = await handshake(["h2"]);
    expect(after).toMatch(/^h2 /);
    expect(after).not.toBe(before);
    expect(() => {
      transport.setCertificate({ certificate: Buffer.from("x"), key: Buffer.from("y") });
    }).toThrow();
    expect(await handshake(["h2"])).toBe(after);
  });

  test("one connection above the limit is closed, half a TLS handshake in time", async () => {
    const server = await serveTest([service], { tls: pair, connectionsMax: 2, limits: { handshakeMs: 100 } });
    const first = await RawClient.open(server.port);
    const half = await RawClient.open(server.port, "silent");
    half.send(Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]));
    await eventually(() => server.connections === 2);
    const third = await RawClient.open(server.port);
    await third.untilClosed();
    expect(half.closed).toBe(false);
    await half.untilClosed();
    first.send(
      Buffer.concat([headers(1, grpcRequest("/test.Echo/Fast")), data(1, grpcMessage(Buffer.from("a")), true)]),
    );
    expect((await first.untilEnded(1)).ended).toBe(true);
    first.close();
    await server.close(100);
  });

  test("one address gets no more than its share of connections, and another one its own", async () => {
    const lines: LogFields[] = [];
    const log = { ...silentLogger, warn: (fields: LogFields) => lines.push(fields) };
    const server = await serveTest([service], { connectionsMax: 4, addressConnectionsMax: 2, log });
    const [first, second] = [await RawClient.open(server.port), await RawClient.open(server.port)];
    await eventually(() => server.connections === 2);
    for (let more = 0; more < 3; more += 1) await (await RawClient.open(server.port)).untilClosed();
    expect(lines).toEqual([{ address: "127.0.0.1", addressConnectionsMax: 2 }]);
    const neighbour = await RawClient.open(server.port, [], "127.0.0.2");
    await eventually(() => server.connections === 3);
    first.close();
    await eventually(() => server.connections === 2);
    const next = await RawClient.open(server.port);
    await eventually(() => server.connections === 3);
    for (const client of [second, neighbour, next]) {
      expect(client.closed).toBe(false);
      client.close();
    }
    await server.close(100);
  });

  test("one address cannot hold up the TLS handshakes of others", async () => {
    const server = await serveTest([service], { tls: pair });
    const hello = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
    const halves = await Promise.all(Array.from({ length: 260 }, () => RawClient.open(server.port, "silent")));
    for (const half of halves) half.send(hello);
    await eventually(() => halves.filter((half) => half.closed).length === 260 - 192);
    const socket = connectTls({
      ...{ port: server.port, host: "127.0.0.1", localAddress: "127.0.0.2", servername: "localhost" },
      ...{ ca: pair.certificate, ALPNProtocols: ["h2"] },
    });
    await once(socket, "secureConnect");
    expect(socket.alpnProtocol).toBe("h2");
    socket.destroy();
    for (const half of halves) half.close();
    await server.close(100);
  });

  test("offenders are logged, one line a second whatever their number", async () => {
    const lines: string[] = [];
    const log = { ...silentLogger, info: (fields: LogFields) => lines.push(String(fields["reason"])) };
    const server = await serveTest([service], { log });
    for (let n = 0; n < 5; n += 1) {
      const client = await RawClient.open(server.port);
      client.send(windowUpdate(0, 0));
      await client.untilClosed();
    }
    await eventually(() => server.connections === 0);
    expect(lines).toEqual(["a WINDOW_UPDATE of nothing"]);
    await server.close(100);
  });

  test("a port in use is told", async () => {
    await expect(serveTest([service], { port: transport.port })).rejects.toThrow(/in use.*choose another/);
  });
});

describe("taking leave", () => {
  test("close: GOAWAY twice, calls in flight finish, streams are told, no new ones", async () => {
    const { service: own, notes: ownNotes } = echoService();
    const server = await serveTest([own]);
    const client = await RawClient.open(server.port);
    client.send(headers(1, grpcRequest("/test.Echo/Talk")));
    client.send(
      Buffer.concat([headers(3, grpcRequest("/test.Echo/Keep")), data(3, grpcMessage(Buffer.from("a")), true)]),
    );
    await eventually(() => ownNotes.tickets.length === 1);
    const closed = server.close(5_000);
    await client.until(() => client.goAway !== undefined);
    expect(client.goAway).toMatchObject({ lastStream: 2 ** 31 - 1, code: 0 });
    const asked = client.frames.find(({ type, flags }) => type === frameType.ping && flags === 0);
    client.send(frame(frameType.ping, 1, 0, asked?.payload ?? []));
    await client.until(() => client.goAway?.lastStream === 3);
    expect((await client.untilEnded(1)).blocks.at(-1)?.get("grpc-status")).toBe("0");
    client.send(headers(5, grpcRequest("/test.Echo/Echo"), true));
    server.answers.answer(ownNotes.tickets[0] ?? 0, Buffer.from("late"), 0, 4);
    expect((await client.untilEnded(3)).data.subarray(5).toString()).toBe("late");
    await client.untilClosed();
    await closed;
    await eventually(() => server.connections === 0);
    expect([ownNotes.left, client.answer(5).ended]).toEqual([1, false]);
    await expect(RawClient.open(server.port)).rejects.toThrow("ECONNREFUSED");
  });

  test("age: the connection goes, what does not end by itself is ended with UNAVAILABLE", async () => {
    const { service: own } = echoService();
    const server = await serveTest([own], { ageMs: 100, limits: { leaveMs: 50 } });
    const client = await RawClient.open(server.port);
    client.send(
      Buffer.concat([headers(1, grpcRequest("/test.Echo/Wait")), data(1, grpcMessage(Buffer.from("a")), true)]),
    );
    const answer = await client.untilEnded(1);
    expect(answer.blocks.at(-1)?.get("grpc-status")).toBe("14");
    await client.untilClosed();
    expect(client.goAway?.code).toBe(0);
    await server.close(100);
  });
});
