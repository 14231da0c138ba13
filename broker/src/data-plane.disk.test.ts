import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { nodeDisk, systemClock, systemTimers } from "@saturnmq/kit/node";
import { openLogStore } from "@saturnmq/store";
import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import { createDriver, immediateTurn } from "raft-ts";
import { createDataPlane } from "./data-plane.ts";
import type { DataPlane } from "./data-plane-api.ts";
import { everything } from "./domain/filter.ts";
import type { Delivery } from "./messaging.ts";
import { FixedMetadata } from "./testing/fixed-metadata.ts";
import { outgoing, textOf } from "./testing/plane-bench.ts";

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "saturnmq-plane-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function open(metadata: FixedMetadata): Promise<AsyncDisposable & { readonly plane: DataPlane }> {
  const common = { clock: systemClock(), timers: systemTimers(), random: new SeededRandom(1), logger: silentLogger };
  const fatal = (error: unknown): void => {
    throw error;
  };
  await using opened = new AsyncDisposableStack();
  const sizes = { segmentBytes: 2 * 1024 * 1024, cacheBytes: 4 * 1024 * 1024, maxEntryBytes: 1024 * 1024 };
  const store = opened.use(
    await openLogStore({ disk: nodeDisk(), folder, clusterId: "test", replicaId: 1, ...sizes, ...common }),
  );
  const driver = createDriver({ log: store, turn: immediateTurn, fatal, ...common });
  const plane = opened.use(await createDataPlane({ store, driver, metadata, brokerId: 1, fatal, ...common }));
  while (!plane.ready) await new Promise((resolve) => setTimeout(resolve, 1));
  const stack = opened.move();
  return { plane, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function drain(plane: DataPlane, topic: TopicInfo, group: GroupInfo): Promise<Delivery[]> {
  const all: Delivery[] = [];
  const request = { topic, group, filter: everything, batchSize: 32, invisibleMs: 60_000, waitMs: 20, clientId: "c" };
  for (;;) {
    const deliveries = await plane.receive(request, new AbortController().signal);
    if (deliveries.length === 0) return all;
    all.push(...deliveries);
  }
}

test("a log on disk gives back after a restart what was sent and not acknowledged, also from sealed segments", async () => {
  const metadata = new FixedMetadata(3, () => Date.now());
  const topic = await metadata.createTopic({ name: "orders", type: "NORMAL", queues: 6, retentionMs: undefined });
  const texts = Array.from({ length: 3_000 }, (_, at) => `message ${at} ${"x".repeat(1_500)}`);
  let acked: string[] = [];
  {
    await using life = await open(metadata);
    const { plane } = life;
    const group = await plane.group("billing");
    await Promise.all(texts.map((text) => plane.send(topic, [outgoing(text)], Infinity)));
    const request = { topic, group, filter: everything, batchSize: 32, invisibleMs: 200, waitMs: 20, clientId: "c" };
    for (let round = 0; round < 20; round += 1) {
      const deliveries = await plane.receive(request, new AbortController().signal);
      const outcomes = await plane.ack(
        topic,
        group,
        deliveries.map(({ receiptHandle }) => receiptHandle),
      );
      acked = acked.concat(deliveries.filter((_, at) => outcomes[at] === undefined).map(textOf));
    }
    expect(acked.length).toBeGreaterThan(300);
  }
  await using life = await open(metadata);
  const rest = await drain(life.plane, topic, await life.plane.group("billing"));
  expect([...acked, ...rest.map(textOf)].sort()).toEqual([...texts].sort());
  const [status] = await life.plane.describeGroup(await life.plane.group("billing"));
  expect(status?.queues.reduce((sum, { lag }) => sum + lag, 0)).toBe(rest.length);
}, 30_000);
