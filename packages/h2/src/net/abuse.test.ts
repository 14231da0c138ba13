import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "@jest/globals";
import { penalty } from "../core/limits.ts";
import { data, grpcMessage, grpcRequest, headers, settings } from "../testing/frames.ts";
import { offences } from "../testing/offences.ts";
import { RawClient } from "../testing/raw-client.ts";

const nightly = process.env["SATURNMQ_NIGHTLY"] === "1";
/** An offender is gone by then: 2 s; more where other suites run beside this one, because the offender must get a processor to offend. */
const goneMs = nightly ? 2_000 : 4_000;
/** 50 MB, and what V8 has not collected yet on a machine that runs other suites beside this one. */
const memoryBytesMax = (nightly ? 50 : 70) << 20;

type Server = { readonly child: ChildProcess; readonly port: number };
/** One for each set of limits. */
const running = new Map<string, Server>();

async function start(limits: Record<string, number> = {}): Promise<Server> {
  const known = running.get(JSON.stringify(limits));
  if (known !== undefined) return known;
  const child = fork(fileURLToPath(new URL("../testing/abuse-server.ts", import.meta.url)), [JSON.stringify(limits)]);
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  const server = { child, port };
  running.set(JSON.stringify(limits), server);
  return server;
}

afterAll(async () => {
  for (const { child } of running.values()) {
    child.disconnect();
    await once(child, "exit");
  }
});

async function look({ child }: Server): Promise<{ rss: number; connections: number }> {
  child.send("look");
  const [seen] = (await once(child, "message")) as [{ rss: number; connections: number }];
  return seen;
}

/** A call by somebody else, to whom nothing of it may matter. Answers how long it took, milliseconds. */
async function bystander(client: RawClient, stream: number): Promise<number> {
  const startedMs = performance.now();
  const body = grpcMessage(Buffer.from("honest"));
  client.send(Buffer.concat([headers(stream, grpcRequest("/test.Echo/Fast")), data(stream, body, true)]));
  const answer = await client.untilEnded(stream);
  expect(answer.data.equals(body)).toBe(true);
  return performance.now() - startedMs;
}

test.each(offences)(
  "$what: gone in time, in bounded memory, and others are served",
  async (offence) => {
    const server = await start(offence.limits);
    const honest = await RawClient.open(server.port);
    for (let n = 0; n < 20; n += 1) await bystander(honest, 2 * n + 1);
    const before = await look(server);
    // Each from an address of its own: what one did is no matter of the next.
    const address = `127.0.1.${offences.indexOf(offence) + 1}`;
    const greeting = offence.silent === true ? "silent" : offence.settings;
    const offender = await RawClient.open(server.port, greeting, address);
    offender.keepNothing();
    if (offence.deaf === true) offender.socket.pause();
    const startedMs = performance.now();
    let sent = 0;
    let peak = before.rss;
    let slowestMs = 0;
    for (; !offender.closed && performance.now() - startedMs < goneMs; sent += 1) {
      await Promise.race([offender.sent(offence.round(sent)), new Promise((resolve) => setTimeout(resolve, 100))]);
      if (sent % 20 !== 0 && sent > 20) continue;
      peak = Math.max(peak, (await look(server)).rss);
      slowestMs = Math.max(slowestMs, await bystander(honest, 2 * (20 + sent) + 1));
    }
    if (offence.deaf === true) offender.socket.resume();
    await Promise.race([offender.untilClosed(), new Promise((resolve) => setTimeout(resolve, goneMs))]);
    // What a busy machine adds is seen in the bystander's calls.
    const goneAfterMs = (offender.closedMs ?? Number.POSITIVE_INFINITY) - startedMs;
    expect(goneAfterMs).toBeLessThan(goneMs + 3 * slowestMs);
    expect(peak - before.rss).toBeLessThan(memoryBytesMax);
    expect(slowestMs).toBeLessThan(1_000);
    expect(offender.goAway?.code ?? 11).not.toBe(0);
    await bystander(honest, 1_000_001);
    honest.close();
  },
  30_000,
);

test("an address that offends again and again waits longer each time, and others do not", async () => {
  const server = await start();
  const offend = async (): Promise<number> => {
    const startedMs = performance.now();
    const client = await RawClient.open(server.port, [], "127.0.2.1");
    for (let n = 0; n < 20 && !client.closed; n += 1)
      client.send(Buffer.concat(Array.from({ length: 100 }, () => settings())));
    await client.untilClosed();
    return performance.now() - startedMs;
  };
  const tookMs: number[] = [];
  for (let n = 0; n < penalty.free + 5; n += 1) tookMs.push(await offend());
  // Some of it is forgiven while the offences go on.
  expect(tookMs.at(-1)).toBeGreaterThan(Math.min(...tookMs.slice(0, penalty.free)) + 2 * penalty.firstMs);
  const waiting = RawClient.open(server.port, [], "127.0.2.1").then(async (client) => {
    await bystander(client, 1);
    client.close();
    return performance.now();
  });
  const honest = await RawClient.open(server.port);
  await bystander(honest, 1);
  const servedMs = performance.now();
  expect(await waiting).toBeGreaterThan(servedMs);
  honest.close();
}, 60_000);

test("thousands of connections that say nothing, or half of it, are gone by their time", async () => {
  const server = await start({ handshakeMs: 500 });
  const before = await look(server);
  const count = nightly ? 5_000 : 1_000;
  const halves = ["", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00"];
  const startedMs = performance.now();
  const clients = await Promise.all(
    Array.from({ length: count }, async (_, n) => {
      const client = await RawClient.open(server.port, "silent");
      client.send(Buffer.from(halves[n % halves.length] ?? "", "latin1"));
      return client;
    }),
  );
  const openedMs = performance.now();
  expect((await look(server)).rss - before.rss).toBeLessThan(memoryBytesMax);
  for (const client of clients) await client.untilClosed();
  expect(performance.now() - openedMs).toBeLessThan(goneMs);
  expect(openedMs - startedMs).toBeLessThan(10_000);
  const honest = await RawClient.open(server.port);
  await bystander(honest, 1);
  expect((await look(server)).connections).toBe(1);
  honest.close();
}, 30_000);
