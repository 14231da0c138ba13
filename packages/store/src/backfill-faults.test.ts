import { beforeEach, describe, expect, test } from "@jest/globals";
import { type Disk, DiskError, type DiskFile, defined } from "@saturnmq/kit";
import { MemoryDisk } from "@saturnmq/kit/testing";
import { MemoryLogStore } from "./memory-log-store.ts";
import { CorruptionError, type LogStore } from "./ports.ts";
import { entriesOf, fillFrom } from "./testing/contract-backfill.ts";
import { voters } from "./testing/contract-groups.ts";
import { readQueue, restore, TestDriver } from "./testing/messages.ts";
import { openSmallStore } from "./testing/small-store.ts";

const end = 40;
const key = { group: 0, stream: 1, partition: 0 };

describe("filling in", () => {
  /** A replica that has entries 1 to `end` of group 0. */
  let source: LogStore;
  beforeEach(async () => {
    source = new MemoryLogStore();
    const driver = new TestDriver(source);
    for (let round = 0; round < end; round += 1) await driver.write(0, 3, 2000);
  });

  /** A new replica that begins after `end`. */
  async function begin(store: LogStore): Promise<LogStore> {
    await store.writeCheckpoint(0, end, 1, [Buffer.from("state")]);
    store.restartAt(0, end, 1, { index: 0, configuration: voters(1, 2, 3) });
    await store.commit();
    return store;
  }

  async function fillAll(store: LogStore): Promise<void> {
    const backfill = await store.openBackfill(0, 1, end);
    await fillFrom(source, backfill, backfill.missing());
    await backfill.finish();
  }

  /** A flush every four entries. */
  async function fillSlowly(store: LogStore): Promise<void> {
    await using backfill = await store.openBackfill(0, 1, end);
    for (let from = 1; from <= end; from += 4) await fillFrom(source, backfill, [{ from, to: from + 3 }]);
  }

  test("on a full disk it is refused before the reserve is touched, the log goes on, and later it goes on too", async () => {
    const disk = new MemoryDisk();
    await using store = await begin(await openSmallStore(disk, { reserveBytes: 50_000 }));
    await settle();
    disk.capacityBytes = disk.usedBytes + 60_000;
    const backfill = await store.openBackfill(0, 1, end);
    for (const entry of await entriesOf(source, 1, 5)) backfill.add(entry);
    await expect(backfill.flush()).rejects.toMatchObject({ code: "full" });
    expect(disk.capacityBytes - disk.usedBytes).toBeGreaterThanOrEqual(50_000);
    expect(backfill.missing()).toEqual([{ from: 1, to: end }]);
    await new TestDriver(store).write(1, 1, 100);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    await fillFrom(source, backfill, backfill.missing());
    await backfill.finish();
    expect(store.missing(0, 1, end)).toEqual([]);
    expect(await readQueue(store, key)).toHaveLength(end);
  });

  test("room that ends in the middle of a write costs what was not durable, nothing else", async () => {
    const disk = new MemoryDisk();
    const store = await begin(await openSmallStore(disk));
    const backfill = await store.openBackfill(0, 1, end);
    await fillFrom(source, backfill, [{ from: 1, to: 10 }]);
    for (const entry of await entriesOf(source, 11, 20)) backfill.add(entry);
    disk.fail({ on: "write", path: "bulk", code: "full", short: true });
    await expect(backfill.flush()).rejects.toMatchObject({ code: "full" });
    expect(backfill.missing()).toEqual([{ from: 11, to: end }]);
    await fillFrom(source, backfill, backfill.missing());
    await backfill.finish();
    expect(await readQueue(store, key)).toHaveLength(end);
    disk.killProcesses();
    await using again = await openSmallStore(disk);
    expect(again.missing(0, 1, end)).toEqual([]);
    expect(await readQueue(again, key)).toHaveLength(end);
  });

  test.each(["write", "sync"] as const)(
    "a failed %s ends the store, and what was durable before is there",
    async (on) => {
      const disk = new MemoryDisk();
      const store = await begin(await openSmallStore(disk));
      const backfill = await store.openBackfill(0, 1, end);
      await fillFrom(source, backfill, [{ from: 1, to: 10 }]);
      for (const entry of await entriesOf(source, 11, 20)) backfill.add(entry);
      disk.fail({ on, path: "bulk" });
      await expect(backfill.flush()).rejects.toThrow(DiskError);
      expect(() => store.append(0, end + 1, 1, undefined)).toThrow("must end");
      disk.cutPower();
      disk.restart();
      await using again = await openSmallStore(disk);
      const [left] = again.missing(0, 1, end);
      expect(left?.from).toBeGreaterThanOrEqual(11);
      await fillAll(again);
      expect(await readQueue(again, key)).toHaveLength(end);
    },
  );

  test("the state that a log begins with is called corrupt when it is, though all entries that it stands for are there", async () => {
    const disk = new MemoryDisk();
    const store = await begin(await openSmallStore(disk));
    await fillAll(store);
    disk.killProcesses();
    const path = defined(
      disk.paths().find((one) => one.endsWith(".ckp")),
      "checkpoint",
    );
    disk.flipBit(path, disk.content(path).length - 1, 0);
    await using again = await openSmallStore(disk);
    expect(again.missing(0, 1, end)).toEqual([]);
    await expect(again.readCheckpoint(0)).rejects.toThrow(`${path} is corrupt at byte`);
  });

  test("a frame that went bad is found when it is read, is missing then, and is filled in beside it", async () => {
    const disk = new MemoryDisk();
    const store = await begin(await openSmallStore(disk));
    await fillAll(store);
    const { offset } = defined(store.position(0, 7), "the position of an entry");
    await store[Symbol.asyncDispose]();
    disk.flipBit("data/bulk/000000000001.seg", offset + 1000, 3);
    for (const way of ["by index", "by queue", "by a peer"]) {
      await using broken = await openSmallStore(disk.copy());
      expect(broken.missing(0, 1, end)).toEqual([]);
      const read =
        way === "by index"
          ? broken.read(0, 7)
          : way === "by queue"
            ? readQueue(broken, key)
            : entriesOf(broken, 1, end);
      await expect(read).rejects.toThrow(CorruptionError);
      expect(broken.missing(0, 1, end)).toEqual([{ from: 7, to: 7 }]);
      await fillAll(broken);
      expect(broken.missing(0, 1, end)).toEqual([]);
      expect(await readQueue(broken, key)).toEqual(await readQueue(source, key));
      expect(await entriesOf(broken, 1, end)).toHaveLength(end);
    }
  });

  test("a file whose header went bad is left alone and its entries are missing", async () => {
    const disk = new MemoryDisk();
    const store = await begin(await openSmallStore(disk));
    await fillAll(store);
    await store[Symbol.asyncDispose]();
    disk.flipBit("data/bulk/000000000001.seg", 20, 3);
    await using broken = await openSmallStore(disk);
    const [lost, ...others] = broken.missing(0, 1, end);
    expect([lost?.from, others]).toEqual([1, []]);
    expect(lost?.to).toBeGreaterThan(1);
    await fillAll(broken);
    expect(await readQueue(broken, key)).toHaveLength(end);
    expect(disk.paths()).toContain("data/bulk/000000000001.seg");
  });

  test("a summary that is lost or went bad is written anew", async () => {
    const disk = new MemoryDisk();
    const store = await begin(await openSmallStore(disk));
    await fillAll(store);
    await store[Symbol.asyncDispose]();
    const path = "data/bulk/000000000001.sum";
    const content = disk.content(path);
    for (let byte = 4096; byte < content.length; byte += 101) {
      const copy = disk.copy();
      copy.flipBit(path, byte, 2);
      await using broken = await openSmallStore(copy);
      expect([byte, (await readQueue(broken, key)).length]).toEqual([byte, end]);
      expect(await entriesOf(broken, 1, end)).toHaveLength(end);
    }
    disk.plant(path, undefined);
    await using again = await openSmallStore(disk);
    expect(await readQueue(again, key)).toHaveLength(end);
    expect(disk.content(path)).toEqual(content);
  });

  test("lets four commits pass for each piece that it writes while they come without a pause", async () => {
    const disk = new MemoryDisk();
    const writes: string[] = [];
    const watched = watchWrites(disk, (path) => {
      if (!path.includes("spare") && !path.endsWith(".tmp")) writes.push(path.includes("/bulk/") ? "bulk" : "log");
    });
    await using store = await begin(await openSmallStore(disk, { disk: watched }));
    await settle();
    const progress = { done: false };
    const filled = fillSlowly(store).then(() => {
      progress.done = true;
    });
    let term = 0;
    while (!progress.done) {
      term += 1;
      store.saveHardState(1, { term, vote: 1 });
      await store.commit();
    }
    await filled;
    const runs = writes.join(" ").split("bulk");
    // The headers of new files, and what is written once the commits have ended, do not wait.
    const waited = runs.slice(1, -1).map((run) => run.split("log").length - 1);
    expect(waited.filter((commits) => commits >= 4).length).toBeGreaterThanOrEqual(4);
    await restore(store, 0);
    expect(await readQueue(store, key)).toHaveLength(end);
  });
});

/** The same disk; tells of each write. */
function watchWrites(disk: MemoryDisk, tell: (path: string) => void): Disk {
  const watched = (path: string, file: DiskFile): DiskFile => ({
    size: () => file.size(),
    read: (...range) => file.read(...range),
    readSync: (...range) => file.readSync(...range),
    sync: () => file.sync(),
    truncate: (length) => file.truncate(length),
    close: () => file.close(),
    write: async (...range) => {
      tell(path);
      // A real write takes its time.
      await settle();
      await file.write(...range);
    },
  });
  return {
    open: async (path, options) => watched(path, await disk.open(path, options)),
    read: (path) => disk.read(path),
    list: (folder) => disk.list(folder),
    makeFolder: () => disk.makeFolder(),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    syncFolder: (folder) => disk.syncFolder(folder),
    space: () => disk.space(),
    lockFolder: (folder) => disk.lockFolder(folder),
  };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
