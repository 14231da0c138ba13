import { beforeAll, describe, expect, test } from "@jest/globals";
import { defined, SeededRandom } from "@saturnmq/kit";
import { crc32 } from "@saturnmq/kit/node";
import { ManualTime, MemoryDisk } from "@saturnmq/kit/testing";
import { viewOf } from "./bytes.ts";
import { sealFrameHead } from "./frame.ts";
import { type InspectLine, inspectLog } from "./inspect.ts";
import { CorruptionError, type LogStore } from "./ports.ts";
import { RecordBatch } from "./record-batch.ts";
import { recordsAt, restore } from "./testing/messages.ts";
import type { Model } from "./testing/model.ts";
import { openSmallStore } from "./testing/small-store.ts";
import { Workload } from "./testing/workload.ts";

/** The whole of it, every byte, when the nightly run asks for it; a seeded sample otherwise. */
const everyByte = process.env["SATURNMQ_NIGHTLY"] === "1";
const sampleSize = 250;
/** Every byte is tried in one of so many parts, so that a run can be taken up where it was left. */
const parts = everyByte ? 16 : 1;

/** As small as a folder with all that can be damaged gets: each byte of it costs an opening. */
function open(disk: MemoryDisk): Promise<LogStore> {
  return openSmallStore(disk, { segmentBytes: 81_920, cacheBytes: 262_144, maxEntryBytes: 4000 });
}

/** A folder with sealed segments, checkpoints and an active segment whose last frame no seal follows. */
type Sample = {
  readonly disk: MemoryDisk;
  readonly acknowledged: Model;
  readonly beforeLast: Model;
  readonly lastFrame: Place;
  /** What `contentOf` gives for the whole of it, and without its last frame. */
  readonly whole: string;
  readonly cut: string;
};
type Place = { readonly path: string; readonly from: number; readonly to: number };

async function makeSample(): Promise<Sample> {
  const disk = new MemoryDisk();
  const time = new ManualTime();
  const work = new Workload(4, false);
  const store = await open(disk);
  while (store.segments().length < 3) await work.step(store, time);
  for (let step = 0; step < 12; step += 1) await work.step(store, time);
  const beforeLast = work.acknowledged.copy();
  const size = active(disk).to;
  // One more frame, with messages, that is the last.
  while (active(disk).to === size) await work.step(store, { advance: () => undefined });
  disk.killProcesses();
  const lastFrame = active(disk);
  const without = disk.copy();
  without.plant(lastFrame.path, disk.content(lastFrame.path).subarray(0, lastFrame.from).slice());
  const whole = await provenContent(disk.copy(), work.acknowledged);
  const cut = await provenContent(without, beforeLast);
  return { disk, acknowledged: work.acknowledged, beforeLast, lastFrame, whole, cut };
}

/** What a folder gives, after it has been compared with the model, piece by piece. */
async function provenContent(disk: MemoryDisk, model: Model): Promise<string> {
  await using store = await open(disk);
  expect(model.difference(store)).toBeUndefined();
  const content = await contentOf(store);
  await model.expectContent(store);
  return content;
}

/** All that a store gives, in one line: states, and a CRC of each group's entries and of each queue's records. */
async function contentOf(store: LogStore): Promise<string> {
  const parts: unknown[] = [];
  for (const group of store.groups()) {
    const checkpoint = await store.readCheckpoint(group);
    if (checkpoint && Buffer.from(checkpoint.bytes).toString() !== `group ${group} at ${checkpoint.index}`)
      throw new Error(`a wrong checkpoint of group ${group}`);
    await restore(store, group);
    const { firstIndex, lastIndex } = store.view(group);
    let crc = 0;
    for (let index = firstIndex; index <= lastIndex; index += 1) {
      const { term, payload } = await store.read(group, index);
      crc = crc32(payload.bytes, payload.start, payload.length, (crc ^ term) >>> 0);
    }
    parts.push([group, firstIndex, lastIndex, store.hardState(group), store.missing(group, 1, lastIndex), crc]);
    for (const partition of [0, 1]) {
      const rows = await store.lookup({ group, stream: 1, partition }, 0, 10_000);
      for (const record of await recordsAt(store, rows)) crc = crc32(record, 0, record.length, crc);
      parts.push([partition, rows.length, crc]);
    }
  }
  return JSON.stringify(parts);
}

/** Where the newest frame lies: found by its sequence number, without the code under test. */
function active(disk: MemoryDisk): Place {
  let newest = { path: "", from: 0, to: 0, sequence: -1 };
  for (const path of disk.paths().filter((name) => /\d{12}\.seg$/.test(name))) {
    const bytes = disk.content(path);
    const view = viewOf(bytes);
    for (let from = 4096; from < bytes.length; from += 4096) {
      const sequence = view.getUint32(from, true) === 0x31_46_51_53 ? view.getUint32(from + 24, true) : -1;
      if (sequence > newest.sequence) newest = { path, from, to: from + view.getUint32(from + 8, true), sequence };
    }
  }
  return newest;
}

/** Opens what is left and reads everything. @returns how it ended: right to the last, right but for the last frame, or a clear refusal */
async function outcome(sample: Sample, disk: MemoryDisk): Promise<"whole" | "cut" | "refused"> {
  let store: LogStore | undefined;
  try {
    store = await open(disk);
    const content = await contentOf(store);
    if (content === sample.whole) return "whole";
    if (content === sample.cut) return "cut";
    throw new Error(`a store that was never there: ${content} instead of ${sample.whole}`);
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    const named = disk.paths().includes(error.file) || error.message.includes("missing");
    if (!named || error.offset < 0) throw new Error("a refusal that does not say where", { cause: error });
    return "refused";
  } finally {
    await store?.[Symbol.asyncDispose]();
  }
}

describe("damage", () => {
  let sample: Sample;
  beforeAll(async () => {
    sample = await makeSample();
  });

  test("an undamaged folder opens whole and is found sound", async () => {
    expect(await outcome(sample, sample.disk.copy())).toBe("whole");
    const found = await collect(sample.disk, true);
    expect(found.filter(({ kind }) => kind === "damage" || kind === "tornTail")).toEqual([]);
    expect(found.filter(({ kind }) => kind === "segment").length).toBeGreaterThanOrEqual(3);
    expect(found.some((line) => line.kind === "segment" && line.sealed)).toBe(true);
    expect(found.some(({ kind }) => kind === "checkpoint")).toBe(true);
  });

  test("the last file cut at every byte of its last frame: the acknowledged prefix, without that frame", async () => {
    const { path, from, to } = sample.lastFrame;
    const step = everyByte ? 1 : Math.max(1, Math.floor((to - from) / 60));
    for (let length = from; length <= to; length += step) {
      const disk = sample.disk.copy();
      const content = disk.content(path);
      disk.plant(path, content.subarray(0, length).slice());
      // What lies behind the end of a file reads as zeros: zeros that are cut off are not missed.
      const missed = content.subarray(length, to).some((byte) => byte !== 0);
      expect([length, await outcome(sample, disk)]).toEqual([length, missed ? "cut" : "whole"]);
    }
    const disk = sample.disk.copy();
    disk.plant(path, disk.content(path).subarray(0, to).slice());
    expect(await outcome(sample, disk)).toBe("whole");
  }, 60_000);

  test.each(Array.from({ length: parts }, (_, row) => row + 1))(
    "any byte flipped: the acknowledged prefix or a refusal with file and offset, never a wrong message (part %i)",
    async (part) => {
      const outcomes = { whole: 0, cut: 0, refused: 0 };
      for (const { path, byte, bit } of flips(sample, part)) {
        const disk = sample.disk.copy();
        disk.flipBit(path, byte, bit);
        const inLast = path === sample.lastFrame.path && byte >= sample.lastFrame.from && byte < sample.lastFrame.to;
        try {
          const result = await outcome(sample, disk);
          outcomes[result] += 1;
          // Only what nobody was told to be durable may be cut; a summary can be written anew.
          const wrong =
            (result === "cut" && !inLast) ||
            (result === "refused" && inLast) ||
            (path.endsWith(".sum") && result !== "whole");
          if (wrong) throw new Error(`it was ${result}`);
        } catch (error) {
          throw new Error(`${path} byte ${byte} bit ${bit}`, { cause: error });
        }
      }
      expect(outcomes.whole).toBeGreaterThan(0);
      expect(outcomes.refused).toBeGreaterThan(0);
      expect(outcomes.cut).toBeGreaterThan(0);
    },
    everyByte ? 7_200_000 : 60_000,
  );

  test("verification names the file and the place of a flipped bit in everything that is used", async () => {
    const random = new SeededRandom(3);
    for (const path of sample.disk.paths().filter((name) => !name.includes("spare"))) {
      const content = sample.disk.content(path);
      // Inside the first frame behind the header and the state frames there is no padding to hit.
      const byte = path.endsWith(".seg") ? 4096 + random.below(80) : random.below(Math.min(content.length, 40));
      if (path.endsWith(".seg") && content.subarray(4096, 4100).every((value) => value === 0)) continue;
      const disk = sample.disk.copy();
      disk.flipBit(path, byte, random.below(8));
      const damage = (await collect(disk, true)).filter(({ kind }) => kind === "damage" || kind === "tornTail");
      const files = damage.map((line) => ("file" in line ? line.file : ""));
      expect([path, byte, files.includes(path)]).toEqual([path, byte, true]);
    }
  });

  test("a summary that is lost or bad is rebuilt from its segment", async () => {
    const paths = sample.disk.paths().filter((path) => path.endsWith(".sum"));
    expect(paths.length).toBeGreaterThan(0);
    for (const path of paths) {
      const disk = sample.disk.copy();
      disk.plant(path, undefined);
      expect(await outcome(sample, disk)).toBe("whole");
      expect(disk.content(path)).toEqual(sample.disk.content(path));
    }
  });

  test("a missing segment, identity or checkpoint that is needed is a refusal", async () => {
    const segments = sample.disk.paths().filter((path) => /\d{12}\.seg$/.test(path));
    for (const path of [defined(segments[0], "a segment"), defined(segments[1], "a segment"), "data/identity"]) {
      const disk = sample.disk.copy();
      disk.plant(path, undefined);
      expect(await outcome(sample, disk)).toBe("refused");
    }
  });
});

describe("a body that imitates a frame", () => {
  test("is not taken for one when the frame around it is torn", async () => {
    const disk = new MemoryDisk();
    const store = await openSmallStore(disk);
    const batch = new RecordBatch();
    const body = new Uint8Array(3 * 4096);
    // Behind the header, the state frame's copies and the seal of the opening.
    const frame = 16_384;
    const forged = {
      version: 1,
      kind: 1,
      copy: 0,
      length: 84,
      segment: 1,
      sequence: 900,
      epoch: 1,
      durable: 899,
      wallMs: 0,
    };
    // A whole frame at each place of a block, as someone who does not know the salt would write it.
    const start = batch.add(7, 1, body.length);
    const place = frame + 84 + 32 + start;
    for (let at = frame + 4096 - place; at + 84 < body.length; at += 4096)
      sealFrameHead(body, viewOf(body), at, 0, { ...forged, groupCount: 1, entriesStart: 84, entryCount: 0 });
    batch.bytes.set(body, start);
    batch.setBody(0, body.length, crc32(body, 0, body.length));
    store.append(0, 1, 1, batch.payload());
    const committed = store.commit();
    expect(store.position(0, 1)?.offset).toBe(place - start);
    await committed;
    disk.killProcesses();
    disk.flipBit("data/log/000000000001.seg", frame + 30, 1);
    await using again = await openSmallStore(disk);
    expect(again.view(0).lastIndex).toBe(0);
  });
});

async function collect(disk: MemoryDisk, verify: boolean): Promise<readonly InspectLine[]> {
  const found: InspectLine[] = [];
  for await (const line of inspectLog(disk, "data", { verify })) found.push(line);
  return found;
}

/** Every byte of every file with a bit each, or a seeded sample that favours what is densely packed. */
function* flips(sample: Sample, part: number): Generator<{ path: string; byte: number; bit: number }> {
  const random = new SeededRandom(77);
  const paths = sample.disk.paths();
  if (everyByte) {
    for (const path of paths)
      for (let byte = 0; byte < sample.disk.content(path).length; byte += 1) {
        const bit = random.below(8);
        if (byte % parts === part - 1) yield { path, byte, bit };
      }
    return;
  }
  const { path, from, to } = sample.lastFrame;
  for (let row = 0; row < sampleSize / 5; row += 1)
    yield { path, byte: from + random.below(to - from), bit: random.below(8) };
  for (const path of paths.filter((name) => !name.includes("spare")))
    for (let row = 0; row < sampleSize / 10; row += 1) {
      const used = sample.disk.content(path).length;
      const byte =
        row % 3 === 0
          ? random.below(Math.min(used, 100))
          : row % 3 === 1
            ? Math.min(used - 1, 4096 + random.below(200))
            : random.below(used);
      yield { path, byte, bit: random.below(8) };
    }
}
