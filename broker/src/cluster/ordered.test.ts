import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { defined } from "@saturnmq/kit";
import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import { ClusterBench } from "../testing/cluster-bench.ts";
import { outgoing, textOf } from "../testing/plane-bench.ts";

let bench: ClusterBench;
let topic: TopicInfo;
let group: GroupInfo;

beforeEach(async () => {
  bench = await ClusterBench.open();
  topic = await bench.metadata.createTopic({ name: "ordered", type: "FIFO", queues: 12, retentionMs: undefined });
  const about = { requestId: "r", order: true, from: "earliest", maxAttempts: undefined, implicit: false } as const;
  group = await bench.metadata.createGroup({ name: "sequence", ...about });
  await bench.time.pass(20);
});

afterEach(() => bench.close());

async function send(text: string, messageGroup: string): Promise<void> {
  await bench.during(bench.plane(1).send(topic, [outgoing(text, undefined, messageGroup)], Infinity), 20);
}

test("an attempt that is repeated at any broker gets at once what it holds at another", async () => {
  await send("first", "a");
  const attempt = { batchSize: 4, invisibleMs: 30_000, clientId: "c", attemptId: "x", waitMs: 1_000 };
  const given = await bench.receive(1, topic, group, attempt);
  expect(given.map(textOf)).toEqual(["first"]);
  for (const id of bench.ids) {
    // Its connection broke before the answer was there: the client asks again, wherever it gets to.
    const again = await bench.during(bench.receiving(id, topic, group, attempt), 20);
    expect(again.map(textOf)).toEqual(["first"]);
    // Everybody knows by now that there is nothing new anywhere.
    expect(await bench.receive(id, topic, group, { ...attempt, attemptId: `y${id}` })).toEqual([]);
  }
});

test("messages of one group come in order whichever broker is asked, one after the other", async () => {
  for (let nth = 0; nth < 6; nth += 1) await send(`m${nth}`, "a");
  const got: string[] = [];
  for (let nth = 0; nth < 6; nth += 1) {
    const at = defined(bench.ids[nth % 3], "a broker");
    const attempt = { batchSize: 1, clientId: "c", attemptId: `n${nth}`, waitMs: 1_000 };
    const deliveries = await bench.receive(at, topic, group, attempt);
    got.push(...deliveries.map(textOf));
    await bench.ack(at, topic, group, deliveries);
  }
  expect(got).toEqual(["m0", "m1", "m2", "m3", "m4", "m5"]);
});

test("a receive that does not wait gets what is there, though its group has yet to begin at another broker", async () => {
  await send("there", "a");
  const leader = bench.ids.filter((id) => bench.led(id).length > 0);
  for (const [nth, id] of bench.ids.entries()) {
    const about = {
      requestId: `b${nth}`,
      order: true,
      from: "earliest",
      maxAttempts: undefined,
      implicit: false,
    } as const;
    const newcomer = await bench.metadata.createGroup({ name: `newcomer-${nth}`, ...about });
    await bench.time.pass(20);
    const received = bench.receiving(id, topic, newcomer, { waitMs: 0, clientId: "c", attemptId: "z" });
    expect((await bench.during(received, 1_500)).map(textOf)).toEqual(["there"]);
  }
  expect(leader.length).toBeGreaterThan(1);
});
