import { connect } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import { encodeGreeting, type Greeting } from "./greeting.ts";
import type { PeerIdentity, RefusalReason } from "./ports.ts";
import {
  introduce,
  type MemoryWorld,
  memoryWorld,
  numbered,
  numbersFrom,
  TestNode,
  tcpWorld,
} from "./testing/world.ts";

const nodes: TestNode[] = [];
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.links[Symbol.asyncDispose]();
});

async function start(world: MemoryWorld, id: number, identity: Partial<PeerIdentity> = {}): Promise<TestNode> {
  const node = await new TestNode(id, identity).start(world);
  nodes.push(node);
  return node;
}

describe("Two processes that must not link", () => {
  const cases: readonly {
    readonly what: string;
    readonly other: Partial<PeerIdentity>;
    readonly reason: RefusalReason;
  }[] = [
    { what: "of two clusters", other: { clusterId: "c2" }, reason: "wrongCluster" },
    { what: "of two roles", other: { role: "nameserver" }, reason: "wrongRole" },
  ];

  test.each(cases)("$what refuse each other, and each side logs it once", async ({ other, reason }) => {
    const world = memoryWorld(1);
    const one = await start(world, 1);
    const two = await start(world, 2, other);
    introduce(world, [one, two]);
    await world.pass(30_000);
    for (const [node, peer] of [
      [one, 2],
      [two, 1],
    ] as const) {
      expect(node.changes).toEqual([]);
      expect(node.logged("refused a peer").map(({ fields }) => fields)).toMatchObject([{ peer, reason }]);
      expect(node.logged("a peer refuses this process").map(({ fields }) => fields)).toMatchObject([{ peer, reason }]);
      expect(node.refusals.length).toBeGreaterThan(1);
      expect(node.links.counters.refused).toBeLessThan(30);
    }
  });

  test("an id that the owner has given up, or does not know, is refused whoever dials", async () => {
    const world = memoryWorld(2);
    const one = await start(world, 1);
    const two = await start(world, 2);
    const three = await start(world, 3);
    one.admit = ({ id }) => (id === 2 ? "forgotten" : "unknownId");
    introduce(world, nodes);
    await world.until(() => two.refusals.length > 0 && three.refusals.length > 0);
    expect([two.refusals[0], three.refusals[0]]).toEqual([
      { peer: 1, reason: "forgotten" },
      { peer: 1, reason: "unknownId" },
    ]);
    await world.until(() => two.links.connected(3));
    expect(one.changes).toEqual([]);
  });

  test("a copied disk: the second process of one life is refused, the first one's link stays", async () => {
    const world = memoryWorld(3);
    const one = await start(world, 1);
    const two = await start(world, 2, { incarnation: 4 });
    introduce(world, nodes);
    await world.until(() => two.links.connected(1));
    const twin = await start(world, 2, { incarnation: 4 });
    twin.links.setPeers(new Map([[1, { host: "node-1", port: one.links.port }]]));
    await world.until(() => twin.refusals.length > 0);
    expect(twin.refusals[0]).toEqual({ peer: 1, reason: "twin" });
    expect([one.changes.length, two.changes.length]).toEqual([1, 1]);
  });

  test("an old disk: a life below the highest that came is refused", async () => {
    const world = memoryWorld(4);
    const one = await start(world, 1);
    const two = await start(world, 2, { incarnation: 5 });
    introduce(world, nodes);
    await world.until(() => one.links.connected(2));
    await two.links[Symbol.asyncDispose]();
    const old = await start(world, 2, { incarnation: 4 });
    old.links.setPeers(new Map([[1, { host: "node-1", port: one.links.port }]]));
    await world.until(() => old.refusals.length > 0);
    expect(old.refusals[0]).toEqual({ peer: 1, reason: "oldIncarnation" });
    expect(one.links.connected(2)).toBe(false);
  });

  test("an address that leads to itself, or to another, is not linked with", async () => {
    const world = memoryWorld(5);
    const one = await start(world, 1);
    const two = await start(world, 2);
    one.links.setPeers(
      new Map([
        [8, { host: "node-1", port: one.links.port }],
        [9, { host: "node-2", port: two.links.port }],
      ]),
    );
    await world.until(() => one.refusals.length > 1);
    expect([...one.refusals].sort((a, b) => a.peer - b.peer)).toEqual([
      { peer: 8, reason: "ownId" },
      { peer: 9, reason: "wrongTarget" },
    ]);
    await world.pass(3_000);
    expect(one.changes).toEqual([]);
  });
});

test("a newer life replaces the link at once, and nothing of the older one is delivered after", async () => {
  const world = memoryWorld(6);
  const one = await start(world, 1);
  const two = await start(world, 2, { incarnation: 1 });
  introduce(world, nodes);
  await world.until(() => one.links.connected(2) && two.links.connected(1));
  // The old process lives on somewhere, and what it sends takes long.
  world.net.setWeather("node-2", "node-1", { latencyMinMs: 400, latencyMaxMs: 400 });
  for (let sequence = 1; sequence <= 100; sequence += 1) two.links.send(1, numbered(sequence));
  await world.pass(20);
  const elsewhere: MemoryWorld = { ...world, netOf: () => world.net.host("other"), hostOf: () => "other" };
  const again = await new TestNode(2, { incarnation: 2 }).start(elsewhere);
  nodes.push(again);
  again.links.setPeers(new Map([[1, { host: "node-1", port: one.links.port }]]));
  await world.until(() => again.links.connected(1), 100);
  again.links.send(1, numbered(1_000));
  await world.pass(2_000);
  expect(numbersFrom(one, 2)).toEqual([1_000]);
  expect(one.changes.map(({ change }) => (change.up ? change.identity.incarnation : "down"))).toEqual([1, "down", 2]);
  await world.until(() => two.refusals.length > 0);
  expect(two.refusals[0]).toEqual({ peer: 1, reason: "oldIncarnation" });
  expect(one.links.connected(2)).toBe(true);
});

test("dials that cross end in one link, whatever the network does", async () => {
  let leftovers = 0;
  for (let seed = 1; seed <= 60; seed += 1) {
    const world = memoryWorld(seed);
    const pair = [await start(world, 1), await start(world, 2)] as const;
    // Both at once, and in both orders.
    introduce(world, seed % 2 === 0 ? pair : [pair[1], pair[0]]);
    await world.until(() => pair[0].links.connected(2) && pair[1].links.connected(1), 1_000);
    await world.pass(1_500);
    expect(pair.map(({ links }) => links.counters.linksUp)).toEqual([1, 1]);
    expect(pair.map(({ links }) => links.counters.strangers)).toEqual([0, 0]);
    if (world.net.openSides !== 4) leftovers += 1;
    for (const { links } of pair) await links[Symbol.asyncDispose]();
  }
  expect(leftovers).toBe(0);
});

test("what the acceptor says at once waits until the dialler's link is up", async () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const world = memoryWorld(seed);
    const pair = [await start(world, 1), await start(world, 2)] as const;
    world.net.setWeather("node-2", "node-1", { latencyMinMs: 0, latencyMaxMs: 50 });
    for (const [node, peer] of [
      [pair[0], 2],
      [pair[1], 1],
    ] as const) {
      node.onChange = (_peer, { up }) => {
        for (let sequence = 1; up && sequence <= 5; sequence += 1) node.links.send(peer, numbered(sequence));
      };
      node.onMessage = (from) => {
        expect(node.links.connected(from)).toBe(true);
      };
    }
    introduce(world, pair);
    await world.until(() => pair.every((node) => node.received.length >= 5), 1_000);
    await world.pass(100);
    expect([numbersFrom(pair[0], 2), numbersFrom(pair[1], 1)]).toEqual([
      [1, 2, 3, 4, 5],
      [1, 2, 3, 4, 5],
    ]);
    for (const { links } of pair) await links[Symbol.asyncDispose]();
  }
});

describe("Strangers on the port", () => {
  /** Says something to a port; what it answered until it closed. */
  function knock(port: number, words: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      const socket = connect({ host: "127.0.0.1", port });
      socket.on("data", (chunk: Buffer) => chunks.push(chunk));
      socket.on("error", (error: NodeJS.ErrnoException) => {
        if (error.code !== "ECONNRESET") reject(error);
      });
      socket.on("close", () => {
        resolve(Buffer.concat(chunks));
      });
      if (words.length > 0) socket.write(words);
    });
  }

  const hello: Greeting = {
    kind: "hello",
    channel: "control",
    versions: { lowest: 1, highest: 1 },
    identity: { clusterId: "c1", role: "broker", id: 2, incarnation: 1, featureLevel: 1 },
    boot: 5,
    session: 6,
    target: 1,
    reason: undefined,
  };
  const withFrame = (frame: Uint8Array): Uint8Array => Buffer.concat([encodeGreeting(hello), frame]);

  test.each([
    { what: "random bytes", words: Buffer.from("0badc0ffee", "hex") },
    { what: "HTTP/1.1", words: Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n") },
    { what: "HTTP/2", words: Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") },
    { what: "TLS", words: Buffer.from("16030100f8010000f40303", "hex") },
    { what: "a greeting that is not a hello", words: encodeGreeting({ ...hello, kind: "welcome" }) },
    { what: "a greeting with a broken check", words: encodeGreeting(hello).fill(9, 30, 31) },
  ])("$what: closed at once without a word, counted, logged once", async ({ words }) => {
    const node = await new TestNode(1).start(tcpWorld());
    nodes.push(node);
    for (let times = 1; times <= 3; times += 1) {
      expect(await knock(node.links.port, words)).toEqual(Buffer.alloc(0));
      expect(node.links.counters.strangers).toBe(times);
    }
    expect(node.logged("closed a connection that did not become a peer's").length).toBe(1);
  });

  test("silence is ended after the time for a handshake, and strangers are bounded in number", async () => {
    const node = await new TestNode(1).start(tcpWorld(), { handshakeMs: 500, strangersMax: 3 });
    nodes.push(node);
    const closed = await Promise.all(Array.from({ length: 6 }, () => knock(node.links.port, new Uint8Array(0))));
    expect(closed.every((answer) => answer.length === 0)).toBe(true);
    expect(node.links.counters.strangers).toBe(3);
  });

  test("a peer that greets and then talks nonsense, or never makes the second connection, is closed", async () => {
    const node = await new TestNode(1).start(tcpWorld(), { handshakeMs: 200 });
    nodes.push(node);
    const answer = await knock(node.links.port, withFrame(Buffer.alloc(64, 7)));
    expect(answer.subarray(0, 4).toString()).toBe("SMQP");
    const quiet = await knock(node.links.port, withFrame(new Uint8Array(0)));
    expect(quiet.subarray(0, 4).toString()).toBe("SMQP");
    expect([node.changes, node.links.counters.strangers]).toEqual([[], 0]);
  });

  test("a peer of other versions is told so", async () => {
    const node = await new TestNode(1).start(tcpWorld());
    nodes.push(node);
    const words = encodeGreeting({ ...hello, versions: { lowest: 2, highest: 3 } });
    const answer = await knock(node.links.port, words);
    expect([answer[6], answer[13]]).toEqual([3, 9]);
    expect(node.logged("refused a peer").map(({ fields }) => fields["reason"])).toEqual(["version"]);
  });
});

test("a port that is taken is an error that says so", async () => {
  const world = tcpWorld();
  const one = await new TestNode(1).start(world);
  nodes.push(one);
  await expect(new TestNode(2).start(world, {}, one.links.port)).rejects.toThrow(`127.0.0.1:${one.links.port}`);
});
