import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { GroupInfo, StartPosition, TopicInfo } from "@saturnmq/wire";
import type { Delivery } from "../messaging.ts";
import { ClusterBench } from "../testing/cluster-bench.ts";
import { textOf } from "../testing/plane-bench.ts";

let bench: ClusterBench;
let topic: TopicInfo;
let other: TopicInfo;
let group: GroupInfo;
const texts = Array.from({ length: 18 }, (_, at) => `m${at}`);
const earliest: StartPosition = { kind: "earliest" };

/** Both topics are read to their ends, over shards that all brokers lead. */
beforeEach(async () => {
  bench = await ClusterBench.open();
  topic = await bench.topic("orders");
  other = await bench.topic("others");
  group = await bench.plane(1).group("billing");
  for (const [at, text] of texts.entries()) {
    await bench.send(1 + (at % 3), topic, text);
    await bench.send(1 + (at % 3), other, text);
  }
  for (const one of [topic, other]) await bench.ack(2, one, group, await drain(one));
});

afterEach(() => bench.close());

async function drain(from: TopicInfo): Promise<Delivery[]> {
  const all: Delivery[] = [];
  for (let empty = 0; empty < 2; ) {
    const got = await bench.receive(2, from, await bench.plane(2).group("billing"));
    all.push(...got);
    empty = got.length === 0 ? empty + 1 : 0;
  }
  return all;
}

/** By topic: what waits for the group, as broker 3 tells. */
async function lag(asIfReset?: StartPosition): Promise<Record<string, number>> {
  const now = await bench.plane(3).group("billing");
  const topics = await bench.during(bench.plane(3).describeGroup(now, asIfReset), 50);
  return Object.fromEntries(
    topics.map(({ topic: name, queues }) => [name, queues.reduce((sum, one) => sum + one.lag, 0)]),
  );
}

const nothing = { orders: 0, others: 0 };
const everything = { orders: texts.length, others: texts.length };

describe("a group that is reset", () => {
  test("to the beginning gets everything again, whoever leads it, and its lag says so before anybody receives", async () => {
    expect(await lag()).toEqual(nothing);
    bench.metadata.resetGroup("billing", earliest);
    expect(await lag()).toEqual(everything);
    const again = await drain(topic);
    expect(again.map(textOf).sort()).toEqual([...texts].sort());
    expect(again.every(({ attempt }) => attempt === 1)).toBe(true);
    await bench.ack(1, topic, group, again);
    expect(await lag()).toEqual({ ...everything, orders: 0 });
  });

  test("on one topic keeps its place on the others", async () => {
    bench.metadata.resetGroup("billing", earliest, topic.id);
    expect(await lag()).toEqual({ ...nothing, orders: texts.length });
    expect((await drain(topic)).map(textOf).sort()).toEqual([...texts].sort());
    expect(await drain(other)).toEqual([]);
  });

  test("to a time gets what was stored since", async () => {
    await bench.time.pass(1_000);
    const atMs = bench.time.wallMs();
    await bench.time.pass(1_000);
    await bench.send(1, topic, "late");
    await bench.ack(2, topic, group, await drain(topic));
    bench.metadata.resetGroup("billing", { kind: "time", atMs });
    expect((await drain(topic)).map(textOf)).toEqual(["late"]);
  });

  test("has the receives that are on hold answered", async () => {
    const held = bench.receiving(1, topic, group, { waitMs: 30_000, batchSize: 1 });
    await bench.time.pass(1_000);
    bench.metadata.resetGroup("billing", earliest);
    expect(await bench.during(held, 500)).toHaveLength(1);
  });

  test("refuses acknowledgements of what it had received before", async () => {
    bench.metadata.resetGroup("billing", earliest);
    const before = await drain(topic);
    bench.metadata.resetGroup("billing", earliest);
    const after = await drain(topic);
    const refused = await bench.ack(1, topic, group, before);
    expect(refused.every((message) => message?.includes("last reset"))).toBe(true);
    expect(await bench.ack(1, topic, group, after)).toEqual(after.map(() => undefined));
  });
});

describe("what a reset would do", () => {
  test("is told without doing it", async () => {
    expect(await lag(earliest)).toEqual(everything);
    expect(await lag({ kind: "time", atMs: Number.MAX_SAFE_INTEGER })).toEqual(nothing);
    expect(await lag()).toEqual(nothing);
    expect(await drain(topic)).toEqual([]);
  });
});
