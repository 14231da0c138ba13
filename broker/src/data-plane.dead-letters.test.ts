import { expect, test } from "@jest/globals";
import { SeededRandom } from "@saturnmq/kit";
import { crc32 } from "@saturnmq/kit/node";
import { type GroupInfo, type TopicInfo, v2 } from "@saturnmq/wire";
import type { Delivery, OutgoingMessage } from "./messaging.ts";
import { type BenchOptions, PlaneBench } from "./testing/plane-bench.ts";

type Bench = {
  readonly bench: PlaneBench;
  readonly topic: TopicInfo;
  readonly group: GroupInfo;
  readonly dead: TopicInfo;
};

/** A message in its stored form: SystemProperties last. */
function stored(text: string, tag = "t", messageGroup?: string): OutgoingMessage {
  const system = v2.SystemProperties.encode({
    tag,
    keys: ["k1", "k2"],
    messageId: `id-${text.slice(0, 8)}`,
    bodyEncoding: v2.Encoding.IDENTITY,
    messageType: v2.MessageType.NORMAL,
    bornHost: "host",
    bornTimestamp: { seconds: 5, nanos: 0 },
    ...(messageGroup === undefined ? {} : { messageGroup }),
  });
  const body = Buffer.from(text);
  const userProperties = new Map([["colour", "röt"]]);
  const head = v2.Message.encode({ topic: { resourceNamespace: "", name: "orders" }, userProperties, body });
  const bytes = Buffer.concat([head, Buffer.of(26, system.length), system]);
  const form = { start: 0, length: bytes.length, bodyStart: head.length - body.length, bodyLength: body.length };
  return {
    bytes,
    ...form,
    bodyCrc: crc32(bytes, form.bodyStart, body.length),
    tag,
    messageId: `id-${text}`,
    messageGroup,
  };
}

const bodyOf = ({ message }: Pick<Delivery, "message">): string =>
  Buffer.from(v2.Message.decode(message).body).toString();

async function open(options: BenchOptions = {}, order = false): Promise<Bench> {
  const bench = await PlaneBench.open(options);
  bench.metadata.deadLetters = true;
  const type = order ? "FIFO" : "NORMAL";
  const topic = await bench.metadata.createTopic({ name: "orders", type, queues: 4, retentionMs: undefined });
  const about = { requestId: "r", order, from: "earliest", maxAttempts: 2, implicit: false } as const;
  const group = await bench.metadata.createGroup({ ...about, name: "billing" });
  return { bench, topic, group, dead: await bench.plane.topic("%DLQ%billing") };
}

async function send({ bench, topic }: Bench, ...messages: OutgoingMessage[]): Promise<void> {
  const sent = bench.plane.send(topic, messages, Infinity);
  await bench.time.pass(1);
  await sent;
}

/** Receives and lets every lease run out, until nothing comes any more. */
async function exhaust({ bench, topic, group }: Bench): Promise<void> {
  for (let attempt = 0; attempt < 3; attempt += 1) {
    await bench.receiveAll(topic, group, { invisibleMs: 20_000 });
    await bench.time.pass(20_000);
  }
}

test("a message whose attempts are used up is kept among its group's dead letters, with everything that it was", async () => {
  const world = await open();
  const { bench, group, dead } = world;
  for (let at = 0; at < 12; at += 1) await send(world, stored(`m${at}`, at % 2 === 0 ? "even" : "odd"));
  await exhaust(world);
  const [status] = await bench.plane.describeGroup(group);
  const sum = (of: "deadLettered" | "lag" | "parked"): number =>
    status!.queues.reduce((total, one) => total + one[of], 0);
  expect([sum("deadLettered"), sum("lag"), sum("parked")]).toEqual([12, 0, 0]);
  expect(bench.plane.counters()).toMatchObject({ deadLetteredMessages: 12, parkedMessages: 0 });
  const reader = await bench.group("undertaker");
  const letters = await bench.receiveAll(dead, reader);
  expect(letters.map(bodyOf).sort()).toEqual(Array.from({ length: 12 }, (_, at) => `m${at}`).sort());
  for (const letter of letters) {
    const message = v2.Message.decode(letter.message);
    const text = bodyOf(letter);
    expect(message).toMatchObject({
      topic: { name: "%DLQ%billing" },
      userProperties: new Map([["colour", "röt"]]),
      systemProperties: {
        messageId: `id-${text}`,
        keys: ["k1", "k2"],
        bornHost: "host",
        deadLetterQueue: { topic: "orders", messageId: `id-${text}` },
      },
    });
    expect(letter.bodyCrc).toBe(crc32(Buffer.from(text), 0, text.length));
    // SystemProperties are last, so that a delivery can append to them.
    expect(Buffer.from(letter.message).lastIndexOf(`id-${text}`)).toBeGreaterThan(
      Buffer.from(letter.message).indexOf(text),
    );
  }
  expect(await bench.ack(dead, reader, letters)).toEqual(letters.map(() => undefined));
  expect(bench.failures).toEqual([]);
});

test("dead letters lie in the shard of their messages, also after a crash, and each of them once", async () => {
  const world = await open({ store: { segmentBytes: 8_192, checkpointBytes: 2_048 } });
  const { bench, group, dead } = world;
  for (let at = 0; at < 30; at += 1) await send(world, stored(`m${at} ${"x".repeat(200)}`));
  await exhaust(world);
  await bench.crash();
  await exhaust(world);
  const queues = await bench.plane.describeTopic(dead);
  expect(queues.every(({ queue, shard }) => queue === shard)).toBe(true);
  expect(queues.reduce((sum, { nextOffset }) => sum + nextOffset, 0)).toBe(30);
  const [status] = await bench.plane.describeGroup(group);
  expect(status!.queues.reduce((sum, { deadLettered }) => sum + deadLettered, 0)).toBe(30);
  const letters = await bench.receiveAll(dead, await bench.group("undertaker"));
  expect(new Set(letters.map(bodyOf)).size).toBe(30);
  expect(letters).toHaveLength(30);
});

test("a consumer may give a message up itself; its handle must hold, and twice is as good as once", async () => {
  const world = await open();
  const { bench, topic, group, dead } = world;
  await send(world, stored("a"), stored("b"));
  const [first, second] = await bench.receive(topic, group, { invisibleMs: 5_000 });
  const forward = async (handle: string): Promise<void> => {
    const forwarded = bench.plane.forwardToDeadLetters(topic, group, handle);
    forwarded.catch(() => undefined);
    await bench.time.pass(1);
    return forwarded;
  };
  await forward(first!.receiptHandle);
  await forward(first!.receiptHandle);
  await expect(forward("forged")).rejects.toMatchObject({ code: "INVALID_RECEIPT_HANDLE" });
  await bench.time.pass(5_000);
  await expect(forward(second!.receiptHandle)).rejects.toMatchObject({ code: "INVALID_RECEIPT_HANDLE" });
  expect((await bench.receive(topic, group)).map(bodyOf)).toEqual([bodyOf(second!)]);
  expect((await bench.receiveAll(dead, await bench.group("undertaker"))).map(bodyOf)).toEqual([bodyOf(first!)]);
});

test("in an ordered group a dead letter lets the next message of its message group go", async () => {
  const world = await open({}, true);
  const { bench, topic, group, dead } = world;
  await send(world, stored("a1", "t", "a"), stored("a2", "t", "a"));
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    expect((await bench.receive(topic, group, { batchSize: 1, invisibleMs: 1_000 })).map(bodyOf)).toEqual(["a1"]);
    await bench.time.pass(1_000);
  }
  const next = await bench.receive(topic, group, { batchSize: 1 });
  expect(next.map(bodyOf)).toEqual(["a2"]);
  expect((await bench.receiveAll(dead, await bench.group("undertaker"))).map(bodyOf)).toEqual(["a1"]);
});

test("a full disk delays dead letters and loses none", async () => {
  const world = await open();
  const { bench, dead } = world;
  await send(world, stored("a"));
  const { store } = bench;
  const usage = store.usage.bind(store);
  store.usage = () => ({ ...usage(), full: true });
  await exhaust(world);
  expect((await bench.plane.describeTopic(dead)).every(({ nextOffset }) => nextOffset === 0)).toBe(true);
  store.usage = usage;
  await bench.time.pass(2_000);
  expect((await bench.receiveAll(dead, await bench.group("undertaker"))).map(bodyOf)).toEqual(["a"]);
  expect(bench.failures).toEqual([]);
});

test("a group of an earlier version, without a topic for dead letters, has its messages parked", async () => {
  const world = await open();
  const { bench, topic } = world;
  bench.metadata.deadLetters = false;
  const group = await bench.group("old");
  await send(world, stored("a"));
  await exhaust({ ...world, group });
  await exhaust({ ...world, group });
  const [status] = await bench.plane.describeGroup(group);
  expect(status).toMatchObject({ topic: topic.name });
  expect(status!.queues.reduce((sum, { parked }) => sum + parked, 0)).toBe(1);
});

async function lagOf({ bench, group }: Pick<Bench, "bench" | "group">): Promise<number> {
  const statuses = await bench.plane.describeGroup(group);
  return statuses.flatMap(({ queues }) => queues).reduce((sum, { lag }) => sum + lag, 0);
}

/** Clients work and the process dies at random moments, in the middle of writes; then everything runs out. What clients know of each message. */
async function randomLife(
  seed: number,
  order: boolean,
): Promise<Bench & { readonly acked: Set<string>; readonly doubtful: Set<string> }> {
  const random = new SeededRandom(seed);
  const write = async (): Promise<void> => {
    for (let turns = random.below(6); turns > 0; turns -= 1) await new Promise((resolve) => setImmediate(resolve));
  };
  const world = await open({ store: { write, segmentBytes: 8_192, checkpointBytes: 2_048 } }, order);
  const { bench, topic, group } = world;
  for (let at = 0; at < 40; at += 1) await send(world, stored(`m${at}`, "t", order ? `g${at % 5}` : undefined));
  const [acked, doubtful] = [new Set<string>(), new Set<string>()];
  let life = 0;
  for (let step = 0; step < 60; step += 1) {
    const choice = random.below(10);
    if (choice < 4) await bench.time.pass(random.below(900));
    else if (choice < 5) {
      life += 1;
      await bench.crash();
    } else {
      const deliveries = await bench.receive(topic, group, { batchSize: 1 + random.below(4), invisibleMs: 500 });
      for (const delivery of deliveries.filter(() => random.below(2) === 0)) {
        const [text, calledIn] = [bodyOf(delivery), life];
        doubtful.add(text);
        const { receiptHandle } = delivery;
        const done = (ok: boolean): void => {
          if (calledIn !== life) return;
          doubtful.delete(text);
          if (ok) acked.add(text);
        };
        if (random.below(4) === 0) {
          bench.plane.forwardToDeadLetters(topic, group, receiptHandle).then(
            () => done(false),
            () => done(false),
          );
        } else {
          bench.plane.ack(topic, group, [receiptHandle]).then(
            ([error]) => done(error === undefined),
            () => undefined,
          );
        }
      }
    }
  }
  for (let round = 0; round < 40 && (await lagOf(world)) > 0; round += 1) await exhaust(world);
  return { ...world, acked, doubtful };
}

// Goal: reliability.md invariant 7e, over the real store port, Raft driver and data plane, with power cuts.
test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  "every message is acknowledged or exactly once a dead letter, whatever dies in between (seed %i)",
  async (seed) => {
    const { bench, dead, group, acked, doubtful } = await randomLife(seed, seed % 2 === 0);
    const letters = (await bench.receiveAll(dead, await bench.group("undertaker"))).map(bodyOf);
    expect(new Set(letters).size).toBe(letters.length);
    for (let at = 0; at < 40; at += 1) {
      const text = `m${at}`;
      if (!doubtful.has(text)) expect([text, letters.includes(text)]).toEqual([text, !acked.has(text)]);
    }
    expect(letters.length).toBeGreaterThan(5);
    expect(await lagOf({ bench, group })).toBe(0);
    expect(bench.failures).toEqual([]);
  },
);
