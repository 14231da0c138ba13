import { describe, expect, test } from "@jest/globals";
import { silentLogger } from "@saturnmq/kit";
import { type BackfillEntry, type EntryRange, MemoryLogStore, RecordBatch } from "@saturnmq/store";
import { ManualTime } from "../testing/manual-time.ts";
import { newcomer } from "../testing/newcomer.ts";
import { Filling } from "./filling.ts";

const shard = 3;
const last = 120;
/** A replica that holds entries 1 to 120. */
async function full(): Promise<MemoryLogStore> {
  const store = new MemoryLogStore();
  for (let index = 1; index <= last; index += 1) {
    const batch = new RecordBatch();
    const at = batch.add(9, 1, 8);
    batch.view.setFloat64(at, index, true);
    store.append(shard, index, 1, batch.payload());
    await store.commit();
  }
  return store;
}

async function entriesOf(store: MemoryLogStore, from: number, to: number): Promise<BackfillEntry[]> {
  const found: BackfillEntry[] = [];
  for await (const { index, term, kind, payload, writtenMs } of store.entries(shard, from, to)) {
    const bytes = payload.bytes.slice(payload.start, payload.start + payload.length);
    found.push({ index, term, kind, payload: { ...payload, bytes, start: 0 }, writtenMs });
  }
  return found;
}

function fill(store: MemoryLogStore, ask: (range: EntryRange) => Promise<readonly BackfillEntry[]>) {
  const time = new ManualTime();
  const filling = new Filling({
    ...{
      shard,
      range: { from: 1, to: last },
      chunkBytes: 4_096,
      store,
      clock: time,
      timers: time,
      logger: silentLogger,
    },
    ask: (_shard, range) => ask(range),
  });
  return { time, filling };
}

describe("filling in what a new replica lacks", () => {
  test("ends when it holds every entry, asked for in pieces", async () => {
    const [source, target] = [await full(), await newcomer(shard, last)];
    const { time, filling } = fill(target, ({ from, to }) => entriesOf(source, from, Math.min(to, from + 6)));
    const done = filling.run();
    await time.pass(5_000);
    expect(await done).toBe(true);
    expect(target.missing(shard, 1, last)).toEqual([]);
    expect(await entriesOf(target, 1, last)).toMatchObject(
      (await entriesOf(source, 1, last)).map(({ index, term, kind }) => ({ index, term, kind })),
    );
  });

  test("waits while nobody has the next entries, and does not take damaged ones", async () => {
    const [source, target] = [await full(), await newcomer(shard, last)];
    let asked = 0;
    const { time, filling } = fill(target, async ({ from, to }) => {
      asked += 1;
      if (asked <= 2) return [];
      const entries = await entriesOf(source, from, Math.min(to, from + 50));
      const [first] = entries;
      if (asked === 3 && first !== undefined) first.payload.bytes[first.payload.length - 1]! ^= 1;
      return entries;
    });
    const done = filling.run();
    await time.pass(1_100);
    expect(target.missing(shard, 1, last)).toEqual([{ from: 1, to: last }]);
    await time.pass(5_000);
    expect(await done).toBe(true);
    expect(target.missing(shard, 1, last)).toEqual([]);
  });

  test("ends when it is told to, and keeps what is durable", async () => {
    const [source, target] = [await full(), await newcomer(shard, last)];
    const { time, filling } = fill(target, ({ from, to }) => entriesOf(source, from, Math.min(to, from + 9)));
    const done = filling.run();
    await time.pass(3);
    filling.end();
    await time.pass(1);
    expect(await done).toBe(false);
    const [left] = target.missing(shard, 1, last);
    expect(left?.from).toBeGreaterThan(1);
    const again = fill(target, ({ from, to }) => entriesOf(source, from, to));
    const finished = again.filling.run();
    await again.time.pass(1_000);
    expect(await finished).toBe(true);
  });
});
