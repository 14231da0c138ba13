import { describe, expect, test } from "@jest/globals";
import { DiskError, SeededRandom, silentLogger } from "@saturnmq/kit";
import { ManualTime, MemoryDisk } from "@saturnmq/kit/testing";
import { openLogStore } from "./open-log-store.ts";
import type { LogStoreOptions } from "./options.ts";
import { CorruptionError, ForeignFolderError, type LogStore } from "./ports.ts";
import { TestDriver } from "./testing/messages.ts";

const segmentBytes = 106_496;

type World = { readonly disk: MemoryDisk; readonly time: ManualTime };

function open({ disk, time }: World, changes: Partial<LogStoreOptions> = {}): Promise<LogStore> {
  return openLogStore({
    disk,
    folder: "data",
    clusterId: "mine",
    replicaId: 1,
    clock: time,
    timers: time,
    random: new SeededRandom(9),
    logger: silentLogger,
    segmentBytes,
    cacheBytes: 327_680,
    maxEntryBytes: 24_576,
    reserveBytes: 4096,
    ...changes,
  });
}

function world(capacityBytes = Number.POSITIVE_INFINITY): World {
  return { disk: new MemoryDisk({ capacityBytes }), time: new ManualTime() };
}

/** Lets what was started come to rest. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe("whose folder it is", () => {
  test("another cluster's, another replica's, and a new one without a name are refused in words", async () => {
    const { disk, time } = world();
    await expect(open({ disk, time }, { clusterId: undefined })).rejects.toThrow(ForeignFolderError);
    await (await open({ disk, time }))[Symbol.asyncDispose]();
    await expect(open({ disk, time }, { clusterId: "theirs" })).rejects.toThrow("replica 1 of cluster mine");
    await expect(open({ disk, time }, { replicaId: 2 })).rejects.toThrow(ForeignFolderError);
    await using store = await open({ disk, time }, { clusterId: undefined, replicaId: undefined });
    expect(store.identity).toEqual({ clusterId: "mine", replicaId: 1, incarnation: 2 });
  });

  test("a refused opening changes nothing and leaves the folder free", async () => {
    const { disk, time } = world();
    await (await open({ disk, time }))[Symbol.asyncDispose]();
    const before = disk.content("data/identity");
    await expect(open({ disk, time }, { clusterId: "theirs" })).rejects.toThrow(ForeignFolderError);
    expect(disk.content("data/identity")).toEqual(before);
    await using store = await open({ disk, time });
    await expect(open({ disk, time })).rejects.toMatchObject({ code: "locked" });
    expect(store.identity.incarnation).toBe(2);
  });

  test("a segment of another folder is refused", async () => {
    const ours = world();
    const theirs = world();
    await (await open(ours))[Symbol.asyncDispose]();
    await (await open(theirs, { clusterId: "theirs" }))[Symbol.asyncDispose]();
    ours.disk.plant("data/log/000000000001.seg", theirs.disk.content("data/log/000000000001.seg"));
    await expect(open(ours)).rejects.toThrow(CorruptionError);
  });

  test("a log of a replica whose identity is lost is refused, not begun anew", async () => {
    const { disk, time } = world();
    await (await open({ disk, time }))[Symbol.asyncDispose]();
    disk.plant("data/identity", undefined);
    await expect(open({ disk, time })).rejects.toThrow("identity is corrupt at byte 0: the file is missing");
  });
});

describe("a disk that fails", () => {
  test.each(["write", "sync"] as const)(
    "a failed %s rejects the commit and ends the store; what was acknowledged stays",
    async (on) => {
      const { disk, time } = world();
      const store = await open({ disk, time });
      const driver = new TestDriver(store);
      await driver.write(0, 1, 100);
      await settle();
      driver.stage(0, 1, 100);
      disk.fail({ on, path: ".seg", short: true });
      await expect(store.commit()).rejects.toThrow(DiskError);
      expect(() => store.append(0, 3, 1, undefined)).toThrow("must end");
      await expect(async () => store.commit()).rejects.toThrow("must end");
      disk.cutPower();
      disk.restart();
      await using again = await open({ disk, time });
      expect(again.view(0).lastIndex).toBeGreaterThanOrEqual(1);
      expect(again.view(0).lastIndex).toBeLessThanOrEqual(2);
    },
  );

  test("a checkpoint that cannot be written rejects, and the one before stays", async () => {
    const { disk, time } = world();
    await using store = await open({ disk, time });
    await new TestDriver(store).write(0, 1, 100);
    await store.writeCheckpoint(0, 1, 1, [Buffer.from("one")]);
    disk.fail({ on: "write", path: "checkpoints", code: "full" });
    await expect(store.writeCheckpoint(0, 1, 1, [Buffer.from("two")])).rejects.toMatchObject({ code: "full" });
    expect(Buffer.from((await store.readCheckpoint(0))?.bytes ?? []).toString()).toBe("one");
  });

  test("a checkpoint that went bad is passed over; with none left and the log freed the read is refused", async () => {
    const { disk, time } = world();
    await using store = await open({ disk, time });
    const driver = new TestDriver(store);
    while (store.segments().length < 4) await driver.write(0, 2, 5000);
    const end = store.view(0).lastIndex;
    for (const content of ["one", "two"]) await store.writeCheckpoint(0, end, 1, [Buffer.from(content)]);
    disk.flipBit("data/checkpoints/00000-0000000002.ckp", 57, 3);
    expect(Buffer.from((await store.readCheckpoint(0))?.bytes ?? []).toString()).toBe("one");
    for (const content of ["three", "four"]) await store.writeCheckpoint(0, end, 1, [Buffer.from(content)]);
    store.setLogStart(0, end);
    await store.commit();
    await settle();
    expect(store.segments()[0]?.segment).toBeGreaterThan(1);
    for (const ordinal of [3, 4]) disk.flipBit(`data/checkpoints/00000-000000000${ordinal}.ckp`, 57, 3);
    await expect(store.readCheckpoint(0)).rejects.toThrow("corrupt at byte");
  });
});

describe("a full disk", () => {
  test("is told before the log blocks, blocks without loss, and is over by itself when there is room", async () => {
    const { disk, time } = world(3 * segmentBytes + 40_000);
    await using store = await open({ disk, time });
    const driver = new TestDriver(store);
    await settle();
    expect(store.usage().full).toBe(false);
    let acknowledged = 0;
    while (!store.usage().full) {
      await driver.write(0, 1, 5000);
      acknowledged += 1;
      await settle();
    }
    const { segment } = store.segments().at(-1) ?? { segment: 0 };
    // Room is left: acks, deletes and elections go on.
    store.saveHardState(0, { term: 7, vote: 1 });
    await store.commit();
    expect(store.segments().at(-1)?.segment).toBe(segment);
    let blocked = false;
    let pending = Promise.resolve();
    while (!blocked) {
      driver.stage(0, 1, 5000);
      blocked = true;
      pending = store.commit().then(() => {
        blocked = false;
        acknowledged += 1;
      });
      await settle();
    }
    time.advance(3000);
    await settle();
    expect(blocked).toBe(true);
    disk.capacityBytes += 4 * segmentBytes;
    time.advance(1500);
    await settle();
    await pending;
    expect(store.usage().full).toBe(false);
    expect(store.view(0).lastIndex).toBe(acknowledged);
    expect(store.hardState(0)).toEqual({ term: 7, vote: 1 });
  });
});

describe("a killed process", () => {
  test("leaves bytes that are read but not durable: once they have been seen they stay", async () => {
    const { disk, time } = world();
    const store = await open({ disk, time });
    const driver = new TestDriver(store);
    await driver.write(0, 1, 100);
    await settle();
    driver.stage(0, 1, 100);
    const path = "data/log/000000000001.seg";
    const before = disk.content(path);
    const outcome = store.commit().catch((error: unknown) => error);
    while (Buffer.compare(disk.content(path), before) === 0) await Promise.resolve();
    disk.killProcesses();
    expect(await outcome).toBeInstanceOf(DiskError);
    const seen = await open({ disk, time });
    expect(seen.view(0).lastIndex).toBe(2);
    disk.restart("lost");
    await using again = await open({ disk, time });
    expect(again.view(0).lastIndex).toBe(2);
  });
});

describe("closing on a full disk", () => {
  test("ends a commit that waits for room instead of waiting with it", async () => {
    const { disk, time } = world(2 * segmentBytes + 20_000);
    const store = await open({ disk, time });
    const driver = new TestDriver(store);
    let outcome: "acknowledged" | "waiting" | "refused" = "acknowledged";
    while (outcome === "acknowledged") {
      driver.stage(0, 1, 5000);
      outcome = "waiting";
      void store.commit().then(
        () => (outcome = "acknowledged"),
        () => (outcome = "refused"),
      );
      await settle();
    }
    expect([outcome, store.usage().full]).toEqual(["waiting", true]);
    const held = store.view(0).lastIndex - 1;
    await store[Symbol.asyncDispose]();
    expect(outcome).toBe("refused");
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    await using again = await open({ disk, time });
    expect(again.view(0).lastIndex).toBe(held);
  });
});

describe("quiet", () => {
  test("a seal follows 50 ms after the last commit, once, and an opening without work writes nothing more", async () => {
    const { disk, time } = world();
    const store = await open({ disk, time });
    await new TestDriver(store).write(0, 1, 100);
    await settle();
    const before = disk.operations;
    time.advance(49);
    await settle();
    expect(disk.operations).toBe(before);
    time.advance(60);
    await settle();
    expect(disk.operations).toBe(before + 1);
    time.advance(1000);
    await settle();
    expect(disk.operations).toBe(before + 1);
    const log = disk.content("data/log/000000000001.seg");
    await store[Symbol.asyncDispose]();
    for (let restart = 0; restart < 3; restart += 1) await (await open({ disk, time }))[Symbol.asyncDispose]();
    expect(disk.content("data/log/000000000001.seg")).toEqual(log);
  });
});
