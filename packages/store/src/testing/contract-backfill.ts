import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { defined } from "@saturnmq/kit";
import type { EntryRange } from "../entry-ranges.ts";
import { MemoryLogStore } from "../memory-log-store.ts";
import type { Backfill, LogStore } from "../ports.ts";
import type { StoreHarness } from "./contract.ts";
import { voters } from "./contract-groups.ts";
import { readQueue, recordsOf, restore, TestDriver } from "./messages.ts";

const queues = [0, 1, 2].map((partition) => ({ group: 0, stream: 1, partition }));

/** The rules of filling in what a new replica lacks, and of giving it to one. */
export function describeBackfill(name: string, start: () => Promise<StoreHarness>): void {
  describe(`${name} is filled in`, () => {
    let harness: StoreHarness;
    let store: LogStore;
    /** A replica that has everything: what is filled in comes from there, and is compared with it. */
    let source: LogStore;
    /** Index of the checkpoint that the new replica begins with. */
    let end = 0;
    beforeEach(async () => {
      harness = await start();
      store = harness.store;
      source = new MemoryLogStore({ wallMs: () => 1234 });
      const driver = new TestDriver(source);
      for (let round = 0; round < 60; round += 1) {
        await driver.write(0, 3, 900);
        if (round === 20) source.append(0, source.view(0).lastIndex + 1, 1, undefined, voters(1, 2, 3));
      }
      await source.commit();
      end = source.view(0).lastIndex;
      // Live entries go on behind the checkpoint.
      await store.writeCheckpoint(0, end, 1, [Buffer.from("the state")]);
      store.restartAt(0, end, 1, { index: 22, configuration: voters(1, 2, 3) });
      await store.commit();
      for (let round = 0; round < 5; round += 1) {
        await driver.write(0, 3, 900);
        const { term, payload } = await source.read(0, end + 1 + round);
        store.append(0, end + 1 + round, term, payload);
        await store.commit();
        await new TestDriver(store).apply(0);
      }
    });
    afterEach(async () => {
      await harness.close();
    });

    /** What a back-fill misses that is given up at once. */
    async function closed(backfill: Backfill): Promise<readonly EntryRange[]> {
      const missing = backfill.missing();
      await backfill[Symbol.asyncDispose]();
      return missing;
    }

    /** Fills in part of what is missing; a flush every few entries. */
    async function fill(backfill: Backfill, from: number, to: number): Promise<void> {
      let added = 0;
      for await (const entry of source.entries(0, from, to)) {
        if (entry.payload.length > backfill.roomBytes || added % 7 === 6) await backfill.flush();
        backfill.add(entry);
        added += 1;
      }
      await backfill.flush();
    }

    /** Everything from `from` on reads as at the source. */
    async function expectSame(from: number): Promise<void> {
      const last = source.view(0).lastIndex;
      for (let index = from; index <= last; index += 1) {
        const [ours, theirs] = [await store.read(0, index), await source.read(0, index)];
        expect([index, ours.term, ours.kind]).toEqual([index, theirs.term, theirs.kind]);
        expect(bytesOf(ours.payload).equals(bytesOf(theirs.payload))).toBe(true);
        expect(ours.position).toEqual(store.position(0, index));
      }
      const firstOffset = from === 1 ? 0 : undefined;
      for (const key of queues) {
        const theirs = await readQueue(source, key);
        const ours = await readQueue(store, key);
        expect(ours).toEqual(theirs.slice(theirs.length - ours.length));
        if (firstOffset === 0) {
          expect(ours).toHaveLength(theirs.length);
          expect(await store.lookup(key, 0, theirs.length)).toHaveLength(theirs.length);
        }
      }
    }

    test("a replica that was given up and comes back is filled in again, and keeps what it is given", async () => {
      store.setLogStart(0, end + 1);
      await store.commit();
      expect((await store.openBackfill(0, 1, end - 1).then(closed)).length).toBe(0);
      store.keepFrom(0, 1);
      const backfill = await store.openBackfill(0, 1, end);
      expect(backfill.missing()).toEqual([{ from: 1, to: end }]);
      await fill(backfill, 1, end);
      await backfill.finish();
      for (let round = 0; round < 5; round += 1) await store.commit();
      await expectSame(1);
      expect(store.missing(0, 1, end)).toEqual([]);
    });

    test("what is filled in is read by index and by queue as if it had been written here", async () => {
      expect(store.missing(0, 1, end + 5)).toEqual([{ from: 1, to: end }]);
      const before = store.usage();
      const backfill = await store.openBackfill(0, 1, end);
      expect(backfill.missing()).toEqual([{ from: 1, to: end }]);
      await fill(backfill, 1, end);
      expect(backfill.missing()).toEqual([]);
      await backfill.finish();
      await expectSame(1);
      expect(store.usage().bulkBytes).toBeGreaterThan(end * 3 * 900);
      expect(store.usage().logBytes - before.logBytes).toBeGreaterThanOrEqual(store.usage().bulkBytes);
      expect(store.usage().totalBytes).toBeGreaterThan(0);
      expect(store.segments()[0]).toMatchObject({ sealed: true, lastWriteMs: 1234 });
      expect(store.view(0).firstIndex).toBe(end + 1);
      for (let round = 0; round < 2; round += 1) {
        store = await harness.restart();
        expect(await restore(store, 0)).toBe(5);
        expect(store.missing(0, 1, end + 5)).toEqual([]);
        await expectSame(1);
      }
    });

    test("a restart in the middle goes on with what is not durable yet", async () => {
      const first = await store.openBackfill(0, 1, end);
      await fill(first, 11, 30);
      for await (const entry of source.entries(0, 31, 33)) first.add(entry);
      store = await harness.restart();
      await restore(store, 0);
      const second = await store.openBackfill(0, 1, end);
      expect(second.missing()).toEqual([
        { from: 1, to: 10 },
        { from: 31, to: end },
      ]);
      expect(recordsOf(await store.read(0, 12))).toHaveLength(3);
      // A part of it, backwards.
      await fill(second, 41, end);
      await fill(second, 31, 40);
      await second.finish();
      store = await harness.restart();
      await restore(store, 0);
      await expectSame(11);
      const third = await store.openBackfill(0, 1, end);
      await fill(third, 1, 10);
      await third.finish();
      await expectSame(1);
    });

    test("an entry that is not missing, does not fit, or is not what its checks say is refused and changes nothing", async () => {
      await using backfill = await store.openBackfill(0, 5, 20);
      await expect(store.openBackfill(0, 1, 4)).rejects.toThrow(RangeError);
      await expect(store.openBackfill(0, 1, end + 1)).rejects.toThrow(RangeError);
      const [four, five, six] = await entriesOf(source, 4, 6);
      const bad = new Uint8Array(defined(five, "an entry").payload.bytes);
      const at = defined(five, "an entry").payload.start + 100;
      bad[at] = (bad[at] ?? 0) ^ 1;
      expect(() => backfill.add(defined(four, "an entry"))).toThrow(RangeError);
      expect(() =>
        backfill.add({ ...defined(five, "an entry"), payload: { ...defined(five, "an entry").payload, bytes: bad } }),
      ).toThrow(RangeError);
      backfill.add(defined(five, "an entry"));
      expect(() => backfill.add(defined(five, "an entry"))).toThrow(RangeError);
      expect(backfill.missing()).toEqual([{ from: 5, to: 20 }]);
      await backfill.flush();
      expect(() => backfill.add(defined(five, "an entry"))).toThrow(RangeError);
      expect(backfill.missing()).toEqual([{ from: 6, to: 20 }]);
      backfill.add(defined(six, "an entry"));
      await backfill.finish();
      expect(() => backfill.add(defined(six, "an entry"))).toThrow("ended");
      expect(store.missing(0, 5, 20)).toEqual([{ from: 7, to: 20 }]);
      expect(recordsOf(await store.read(0, 6))).toHaveLength(3);
    });

    test("more than there is room for waits for a flush; the largest entry fits when nothing waits", async () => {
      await using backfill = await store.openBackfill(0, 1, end);
      expect(backfill.roomBytes).toBe(store.maxEntryBytes);
      const [one] = await entriesOf(source, 1, 1);
      backfill.add(defined(one, "an entry"));
      expect(backfill.roomBytes).toBe(1024 * 1024 - defined(one, "an entry").payload.length);
    });

    test("the log start frees what was filled in below it", async () => {
      const backfill = await store.openBackfill(0, 1, end);
      await fill(backfill, 1, 20);
      await backfill.finish();
      const second = await store.openBackfill(0, 1, end);
      await fill(second, 21, end);
      await second.finish();
      const { bulkBytes } = store.usage();
      store.setLogStart(0, 21);
      await store.commit();
      await until(() => store.usage().bulkBytes < bulkBytes);
      expect(store.missing(0, 1, end)).toEqual([{ from: 1, to: 20 }]);
      expect((await store.openBackfill(0, 1, end)).missing()).toEqual([]);
      await expectSame(21);
      store = await harness.restart();
      await restore(store, 0);
      expect([store.view(0).firstIndex, store.missing(0, 1, end)]).toEqual([end + 1, [{ from: 1, to: 20 }]]);
      await expectSame(21);
      store.setLogStart(0, end + 1);
      await store.commit();
      await until(() => store.usage().bulkBytes === 0);
      expect(store.missing(0, 1, end + 5)).toEqual([{ from: 1, to: end }]);
    });

    test("entries are given in order, whole, wherever they lie, and not beyond what is held", async () => {
      const backfill = await store.openBackfill(0, 1, end);
      await fill(backfill, 1, end);
      await backfill.finish();
      const last = store.view(0).lastIndex;
      for (const [from, to] of [
        [1, last],
        [7, 9],
        [end - 1, end + 2],
        [last, last],
      ] as const) {
        const seen: string[] = [];
        for await (const { index, kind, payload, summary } of store.entries(0, from, to))
          seen.push(`${index} ${kind} ${payload.length} ${summary}`);
        const expected: string[] = [];
        for await (const { index, kind, payload } of source.entries(0, from, to))
          expected.push(`${index} ${kind} ${payload.length} false`);
        expect(seen).toEqual(expected);
      }
      await expect(entriesOf(store, last, last + 1)).rejects.toThrow(RangeError);
    });

    async function until(condition: () => boolean): Promise<void> {
      for (let turn = 0; turn < 5000 && !condition(); turn += 1) await new Promise((resolve) => setTimeout(resolve, 1));
      expect(condition()).toBe(true);
    }
  });
}

/** Copies of entries. */
export async function entriesOf(
  store: LogStore,
  from: number,
  to: number,
): Promise<readonly Parameters<Backfill["add"]>[0][]> {
  const found: Parameters<Backfill["add"]>[0][] = [];
  for await (const entry of store.entries(0, from, to))
    found.push({ ...entry, payload: { ...entry.payload, bytes: entry.payload.bytes.slice() } });
  return found;
}

/** Fills in all of `ranges` from another store. */
export async function fillFrom(source: LogStore, backfill: Backfill, ranges: readonly EntryRange[]): Promise<void> {
  for (const { from, to } of ranges)
    for await (const entry of source.entries(backfill.group, from, to)) {
      if (entry.payload.length > backfill.roomBytes) await backfill.flush();
      backfill.add(entry);
    }
  await backfill.flush();
}

function bytesOf({ bytes, start, length }: { bytes: Uint8Array; start: number; length: number }): Buffer {
  return Buffer.from(bytes.subarray(start, start + length));
}
