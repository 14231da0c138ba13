import { mkdtemp, open as openFile, readdir, readFile, rm } from "node:fs/promises";
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
import { receive } from "./testing/receive.ts";

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
    const deliveries = await receive(plane, request);
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
      const deliveries = await receive(plane, request);
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

/** Changes one bit of the text where it lies in the log. */
async function damage(text: string): Promise<void> {
  for (const name of await readdir(folder, { recursive: true })) {
    const path = join(folder, name);
    const at = name.includes("seg") ? (await readFile(path)).indexOf(text) : -1;
    if (at < 0) continue;
    const file = await openFile(path, "r+");
    await file.write(Uint8Array.of(text.charCodeAt(0) ^ 1), 0, 1, at);
    await file.close();
    return;
  }
  throw new Error(`${text} is in no segment`);
}

test("a message that is damaged on the disk is held back, the others flow, and an operator may skip it, durably", async () => {
  const metadata = new FixedMetadata(1, () => Date.now());
  const topic = await metadata.createTopic({ name: "orders", type: "NORMAL", queues: 1, retentionMs: undefined });
  const texts = Array.from({ length: 4_000 }, (_, at) => `message ${at} ${"x".repeat(1_500)}`);
  const place = { topic, queue: 0, offset: 7 };
  {
    await using life = await open(metadata);
    const { plane } = life;
    const group = await plane.group("billing");
    for (let at = 0; at < texts.length; at += 100)
      await plane.send(
        topic,
        texts.slice(at, at + 100).map((text) => outgoing(text)),
        Infinity,
      );
    await damage("message 7 ");
    await expect(plane.peek(topic, 0, 7)).rejects.toMatchObject({ code: "INTERNAL_ERROR" });
    const deliveries = await drain(plane, topic, group);
    expect(deliveries.map(textOf)).toEqual(texts.filter((_, at) => at !== 7));
    await plane.ack(
      topic,
      group,
      deliveries.map(({ receiptHandle }) => receiptHandle),
    );
    expect(await plane.describeGroup(group)).toMatchObject([{ queues: [{ lag: 1, floor: 7 }] }]);
    const damaged = { finishedBefore: false, damage: expect.stringContaining("corrupt") };
    expect(await plane.skip(group, { ...place, confirmed: false })).toEqual(damaged);
    expect(await plane.describeGroup(group)).toMatchObject([{ queues: [{ lag: 1 }] }]);
    expect(await plane.skip(group, { ...place, confirmed: true })).toEqual(damaged);
    expect(await plane.skip(group, { ...place, confirmed: true })).toMatchObject({ finishedBefore: true });
    const elsewhere = { ...place, offset: 99_999, confirmed: true };
    await expect(plane.skip(group, elsewhere)).rejects.toMatchObject({ code: "OFFSET_NOT_FOUND" });
    const stranger = await plane.group("stranger");
    await expect(plane.skip(stranger, { ...place, confirmed: true })).rejects.toMatchObject({ code: "NOT_FOUND" });
  }
  await using life = await open(metadata);
  const group = await life.plane.group("billing");
  expect(await life.plane.describeGroup(group)).toMatchObject([{ queues: [{ lag: 0, floor: texts.length }] }]);
});
