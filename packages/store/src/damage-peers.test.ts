import { beforeAll, describe, expect, jest, test } from "@jest/globals";
import { defined, SeededRandom } from "@saturnmq/kit";
import { ManualTime, MemoryDisk } from "@saturnmq/kit/testing";
import type { GroupId, Payload } from "raft-ts";
import { viewOf } from "./bytes.ts";
import { type InspectLine, inspectLog } from "./inspect.ts";
import { CorruptionError, type LogStore } from "./ports.ts";
import { recordAt, walkRecords } from "./record.ts";
import { RecordBatch } from "./record-batch.ts";
import { voters } from "./testing/contract-groups.ts";
import { addMessage, applyEntry, readMessage, recordsAt, restore, type TestMessage } from "./testing/messages.ts";
import type { Model } from "./testing/model.ts";
import { openSmallStore } from "./testing/small-store.ts";
import { Workload } from "./testing/workload.ts";

const flipCount = process.env["SATURNMQ_NIGHTLY"] === "1" ? 6000 : 90;
const groups = [0, 1, 2, 3];
// On a machine that does much else.
jest.setTimeout(60_000);

/** A folder of groups with peers, and what was ever written to it. */
type Sample = { readonly disk: MemoryDisk; readonly work: Workload };

async function makeSample(seed: number): Promise<Sample> {
  const disk = new MemoryDisk();
  const time = new ManualTime();
  const work = new Workload(seed);
  const store = await openSmallStore(disk);
  await work.found(store, voters(1, 2, 3));
  for (let step = 0; step < 30; step += 1) await work.step(store, time);
  // Checkpoints without which nothing is sealed for good, then a tail that is read frame by frame.
  while (store.segments().filter(({ segment }) => segment > 0).length < 3) await work.step(store, time);
  for (let step = 0; step < 25; step += 1) await work.step(store, time);
  while (store.segments().filter(({ segment }) => segment < 0).length < 3) await work.step(store, time);
  await work.quiet(store);
  disk.killProcesses();
  return { disk, work };
}

type Outcome = "whole" | "fetch" | "rejoin" | "refused" | "unreadable";

/** Opens a damaged folder, checks all that is there, lets it heal from the model as from a leader, and checks again. */
async function outcome({ work }: Sample, disk: MemoryDisk): Promise<Outcome> {
  let store: LogStore | undefined;
  try {
    store = await openSmallStore(disk);
    const hit = groups.filter((group) => store?.damaged(group) !== "no");
    if (hit.length === 0) {
      expect(work.acknowledged.difference(store)).toBeUndefined();
      for (const group of groups) await restore(store, group);
      await work.acknowledged.expectContent(store);
      return "whole";
    }
    const rejoin = hit.filter((group) => store?.damaged(group) === "rejoin");
    await expectSound(store, work, hit);
    const before = stateOf(store);
    await store[Symbol.asyncDispose]();
    store = await openSmallStore(disk);
    expect(stateOf(store)).toEqual(before);
    await expectSound(store, work, hit);
    await heal(store, work.acknowledged, hit);
    await store[Symbol.asyncDispose]();
    store = await openSmallStore(disk);
    for (const group of groups) await restore(store, group);
    await expectHealed(store, work.acknowledged, hit, rejoin);
    return rejoin.length > 0 ? "rejoin" : "fetch";
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    expect(disk.paths().includes(error.file)).toBe(true);
    return store === undefined ? "refused" : "unreadable";
  } finally {
    await store?.[Symbol.asyncDispose]();
  }
}

function stateOf(store: LogStore): unknown {
  return groups.map((group) => {
    const { firstIndex, lastIndex, lastTerm } = store.view(group);
    const configuration = store.view(group).configurationAt();
    const missing = store.missing(group, 1, lastIndex);
    const damage = store.damaged(group);
    return { group, firstIndex, lastIndex, lastTerm, configuration, damage, missing, hard: store.hardState(group) };
  });
}

/** Groups that were not hit hold everything; of the others nothing is there that was never written. */
async function expectSound(store: LogStore, work: Workload, hit: readonly GroupId[]): Promise<void> {
  for (const group of groups) await restoreCommitted(store, work.acknowledged, group);
  const others = work.acknowledged.copy();
  for (const group of hit) others.groups.delete(group);
  await others.expectContent(store);
  for (const group of hit) {
    const { firstIndex, lastIndex } = store.view(group);
    for (let index = firstIndex; index <= lastIndex; index += 1) {
      const { payload, term, kind } = await store.read(group, index);
      const written = kind === "data" ? messagesIn(payload).map(({ body }) => body) : [];
      expect(work.everWritten(group, index)).toContain(JSON.stringify({ term, written }));
    }
    for (const partition of [0, 1])
      for (const record of await recordsAt(store, await store.lookup({ group, stream: 1, partition }, 0, 10_000)))
        expect(work.everSent(group)).toContain(readMessage(record).body);
  }
}

/** The last entry that is the leader's too: of a damaged group's log what is behind may have been overwritten. */
function commonEnd(store: LogStore, model: Model, group: GroupId): number {
  const view = store.view(group);
  const { entries } = model.group(group);
  let last = view.lastIndex;
  while (last >= view.firstIndex && view.termAt(last) !== entries[last - 1]?.term) last -= 1;
  return last;
}

/** Replays and applies what is committed, as a fenced replica does. */
async function restoreCommitted(store: LogStore, model: Model, group: GroupId): Promise<void> {
  const from = ((await store.readCheckpoint(group))?.index ?? 0) + 1;
  const to = commonEnd(store, model, group);
  if (from <= to)
    await store.replay(group, from, to, (entry) => {
      applyEntry(store, group, entry);
    });
  store.applied(group, to);
}

/** What a leader and a back-fill do: entries behind the log's end are appended, those before its beginning filled in. */
async function heal(store: LogStore, model: Model, hit: readonly GroupId[]): Promise<void> {
  const batch = new RecordBatch();
  for (const group of hit) {
    const { entries, floor } = model.group(group);
    const view = store.view(group);
    for (let index = commonEnd(store, model, group) + 1; index <= entries.length; index += 1) {
      const { term, messages, configuration } = defined(entries[index - 1], "an entry");
      batch.reset();
      for (const message of messages) addMessage(batch, message);
      if (batch.length > store.roomBytes) await store.commit();
      if (configuration === undefined)
        store.append(group, index, term, batch.length === 0 ? undefined : batch.payload());
      else store.append(group, index, term, undefined, configuration);
    }
    store.healed(group);
    await store.commit();
    if (view.firstIndex === 1) continue;
    const backfill = await store.openBackfill(group, 1, view.firstIndex - 1);
    for (const { from, to } of backfill.missing())
      for (let index = Math.max(from, floor); index <= to; index += 1) {
        const { term, messages, configuration } = defined(entries[index - 1], "an entry");
        batch.reset();
        for (const message of messages) addMessage(batch, message);
        if (configuration !== undefined) continue;
        backfill.add({ index, term, kind: "data", payload: batch.payload(), writtenMs: 1 });
        await backfill.flush();
      }
    await backfill.finish();
  }
}

async function expectHealed(
  store: LogStore,
  model: Model,
  hit: readonly GroupId[],
  rejoin: readonly GroupId[],
): Promise<void> {
  const expected = model.copy();
  for (const group of hit) {
    const state = expected.group(group);
    const { firstIndex, lastIndex } = store.view(group);
    state.first = firstIndex;
    const missing = store.missing(group, state.floor, lastIndex);
    state.entries = state.entries.map((entry, at) => {
      const held = missing.every(({ from, to }) => at + 1 < from || at + 1 > to);
      // Of what had been there before only configurations are not filled in by this test.
      if (entry.held === "yes" && entry.configuration === undefined)
        expect({ group, index: at + 1, held }).toMatchObject({ held: true });
      return { ...entry, held: held ? "yes" : "no" };
    });
    if (rejoin.includes(group))
      Object.assign(state, { hardTerm: store.hardState(group).term, vote: store.hardState(group).vote });
  }
  expect(expected.difference(store)).toBeUndefined();
  await expected.expectContent(store);
}

function messagesIn(payload: { bytes: Uint8Array; start: number; length: number }): ReturnType<typeof readMessage>[] {
  const view = viewOf(payload.bytes);
  const found: ReturnType<typeof readMessage>[] = [];
  walkRecords(payload, (at, length) => {
    if (view.getUint8(at + recordAt.flags) === 1) found.push(readMessage(payload.bytes.subarray(at, at + length)));
  });
  return found;
}

/** Where frames lie in the log's files: found without the code under test. */
function framesOf(
  disk: MemoryDisk,
): readonly { readonly path: string; readonly at: number; readonly length: number }[] {
  return disk
    .paths()
    .filter((name) => /log\/\d{12}\.seg$/.test(name))
    .flatMap((path) => {
      const bytes = disk.content(path);
      const view = viewOf(bytes);
      const found: { path: string; at: number; length: number }[] = [];
      for (let at = 4096; at < bytes.length; at += 4096)
        if (view.getUint32(at, true) === 0x31_46_51_53) found.push({ path, at, length: view.getUint32(at + 8, true) });
      return found;
    });
}

describe("damage in groups with peers", () => {
  let sample: Sample;
  beforeAll(async () => {
    sample = await makeSample(11);
  });

  test("an undamaged folder opens whole", async () => {
    expect(await outcome(sample, sample.disk.copy())).toBe("whole");
  });

  test("an inspection tells the groups' voters and what was filled in, and names a flipped bit there", async () => {
    const lines = await collect(sample.disk);
    expect(lines.filter(({ kind }) => kind === "damage" || kind === "tornTail")).toEqual([]);
    const voting = lines.flatMap((line) => (line.kind === "group" ? [line.configuration?.configuration.incoming] : []));
    expect(voting).toHaveLength(groups.length);
    expect(voting.every((incoming) => incoming !== undefined && incoming.length >= 3)).toBe(true);
    const filled = lines.flatMap((line) => (line.kind === "bulk" ? [line] : []));
    expect(filled.length).toBeGreaterThanOrEqual(3);
    for (const { path, bytes, firstIndex, lastIndex, sealed } of filled) {
      expect([firstIndex > 0, lastIndex >= firstIndex, sealed]).toEqual([true, true, true]);
      const disk = sample.disk.copy();
      disk.flipBit(path, bytes > 4096 ? 4096 + 90 : 12, 1);
      const damage = (await collect(disk)).flatMap((line) => (line.kind === "damage" ? [line.file] : []));
      expect(damage).toContain(path);
    }
  });

  // Goal: no flipped bit makes a group with peers lose what another group holds, show what was never written, or stay away for good.
  // Method: flip, open, check, open again, fetch what is lost, open again, compare with what had been acknowledged.
  test("any byte flipped: what was not hit is there, what was hit ends before the damage and heals", async () => {
    const random = new SeededRandom(5);
    const frames = framesOf(sample.disk).slice(0, -1);
    // Those that an opening reads; the others are known from summaries.
    const sealed = new Set(
      sample.disk
        .paths()
        .filter((path) => path.startsWith("data/index/"))
        .map((path) => path.slice(-16, -4)),
    );
    const read = frames.filter(({ path }) => !sealed.has(path.slice(-16, -4)));
    const outcomes = { whole: 0, fetch: 0, rejoin: 0, refused: 0, unreadable: 0 };
    for (let row = 0; row < flipCount; row += 1) {
      const among = row % 3 === 0 ? frames : read;
      const { path, at, length } = defined(among[random.below(among.length)], "a frame");
      const byte = at + (row % 2 === 0 ? random.below(Math.min(length, 200)) : random.below(length));
      const disk = sample.disk.copy();
      disk.flipBit(path, byte, random.below(8));
      try {
        outcomes[await outcome(sample, disk)] += 1;
      } catch (error) {
        throw new Error(`${path} byte ${byte} (frame at ${at})`, { cause: error });
      }
    }
    expect(outcomes.fetch).toBeGreaterThan(flipCount / 20);
    expect(outcomes.rejoin).toBeGreaterThan(flipCount / 20);
    expect(outcomes.refused).toBe(0);
  }, 3_600_000);

  test("several frames in a row, and whole segments, zeroed", async () => {
    const random = new SeededRandom(6);
    const frames = framesOf(sample.disk).slice(0, -1);
    const outcomes = new Set<Outcome>();
    for (let row = 0; row < flipCount / 8; row += 1) {
      const first = random.below(frames.length);
      const disk = sample.disk.copy();
      for (const { path, at, length } of frames.slice(first, first + 1 + random.below(6))) {
        const bytes = disk.content(path);
        bytes.fill(0, at, at + length);
        disk.plant(path, bytes);
      }
      outcomes.add(await outcome(sample, disk));
    }
    expect(outcomes).toContain("rejoin");
  }, 3_600_000);

  test("any byte of what was filled in flipped: it is found when it is read, reported as missing, and filled in anew", async () => {
    const random = new SeededRandom(7);
    const paths = sample.disk.paths().filter((path) => path.startsWith("data/bulk/"));
    expect(paths.length).toBeGreaterThan(3);
    const ways = { untouched: 0, refilled: 0 };
    for (let row = 0; row < flipCount / 2; row += 1) {
      const path = defined(paths[row % paths.length], "a file");
      const byte = random.below(sample.disk.content(path).length);
      const disk = sample.disk.copy();
      disk.flipBit(path, byte, random.below(8));
      try {
        const refilled = await refill(disk, sample.work.acknowledged);
        ways[refilled ? "refilled" : "untouched"] += 1;
      } catch (error) {
        throw new Error(`${path} byte ${byte}`, { cause: error });
      }
    }
    expect(ways.refilled).toBeGreaterThan(0);
    expect(ways.untouched).toBeGreaterThan(0);
  }, 3_600_000);

  test("the power cut at any operation of an opening that finds damage changes nothing about what it finds", async () => {
    const { disk: damaged } = await damagedSample(sample);
    const reference = damaged.copy();
    const store = await openSmallStore(reference);
    const expected = stateOf(store);
    const operations = reference.operations;
    await store[Symbol.asyncDispose]();
    for (let operation = 1; operation <= operations; operation += 1) {
      const disk = damaged.copy({ seed: operation });
      disk.cutPowerIn(operation);
      await expect(openSmallStore(disk)).rejects.toThrow("the power is gone");
      disk.restart();
      await using again = await openSmallStore(disk);
      expect(stateOf(again)).toEqual(expected);
    }
  });

  test("the power cut at any operation while it heals leaves it damaged or healed, never half", async () => {
    const { disk: damaged, hit } = await damagedSample(sample);
    for (let operation = 1; ; operation += 1) {
      const disk = damaged.copy({ seed: operation });
      const store = await openSmallStore(disk);
      for (const group of groups) await restoreCommitted(store, sample.work.acknowledged, group);
      disk.cutPowerIn(operation);
      const ended = await heal(store, sample.work.acknowledged, hit).then(
        () => true,
        () => false,
      );
      if (!ended) disk.restart();
      else disk.killProcesses();
      const again = await openSmallStore(disk);
      for (const group of groups) await restoreCommitted(again, sample.work.acknowledged, group);
      const left = hit.filter((group) => again.damaged(group) !== "no");
      await heal(again, sample.work.acknowledged, hit);
      await again[Symbol.asyncDispose]();
      await using whole = await openSmallStore(disk);
      for (const group of groups) await restore(whole, group);
      await expectHealed(whole, sample.work.acknowledged, hit, []);
      if (!ended) continue;
      expect(left).toEqual([]);
      expect(operation).toBeGreaterThan(1);
      return;
    }
  }, 60_000);
});

async function collect(disk: MemoryDisk): Promise<readonly InspectLine[]> {
  const found: InspectLine[] = [];
  for await (const line of inspectLog(disk, "data", { verify: true })) found.push(line);
  return found;
}

/** Reads everything, fills in what is found bad, and checks all. @returns whether there was anything to fill in */
async function refill(disk: MemoryDisk, model: Model): Promise<boolean> {
  const store = await openSmallStore(disk);
  for (const group of groups) await restore(store, group);
  let refilled = false;
  for (const group of groups) {
    const { entries, floor } = model.group(group);
    const { firstIndex } = store.view(group);
    for (let index = floor; index < firstIndex; index += 1)
      if (entries[index - 1]?.held === "yes") await store.read(group, index).catch(onlyCorrupt);
    if (floor >= firstIndex) continue;
    const backfill = await store.openBackfill(group, 1, firstIndex - 1);
    for (const { from, to } of backfill.missing())
      for (let index = from; index <= to; index += 1) {
        const entry = defined(entries[index - 1], "an entry");
        if (entry.held !== "yes") continue;
        backfill.add({ index, term: entry.term, kind: "data", payload: payloadOf(entry.messages), writtenMs: 1 });
        await backfill.flush();
        refilled = true;
      }
    await backfill.finish();
  }
  await model.expectContent(store);
  await store[Symbol.asyncDispose]();
  await using again = await openSmallStore(disk);
  for (const group of groups) await restore(again, group);
  await model.expectContent(again);
  return refilled;
}

function onlyCorrupt(error: unknown): void {
  // An entry in a file whose header is bad is not even known.
  if (!(error instanceof CorruptionError) && !(error instanceof RangeError)) throw error;
}

function payloadOf(messages: readonly TestMessage[]): Payload {
  const batch = new RecordBatch();
  for (const message of messages) addMessage(batch, message);
  return batch.payload();
}

/** The sample with a frame lost that leaves at least one group to fetch its entries, and none to rejoin. */
async function damagedSample(sample: Sample): Promise<{ readonly disk: MemoryDisk; readonly hit: readonly GroupId[] }> {
  for (const { path, at } of framesOf(sample.disk).slice(0, -1).toReversed()) {
    const disk = sample.disk.copy();
    // In the first entry's head: the list still says whose entries they are.
    disk.flipBit(path, at + viewOf(sample.disk.content(path)).getUint32(at + 64, true) + 8, 2);
    await using store = await openSmallStore(disk.copy());
    const hit = groups.filter((group) => store.damaged(group) !== "no");
    if (hit.length > 0 && hit.every((group) => store.damaged(group) === "fetch")) return { disk, hit };
  }
  throw new Error("no frame's damage leaves a group to fetch");
}
