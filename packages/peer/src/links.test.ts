import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { SaturnError } from "@saturnmq/kit";
import { PeerCallError } from "./ports.ts";
import {
  allLinked,
  introduce,
  memoryWorld,
  numbered,
  numbersFrom,
  TestNode,
  tcpWorld,
  type World,
} from "./testing/world.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);

describe.each<{ readonly name: string; readonly makeWorld: () => World }>([
  { name: "TCP", makeWorld: tcpWorld },
  { name: "the network in memory", makeWorld: () => memoryWorld(11) },
])("Links over $name", ({ makeWorld }) => {
  let world: World;
  const nodes: TestNode[] = [];
  beforeEach(() => {
    world = makeWorld();
  });
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.links[Symbol.asyncDispose]();
  });

  async function start(count: number, limits = {}): Promise<readonly TestNode[]> {
    for (let id = 1; id <= count; id += 1) nodes.push(await new TestNode(id).start(world, limits));
    introduce(world, nodes);
    await world.until(() => allLinked(nodes));
    return nodes;
  }

  test("three processes link, each pair once, and say who they are", async () => {
    const [one] = await start(3);
    await world.pass(50);
    for (const node of nodes) {
      expect(node.changes.filter(({ change }) => change.up).length).toBe(2);
      expect(node.changes.length).toBe(2);
      expect(node.links.connected(node.identity.id)).toBe(false);
    }
    expect(one!.changes.find(({ peer }) => peer === 2)?.change).toEqual({
      up: true,
      identity: nodes[1]!.identity,
      version: 1,
      restarted: false,
    });
  });

  test("messages arrive in order and whole, and never within the call that sends them", async () => {
    const [one, two] = await start(2);
    const payload = (index: number) => {
      const content = Buffer.alloc(8 + (index % 50) * 1_000, index % 251);
      return { bytes: content, start: 3, length: content.length - 5, crc: index };
    };
    for (let index = 1; index <= 500; index += 1) {
      const entries = [{ index, term: 3 }];
      const message = {
        kind: "appendRequest",
        term: 4,
        prevIndex: index - 1,
        prevTerm: 3,
        entries,
        commit: 1,
        uncounted: false,
      } as const;
      const sent = payload(index);
      one!.links.send(2, { kind: "group", group: 7, message, payloads: [sent] });
      sent.bytes.fill(255); // Encoded before it returned.
      two!.links.send(1, numbered(index));
      expect([one!.received.length, two!.received.length]).toEqual([0, 0]);
    }
    await world.until(() => two!.received.length === 500 && one!.received.length === 500);
    expect(numbersFrom(one!, 2)).toEqual(Array.from({ length: 500 }, (_, at) => at + 1));
    two!.received.forEach(({ message }, at) => {
      if (message.kind !== "group" || message.message.kind !== "appendRequest") throw new Error("another kind");
      const want = payload(at + 1);
      const got = message.payloads[0]!;
      expect([message.message.prevIndex, got.crc, got.length]).toEqual([at, want.crc, want.length]);
      const same = Buffer.compare(
        got.bytes.subarray(got.start, got.start + got.length),
        want.bytes.subarray(3, 3 + want.length),
      );
      expect(same).toBe(0);
    });
  });

  test("without a link messages are dropped and calls are not sent", async () => {
    const [one] = await start(1);
    one!.links.send(9, numbered(1));
    await expect(one!.links.call(9, bytes("x"), { timeoutMs: 10 })).rejects.toMatchObject({ outcome: "notSent" });
    expect(one!.links.counters.messagesWithoutLink).toBe(1);
  });

  test("ten thousand calls from both sides get each its own answer", async () => {
    const [one, two] = await start(2, { callsMax: 1_000 });
    for (const node of nodes) {
      node.handle = async (from, request) => {
        if (request[0]! % 3 === 0) await Promise.resolve();
        return bytes(`${Buffer.from(request).toString()} of ${String(from)}`);
      };
    }
    let wrong = 0;
    let done = 0;
    const caller = async (from: TestNode, to: number, lane: number): Promise<void> => {
      for (let round = 0; round < 50; round += 1) {
        const request = `${String(lane)}/${String(round)}`;
        const answer = await from.links.call(to, bytes(request), { timeoutMs: 10_000 });
        if (Buffer.from(answer).toString() !== `${request} of ${String(from.identity.id)}`) wrong += 1;
        done += 1;
      }
    };
    for (let lane = 0; lane < 100; lane += 1) {
      void caller(one!, 2, lane);
      void caller(two!, 1, lane);
    }
    await world.until(() => done === 10_000, 30_000);
    expect(wrong).toBe(0);
  });

  test("a handler's errors reach the caller as what they are", async () => {
    const [one, two] = await start(2);
    const thrown: Record<string, Error> = {
      saturn: new SaturnError("TOPIC_NOT_FOUND", "no such topic"),
      refused: new PeerCallError("refused", "not the leader"),
      bug: new Error("secret"),
    };
    two!.handle = async (_from, request) => {
      throw thrown[Buffer.from(request).toString()]!;
    };
    const outcomes: unknown[] = [];
    for (const what of Object.keys(thrown))
      one!.links.call(2, bytes(what), { timeoutMs: 1_000 }).catch((error: unknown) => outcomes.push(error));
    await world.until(() => outcomes.length === 3);
    expect(outcomes).toEqual([expect.any(SaturnError), expect.any(PeerCallError), expect.any(PeerCallError)]);
    expect(outcomes).toMatchObject([
      { code: "TOPIC_NOT_FOUND", message: "no such topic" },
      { outcome: "refused", message: "not the leader" },
      { outcome: "unknown", message: "the call failed inside the peer" },
    ]);
    expect(two!.logged("a peer's call failed").map(({ fields }) => fields["err"])).toEqual([thrown["bug"]]);
  });

  test("a call that takes too long or is given up has an unknown outcome, and its handler is told", async () => {
    const [one, two] = await start(2);
    const aborted: string[] = [];
    two!.handle = (_from, request, signal) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          aborted.push(Buffer.from(request).toString());
          resolve(bytes("too late"));
        });
      });
    const outcomes: unknown[] = [];
    const note = (error: unknown): void => void outcomes.push(error);
    const controller = new AbortController();
    one!.links.call(2, bytes("late"), { timeoutMs: 50 }).catch(note);
    one!.links.call(2, bytes("given up"), { timeoutMs: 5_000, signal: controller.signal }).catch(note);
    await world.until(() => outcomes.length === 1);
    controller.abort();
    await world.until(() => outcomes.length === 2 && aborted.length === 2);
    expect(outcomes).toMatchObject([{ outcome: "unknown" }, { outcome: "unknown" }]);
    expect(aborted).toEqual(["late", "given up"]);
    await expect(one!.links.call(2, bytes("x"), { timeoutMs: 50, signal: controller.signal })).rejects.toMatchObject({
      outcome: "notSent",
    });
    // Given up in the turn that made it: it never left.
    const early = new AbortController();
    const call = one!.links.call(2, bytes("early"), { timeoutMs: 50, signal: early.signal });
    early.abort();
    await expect(call).rejects.toMatchObject({ outcome: "notSent" });
    expect(aborted).toEqual(["late", "given up"]);
  });

  test("calls are bounded in number and bytes on both sides", async () => {
    const [one, two] = await start(2, { callsMax: 4, callBytesMax: 1_000, callsQueuedBytes: 3_000 });
    two!.handle = () => new Promise(() => undefined);
    const outcomes: unknown[] = [];
    const call = (length: number, timeoutMs = 60_000): void => {
      one!.links.call(2, new Uint8Array(length), { timeoutMs }).catch((error: unknown) => outcomes.push(error));
    };
    call(1_001);
    for (let times = 0; times < 3; times += 1) call(1_000, 50); // The third one would wait behind too much.
    for (let times = 0; times < 3; times += 1) call(1); // The third one would be the fifth.
    await world.until(() => outcomes.length === 5);
    expect(outcomes.map((error) => (error as PeerCallError).outcome).sort()).toEqual([
      "notSent",
      "notSent",
      "notSent",
      "unknown",
      "unknown",
    ]);
    // Handlers that ignore that they were given up still count at the peer, which serves twice as many.
    for (let round = 1; round <= 5; round += 1) {
      for (let times = 0; times < 2; times += 1) call(1, 40);
      await world.until(() => outcomes.length === 5 + 2 * round);
    }
    expect(two!.links.counters.callsRefused).toBe(6);
    expect(outcomes.slice(-6)).toMatchObject(Array.from({ length: 6 }, () => ({ outcome: "refused" })));
  });

  test("soft state comes whole with the link and as changes after, own entries before those for all", async () => {
    const [one, two, three] = await start(3);
    one!.links.publish("all", "zone", bytes("a"));
    one!.links.publish(2, "zone", bytes("b"));
    one!.links.publish("all", "gone", bytes("x"));
    await world.until(() => two!.states.get(1)?.size === 2 && three!.states.get(1)?.size === 2);
    expect([two!.states.get(1)?.get("zone"), three!.states.get(1)?.get("zone")]).toEqual(["b", "a"]);
    one!.links.publish("all", "gone", undefined);
    one!.links.publish(2, "zone", undefined);
    await world.until(() => two!.states.get(1)?.size === 1 && three!.states.get(1)?.size === 1);
    expect(two!.states.get(1)?.get("zone")).toBe("a");
    const four = await new TestNode(4).start(world);
    nodes.push(four);
    introduce(world, nodes);
    await world.until(() => four.states.get(1)?.get("zone") === "a");
    expect(nodes.map(({ links }) => links.counters.statesRepeated)).toEqual([0, 0, 0, 0]);
  });

  test("when a process ends, its links end: calls are unknown, its soft state is forgotten; a new life is linked again", async () => {
    const [one, two] = await start(2);
    two!.links.publish("all", "k", bytes("v"));
    await world.until(() => one!.states.get(2)?.get("k") === "v");
    two!.handle = () => new Promise(() => undefined);
    const outcomes: unknown[] = [];
    one!.links.call(2, bytes("x"), { timeoutMs: 10_000 }).catch((error: unknown) => outcomes.push(error));
    await world.pass(20);
    const { port } = two!.links;
    await two!.links[Symbol.asyncDispose]();
    await world.until(() => outcomes.length === 1 && !one!.links.connected(2));
    expect(outcomes).toMatchObject([{ outcome: "unknown" }]);
    expect(one!.states.get(2)?.size).toBe(0);
    expect(one!.changes.at(-1)).toEqual({ peer: 2, change: { up: false } });
    const again = await new TestNode(2, { incarnation: 2 }).start(world, {}, port);
    nodes[1] = again;
    await world.until(() => one!.links.connected(2));
    expect(one!.changes.at(-1)?.change).toMatchObject({ up: true, identity: { incarnation: 2 } });
  });

  test("a peer that is not in the map any more is let go; one that moved is found again", async () => {
    const [one, two] = await start(2);
    two!.links.setPeers(new Map());
    await world.until(() => !one!.links.connected(2) && !two!.links.connected(1));
    one!.links.setPeers(new Map());
    expect(one!.links.connected(2)).toBe(false);
    const moved = await new TestNode(2, { incarnation: 2 }).start(world);
    nodes.push(moved);
    one!.links.setPeers(new Map([[2, { host: world.hostOf(2), port: moved.links.port }]]));
    await world.until(() => one!.links.connected(2) && moved.links.connected(1));
  });
});
