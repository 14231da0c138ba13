import { afterEach, describe, expect, test } from "@jest/globals";
import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import type { Delivery } from "../messaging.ts";
import { ClusterBench } from "../testing/cluster-bench.ts";
import { textOf } from "../testing/plane-bench.ts";

let bench: ClusterBench;
let topic: TopicInfo;
let group: GroupInfo;

async function open(): Promise<void> {
  bench = await ClusterBench.open();
  topic = await bench.topic("orders");
  group = await bench.plane(1).group("billing");
}

afterEach(() => bench.close());

/** Receives at one broker until nothing comes any more. */
async function drain(at: number): Promise<Delivery[]> {
  const all: Delivery[] = [];
  for (let empty = 0; empty < 2; ) {
    const got = await bench.receive(at, topic, group);
    all.push(...got);
    empty = got.length === 0 ? empty + 1 : 0;
  }
  return all;
}

describe("calls at any broker", () => {
  test("every broker leads some shards, and together they lead all, once each", async () => {
    await open();
    const led = bench.ids.flatMap((id) => bench.led(id));
    expect([...led].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    for (const id of bench.ids)
      expect(bench.plane(id).leadersOf(topic)).toEqual([...new Set(bench.ids.filter((b) => bench.led(b).length > 0))]);
  });

  test("what was sent anywhere is received anywhere, once, and acknowledged anywhere", async () => {
    await open();
    const texts = Array.from({ length: 30 }, (_, at) => `m${at}`);
    for (const [at, text] of texts.entries()) await bench.send(1 + (at % 3), topic, text);
    const deliveries = await drain(2);
    expect(deliveries.map(textOf).sort()).toEqual([...texts].sort());
    expect(await bench.ack(3, topic, group, deliveries)).toEqual(texts.map(() => undefined));
    await bench.time.pass(60_000);
    for (const id of bench.ids) expect(await drain(id)).toEqual([]);
  });

  test("a broker that leads nothing sends through those that do", async () => {
    await open();
    const idle = bench.ids.find((id) => bench.led(id).length === 0);
    const at = idle ?? 1;
    if (idle === undefined) {
      // All lead something: one that was just restarted does not.
      bench.kill(at);
      await bench.time.pass(2_000);
      await bench.start(at);
      await bench.time.pass(200);
    }
    expect(bench.led(at)).toEqual([]);
    expect(await bench.send(at, topic, "a")).toMatchObject([{ offset: 0 }]);
    expect((await drain(at)).map(textOf)).toEqual(["a"]);
  });

  test("a receive on hold at one broker gets what is sent to another at once", async () => {
    await open();
    await drain(1);
    for (const sender of bench.ids) {
      for (let nth = 0; nth < 6; nth += 1) {
        const received = bench.receiving(1, topic, group, { waitMs: 20_000 });
        await bench.time.pass(50);
        await bench.send(sender, topic, `${sender}-${nth}`);
        const deliveries = await bench.during(received, 20);
        expect(deliveries.map(textOf)).toEqual([`${sender}-${nth}`]);
        expect(await bench.ack(1, topic, group, deliveries)).toEqual([undefined]);
      }
    }
  });

  test("a receive on hold elsewhere gets what comes back after its invisible time", async () => {
    await open();
    await bench.send(2, topic, "a");
    const [first] = await drain(3);
    const received = bench.receiving(1, topic, group, { waitMs: 30_000 });
    const [again] = await bench.during(received, 11_000);
    expect(again).toMatchObject({ attempt: 2, queue: first?.queue, offset: first?.offset });
  });

  test("handles of all shards change and end at any broker, in the order of the request", async () => {
    await open();
    for (let nth = 0; nth < 12; nth += 1) await bench.send(1 + (nth % 3), topic, `m${nth}`);
    const deliveries = await drain(1);
    const [head, ...rest] = deliveries;
    const changed = await bench.during(bench.plane(2).changeInvisible(topic, group, head!.receiptHandle, 5_000), 10);
    const outcomes = await bench.ack(3, topic, group, [head!, ...rest, { ...head!, receiptHandle: changed }]);
    expect(outcomes).toEqual([expect.stringContaining("was replaced"), ...rest.map(() => undefined), undefined]);
  });

  test("topics and groups are described whole wherever one asks", async () => {
    await open();
    for (let nth = 0; nth < 12; nth += 1) await bench.send(1 + (nth % 3), topic, `m${nth}`);
    const one = await bench.receive(1, topic, group, { batchSize: 1 });
    expect(one).toHaveLength(1);
    for (const id of bench.ids) {
      const queues = await bench.during(bench.plane(id).describeTopic(topic), 20);
      expect(queues.map(({ queue }) => queue)).toEqual(Array.from({ length: 12 }, (_, queue) => queue));
      expect(queues.reduce((sum, { nextOffset }) => sum + nextOffset, 0)).toBe(12);
      const [progress] = await bench.during(bench.plane(id).describeGroup(group), 20);
      expect(progress?.queues.reduce((sum, { lag }) => sum + lag, 0)).toBe(12);
      expect(progress?.queues.reduce((sum, { inFlight }) => sum + inFlight, 0)).toBe(1);
      const { queue, offset } = one[0]!;
      const peeked = await bench.during(bench.plane(id).peek(topic, queue, offset), 20);
      expect(textOf(peeked)).toBe(textOf(one[0]!));
    }
  });
});

describe("a consumer that receives at one broker", () => {
  test("is present at all, also after that has ended, until it could have come back", async () => {
    await open();
    const where = (): boolean[] => [2, 3].map((id) => bench.plane(id).isPresent("c"));
    bench.present.add("1 c");
    await bench.receive(1, topic, group);
    expect(where()).toEqual([true, true]);
    bench.kill(1);
    await bench.time.pass(19_000);
    expect(where()).toEqual([true, true]);
    bench.present.add("2 c");
    await bench.receive(2, topic, group);
    await bench.time.pass(30_000);
    expect(where()).toEqual([true, true]);
    bench.present.delete("2 c");
    await bench.time.pass(26_000);
    expect(where()).toEqual([false, false]);
  }, 30_000);
});

describe("a broker that ends", () => {
  test("sends and receives go on within two seconds, nothing acknowledged is lost, nothing finished comes again", async () => {
    await open();
    const texts: string[] = [];
    for (let nth = 0; nth < 18; nth += 1) {
      await bench.send(1 + (nth % 3), topic, `m${nth}`);
      texts.push(`m${nth}`);
    }
    const finished = await bench.receive(1, topic, group, { batchSize: 9 });
    await bench.ack(1, topic, group, finished);
    bench.kill(3);
    const sent = bench.plane(1).send(topic, [], Infinity);
    expect(await sent).toEqual([]);
    await bench.time.pass(2_000);
    const led = [1, 2].flatMap((id) => bench.led(id));
    expect([...led].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    await bench.send(2, topic, "after");
    const expected = [...texts.filter((text) => !finished.map(textOf).includes(text)), "after"];
    expect((await drain(1)).map(textOf).sort()).toEqual(expected.sort());
  });

  test("a call waits for the next leader of its shard", async () => {
    await open();
    await bench.send(1, topic, "a");
    const [delivery] = await drain(1);
    const leader = bench.ids.find((id) => bench.led(id).length > 0 && isLedAt(id, delivery!));
    const other = bench.ids.find((id) => id !== leader)!;
    bench.kill(leader!);
    const acked = bench.plane(other).ack(topic, group, [delivery!.receiptHandle]);
    expect(await bench.during(acked, 2_500)).toEqual([undefined]);
  });

  test("without a majority a call is refused in a way that may be tried again, and nothing is acknowledged", async () => {
    await open();
    bench.kill(2);
    bench.kill(3);
    await bench.time.pass(1_000);
    const sent = bench.plane(1).send(topic, [{ ...(await someMessage()) }], Infinity);
    await expect(bench.during(sent, 4_000)).rejects.toMatchObject({ code: "TOO_MANY_REQUESTS" });
  });

  test("a broker that is cut off hands out nothing once others may lead its shards", async () => {
    await open();
    for (let nth = 0; nth < 12; nth += 1) await bench.send(1 + (nth % 3), topic, `m${nth}`);
    bench.cut(1, 2);
    bench.cut(1, 3);
    await bench.time.pass(450);
    const received = bench.receiving(1, topic, group, { waitMs: 200 });
    expect(await bench.during(received, 250)).toEqual([]);
    await bench.time.pass(2_000);
    expect((await drain(2)).map(textOf)).toHaveLength(12);
    bench.heal(1, 2);
    bench.heal(1, 3);
    await bench.time.pass(2_000);
    await bench.send(1, topic, "healed");
    expect((await drain(1)).map(textOf)).toEqual(["healed"]);
  });
});

function isLedAt(id: number, delivery: Delivery): boolean {
  const queues = bench.plane(id).forwarding.shards.led;
  return [...queues.keys()].some((shard) => shard === shardOf(delivery));
}

function shardOf({ receiptHandle }: Delivery): number {
  return Buffer.from(receiptHandle, "base64url").readUInt16LE(2);
}

async function someMessage() {
  const { outgoing } = await import("../testing/plane-bench.ts");
  return outgoing("x");
}
