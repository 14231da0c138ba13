import { describe, expect, test } from "@jest/globals";
import { silentLogger } from "@saturnmq/kit";
import { MemoryDisk } from "@saturnmq/kit/testing";
import type { BrokerInfo, ClusterView } from "@saturnmq/wire";
import { openViewCache } from "./view-cache.ts";

const broker: BrokerInfo = {
  ...{ id: 2, incarnation: 41, zone: "b", state: "up", address: "b:8081", peerAddress: "b:8083" },
  ...{ draining: false, leadersAway: false, featureLevel: 1 },
};
const view: ClusterView = {
  ...{ revision: 5, clusterId: "c", shardCount: 3, replicationFactor: 3, featureLevel: 1, shards: [] },
  settings: { brokerLeaseMs: 3_000, replacementGraceMs: 1, moveBudget: 1, transferBudget: 1 },
  topics: new Map(),
  groups: new Map(),
  brokers: new Map([[2, broker]]),
  handleKeys: [new Uint8Array(32).fill(3)],
  nameServers: [],
};
const path = "/data/cluster-view";

async function saved(disk: MemoryDisk, views: readonly ClusterView[]): Promise<void> {
  const cache = await openViewCache(disk, "/data", silentLogger);
  for (const one of views) cache.save(one);
  await cache.settled();
}

async function reopened(disk: MemoryDisk): Promise<ClusterView | undefined> {
  return (await openViewCache(disk, "/data", silentLogger)).view;
}

async function newDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.makeFolder();
  return disk;
}

describe("the view on disk", () => {
  test("is none at first, then the newest one, with every broker's incarnation", async () => {
    const disk = await newDisk();
    expect(await reopened(disk)).toBeUndefined();
    await saved(disk, [view, { ...view, revision: 6 }, { ...view, revision: 7 }]);
    expect(await reopened(disk)).toEqual({ ...view, revision: 7 });
  });

  test("counts as absent when any byte of it is changed, or missing", async () => {
    const disk = await newDisk();
    await saved(disk, [view]);
    const bytes = await disk.read(path);
    const put = async (content: Uint8Array): Promise<void> => {
      const file = await disk.open(path, { access: "readWrite", create: true });
      await file.truncate(0);
      await file.write(content, 0, content.length, 0);
      await file.close();
    };
    for (let at = 0; at < bytes.length; at += 1) {
      const flipped = bytes.slice();
      flipped[at] = (flipped[at] ?? 0) ^ 0x10;
      await put(flipped);
      expect(await reopened(disk)).toBeUndefined();
      await put(bytes.subarray(0, at));
      expect(await reopened(disk)).toBeUndefined();
    }
    await put(bytes);
    expect(await reopened(disk)).toEqual(view);
  });

  test("a disk that refuses is told of, and the next change is written again", async () => {
    const disk = await newDisk();
    const warnings: string[] = [];
    const logger = { ...silentLogger, warn: (_: object, message: string) => warnings.push(message) };
    let broken = true;
    const flaky: MemoryDisk = Object.create(disk, {
      remove: { value: (name: string) => (broken ? Promise.reject(new Error("gone")) : disk.remove(name)) },
      ...Object.fromEntries(
        (["open", "rename", "syncFolder", "read"] as const).map((name) => [name, { value: disk[name].bind(disk) }]),
      ),
    });
    const cache = await openViewCache(flaky, "/data", logger);
    cache.save(view);
    await cache.settled();
    expect(warnings).toEqual(["the view of the cluster could not be kept"]);
    broken = false;
    cache.save({ ...view, revision: 9 });
    await cache.settled();
    expect((await reopened(disk))?.revision).toBe(9);
  });
});
