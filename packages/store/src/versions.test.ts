import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "@jest/globals";
import { defined } from "@saturnmq/kit";
import { MemoryDisk } from "@saturnmq/kit/testing";
import { viewOf } from "./bytes.ts";
import type { LogStore } from "./ports.ts";
import { recordAt, walkRecords } from "./record.ts";
import { voters } from "./testing/contract-groups.ts";
import { forgeFrameVersion } from "./testing/forge.ts";
import { readMessage, restore, TestDriver, type TestMessage } from "./testing/messages.ts";
import { openSmallStore } from "./testing/small-store.ts";

type Recorded = {
  readonly files: readonly { readonly path: string; readonly content: string }[];
  readonly written: readonly {
    readonly group: number;
    readonly index: number;
    readonly term: number;
    readonly messages: readonly Omit<TestMessage & { length: number; start: string; fill: string }, "body">[];
  }[];
};

/** A folder as the program before version 2 wrote it: three sealed segments, an active one, checkpoints, a log start, a truncation. */
const recorded = JSON.parse(
  readFileSync(new URL("testing/fixtures/version-1.json", import.meta.url), "utf8"),
) as Recorded;

function plantedDisk(): MemoryDisk {
  const disk = new MemoryDisk();
  for (const { path, content } of recorded.files) disk.plant(path, gunzipSync(Buffer.from(content, "base64")));
  return disk;
}

/** Versions of the frames in a segment, by place. */
function frameVersions(disk: MemoryDisk, segment: number): readonly number[] {
  const bytes = disk.content(`data/log/${String(segment).padStart(12, "0")}.seg`);
  const view = viewOf(bytes);
  const versions: number[] = [];
  for (let at = 4096; at < bytes.length; at += 4096)
    if (view.getUint32(at, true) === 0x31_46_51_53) versions.push(view.getUint16(at + 4, true));
  return versions;
}

async function expectRecorded(store: LogStore): Promise<void> {
  for (const { group, index, term, messages } of recorded.written) {
    if (index < store.view(group).firstIndex) continue;
    const { payload, kind, term: found } = await store.read(group, index);
    const view = viewOf(payload.bytes);
    const read: TestMessage[] = [];
    walkRecords(payload, (at, length) => {
      if (view.getUint8(at + recordAt.flags) === 1) read.push(readMessage(payload.bytes.subarray(at, at + length)));
    });
    const expected = messages.map(({ length, start, fill, ...message }) => ({
      ...message,
      body: start.padEnd(length, fill),
    }));
    expect({ group, index, found, kind, read }).toEqual({ group, index, found: term, kind: "data", read: expected });
  }
}

describe("a folder of version 1", () => {
  test("is read whole, sealed segments, checkpoints and state frames included", async () => {
    const disk = plantedDisk();
    await using store = await openSmallStore(disk);
    expect(store.groups()).toEqual([0, 1, 4]);
    expect(store.segments().map(({ sealed }) => sealed)).toEqual([true, true, true, false]);
    expect([store.hardState(0), store.hardState(4)]).toEqual([
      { term: 2, vote: 1 },
      { term: 3, vote: 7 },
    ]);
    expect([store.view(1).firstIndex, store.view(4).lastIndex, store.view(4).lastTerm]).toEqual([3, 2, 4]);
    expect(store.view(0).configurationAt()).toBeUndefined();
    expect(store.damaged(0)).toBe("no");
    expect(await store.readCheckpoint(0)).toMatchObject({ index: 5, term: 2, configuration: undefined });
    for (const group of store.groups()) await restore(store, group);
    await expectRecorded(store);
    for (const partition of [0, 1, 2])
      expect((await store.lookup({ group: 0, stream: 1, partition }, 0, 1000)).length).toBeGreaterThanOrEqual(10);
  });

  test("is read from its frames alone too", async () => {
    const disk = plantedDisk();
    for (const path of disk.paths().filter((name) => name.endsWith(".sum"))) disk.plant(path, undefined);
    await using store = await openSmallStore(disk);
    for (const group of store.groups()) await restore(store, group);
    await expectRecorded(store);
  });

  test("goes on in version 1 until something needs version 2, so that the program before can take it back", async () => {
    const disk = plantedDisk();
    const store = await openSmallStore(disk);
    for (const group of store.groups()) await restore(store, group);
    const driver = new TestDriver(store);
    const { segment } = defined(store.segments().at(-1), "the active segment");
    while (store.segments().at(-1)?.segment === segment) await driver.write(2, 3, 1500, 4);
    await driver.write(2, 3, 1500, 4);
    expect(new Set([...frameVersions(disk, segment), ...frameVersions(disk, segment + 1)])).toEqual(new Set([1]));
    store.saveConfiguration(2, { index: 0, configuration: voters(1, 2) });
    await store.commit();
    expect(frameVersions(disk, segment + 1).at(-1)).toBe(2);
    await store[Symbol.asyncDispose]();
    await using again = await openSmallStore(disk);
    for (const group of again.groups()) await restore(again, group);
    expect(again.view(2).configurationAt()).toEqual({ index: 0, configuration: voters(1, 2) });
    await expectRecorded(again);
  });

  test("a newer version than this program knows is refused in words", async () => {
    const disk = new MemoryDisk();
    const store = await openSmallStore(disk);
    store.append(0, 1, 1, undefined, voters(1));
    await store.commit();
    await store[Symbol.asyncDispose]();
    // As the program after this one would write it: every check holds.
    forgeFrameVersion(disk, "data/log/000000000001.seg", 3);
    await expect(openSmallStore(disk)).rejects.toThrow("a frame has version 3; this program knows 1 and 2");
  });
});
