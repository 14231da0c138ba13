import { expect, test } from "@jest/globals";
import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import { everything, tagFilter } from "./domain/filter.ts";
import type { Delivery } from "./messaging.ts";
import { type BenchOptions, outgoing, PlaneBench, textOf } from "./testing/plane-bench.ts";
import { receive } from "./testing/receive.ts";

type Bench = { readonly bench: PlaneBench; readonly topic: TopicInfo; readonly group: GroupInfo };

async function open(options: BenchOptions = {}, queues = 4): Promise<Bench> {
  const bench = await PlaneBench.open(options);
  const topic = await bench.metadata.createTopic({ name: "ordered", type: "FIFO", queues, retentionMs: undefined });
  const about = { requestId: "r", order: true, from: "earliest", maxAttempts: undefined, implicit: false } as const;
  return { bench, topic, group: await bench.metadata.createGroup({ ...about, name: "billing" }) };
}

async function send({ bench, topic }: Bench, ...texts: string[]): Promise<void> {
  // The letter is the message group.
  const messages = texts.map((text) => outgoing(text, undefined, text[0]));
  const sent = bench.plane.send(topic, messages, Infinity);
  await bench.time.pass(1);
  expect(await sent).toHaveLength(texts.length);
}

test("messages of one group lie in one queue in the order of their sends, and come back by their call's places", async () => {
  const { bench, topic } = await open();
  const texts = Array.from({ length: 60 }, (_, at) => `${"abcdefghij"[at % 10]!}${at}`);
  const sent = bench.plane.send(
    topic,
    texts.map((text) => outgoing(text, undefined, text[0])),
    Infinity,
  );
  await bench.time.pass(1);
  const outcomes = await sent;
  const queues = new Map<string, Set<number>>();
  for (const [at, { queue, offset }] of outcomes.entries()) {
    expect(textOf(await bench.plane.peek(topic, queue, offset))).toBe(texts[at]);
    queues.set(texts[at]![0]!, (queues.get(texts[at]![0]!) ?? new Set()).add(queue));
  }
  expect([...queues.values()].every((used) => used.size === 1)).toBe(true);
  expect(new Set([...queues.values()].flatMap((used) => [...used])).size).toBeGreaterThan(1);
});

test("one holder a message group; the others flow; an acknowledgement lets the next one go and wakes who waits", async () => {
  const world = await open();
  const { bench, topic, group } = world;
  await send(world, "a1", "a2", "a3", "b1");
  const first = await bench.receive(topic, group, { batchSize: 1, invisibleMs: 60_000 });
  const second = await bench.receive(topic, group, { batchSize: 9, invisibleMs: 60_000 });
  expect([...first, ...second].map(textOf).sort()).toEqual(["a1", ...(second.length === 3 ? ["a2", "a3"] : []), "b1"]);
  const a1 = [...first, ...second].find((delivery) => textOf(delivery) === "a1")!;
  expect(await bench.receive(topic, group)).toEqual([]);
  let woken: readonly Delivery[] = [];
  const request = { topic, group, filter: everything, batchSize: 9, invisibleMs: 9_000, waitMs: 30_000, clientId: "c" };
  void receive(bench.plane, request).then((deliveries) => (woken = deliveries));
  await bench.time.pass(1_000);
  expect(woken).toEqual([]);
  await bench.ack(topic, group, [a1, ...second.filter((one) => textOf(one) !== "b1")]);
  await bench.time.pass(10);
  if (second.length < 3) expect(woken.map(textOf)).toEqual(["a2", "a3"]);
  expect(bench.failures).toEqual([]);
});

test("an unacknowledged message comes first again, with a higher attempt, and what follows it waits until it is parked", async () => {
  const world = await open();
  const { bench, topic, group } = world;
  await send(world, "a1", "a2");
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    const request = { batchSize: 1, invisibleMs: 1_000 };
    const deliveries = await bench.receive(topic, group, request);
    expect(deliveries.map((one) => [textOf(one), one.attempt])).toEqual([["a1", attempt]]);
    expect(await bench.receive(topic, group, request)).toEqual([]);
    await bench.time.pass(1_000);
  }
  expect((await bench.receive(topic, group)).map((one) => [textOf(one), one.attempt])).toEqual([["a2", 1]]);
});

test("the same attempt of a client gets the same messages again under new handles; another one waits", async () => {
  const world = await open();
  const { bench, topic, group } = world;
  await send(world, "a1", "a2", "a3");
  const attempt = { batchSize: 2, invisibleMs: 30_000, clientId: "c", attemptId: "x" };
  const lost = await bench.receive(topic, group, attempt);
  expect(lost.map(textOf)).toEqual(["a1", "a2"]);
  expect(await bench.receive(topic, group, { ...attempt, attemptId: "y" })).toEqual([]);
  expect(await bench.receive(topic, group, { ...attempt, clientId: "d" })).toEqual([]);
  const again = await bench.receive(topic, group, attempt);
  expect(again.map((one) => [textOf(one), one.attempt])).toEqual([
    ["a1", 1],
    ["a2", 1],
  ]);
  expect(await bench.ack(topic, group, lost.slice(0, 1))).toEqual([expect.stringContaining("was replaced")]);
  await bench.crash();
  const afterRestart = await bench.receive(topic, group, attempt);
  expect(afterRestart.map(textOf)).toEqual(["a1", "a2"]);
  expect(await bench.ack(topic, group, afterRestart)).toEqual([undefined, undefined]);
  expect((await bench.receive(topic, group, attempt)).map(textOf)).toEqual(["a3"]);
});

test("a restart knows who holds what", async () => {
  const world = await open({ store: { segmentBytes: 4_096, checkpointBytes: 2_048 } });
  const { bench, topic, group } = world;
  for (let at = 0; at < 20; at += 1) await send(world, `a${at}`, `b${at}`, `c${at}`);
  const held = await bench.receive(topic, group, { batchSize: 2, invisibleMs: 30_000 });
  const [{ queue }] = held as [Delivery];
  await bench.crash();
  const free = await bench.receiveAll(topic, group, { invisibleMs: 60_000 });
  const groupsHeld = new Set(held.map((one) => textOf(one)[0]));
  expect(free.some((one) => groupsHeld.has(textOf(one)[0]))).toBe(false);
  expect(await bench.ack(topic, group, held)).toEqual(held.map(() => undefined));
  expect((await bench.receive(topic, group)).every((one) => one.queue === queue)).toBe(true);
});

test("nothing is delivered before its lease is durable", async () => {
  let hold = false;
  const ends: (() => void)[] = [];
  const write = (): Promise<void> => (hold ? new Promise((resolve) => ends.push(resolve)) : Promise.resolve());
  const world = await open({ store: { write } });
  const { bench, topic, group } = world;
  await send(world, "a1");
  expect((await bench.receive(topic, group, { batchSize: 1, invisibleMs: 0 })).map(textOf)).toEqual(["a1"]);
  await bench.time.pass(10);
  hold = true;
  let got: readonly Delivery[] = [];
  const request = { topic, group, filter: everything, batchSize: 1, invisibleMs: 9_000, waitMs: 5_000, clientId: "c" };
  void receive(bench.plane, request).then((deliveries) => (got = deliveries));
  await bench.time.pass(1_000);
  expect(got).toEqual([]);
  hold = false;
  for (const end of ends) end();
  await bench.time.pass(10);
  expect(got.map(textOf)).toEqual(["a1"]);
});

test("an ordered group takes messages without message group one by one, in any number", async () => {
  const { bench, group } = await open();
  const plain = await bench.topic("plain");
  for (let at = 0; at < 50; at += 1) await bench.send(plain, `m${at}`);
  expect(await bench.receiveAll(plain, group, { batchSize: 7 })).toHaveLength(50);
});

test("filters of an ordered group: what is for another consumer keeps its place, what nobody wants is finished", async () => {
  const { bench, topic, group } = await open({}, 1);
  const [red, blue] = [tagFilter(["red"]), tagFilter(["blue"])];
  for (const filter of [red, blue]) await bench.receive(topic, group, { filter });
  const tags = ["red", "grey", "blue", "red"] as const;
  const messages = tags.map((tag, at) => outgoing(`a${at} ${tag}`, tag, "a"));
  await bench.plane.send(topic, messages, Infinity);
  const first = await bench.receive(topic, group, { filter: red });
  expect(first.map(textOf)).toEqual(["a0 red"]);
  expect(await bench.receive(topic, group, { filter: blue })).toEqual([]);
  await bench.ack(topic, group, first);
  expect(await bench.receive(topic, group, { filter: red })).toEqual([]);
  const second = await bench.receive(topic, group, { filter: blue });
  expect(second.map(textOf)).toEqual(["a2 blue"]);
  await bench.ack(topic, group, second);
  const third = await bench.receive(topic, group, { filter: red });
  expect(third.map(textOf)).toEqual(["a3 red"]);
  await bench.ack(topic, group, third);
  expect(await bench.plane.describeGroup(group)).toMatchObject([{ queues: [{ lag: 0 }] }]);
  expect(bench.failures).toEqual([]);
});

test("a group that nobody finishes does not hold up the others, however much lies behind it", async () => {
  const world = await open({}, 1);
  const { bench, topic, group } = world;
  await send(world, "a0");
  const [held] = await bench.receive(topic, group, { batchSize: 1, invisibleMs: 3_600_000 });
  const behind = Array.from({ length: 2_000 }, (_, at) => `a${at + 1}`);
  for (let at = 0; at < 2_000; at += 500) await send(world, ...behind.slice(at, at + 500));
  await send(world, "b0");
  expect((await bench.receive(topic, group)).map(textOf)).toEqual(["b0"]);
  await bench.ack(topic, group, [held!]);
  const rest = [];
  while (rest.length < 2_000) {
    const deliveries = await bench.receive(topic, group, { batchSize: 500 });
    await bench.ack(topic, group, deliveries);
    rest.push(...deliveries.map(textOf));
  }
  expect(rest).toEqual(behind);
});
