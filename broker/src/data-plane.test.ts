import { describe, expect, test } from "@jest/globals";
import { SeededRandom } from "@saturnmq/kit";
import { everything, tagFilter } from "./domain/filter.ts";
import type { Waiter } from "./messaging.ts";
import { lone, outgoing, PlaneBench, textOf } from "./testing/plane-bench.ts";
import { receive } from "./testing/receive.ts";

describe("send, receive, acknowledge", () => {
  test("what was sent comes once, byte for byte, and not again after its ack", async () => {
    const bench = await PlaneBench.open();
    expect(bench.plane.ready).toBe(true);
    const topic = await bench.topic("orders");
    const group = await bench.group("billing");
    const texts = Array.from({ length: 20 }, (_, at) => `message ${at}`);
    const outcomes = [];
    for (const text of texts) outcomes.push(...(await bench.send(topic, text)));
    expect(new Set(outcomes.map(({ queue }) => queue))).toEqual(new Set([0, 1, 2, 3]));
    const deliveries = await bench.receiveAll(topic, group);
    expect(deliveries.map(textOf).sort()).toEqual([...texts].sort());
    for (const { attempt, queue, offset, storedAtMs } of deliveries) {
      expect(attempt).toBe(1);
      expect(outcomes).toContainEqual({ queue, offset, storedAtMs });
    }
    expect(await bench.ack(topic, group, deliveries)).toEqual(texts.map(() => undefined));
    await bench.time.pass(60_000);
    expect(await bench.receive(topic, group)).toEqual([]);
    expect(await bench.plane.describeGroup(group)).toMatchObject([
      {
        topic: "orders",
        queues: Array.from({ length: 4 }, () => ({ lag: 0, inFlight: 0, parked: 0, startOffset: 0 })),
      },
    ]);
  });

  test("messages of one call lie together in one queue", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("orders");
    const outcomes = await bench.send(topic, "a", "b", "c");
    expect(outcomes.map(({ offset }) => offset)).toEqual([0, 1, 2]);
    expect(new Set(outcomes.map(({ queue }) => queue)).size).toBe(1);
  });

  test("a send is answered only when its write has ended", async () => {
    let hold = false;
    let end: () => void = () => undefined;
    const write = (): Promise<void> => (hold ? new Promise((resolve) => (end = resolve)) : Promise.resolve());
    const bench = await PlaneBench.open({ store: { write } });
    const topic = await bench.topic("orders");
    let answered = false;
    hold = true;
    const sent = bench.plane.send(topic, [outgoing("a")], Infinity).then(() => (answered = true));
    await bench.time.pass(10);
    expect(answered).toBe(false);
    end();
    await sent;
    expect(answered).toBe(true);
  });

  test("what is staged at once is told by its ticket when its write has ended, and is received like any other", async () => {
    let hold = false;
    let end: () => void = () => undefined;
    const write = (): Promise<void> => (hold ? new Promise((resolve) => (end = resolve)) : Promise.resolve());
    const bench = await PlaneBench.open({ store: { write } });
    const topic = await bench.topic("orders", 1);
    expect(bench.plane.knownTopic("orders")).toEqual(topic);
    expect(bench.plane.knownTopic("nowhere")).toBeUndefined();
    const told: unknown[] = [];
    const waiter: Waiter = { settled: (ticket, error) => told.push([ticket, error]) };
    hold = true;
    const outcomes = [7, 8, 9].map((ticket) => bench.plane.sendNow(topic, lone(`m${ticket}`), waiter, ticket));
    expect(outcomes.map((outcome) => outcome?.offset)).toEqual([0, 1, 2]);
    await bench.time.pass(10);
    expect(told).toEqual([]);
    expect(bench.plane.counters().sentMessages).toBe(0);
    end();
    hold = false;
    await bench.time.pass(10);
    expect(told).toEqual([7, 8, 9].map((ticket) => [ticket, undefined]));
    expect(bench.plane.counters().sentMessages).toBe(3);
    const deliveries = await bench.receiveAll(topic, await bench.group("billing"));
    expect(deliveries.map(textOf)).toEqual(["m7", "m8", "m9"]);
  });

  test("a plane whose log fails can be closed, and tells whoever waits that the outcome is unknown", async () => {
    let broken = false;
    const write = (): Promise<void> => (broken ? Promise.reject(new Error("the disk is gone")) : Promise.resolve());
    const bench = await PlaneBench.open({ store: { write } });
    const topic = await bench.topic("orders", 1);
    const told: [number, string | undefined][] = [];
    const waiter: Waiter = { settled: (ticket, error) => told.push([ticket, error?.code]) };
    broken = true;
    expect(bench.plane.sendNow(topic, lone("a"), waiter, 1)).toMatchObject({ offset: 0 });
    await bench.time.pass(10);
    expect(bench.failures).toHaveLength(1);
    expect(told).toEqual([]);
    await bench.plane[Symbol.asyncDispose]();
    expect(told).toEqual([[1, "HA_NOT_AVAILABLE"]]);
    expect(bench.plane.sendNow(topic, lone("b"), waiter, 2)).toBeUndefined();
  });

  test("a message comes again after its invisible time, with a higher attempt, until it is parked", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("orders", 1);
    const group = await bench.group("billing");
    await bench.send(topic, "a");
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      const [delivery] = await bench.receive(topic, group, { invisibleMs: 5_000 });
      expect(delivery).toMatchObject({ attempt });
      expect(await bench.receive(topic, group)).toEqual([]);
      await bench.time.pass(5_000);
    }
    expect(await bench.receive(topic, group)).toEqual([]);
    expect(await bench.plane.describeGroup(group)).toMatchObject([
      { queues: [{ parked: 1, lag: 0, inFlight: 0, floor: 1 }] },
    ]);
    expect(bench.plane.counters()).toMatchObject({ parkedMessages: 1, redeliveredMessages: 2 });
  });

  test("unread is what a group has begun on and not finished, once for each group", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("orders", 1);
    const [billing, audit] = [await bench.group("billing"), await bench.group("audit")];
    const unread = () => bench.plane.counters().unreadMessages;
    await bench.send(topic, "a", "b");
    expect(unread()).toBe(0);
    const deliveries = await bench.receive(topic, billing);
    expect(unread()).toBe(2);
    await bench.receive(topic, audit);
    expect(unread()).toBe(4);
    await bench.ack(topic, billing, deliveries.slice(0, 1));
    expect(unread()).toBe(3);
  });

  test("an expired handle is refused, a second ack before that is not", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("orders", 1);
    const group = await bench.group("billing");
    await bench.send(topic, "a", "b");
    const [first, second] = await bench.receive(topic, group, { invisibleMs: 1_000 });
    expect(await bench.ack(topic, group, [first!, first!])).toEqual([undefined, undefined]);
    await bench.time.pass(1_000);
    expect(await bench.ack(topic, group, [second!])).toEqual(["INVALID_RECEIPT_HANDLE: receipt handle is expired"]);
  });

  test("changing the invisible time replaces the handle, even by the same deadline", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("orders", 1);
    const group = await bench.group("billing");
    await bench.send(topic, "a");
    const [delivery] = await bench.receive(topic, group, { invisibleMs: 10_000, waitMs: 0 });
    const remaining = 10_000 - 1;
    const replaced = await bench.plane.changeInvisible(topic, group, delivery!.receiptHandle, remaining);
    expect(await bench.ack(topic, group, [delivery!])).toEqual([
      expect.stringContaining("was replaced by a newer one"),
    ]);
    expect(await bench.ack(topic, group, [{ ...delivery!, receiptHandle: replaced }])).toEqual([undefined]);
    expect(await bench.ack(topic, group, [delivery!])).toEqual([
      expect.stringContaining("was replaced by a newer one"),
    ]);
  });

  test("an invisible time of 0 shows the message at once", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("orders", 1);
    const group = await bench.group("billing");
    await bench.send(topic, "a");
    const [delivery] = await bench.receive(topic, group);
    await bench.plane.changeInvisible(topic, group, delivery!.receiptHandle, 0);
    expect(await bench.receive(topic, group)).toMatchObject([{ attempt: 2 }]);
  });

  test("what is given back comes again with the same attempt", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("orders", 1);
    const group = await bench.group("billing");
    await bench.send(topic, "a");
    const deliveries = await bench.receive(topic, group);
    bench.plane.giveBack(deliveries);
    expect(await bench.receive(topic, group)).toMatchObject([{ attempt: 1 }]);
    expect(await bench.ack(topic, group, deliveries)).toEqual([expect.stringContaining("was replaced")]);
  });

  test("a handle of another topic or group, or of none, is refused", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("orders", 1);
    const other = await bench.topic("invoices", 1);
    const group = await bench.group("billing");
    const stranger = await bench.group("audit");
    await bench.send(topic, "a");
    const deliveries = await bench.receive(topic, group);
    expect(await bench.ack(other, group, deliveries)).toEqual([expect.stringContaining("INVALID_RECEIPT_HANDLE")]);
    expect(await bench.ack(topic, stranger, deliveries)).toEqual([expect.stringContaining("INVALID_RECEIPT_HANDLE")]);
    const forged = [{ ...deliveries[0]!, receiptHandle: "forged" }];
    expect(await bench.ack(topic, group, forged)).toEqual([expect.stringContaining("INVALID_RECEIPT_HANDLE")]);
    expect(await bench.ack(topic, group, deliveries)).toEqual([undefined]);
  });
});

describe("acknowledgements that are decided at once", () => {
  /** Three groups' worth of leases: good ones, ones that ran out, ones of another topic. */
  async function leased(shards: number) {
    const bench = await PlaneBench.open({ shards });
    const [topic, other, group] = [await bench.topic("orders"), await bench.topic("other"), await bench.group("g")];
    for (let n = 0; n < 15; n += 1) await bench.send(n % 5 === 0 ? other : topic, `${n}`, `${n}+`);
    const lost = await bench.receive(topic, group, { batchSize: 12, invisibleMs: 100 });
    await bench.time.pass(100);
    const held = await bench.receive(topic, group, { invisibleMs: 60_000 });
    return { bench, topic, group, all: [...lost, ...held, ...(await bench.receive(other, group))] };
  }

  test.each([1, 3])("do what the general way does, and answer the same (%i shards)", async (shards) => {
    let [atOnce, mixed] = [0, 0];
    for (let seed = 1; seed <= 4; seed += 1) {
      const random = new SeededRandom(seed);
      const [general, fast] = [await leased(shards), await leased(shards)];
      for (let call = 0; call < 8; call += 1) {
        const start = random.below(fast.all.length);
        // Neighbours, and now and then one that comes twice, or any other.
        const places = Array.from({ length: 1 + random.below(6) }, (_, at) =>
          random.below(6) === 0 ? random.below(fast.all.length) : (start + at - random.below(2)) % fast.all.length,
        ).map((at) => Math.max(0, at));
        const pick = (all: typeof fast.all) => places.map((at) => all[at]!);
        const expected = await general.bench.ack(general.topic, general.group, pick(general.all));
        const now = await fast.bench.ackNow(fast.topic, fast.group, pick(fast.all));
        const outcomes = now ?? (await fast.bench.ack(fast.topic, fast.group, pick(fast.all)));
        expect({ seed, call, outcomes }).toEqual({ seed, call, outcomes: expected });
        if (now === undefined) continue;
        atOnce += 1;
        if (new Set(now).size > 1) mixed += 1;
      }
      const left = await Promise.all([general, fast].map(({ bench, group }) => bench.plane.describeGroup(group)));
      expect(left[1]).toEqual(left[0]);
      expect(fast.bench.plane.counters().ackedMessages).toBe(general.bench.plane.counters().ackedMessages);
    }
    expect(atOnce).toBeGreaterThan(4);
    if (shards === 1) expect(mixed).toBeGreaterThan(0);
  });

  test("are settled after a second one of the same, and not at all where the shard is not led", async () => {
    const { bench, topic, group, all } = await leased(1);
    const [good] = all.slice(-8);
    const handles = [good!.receiptHandle];
    expect(await bench.ackNow(topic, group, [good!])).toEqual([undefined]);
    // Nothing is on its way: it is for the general way to look whether the lead still holds.
    expect(await bench.ackNow(topic, group, [good!])).toBeUndefined();
    expect(await bench.plane.ack(topic, group, handles)).toEqual([undefined]);
    await bench.crash();
    expect(await bench.ackNow(topic, group, [good!])).toBeUndefined();
  });
});

describe("long polling", () => {
  test("an empty receive is held for all of its time", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("orders");
    const group = await bench.group("billing");
    let answer: unknown;
    const request = {
      topic,
      group,
      filter: everything,
      batchSize: 1,
      invisibleMs: 1_000,
      waitMs: 10_000,
      clientId: "c",
    };
    void receive(bench.plane, request).then((deliveries) => (answer = deliveries));
    await bench.time.pass(9_999);
    expect(answer).toBeUndefined();
    expect(bench.plane.counters().waitingReceives).toBe(1);
    await bench.time.pass(1);
    expect(answer).toEqual([]);
    expect(bench.plane.counters().waitingReceives).toBe(0);
  });

  test("those who wait are served in turn, no more of them than there are messages", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("orders");
    const group = await bench.group("billing");
    const answers: string[] = [];
    const request = {
      topic,
      group,
      filter: everything,
      batchSize: 1,
      invisibleMs: 60_000,
      waitMs: 10_000,
      clientId: "c",
    };
    for (let waiter = 0; waiter < 5; waiter += 1) {
      void receive(bench.plane, request).then(([first]) => {
        answers.push(`${waiter} ${first === undefined ? "nothing" : textOf(first)}`);
      });
    }
    await bench.send(topic, "a", "b");
    await bench.time.pass(10);
    expect(answers).toEqual(["0 a", "1 b"]);
    await bench.time.pass(10_000);
    expect(answers.slice(2)).toEqual(["2 nothing", "3 nothing", "4 nothing"]);
  });

  test("an aborted receive leases nothing", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("orders", 1);
    const group = await bench.group("billing");
    const abort = new AbortController();
    const request = {
      topic,
      group,
      filter: everything,
      batchSize: 9,
      invisibleMs: 60_000,
      waitMs: 10_000,
      clientId: "c",
    };
    const aborted = receive(bench.plane, request, abort.signal);
    abort.abort();
    expect(await aborted).toEqual([]);
    await bench.send(topic, "a");
    expect(await bench.receive(topic, group)).toMatchObject([{ attempt: 1 }]);
  });

  test("a lease that ends wakes who waits", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("orders", 1);
    const group = await bench.group("billing");
    await bench.send(topic, "a");
    await bench.receive(topic, group, { invisibleMs: 2_000 });
    let attempt = 0;
    const request = {
      topic,
      group,
      filter: everything,
      batchSize: 1,
      invisibleMs: 9_000,
      waitMs: 30_000,
      clientId: "c",
    };
    void receive(bench.plane, request).then(([first]) => (attempt = first?.attempt ?? 0));
    await bench.time.pass(2_000);
    expect(attempt).toBe(2);
  });

  test("closing ends receives empty, refuses sends, and a new start knows everything", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("orders", 1);
    const group = await bench.group("billing");
    await bench.send(topic, "a", "b");
    const [first] = await bench.receive(topic, group, { batchSize: 1, invisibleMs: 60_000 });
    await bench.ack(topic, group, [first!]);
    const request = {
      topic,
      group,
      filter: tagFilter(["x"]),
      batchSize: 1,
      invisibleMs: 9_000,
      waitMs: 30_000,
      clientId: "c",
    };
    const held = receive(bench.plane, { ...request, group: await bench.group("other") });
    await bench.plane[Symbol.asyncDispose]();
    expect(await held).toEqual([]);
    await expect(bench.plane.send(topic, [outgoing("c")], Infinity)).rejects.toThrow("shutting down");
    await bench.crash();
    expect((await bench.receive(topic, group)).map(textOf)).toEqual(["b"]);
    expect(bench.failures).toEqual([]);
  });
});

describe("crashes", () => {
  test("acknowledged messages stay acknowledged, leases keep their deadlines, the rest comes again", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("orders", 3);
    const group = await bench.group("billing");
    for (let at = 0; at < 12; at += 1) await bench.send(topic, `m${at}`);
    const deliveries = await bench.receiveAll(topic, group, { invisibleMs: 30_000 });
    expect(deliveries).toHaveLength(12);
    await bench.ack(
      topic,
      group,
      deliveries.filter((_, at) => at % 2 === 0),
    );
    await bench.crash();
    expect(await bench.receive(topic, group)).toEqual([]);
    expect(await bench.ack(topic, group, deliveries.slice(0, 2))).toEqual([undefined, undefined]);
    await bench.time.pass(30_000);
    const again = await bench.receiveAll(topic, group);
    expect(again.map(textOf).sort()).toEqual(
      deliveries
        .filter((_, at) => at % 2 === 1 && at !== 1)
        .map(textOf)
        .sort(),
    );
    expect(again.every(({ attempt }) => attempt === 2)).toBe(true);
  });

  test("a lease whose record was lost still acknowledges, unless the message was leased anew", async () => {
    let hold = false;
    const held: (() => void)[] = [];
    const write = (): Promise<void> => (hold ? new Promise((resolve) => held.push(resolve)) : Promise.resolve());
    const bench = await PlaneBench.open({ store: { write }, shards: 1 });
    const topic = await bench.topic("orders", 1);
    const group = await bench.group("billing");
    await bench.send(topic, "a", "b");
    await bench.receive(topic, group, { batchSize: 1, invisibleMs: 0 });
    hold = true;
    const lost = await bench.receive(topic, group, { batchSize: 2, invisibleMs: 60_000 });
    expect(lost.map(textOf).sort()).toEqual(["a", "b"]);
    hold = false;
    await bench.crash();
    expect(await bench.ack(topic, group, [lost[0]!])).toEqual([undefined]);
    const again = await bench.receive(topic, group);
    expect(again.map(textOf)).toEqual([textOf(lost[1]!)]);
    expect(await bench.ack(topic, group, [lost[1]!])).toEqual([expect.stringContaining("was replaced")]);
  });

  test("a restart after checkpoints and sealed segments knows the same", async () => {
    const bench = await PlaneBench.open({ store: { segmentBytes: 4_096, checkpointBytes: 16_384 } });
    const topic = await bench.topic("orders", 6);
    const group = await bench.group("billing");
    for (let at = 0; at < 300; at += 1) await bench.send(topic, `message ${at} ${"x".repeat(100)}`);
    let acked = 0;
    for (let round = 0; round < 5; round += 1) {
      const deliveries = await bench.receive(topic, group);
      await bench.ack(topic, group, deliveries);
      acked += deliveries.length;
      await bench.time.pass(1_000);
    }
    expect(acked).toBeGreaterThan(100);
    await bench.crash();
    expect(await bench.receiveAll(topic, group)).toHaveLength(300 - acked);
    expect(bench.failures).toEqual([]);
  });
});

describe("filters, starts, retention, deletion", () => {
  test("only wanted tags are delivered; the others are finished", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("orders");
    const group = await bench.group("billing");
    const messages = Array.from({ length: 1_000 }, (_, at) => outgoing(`m${at}`, ["red", "blue", undefined][at % 3]));
    for (let at = 0; at < 1_000; at += 100) await bench.plane.send(topic, messages.slice(at, at + 100), Infinity);
    const got = [];
    for (let round = 0; round < 20; round += 1) {
      const deliveries = await bench.receive(topic, group, { filter: tagFilter(["blue"]) });
      await bench.ack(topic, group, deliveries);
      got.push(...deliveries.map(textOf));
    }
    const wanted = messages.filter(({ tag }) => tag === "blue").map(({ messageId }) => messageId);
    expect(got.sort()).toEqual(wanted.sort());
    const [status] = await bench.plane.describeGroup(group);
    expect(status!.queues.every(({ lag, floor, nextOffset }) => lag === 0 && floor === nextOffset)).toBe(true);
  });

  test("consumers of one group with different filters each get theirs, and what nobody wants is finished", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("orders");
    const group = await bench.group("billing");
    const filters = [tagFilter(["red"]), tagFilter(["blue", "gold"])] as const;
    for (const filter of filters) expect(await bench.receive(topic, group, { filter })).toEqual([]);
    const tags = ["red", "blue", "gold", "green", undefined] as const;
    const messages = Array.from({ length: 1_000 }, (_, at) => outgoing(`m${at}`, tags[at % 5]));
    for (let at = 0; at < 1_000; at += 50) await bench.plane.send(topic, messages.slice(at, at + 50), Infinity);
    for (const filter of filters) {
      const deliveries = await bench.receiveAll(topic, group, { filter });
      const wanted = messages.filter(({ tag }) => tag !== undefined && filter.expression.split("||").includes(tag));
      expect(deliveries.map(textOf).sort()).toEqual(wanted.map(({ messageId }) => messageId).sort());
      // Some come again, to those who want them.
      await bench.ack(topic, group, deliveries.slice(10));
      await bench.time.pass(10_000);
      expect((await bench.receiveAll(topic, group, { filter: tagFilter(["none"]) })).map(textOf)).toEqual([]);
      const again = await bench.receiveAll(topic, group, { filter });
      expect(again.map(textOf).sort()).toEqual(deliveries.slice(0, 10).map(textOf).sort());
      await bench.ack(topic, group, again);
    }
    const [status] = await bench.plane.describeGroup(group);
    expect(status!.queues.every(({ lag, floor, nextOffset }) => lag === 0 && floor === nextOffset)).toBe(true);
    expect(bench.failures).toEqual([]);
  });

  test("a filter survives a crash; unused for ten minutes it is forgotten, and what only it wanted is finished", async () => {
    const bench = await PlaneBench.open({ shards: 1 });
    const topic = await bench.topic("orders", 1);
    const group = await bench.group("billing");
    const [red, blue] = [tagFilter(["red"]), tagFilter(["blue"])];
    for (const filter of [red, blue]) await bench.receive(topic, group, { filter });
    const messages = ["red", "blue", "blue", "red"].map((tag, at) => outgoing(`m${at}`, tag));
    await bench.plane.send(topic, messages, Infinity);
    await bench.crash();
    await bench.ack(topic, group, await bench.receive(topic, group, { filter: red }));
    expect(await bench.plane.describeGroup(group)).toMatchObject([{ queues: [{ lag: 2 }] }]);
    for (let minute = 0; minute < 9; minute += 1) {
      await bench.time.pass(60_000);
      await bench.receive(topic, group, { filter: red });
    }
    expect(await bench.plane.describeGroup(group)).toMatchObject([{ queues: [{ lag: 2 }] }]);
    await bench.time.pass(90_000);
    await bench.receive(topic, group, { filter: red });
    expect(await bench.plane.describeGroup(group)).toMatchObject([{ queues: [{ lag: 0 }] }]);
    expect(bench.failures).toEqual([]);
  });

  test("a filter whose client is connected is kept, however long it does not ask", async () => {
    const present = new Set(["slow"]);
    const bench = await PlaneBench.open({ shards: 1, isPresent: (clientId) => present.has(clientId) });
    const topic = await bench.topic("orders", 1);
    const group = await bench.group("billing");
    await bench.plane.subscribe({ topic, group, filter: tagFilter(["blue"]), clientId: "slow" });
    await bench.plane.send(topic, [outgoing("m", "blue")], Infinity);
    const red = { filter: tagFilter(["red"]) };
    await bench.time.pass(3_600_000);
    await bench.receive(topic, group, red);
    expect(await bench.plane.describeGroup(group)).toMatchObject([{ queues: [{ lag: 1 }] }]);
    present.clear();
    await bench.time.pass(700_000);
    await bench.receive(topic, group, red);
    expect(await bench.plane.describeGroup(group)).toMatchObject([{ queues: [{ lag: 0 }] }]);
  });

  test("a filter that is added wakes nobody and loses nothing; one too many is refused with what to do", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("orders");
    const group = await bench.group("billing");
    for (let at = 0; at < 16; at += 1) await bench.receive(topic, group, { filter: tagFilter([`tag-${at}`]) });
    const seventeenth = { topic, group, filter: tagFilter(["one too many"]), clientId: "c" };
    const refused = { code: "ILLEGAL_FILTER_EXPRESSION", message: expect.stringContaining("16 different filters") };
    await expect(bench.plane.subscribe(seventeenth)).rejects.toMatchObject(refused);
    const request = { ...seventeenth, batchSize: 1, invisibleMs: 1_000, waitMs: 10 };
    await expect(receive(bench.plane, request)).rejects.toMatchObject(refused);
    await bench.plane.send(topic, [outgoing("m", "tag-15")], Infinity);
    expect((await bench.receive(topic, group, { filter: tagFilter(["tag-15"]) })).map(textOf)).toEqual(["m"]);
  });

  test("a group begins where its start says", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("orders", 1);
    await bench.send(topic, "old");
    await bench.time.pass(3 * 3_600_000);
    const implicit = await bench.group("implicit");
    const create = { requestId: "r", order: false, maxAttempts: undefined, implicit: false };
    const earliest = await bench.metadata.createGroup({ ...create, name: "earliest", from: "earliest" });
    const latest = await bench.metadata.createGroup({ ...create, name: "latest", from: "latest" });
    await bench.time.pass(1);
    await bench.send(topic, "new");
    expect((await bench.receive(topic, earliest)).map(textOf)).toEqual(["old", "new"]);
    expect((await bench.receive(topic, latest)).map(textOf)).toEqual(["new"]);
    expect((await bench.receive(topic, implicit)).map(textOf)).toEqual(["new"]);
    const young = await bench.topic("young", 1);
    await bench.send(young, "first");
    expect((await bench.receive(young, implicit)).map(textOf)).toEqual(["first"]);
  });

  test.each([
    { bound: "a number", retentionBytes: 20_000 },
    { bound: "what the disk says at the moment", retentionBytes: () => Promise.resolve(20_000) },
  ])("retention by size, bound by $bound, drops the oldest messages; groups go on behind them", async (settings) => {
    const bench = await PlaneBench.open({
      store: { segmentBytes: 4_096 },
      settings: { retentionBytes: settings.retentionBytes },
      shards: 2,
    });
    const topic = await bench.topic("orders", 2);
    const group = await bench.group("billing");
    await bench.send(topic, "first");
    const [first] = await bench.receive(topic, group, { invisibleMs: 3_600_000 });
    for (let at = 0; at < 400; at += 1) await bench.send(topic, `message ${at} ${"x".repeat(100)}`);
    for (let round = 0; round < 4; round += 1) {
      await bench.time.pass(3_000);
      await bench.send(topic, "a write that frees what may go");
    }
    const queues = await bench.plane.describeTopic(topic);
    expect(queues.every(({ minOffset }) => minOffset > 0)).toBe(true);
    expect(bench.store.usage().logBytes).toBeLessThan(40_000);
    expect(await bench.ack(topic, group, [first!])).toEqual([expect.stringContaining("no longer kept")]);
    await expect(bench.plane.peek(topic, 0, 0)).rejects.toThrow("holds offsets");
    const { queue, minOffset } = queues[0]!;
    expect(textOf(await bench.plane.peek(topic, queue, minOffset))).toMatch(/^message /);
    const left = queues.reduce((sum, status) => sum + status.nextOffset - status.minOffset, 0);
    const got = [];
    for (let round = 0; round < 20; round += 1)
      got.push(...(await bench.receive(topic, group, { invisibleMs: 60_000 })));
    expect(got).toHaveLength(left);
    await bench.crash();
    expect(await bench.plane.describeTopic(topic)).toEqual(queues);
    expect(bench.failures).toEqual([]);
  });

  test("a topic's own retention trims its queues by time", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("short", 1, 60_000);
    await bench.send(topic, "a", "b");
    await bench.time.pass(50_000);
    await bench.send(topic, "c");
    await bench.time.pass(20_000);
    expect(await bench.plane.describeTopic(topic)).toMatchObject([{ minOffset: 2, nextOffset: 3 }]);
  });

  test("a deleted topic's handles, sends and receives are refused, and a new one of its name is empty", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("orders", 3);
    const group = await bench.group("billing");
    for (const text of ["a", "b", "c", "d"]) await bench.send(topic, text);
    const deliveries = await bench.receiveAll(topic, group);
    const request = {
      topic,
      group,
      filter: tagFilter(["x"]),
      batchSize: 1,
      invisibleMs: 9_000,
      waitMs: 30_000,
      clientId: "c",
    };
    const held = receive(bench.plane, request);
    const outcome = expect(held).rejects.toThrow("topic orders was deleted");
    await bench.metadata.deleteTopic({ name: "orders" });
    await outcome;
    const anew = await bench.topic("orders", 3);
    await expect(bench.plane.send(topic, [outgoing("x")], Infinity)).rejects.toMatchObject({ code: "TOPIC_NOT_FOUND" });
    expect(await bench.ack(topic, group, deliveries.slice(0, 1))).toEqual([expect.stringContaining("deleted topic")]);
    expect(await bench.ack(anew, group, deliveries.slice(1, 2))).toEqual([
      expect.stringContaining("deleted one of this name"),
    ]);
    expect(await bench.receive(anew, group)).toEqual([]);
    expect(await bench.plane.describeTopic(anew)).toMatchObject([
      { nextOffset: 0 },
      { nextOffset: 0 },
      { nextOffset: 0 },
    ]);
  });

  test("a deleted group's state goes; one of its name begins anew", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("orders", 3);
    const group = await bench.group("billing");
    await bench.send(topic, "a");
    const deliveries = await bench.receive(topic, group);
    await bench.metadata.deleteGroup({ name: "billing" });
    expect(await bench.ack(topic, group, deliveries)).toEqual([expect.stringContaining("deleted consumer group")]);
    const anew = await bench.group("billing");
    expect(await bench.receive(topic, anew)).toMatchObject([{ attempt: 1 }]);
  });
});

describe("refusals", () => {
  test("more than the staged bytes allow is refused at once, and taken later", async () => {
    let open = true;
    let end: () => void = () => undefined;
    const write = (): Promise<void> => (open ? Promise.resolve() : new Promise((resolve) => (end = resolve)));
    const bench = await PlaneBench.open({ store: { write }, settings: { stagedBytesMax: 5_000 } });
    const topic = await bench.topic("orders");
    open = false;
    const first = bench.plane.send(topic, [outgoing("x".repeat(4_000))], Infinity);
    await expect(bench.plane.send(topic, [outgoing("y".repeat(4_000))], Infinity)).rejects.toMatchObject({
      code: "TOO_MANY_REQUESTS",
    });
    expect(bench.plane.counters().refusedSends).toBe(1);
    open = true;
    await bench.time.pass(1);
    end();
    await first;
    await expect(bench.send(topic, "y".repeat(4_000))).resolves.toHaveLength(1);
  });

  test("a full disk refuses sends and goes on with receives and acks", async () => {
    const bench = await PlaneBench.open();
    const topic = await bench.topic("orders", 1);
    const group = await bench.group("billing");
    await bench.send(topic, "a");
    const { store } = bench;
    const usage = store.usage.bind(store);
    store.usage = () => ({ ...usage(), full: true });
    await bench.time.pass(1_000);
    await expect(bench.plane.send(topic, [outgoing("b")], Infinity)).rejects.toThrow(/disk of this broker is full/);
    const deliveries = await bench.receive(topic, group);
    expect(await bench.ack(topic, group, deliveries)).toEqual([undefined]);
    store.usage = usage;
    await expect(bench.send(topic, "c")).resolves.toHaveLength(1);
  });

  test("an unknown topic is named", async () => {
    const bench = await PlaneBench.open();
    await expect(bench.plane.topic("nothing")).rejects.toMatchObject({ code: "TOPIC_NOT_FOUND" });
  });
});
