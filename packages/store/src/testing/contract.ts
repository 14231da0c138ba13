import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { defined, SeededRandom } from "@saturnmq/kit";
import type { LogStore, RecordPosition } from "../ports.ts";
import { RecordBatch } from "../record-batch.ts";
import { applyEntry, readMessage, readQueue, recordsAt, recordsOf, restore, TestDriver } from "./messages.ts";

/** One data folder, or what stands for it, and the store that has it open. */
export type StoreHarness = {
  readonly store: LogStore;
  /** Kills the process without warning and opens what is left. */
  restart(): Promise<LogStore>;
  /** As `restart`, when the frame that holds the entry, and nothing of another group, has become unreadable. */
  restartDamaged(group: number, index: number): Promise<LogStore>;
  close(): Promise<void>;
};

/** Sizes that every harness uses: small, so that few messages fill segments and make checkpoints due. */
export const contractSizes = {
  segmentBytes: 131_072,
  maxEntryBytes: 32_768,
  cacheBytes: 327_680,
  checkpointBytes: 262_144,
  checkpointRecords: 1_000_000,
  reserveBytes: 0,
} as const;

/** The rules of `LogStore` that every implementation keeps. */
export function describeLogStore(name: string, start: () => Promise<StoreHarness>): void {
  describe(`${name} keeps the LogStore contract`, () => {
    let harness: StoreHarness;
    let store: LogStore;
    let driver: TestDriver;
    beforeEach(async () => {
      harness = await start();
      store = harness.store;
      driver = new TestDriver(store);
    });
    afterEach(async () => {
      await harness.close();
    });

    /** Writes until the log has `segments` segments. */
    async function fill(groups: readonly number[], segments: number): Promise<void> {
      while (store.segments().length < segments) for (const group of groups) await driver.write(group, 3, 1000);
    }

    /** Waits for work behind the writer. */
    async function until(condition: () => boolean): Promise<void> {
      for (let turn = 0; turn < 5000 && !condition(); turn += 1) await new Promise((resolve) => setTimeout(resolve, 1));
      expect(condition()).toBe(true);
    }

    test("a new one is empty", () => {
      expect(store.groups()).toEqual([]);
      expect(store.hardState(3)).toEqual({ term: 0, vote: 0 });
      const view = store.view(3);
      expect([view.firstIndex, view.lastIndex, view.lastTerm, view.termAt(0), view.termAt(1)]).toEqual([
        1,
        0,
        0,
        0,
        undefined,
      ]);
      expect(store.view(3)).toBe(view);
      expect(store.position(3, 1)).toBeUndefined();
      expect(store.usage().full).toBe(false);
    });

    test("an entry is in the view when staged, has a place when committed, and reads back whole", async () => {
      const messages = driver.stage(2, 5, 300, 4);
      expect([store.view(2).lastIndex, store.view(2).lastTerm, store.view(2).termAt(1)]).toEqual([1, 4, 4]);
      const committed = store.commit();
      const position = defined(store.position(2, 1), "its position");
      await committed;
      const entry = await store.read(2, 1);
      expect(entry).toMatchObject({ index: 1, term: 4, summary: false, position });
      expect(recordsOf(entry)).toHaveLength(5);
      applyEntry(store, 2, entry);
      const rows = await store.lookup({ group: 2, stream: 1, partition: 0 }, 0, 10);
      expect(rows[0]).toMatchObject(position);
      const records = await recordsAt(store, rows);
      expect(records.map(readMessage)).toEqual(messages.filter(({ partition }) => partition === 0));
    });

    test("records are read together, of any queues and in any order, and each tells for itself that it is gone", async () => {
      const written = new Map<string, string>();
      while (store.segments().length < 4)
        for (const group of [0, 1, 2])
          for (const message of await driver.write(group, 30, 900))
            written.set(`${group}/${message.partition}/${message.offset}`, message.body);
      const random = new SeededRandom(7);
      const wanted: { readonly key: string; readonly row: RecordPosition }[] = [];
      for (const group of [0, 1, 2])
        for (const partition of [0, 1, 2]) {
          const rows = await store.lookup({ group, stream: 1, partition }, 0, 10_000);
          rows.forEach((row, offset) => wanted.push({ key: `${group}/${partition}/${offset}`, row }));
        }
      expect(wanted).toHaveLength(written.size);
      for (const order of [wanted, wanted.toSorted(() => random.below(3) - 1)]) {
        const records = await recordsAt(
          store,
          order.map(({ row }) => row),
        );
        expect(records.map((record) => readMessage(record).body)).toEqual(order.map(({ key }) => written.get(key)));
      }
      const [first, second] = wanted.map(({ row }) => row) as [RecordPosition, RecordPosition];
      const gone = { ...first, segment: 4_000 };
      const reads = await store.readRecords([first, gone, second]);
      expect(reads.map((read) => read instanceof RangeError)).toEqual([false, true, false]);
    });

    test("an entry without payload is an entry", async () => {
      driver.stage(0, 0, 0, 2);
      await store.commit();
      expect((await store.read(0, 1)).payload.length).toBe(0);
      store = await harness.restart();
      expect(store.view(0).termAt(1)).toBe(2);
      expect((await store.read(0, 1)).payload.length).toBe(0);
    });

    test("a gap, an index below the first, and a payload that is not made of records are refused and change nothing", async () => {
      await driver.write(0, 1, 10);
      const payload = driver.batch.payload();
      expect(() => store.append(0, 3, 1, payload)).toThrow(RangeError);
      expect(() => store.append(0, 0, 1, payload)).toThrow(RangeError);
      expect(() => store.append(0, 2, 1, { ...payload, length: payload.length - 1 })).toThrow(RangeError);
      await store.commit();
      store = await harness.restart();
      expect(store.view(0).lastIndex).toBe(1);
    });

    test("what was committed survives a crash, what was only staged does not", async () => {
      await driver.write(0, 2, 100);
      await driver.write(1, 1, 100);
      store.saveHardState(0, { term: 3, vote: 2 });
      store.saveHardState(0, { term: 4, vote: 1 });
      await store.commit();
      driver.stage(0, 1, 100, 4);
      store.saveHardState(1, { term: 9, vote: 9 });
      store = await harness.restart();
      expect(store.groups()).toEqual([0, 1]);
      expect(store.view(0).lastIndex).toBe(1);
      expect(store.hardState(0)).toEqual({ term: 4, vote: 1 });
      expect(store.hardState(1)).toEqual({ term: 0, vote: 0 });
      expect(recordsOf(await store.read(0, 1))).toHaveLength(2);
    });

    test("an entry at or below the last replaces it and all behind it, durably", async () => {
      for (let count = 0; count < 5; count += 1) driver.stage(0, 1, 100, 1);
      await store.commit();
      driver.batch.reset();
      driver.batch.add(3, 1, 20);
      store.append(0, 3, 2, driver.batch.payload());
      expect([store.view(0).lastIndex, store.view(0).lastTerm, store.view(0).termAt(4)]).toEqual([3, 2, undefined]);
      await store.commit();
      store = await harness.restart();
      expect([1, 2, 3, 4].map((index) => store.view(0).termAt(index))).toEqual([1, 1, 2, undefined]);
      expect(recordsOf(await store.read(0, 3))).toHaveLength(1);
      await expect(store.read(0, 4)).rejects.toThrow();
    });

    test("an entry that replaces a staged one is the one that counts", async () => {
      driver.stage(0, 3, 100, 1);
      driver.stage(0, 2, 100, 1);
      driver.batch.reset();
      driver.batch.add(3, 1, 20);
      store.append(0, 1, 2, driver.batch.payload());
      await store.commit();
      expect(recordsOf(await store.read(0, 1))).toHaveLength(1);
      store = await harness.restart();
      expect(store.view(0).lastIndex).toBe(1);
      expect(recordsOf(await store.read(0, 1))).toHaveLength(1);
    });

    test("an uncommitted truncation is forgotten by a crash", async () => {
      for (let count = 0; count < 3; count += 1) driver.stage(0, 1, 100, 1);
      await store.commit();
      store.append(0, 2, 2, undefined);
      store = await harness.restart();
      expect([store.view(0).lastIndex, store.view(0).lastTerm]).toEqual([3, 1]);
      expect(recordsOf(await store.read(0, 3))).toHaveLength(1);
    });

    test("one commit is in flight, and the next is staged meanwhile", async () => {
      driver.stage(0, 1, 100);
      const first = store.commit();
      expect(store.committing).toBe(true);
      driver.stage(0, 2, 100);
      await expect(async () => store.commit()).rejects.toThrow("one commit is in flight");
      await first;
      expect(store.committing).toBe(false);
      await store.commit();
      store = await harness.restart();
      expect(store.view(0).lastIndex).toBe(2);
      expect(recordsOf(await store.read(0, 2))).toHaveLength(2);
    });

    test("a commit of nothing does nothing", async () => {
      await store.commit();
      expect(store.committing).toBe(false);
    });

    test("the largest entry fits an empty stage; what does not fit is refused", async () => {
      const batch = new RecordBatch();
      batch.add(1, 1, store.maxEntryBytes - 44);
      expect(store.roomBytes).toBe(store.maxEntryBytes);
      store.append(0, 1, 1, batch.payload());
      expect(store.roomBytes).toBeLessThan(100);
      expect(() => store.append(0, 2, 1, batch.payload())).toThrow(RangeError);
      const before = store.usage();
      await store.commit();
      const { writes, writtenBytes } = store.usage();
      expect(writes).toBeGreaterThan(before.writes);
      expect(writtenBytes - before.writtenBytes).toBeGreaterThanOrEqual(store.maxEntryBytes);
      expect(store.roomBytes).toBe(store.maxEntryBytes);
      expect((await store.read(0, 1)).payload.length).toBe(store.maxEntryBytes);
    });

    test("many groups share a commit", async () => {
      for (let group = 0; group < 150; group += 1) {
        driver.stage(group, 1, 20, 2);
        store.saveHardState(group, { term: 2, vote: 1 + group });
      }
      await store.commit();
      store = await harness.restart();
      expect(store.groups()).toHaveLength(150);
      for (const group of store.groups()) {
        expect(store.hardState(group)).toEqual({ term: 2, vote: 1 + group });
        expect(recordsOf(await store.read(group, 1))).toHaveLength(1);
      }
    });

    test("messages are found by queue and offset, in every segment, before and after a restart", async () => {
      await fill([0, 5], 5);
      for (const round of ["before", "after"]) {
        for (const group of [0, 5])
          for (const partition of [0, 1, 2]) {
            const messages = await readQueue(store, { group, stream: 1, partition });
            expect(messages.map(({ offset }) => offset)).toEqual(messages.map((_, offset) => offset));
            expect(messages.every(({ body, offset }) => body.startsWith(`${group}/1/${partition}/${offset}:`))).toBe(
              true,
            );
            expect(messages.length).toBeGreaterThan(50);
            const key = { group, stream: 1, partition };
            expect(await store.lookup(key, messages.length - 2, 10)).toHaveLength(2);
            expect(await store.lookup(key, messages.length, 10)).toHaveLength(0);
          }
        expect(await store.lookup({ group: 0, stream: 2, partition: 0 }, 0, 10)).toEqual([]);
        if (round === "after") return;
        store = await harness.restart();
        for (const group of store.groups()) await restore(store, group);
      }
    });

    test("an offset that leaves a gap in its queue is a broken invariant", async () => {
      await driver.write(0, 1, 10);
      const row = { ...defined(store.position(0, 1), "its position"), length: 10, tagHash: 0 };
      expect(() => store.indexMessage({ group: 0, stream: 1, partition: 0 }, 2, row)).toThrow("gap");
    });

    test("replay visits each entry once, in order, from any index to any other", async () => {
      await fill([0, 1], 4);
      store = await harness.restart();
      const { lastIndex } = store.view(1);
      for (const [from, to] of [
        [1, lastIndex],
        [7, lastIndex - 3],
        [lastIndex, lastIndex],
      ] as const) {
        const seen: number[] = [];
        await store.replay(1, from, to, (entry) => {
          seen.push(entry.index);
          expect(recordsOf(entry)).toHaveLength(3);
          expect(entry.position).toEqual(store.position(1, entry.index));
        });
        expect(seen).toEqual(Array.from({ length: to - from + 1 }, (_, row) => from + row));
      }
      await expect(store.replay(1, lastIndex, lastIndex + 1, () => undefined)).rejects.toThrow(RangeError);
    });

    test("the newest checkpoint is read back", async () => {
      expect(await store.readCheckpoint(0)).toBeUndefined();
      for (const index of [1, 2, 3]) {
        await driver.write(0, 1, 10);
        await store.writeCheckpoint(0, index, 1, [Buffer.from(`state ${index}`), Buffer.from("!")]);
        const found = defined(await store.readCheckpoint(0), "the checkpoint");
        expect([found.index, found.term, Buffer.from(found.bytes).toString()]).toEqual([index, 1, `state ${index}!`]);
      }
      store = await harness.restart();
      expect(await store.readCheckpoint(0)).toMatchObject({ index: 3, term: 1 });
      expect(await store.readCheckpoint(1)).toBeUndefined();
    });

    test("a checkpoint is due when the log has grown by the bound", async () => {
      await driver.write(0, 1, 10);
      expect(store.checkpointsDue()).toEqual([]);
      await fill([0], 5);
      expect(store.checkpointsDue()).toEqual([0]);
      await store.writeCheckpoint(0, store.view(0).lastIndex, 1, []);
      expect(store.checkpointsDue()).toEqual([]);
      await fill([0], 9);
      expect(store.checkpointsDue()).toEqual([0]);
    });

    test("a log start moves the view at once and survives with the next commit", async () => {
      for (let term = 1; term <= 5; term += 1) driver.stage(0, 1, 10, term);
      await store.commit();
      store.setLogStart(0, 4);
      store.setLogStart(0, 2);
      expect([store.view(0).firstIndex, store.view(0).termAt(3), store.view(0).termAt(2)]).toEqual([4, 3, undefined]);
      expect(() => store.setLogStart(0, 7)).toThrow(RangeError);
      await store.commit();
      store = await harness.restart();
      expect([store.view(0).firstIndex, store.view(0).termAt(3), store.view(0).lastIndex]).toEqual([4, 3, 5]);
    });

    test("segments are freed oldest first, once below every log start and under two checkpoints", async () => {
      await fill([0, 1], 6);
      const ends = [0, 1].map((group) => store.view(group).lastIndex);
      const oldest = store.segments().map(({ segment }) => segment);
      store.setLogStart(0, defined(ends[0], "an end"));
      store.setLogStart(1, defined(ends[1], "an end"));
      await store.commit();
      await until(() => store.segments()[0]?.sealed === true);
      expect(store.checkpointsDue()).toEqual([0, 1]);
      await store.writeCheckpoint(0, defined(ends[0], "an end"), 1, []);
      await store.writeCheckpoint(0, defined(ends[0], "an end"), 1, []);
      await store.writeCheckpoint(1, defined(ends[1], "an end"), 1, []);
      expect(store.segments()[0]?.segment).toBe(oldest[0]);
      expect(store.checkpointsDue()).toEqual([1]);
      await store.writeCheckpoint(1, defined(ends[1], "an end"), 1, []);
      await until(() => store.segments().length <= 2);
      expect(store.segments()[0]?.segment).toBeGreaterThan(defined(oldest[0], "the oldest"));
      await driver.write(0, 3, 1000);
      store = await harness.restart();
      expect(store.view(0).lastIndex).toBe(defined(ends[0], "an end") + 1);
      expect(store.hardState(0)).toEqual({ term: 0, vote: 0 });
      for (const group of [0, 1]) await restore(store, group);
      const key = { group: 0, stream: 1, partition: 0 };
      const rows = await store.lookup(key, 0, 1000);
      for (const record of await recordsAt(store, rows)) readMessage(record);
    });

    test("a vote outlives the segment it was written to", async () => {
      store.saveHardState(7, { term: 5, vote: 3 });
      await store.commit();
      await fill([0], 4);
      store.setLogStart(0, store.view(0).lastIndex);
      await store.commit();
      for (let copy = 0; copy < 2; copy += 1) await store.writeCheckpoint(0, store.view(0).lastIndex, 1, []);
      await until(() => (store.segments()[0]?.segment ?? 0) > 1);
      store = await harness.restart();
      expect(store.hardState(7)).toEqual({ term: 5, vote: 3 });
      expect(store.groups()).toEqual([0, 7]);
    });

    test("each opening raises the incarnation", async () => {
      const { incarnation, clusterId, replicaId } = store.identity;
      store = await harness.restart();
      store = await harness.restart();
      expect(store.identity).toEqual({ clusterId, replicaId, incarnation: incarnation + 2 });
    });

    test("closing waits for the commit under way", async () => {
      driver.stage(0, 3, 500);
      const committed = store.commit();
      await store[Symbol.asyncDispose]();
      await committed;
      store = await harness.restart();
      expect(store.view(0).lastIndex).toBe(1);
      expect(recordsOf(await store.read(0, 1))).toHaveLength(3);
    });

    test("a closed one refuses to write", async () => {
      await driver.write(0, 1, 10);
      await store[Symbol.asyncDispose]();
      expect(() => store.append(0, 2, 1, undefined)).toThrow("closed");
      expect(() => store.saveHardState(0, { term: 1, vote: 1 })).toThrow("closed");
      store = await harness.restart();
      expect(store.view(0).lastIndex).toBe(1);
    });
  });
}
