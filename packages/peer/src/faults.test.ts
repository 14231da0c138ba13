import { connect } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import type { PeerMessage } from "raft-ts";
import { encodeGreeting } from "./greeting.ts";
import type { PeerLimits } from "./limits.ts";
import { allLinked, introduce, type MemoryWorld, memoryWorld, TestNode, tcpWorld } from "./testing/world.ts";

const nodes: TestNode[] = [];
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.links[Symbol.asyncDispose]();
});

async function linked(
  seed: number,
  limits: Partial<PeerLimits> = {},
): Promise<{ readonly world: MemoryWorld; readonly one: TestNode; readonly two: TestNode }> {
  const world = memoryWorld(seed);
  const one = await new TestNode(1).start(world, limits);
  const two = await new TestNode(2).start(world, limits);
  nodes.push(one, two);
  introduce(world, nodes);
  await world.until(() => allLinked(nodes));
  await world.pass(2_000);
  return { world, one, two };
}

const ups = (node: TestNode): readonly boolean[] => node.changes.map(({ change }) => change.up);

describe("A link", () => {
  test("that is idle stays, for as long as you like", async () => {
    const { world, one, two } = await linked(1);
    await world.pass(60_000);
    expect([ups(one), ups(two)]).toEqual([[true], [true]]);
  });

  test("that is cut is closed by both sides within 1.5 s, and back within 1.5 s of healing", async () => {
    const { world, one, two } = await linked(2);
    world.net.setCut("node-1", "node-2", true);
    await world.until(() => !one.links.connected(2) && !two.links.connected(1), 1_500);
    expect([one.links.counters.linksSilent, two.links.counters.linksSilent]).toEqual([1, 1]);
    await world.pass(30_000);
    world.net.setCut("node-1", "node-2", false);
    await world.until(() => allLinked(nodes), 1_500);
  });

  test.each([
    ["node-1", "node-2"],
    ["node-2", "node-1"],
  ])("that is cut from %s to %s only is closed by both sides too", async (from, to) => {
    const { world, one, two } = await linked(3);
    world.net.setWeather(from, to, { cut: true });
    await world.until(() => !one.links.connected(2) && !two.links.connected(1), 1_600);
    await world.pass(10_000);
    world.net.setWeather(from, to, { cut: false });
    await world.until(() => allLinked(nodes), 1_500);
  });

  test("that is reset is back within 300 ms", async () => {
    const { world, one } = await linked(4);
    world.net.reset("node-1", "node-2");
    await world.until(() => !one.links.connected(2), 10);
    await world.until(() => allLinked(nodes), 300);
  });

  test("whose peer vanished is closed within 1.5 s; the peer's next life does not wait for that", async () => {
    const { world, one, two } = await linked(5);
    const { port } = two.links;
    world.net.vanish("node-2");
    await world.until(() => !one.links.connected(2), 1_500);
    const again = await new TestNode(2, { incarnation: 2 }).start(world, {}, port);
    nodes.push(again);
    introduce(world, [one, again]);
    await world.until(() => allLinked([one, again]), 2_000);

    world.net.vanish("node-2");
    const third = await new TestNode(2, { incarnation: 3 }).start(world, {}, port);
    nodes.push(third);
    introduce(world, [one, third]);
    await world.until(() => third.links.connected(1), 200);
    expect(one.changes.at(-1)?.change).toMatchObject({ identity: { incarnation: 3 }, restarted: true });
  });

  test("is not blamed for a pause of this process itself", async () => {
    const { world, one } = await linked(6);
    // Time jumps: timers that are long overdue run before anything that came meanwhile is read.
    for (let times = 0; times < 5; times += 1) {
      world.net.setWeather("node-2", "node-1", { latencyMinMs: 0, latencyMaxMs: 0 });
      world.time.advance(900);
      await world.pass(300);
    }
    expect(ups(one)).toEqual([true]);
  });

  test("with a peer that takes too little drops the oldest messages and keeps the order; memory is bounded", async () => {
    const limits = { messagesQueuedBytes: 500_000 };
    const { world, one, two } = await linked(7, limits);
    world.net.setWeather("node-1", "node-2", { bytesPerMs: 200 });
    const message = (sequence: number): PeerMessage => ({
      kind: "group",
      group: 1,
      message: {
        kind: "appendRequest",
        term: 1,
        prevIndex: sequence,
        prevTerm: 1,
        entries: [{ index: sequence + 1, term: 1 }],
        commit: 0,
        uncounted: false,
      },
      payloads: [{ bytes: new Uint8Array(2_000), start: 0, length: 2_000, crc: 0 }],
    });
    let sent = 0;
    for (let ms = 0; ms < 2_000; ms += 1) {
      one.links.send(2, message((sent += 1)));
      await world.pass(1);
    }
    const before = two.received.length;
    const { messagesDropped } = one.links.counters;
    expect(messagesDropped).toBeGreaterThan(500);
    // What waits: the queue, one write, and what the systems between hold.
    expect(sent - messagesDropped - before).toBeLessThan((500_000 + 262_144 + 262_144 + 20_000) / 2_000);
    await world.until(() => two.received.length + messagesDropped === sent, 30_000);
    const got = two.received.map(({ message: one_ }) =>
      one_.kind === "group" && one_.message.kind === "appendRequest" ? one_.message.prevIndex : 0,
    );
    expect(got).toEqual([...got].sort((a, b) => a - b));
    expect(got.at(-1)).toBe(sent);
    expect(ups(one)).toEqual([true]);
  }, 20_000);

  test("with a peer that calls and does not read the answers refuses it, and in the end cuts it off", async () => {
    const { world, one, two } = await linked(8, {
      callsQueuedBytes: 300_000,
      bulkQueuedBytes: 700_000,
      callBytesMax: 200_000,
    });
    world.net.setWeather("node-2", "node-1", { bytesPerMs: 1 });
    two.handle = async () => new Uint8Array(150_000);
    const outcomes: string[] = [];
    const note = (error: unknown): void => void outcomes.push((error as { outcome: string }).outcome);
    for (let times = 0; times < 30; times += 1) {
      one.links.call(2, new Uint8Array(1), { timeoutMs: 60_000 }).catch(note);
      await world.pass(2);
    }
    expect(two.links.counters.callsRefused).toBeGreaterThan(10);
    world.net.setCut("node-1", "node-2", true);
    await world.until(() => outcomes.length === 30, 5_000);
    expect(new Set(outcomes)).toEqual(new Set(["unknown"]));
  });
});

test("a peer on TCP that greets and never reads again costs bounded memory and is cut off", async () => {
  const world = tcpWorld();
  const one = await new TestNode(1).start(world, { bulkQueuedBytes: 8_000_000, probeMs: 50, silentProbesMax: 100 });
  nodes.push(one);
  const greeting = {
    kind: "hello" as const,
    versions: { lowest: 1, highest: 1 },
    identity: { ...one.identity, id: 2 },
    boot: 5,
    session: 6,
    target: 1,
    reason: undefined,
  };
  const sockets = [];
  for (const channel of ["control", "bulk"] as const) {
    const socket = connect({ host: "127.0.0.1", port: one.links.port });
    sockets.push(socket);
    socket.on("error", () => undefined);
    socket.write(encodeGreeting({ ...greeting, channel }));
    await new Promise((resolve) => socket.once("readable", resolve));
  }
  await world.until(() => one.links.connected(2));
  const outcomes: unknown[] = [];
  for (let times = 0; times < 200; times += 1)
    one.links.call(2, new Uint8Array(1_000_000), { timeoutMs: 60_000 }).catch((error: unknown) => outcomes.push(error));
  // More than the bound for requests is not taken, and what was taken is more than a peer may let wait.
  await world.until(() => !one.links.connected(2));
  await world.until(() => outcomes.length === 200);
  const notSent = outcomes.filter((error) => (error as { outcome: string }).outcome === "notSent").length;
  expect(notSent).toBeGreaterThan(130);
  expect(notSent).toBeLessThan(200);
  expect(one.links.counters.linksBroken).toBe(1);
  for (const socket of sockets) socket.destroy();
});
