import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { defined } from "@saturnmq/kit";
import { MemoryDisk } from "@saturnmq/kit/testing";
import { segmentPath } from "./paths.ts";
import type { LogStore, RecordPosition } from "./ports.ts";
import { CorruptionError } from "./ports.ts";
import { readMessage, restore, TestDriver, type TestMessage } from "./testing/messages.ts";
import { openSmallStore } from "./testing/small-store.ts";

// Goal: who works off a backlog reads the disk once for many records, gets what was written, and never what was damaged.

let disk: MemoryDisk;
let store: LogStore;
let written: TestMessage[];

/** Some segments of entries of three queues, opened anew: nothing of them is in the tail cache. */
beforeEach(async () => {
  disk = new MemoryDisk();
  store = await openSmallStore(disk);
  const driver = new TestDriver(store);
  written = [];
  for (let entry = 0; entry < 60; entry += 1) written.push(...(await driver.write(0, 9, 900)));
  await store[Symbol.asyncDispose]();
  store = await openSmallStore(disk);
  await restore(store, 0);
});

afterEach(async () => {
  await store[Symbol.asyncDispose]();
});

async function rowsOf(partition: number): Promise<readonly RecordPosition[]> {
  return store.lookup({ group: 0, stream: 1, partition }, 0, 10_000);
}

test("a backlog is read in few pieces, by whomever of its queues it is asked for", async () => {
  const queues = await Promise.all([0, 1, 2].map(rowsOf));
  let pieces = 0;
  const found: TestMessage[] = [];
  for (let from = 0; from < defined(queues[0], "rows").length; from += 10)
    for (const rows of queues) {
      const reads = store.readRecords(rows.slice(from, from + 10));
      if (reads instanceof Promise) pieces += 1;
      for (const read of await reads) found.push(readMessage(read as Uint8Array));
    }
  const inOrder = (messages: TestMessage[]) =>
    messages.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset);
  expect(inOrder(found)).toEqual(inOrder(written));
  const segments = store.segments().length;
  expect(segments).toBeGreaterThan(4);
  expect(pieces).toBeGreaterThanOrEqual(segments - 1);
  expect(pieces).toBeLessThanOrEqual(2 * segments);
});

test("a lone record is read alone, and one that follows it along with what lies behind", async () => {
  const rows = await rowsOf(1);
  const isRead = async (at: number): Promise<boolean> => {
    const reads = store.readRecords(rows.slice(at, at + 1));
    const [read] = await reads;
    expect(readMessage(read as Uint8Array)).toEqual(written.filter(({ partition }) => partition === 1)[at]);
    return reads instanceof Promise;
  };
  expect([await isRead(0), await isRead(0)]).toEqual([true, false]);
  expect([await isRead(1), await isRead(2), await isRead(3)]).toEqual([true, false, false]);
});

test("damage that was read along is told of the record that has it, every time", async () => {
  const rows = await rowsOf(0);
  const bad = defined(rows[4], "row");
  disk.flipBit(segmentPath("data", bad.segment), bad.offset + bad.length - 10, 6);
  const first = await store.readRecords(rows.slice(0, 3));
  expect(first.some((read) => read instanceof Error)).toBe(false);
  for (let time = 0; time < 3; time += 1) {
    const [before, damaged, after] = await store.readRecords(rows.slice(3, 6));
    expect(damaged).toBeInstanceOf(CorruptionError);
    expect([before, after].map((read) => readMessage(read as Uint8Array).offset)).toEqual([3, 5]);
  }
});
