import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { defined } from "@saturnmq/kit";
import { type Configuration, type ConfigurationAt, decodeConfiguration } from "raft-ts";
import type { LogStore } from "../ports.ts";
import type { StoreHarness } from "./contract.ts";
import { readQueue, recordsOf, restore, TestDriver } from "./messages.ts";

/** Voters and nothing else. */
export function voters(...incoming: number[]): Configuration {
  return { incoming, outgoing: [], learners: [], learnersNext: [], autoLeave: false, revision: 0 };
}

const joint: Configuration = {
  incoming: [1, 2, 4],
  outgoing: [1, 2, 3],
  learners: [7],
  learnersNext: [3],
  autoLeave: true,
  revision: 2 ** 40 + 3,
};

/** The rules of what a `LogStore` keeps of a group besides its entries: configurations, restarts, damage. */
export function describeGroupState(name: string, start: () => Promise<StoreHarness>): void {
  describe(`${name} keeps what belongs to a group`, () => {
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

    /** Writes until the log has `segments` segments, and waits until all but the last are sealed. */
    async function fill(group: number, segments: number): Promise<void> {
      while (store.segments().length < segments)
        await driver.write(group, 3, 1000, Math.max(1, store.view(group).lastTerm));
      await until(() => store.segments().every(({ sealed }, row, all) => sealed || row === all.length - 1));
    }

    async function until(condition: () => boolean): Promise<void> {
      for (let turn = 0; turn < 5000 && !condition(); turn += 1) await new Promise((resolve) => setTimeout(resolve, 1));
      expect(condition()).toBe(true);
    }

    function configure(group: number, configuration: Configuration, term = 1): number {
      const index = store.view(group).lastIndex + 1;
      store.append(group, index, term, undefined, configuration);
      return index;
    }

    async function restart(): Promise<void> {
      store = await harness.restart();
      driver = driver.on(store);
    }

    test("a configuration entry is in force when staged, and is read back and replayed as what it is", async () => {
      store.saveConfiguration(0, { index: 0, configuration: voters(1, 2, 3) });
      driver.stage(0, 2, 100);
      const index = configure(0, joint);
      driver.stage(0, 1, 100);
      const view = store.view(0);
      expect(view.configurationAt()).toEqual({ index, configuration: joint });
      expect(view.configurationAt(1)).toEqual({ index: 0, configuration: voters(1, 2, 3) });
      await store.commit();
      for (const round of ["before", "after"]) {
        if (round === "after") await restart();
        expect(store.view(0).configurationAt()).toEqual({ index, configuration: joint });
        expect(store.view(0).configurationAt(index - 1)).toEqual({ index: 0, configuration: voters(1, 2, 3) });
        const { kind, payload } = await store.read(0, index);
        expect(kind).toBe("configuration");
        const bytes = payload.bytes.subarray(payload.start, payload.start + payload.length);
        expect(decodeConfiguration(bytes)).toEqual(joint);
        expect(store.view(0).bytesAt(index)).toBe(payload.length);
        const kinds: string[] = [];
        await store.replay(0, 1, 3, (entry) => kinds.push(`${entry.index} ${entry.kind}`));
        expect(kinds).toEqual(["1 data", "2 configuration", "3 data"]);
      }
    });

    test("a truncated configuration brings back the one before, durably", async () => {
      store.saveConfiguration(0, { index: 0, configuration: voters(1) });
      driver.stage(0, 0, 0);
      configure(0, voters(1, 2));
      configure(0, voters(1, 2, 3));
      await store.commit();
      store.append(0, 3, 2, undefined);
      expect(store.view(0).configurationAt()).toEqual({ index: 2, configuration: voters(1, 2) });
      store.append(0, 2, 3, undefined);
      expect(store.view(0).configurationAt()).toEqual({ index: 0, configuration: voters(1) });
      await store.commit();
      await restart();
      expect(store.view(0).configurationAt()).toEqual({ index: 0, configuration: voters(1) });
      configure(0, joint, 4);
      await restart();
      expect(store.view(0).configurationAt()).toEqual({ index: 0, configuration: voters(1) });
    });

    test("every configuration from the one in force below the first entry on is known, in sealed segments too", async () => {
      const at: ConfigurationAt[] = [{ index: 0, configuration: voters(1) }];
      store.saveConfiguration(0, defined(at[0], "the first"));
      for (let segments = 2; segments <= 6; segments += 1) {
        await fill(0, segments);
        const configuration = voters(...Array.from({ length: segments }, (_, row) => row + 1));
        at.push({ index: configure(0, configuration), configuration });
        await store.commit();
        store.applied(0, store.view(0).lastIndex);
      }
      await fill(0, 7);
      for (const round of ["all", "restarted", "trimmed", "trimmed and restarted", "freed"]) {
        if (round === "trimmed") {
          store.setLogStart(0, defined(at[3], "the third").index + 5);
          await store.commit();
        }
        if (round.endsWith("restarted")) {
          await restart();
          await restore(store, 0);
        }
        if (round === "freed") {
          for (let copy = 0; copy < 2; copy += 1) await store.writeCheckpoint(0, store.view(0).lastIndex, 1, []);
          await until(() => (store.segments()[0]?.segment ?? 0) > 2);
          await restart();
        }
        const view = store.view(0);
        const known = at.filter(
          ({ index }, row) => (at[row + 1]?.index ?? Infinity) > view.firstIndex - 1 || index >= view.firstIndex,
        );
        for (const [row, { index }] of known.entries()) {
          const next = known[row + 1]?.index ?? view.lastIndex + 1;
          for (const asked of [Math.max(index, view.firstIndex - 1), next - 1])
            expect([round, asked, view.configurationAt(asked)]).toEqual([round, asked, known[row]]);
        }
        expect(view.configurationAt()).toEqual(at.at(-1));
      }
    });

    test("a first configuration is taken once, and outlives the segment it was written to", async () => {
      expect(store.view(7).configurationAt()).toBeUndefined();
      expect(() => store.saveConfiguration(7, { index: 4, configuration: voters(1) })).toThrow(RangeError);
      store.saveConfiguration(7, { index: 0, configuration: joint });
      expect(() => store.saveConfiguration(7, { index: 0, configuration: voters(1) })).toThrow(RangeError);
      await store.commit();
      await fill(0, 4);
      store.setLogStart(0, store.view(0).lastIndex);
      await store.commit();
      for (let copy = 0; copy < 2; copy += 1) await store.writeCheckpoint(0, store.view(0).lastIndex, 1, []);
      await until(() => (store.segments()[0]?.segment ?? 0) > 1);
      await restart();
      expect(store.view(7).configurationAt()).toEqual({ index: 0, configuration: joint });
      expect(store.groups()).toEqual([0, 7]);
    });

    test("the bytes of each entry are known, staged, stored, sealed", async () => {
      driver.stage(0, 0, 0);
      driver.stage(0, 2, 100);
      expect([0, 1, 2, 3].map((index) => store.view(0).bytesAt(index))).toEqual([
        undefined,
        0,
        driver.batch.length,
        undefined,
      ]);
      await store.commit();
      store.applied(0, 2);
      await fill(0, 4);
      await restart();
      const view = store.view(0);
      for (let index = 1; index <= view.lastIndex; index += 1)
        expect(view.bytesAt(index)).toBe((await store.read(0, index)).payload.length);
      store.setLogStart(0, 5);
      expect([view.bytesAt(4), view.bytesAt(5)]).toEqual([undefined, (await store.read(0, 5)).payload.length]);
    });

    test("an empty group's log begins after a checkpoint, and goes on", async () => {
      await store.writeCheckpoint(3, 100, 5, [Buffer.from("state")]);
      store.restartAt(3, 100, 5, { index: 40, configuration: joint });
      const view = store.view(3);
      expect([view.firstIndex, view.lastIndex, view.lastTerm, view.termAt(99)]).toEqual([101, 100, 5, undefined]);
      expect(view.configurationAt()).toEqual({ index: 40, configuration: joint });
      expect(() => store.restartAt(3, 98, 5, { index: 40, configuration: joint })).toThrow(RangeError);
      expect(() => store.restartAt(3, 120, 5, { index: 121, configuration: joint })).toThrow(RangeError);
      expect(() => {
        driver.stage(3, 1, 100, 5);
        store.append(3, 103, 5, undefined);
      }).toThrow(RangeError);
      await store.commit();
      await restart();
      expect([store.view(3).firstIndex, store.view(3).lastIndex, store.view(3).termAt(100)]).toEqual([101, 101, 5]);
      expect(store.view(3).configurationAt()).toEqual({ index: 40, configuration: joint });
      expect(await store.readCheckpoint(3)).toMatchObject({ index: 100, term: 5 });
      await driver.write(3, 2, 100, 6);
      expect(recordsOf(await store.read(3, 102))).toHaveLength(2);
      expect(store.missing(3, 1, 102)).toEqual([{ from: 1, to: 100 }]);
    });

    test("a restart inside the log keeps what follows, and what it passed over unapplied is found by its queue", async () => {
      for (let count = 0; count < 8; count += 1) driver.stage(0, 2, 200, count < 4 ? 1 : 2);
      await store.commit();
      for (let index = 1; index <= 3; index += 1) await driver.applyAt(0, index);
      await store.writeCheckpoint(0, 6, 2, []);
      store.restartAt(0, 6, 2, { index: 0, configuration: voters(1, 2) });
      await store.commit();
      for (const round of ["before", "after"]) {
        if (round === "after") await restart();
        expect([store.view(0).firstIndex, store.view(0).lastIndex, store.view(0).termAt(6)]).toEqual([7, 8, 2]);
        expect(store.view(0).configurationAt()).toEqual({ index: 0, configuration: voters(1, 2) });
        for (let index = 7; index <= 8; index += 1) await driver.applyAt(0, index);
        expect(store.missing(0, 1, 8)).toEqual([]);
        for (const partition of [0, 1])
          expect(await readQueue(store, { group: 0, stream: 1, partition })).toHaveLength(8);
      }
    });

    test("a restart with another term discards everything above what is applied, and messages go on behind the gap", async () => {
      for (let count = 0; count < 6; count += 1) driver.stage(0, 1, 200, 1);
      await driver.commitAndApply(0, 4);
      const before = store.segments().length;
      await store.writeCheckpoint(0, 50, 3, [Buffer.from("far")]);
      // Entries of the same commit, before and after, are part of what happens.
      driver.stage(0, 1, 200, 1);
      store.restartAt(0, 50, 3, { index: 20, configuration: voters(2, 3) });
      driver.skip(0, 1, 0, 100);
      driver.stage(0, 1, 200, 3);
      await store.commit();
      await driver.apply(0);
      for (const round of ["before", "after"]) {
        if (round === "after") {
          await restart();
          expect(await restore(store, 0)).toBe(1);
        }
        const view = store.view(0);
        expect([view.firstIndex, view.lastIndex, view.lastTerm, view.termAt(49)]).toEqual([51, 51, 3, undefined]);
        expect(store.missing(0, 1, 51)).toEqual([{ from: 5, to: 50 }]);
        expect(recordsOf(await store.read(0, 4))).toHaveLength(1);
        await expect(store.read(0, 5)).rejects.toThrow();
        const key = { group: 0, stream: 1, partition: 0 };
        expect((await readQueue(store, key)).map(({ offset }) => offset)).toEqual([0, 1, 2, 3]);
        expect((await readQueue(store, key, 100)).map(({ offset }) => offset)).toEqual([100]);
        expect(await store.lookup(key, 0, 200)).toHaveLength(4);
        expect(await store.lookup(key, 100, 200)).toHaveLength(1);
      }
      expect(store.segments().length).toBeGreaterThanOrEqual(before);
      await fill(0, before + 3);
      await restart();
      await restore(store, 0);
      expect(store.missing(0, 1, store.view(0).lastIndex)).toEqual([{ from: 5, to: 50 }]);
      expect(recordsOf(await store.read(0, 4))).toHaveLength(1);
      const key = { group: 0, stream: 1, partition: 0 };
      expect((await readQueue(store, key)).map(({ offset }) => offset)).toEqual([0, 1, 2, 3]);
      expect((await readQueue(store, key, 100)).length).toBeGreaterThan(50);
    });

    test("an uncommitted restart and an uncommitted first configuration are forgotten by a crash", async () => {
      await driver.write(0, 1, 100);
      store.restartAt(0, 10, 1, { index: 0, configuration: voters(1) });
      store.saveConfiguration(1, { index: 0, configuration: voters(1) });
      await restart();
      expect([store.view(0).firstIndex, store.view(0).lastIndex]).toEqual([1, 1]);
      expect(store.view(0).configurationAt()).toBeUndefined();
      expect(store.view(1).configurationAt()).toBeUndefined();
    });

    test("below a restarted log the start is moved up, and what it leaves is freed", async () => {
      await fill(0, 4);
      const end = store.view(0).lastIndex;
      await store.writeCheckpoint(0, end + 100, 2, []);
      store.restartAt(0, end + 100, 2, { index: 0, configuration: voters(1) });
      await store.commit();
      await store.writeCheckpoint(0, end + 100, 2, []);
      expect(store.missing(0, 1, end)).toEqual([]);
      const kept = store.segments()[0]?.segment ?? 0;
      store.setLogStart(0, end + 1);
      await store.commit();
      await until(() => (store.segments()[0]?.segment ?? 0) > kept);
      await restart();
      expect([store.view(0).firstIndex, store.view(0).lastIndex]).toEqual([end + 101, end + 100]);
      expect(store.view(0).configurationAt()).toEqual({ index: 0, configuration: voters(1) });
    });

    test("a checkpoint carries the configuration in force at its index, if the log knows it", async () => {
      store.saveConfiguration(0, { index: 0, configuration: voters(1) });
      await driver.write(0, 1, 10);
      configure(0, joint);
      await store.commit();
      await store.writeCheckpoint(0, 1, 1, [Buffer.from("one")]);
      expect((await store.readCheckpoint(0))?.configuration).toEqual({ index: 0, configuration: voters(1) });
      await store.writeCheckpoint(0, 2, 1, [Buffer.from("two")]);
      await restart();
      expect((await store.readCheckpoint(0))?.configuration).toEqual({ index: 2, configuration: joint });
      await store.writeCheckpoint(0, 90, 1, [Buffer.from("from elsewhere")]);
      expect((await store.readCheckpoint(0))?.configuration).toBeUndefined();
    });

    test("a damaged group ends before the damage, the others keep all; it is so until it is healed", async () => {
      for (const group of [0, 1]) store.saveConfiguration(group, { index: 0, configuration: voters(1, 2, 3) });
      for (let round = 0; round < 6; round += 1) for (const group of [0, 1]) await driver.write(group, 2, 200);
      store = await harness.restartDamaged(0, 4);
      driver = driver.on(store);
      for (let round = 0; round < 2; round += 1) {
        expect([store.damaged(0), store.damaged(1), store.damaged(2)]).toEqual(["fetch", "no", "no"]);
        expect([store.view(0).lastIndex, store.view(1).lastIndex]).toEqual([3, 6]);
        expect(store.view(0).configurationAt()).toEqual({ index: 0, configuration: voters(1, 2, 3) });
        await restore(store, 1);
        await restore(store, 0);
        expect(await readQueue(store, { group: 1, stream: 1, partition: 0 })).toHaveLength(6);
        expect(await readQueue(store, { group: 0, stream: 1, partition: 0 })).toHaveLength(3);
        await restart();
      }
      await restore(store, 0);
      driver.rewind(0, 1, 3);
      for (let round = 0; round < 3; round += 1) await driver.write(0, 2, 200);
      store.healed(0);
      expect(store.damaged(0)).toBe("no");
      await restart();
      expect(store.damaged(0)).toBe("fetch");
      store.healed(0);
      await store.commit();
      for (let round = 0; round < 2; round += 1) {
        await restart();
        expect([store.damaged(0), store.view(0).lastIndex, store.missing(0, 1, 6)]).toEqual(["no", 6, []]);
        await restore(store, 0);
        expect(await readQueue(store, { group: 0, stream: 1, partition: 0 })).toHaveLength(6);
      }
    });

    test("a damaged group whose checkpoint lies beyond the damage begins anew there", async () => {
      store.saveConfiguration(0, { index: 0, configuration: voters(1, 2, 3) });
      for (let round = 0; round < 4; round += 1) await driver.write(0, 2, 200);
      const index = configure(0, joint);
      await store.commit();
      store.applied(0, index);
      await driver.write(0, 2, 200);
      await store.writeCheckpoint(0, 6, 1, [Buffer.from("six")]);
      await driver.write(0, 2, 200);
      store = await harness.restartDamaged(0, 3);
      driver = driver.on(store);
      for (let round = 0; round < 2; round += 1) {
        expect([store.damaged(0), store.view(0).firstIndex, store.view(0).lastIndex]).toEqual(["fetch", 7, 6]);
        expect(store.view(0).configurationAt()).toEqual({ index, configuration: joint });
        expect(store.missing(0, 1, 6)).toEqual([{ from: 3, to: 6 }]);
        expect(recordsOf(await store.read(0, 2))).toHaveLength(2);
        expect(await readQueue(store, { group: 0, stream: 1, partition: 0 })).toHaveLength(2);
        await restart();
      }
    });

    test("a checkpoint that the log never began after is forgotten by a crash, and the one before counts", async () => {
      await driver.write(0, 1, 100);
      await store.writeCheckpoint(0, 1, 1, [Buffer.from("own")]);
      for (const index of [40, 50]) await store.writeCheckpoint(0, index, 2, [Buffer.from("from elsewhere")]);
      store.restartAt(0, 50, 2, { index: 30, configuration: joint });
      await restart();
      expect([store.view(0).lastIndex, (await store.readCheckpoint(0))?.index]).toEqual([1, 1]);
      const configuration = { index: 30, configuration: joint };
      await store.writeCheckpoint(0, 60, 2, [Buffer.from("from elsewhere")], configuration);
      store.restartAt(0, 60, 2, configuration);
      await store.commit();
      await restart();
      expect([store.view(0).lastIndex, await store.readCheckpoint(0)]).toMatchObject([
        60,
        { index: 60, configuration },
      ]);
    });

    test("a damaged group goes on from the newest checkpoint whose configuration is known or that its log reaches", async () => {
      store.saveConfiguration(0, { index: 0, configuration: voters(1, 2, 3) });
      await driver.write(0, 2, 200);
      await store.writeCheckpoint(0, 40, 1, [Buffer.from("from elsewhere")]);
      store.restartAt(0, 40, 1, { index: 30, configuration: joint });
      await store.commit();
      await driver.write(0, 1, 100);
      // Of a last frame that nothing behind it knows to be durable, nobody can tell.
      await driver.write(1, 1, 100);
      await store.writeCheckpoint(0, 60, 1, [Buffer.from("interrupted")]);
      store = await harness.restartDamaged(0, 41);
      expect([store.damaged(0), store.view(0).firstIndex, store.view(0).lastIndex]).toEqual(["fetch", 41, 40]);
      expect((await store.readCheckpoint(0))?.index).toBe(40);
      expect(store.view(0).configurationAt()).toEqual({ index: 30, configuration: joint });
    });
  });
}
