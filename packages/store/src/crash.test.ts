import { describe, expect, test } from "@jest/globals";
import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { ManualTime, MemoryDisk } from "@saturnmq/kit/testing";
import { openLogStore } from "./open-log-store.ts";
import { CorruptionError, type LogStore } from "./ports.ts";
import { restore } from "./testing/messages.ts";
import { Workload } from "./testing/workload.ts";

const lives = 6;
const seeds = process.env["SATURNMQ_NIGHTLY"] === "1" ? 3000 : 60;

type Story = {
  readonly disk: MemoryDisk;
  readonly time: ManualTime;
  readonly work: Workload;
  readonly random: SeededRandom;
};

function open({ disk, time, random }: Story): Promise<LogStore> {
  return openLogStore({
    disk,
    folder: "data",
    clusterId: "c",
    replicaId: 1,
    clock: time,
    timers: time,
    random,
    logger: silentLogger,
    segmentBytes: 106_496,
    cacheBytes: 327_680,
    maxEntryBytes: 24_576,
    reserveBytes: 0,
  });
}

/** Runs a store through several lives, each ended by a power cut or a kill at a random disk operation. @returns what was found wrong */
async function live(seed: number, liesAboutSync: boolean): Promise<string | undefined> {
  const random = new SeededRandom(seed);
  const story = {
    disk: new MemoryDisk({ seed, liesAboutSync }),
    time: new ManualTime(),
    work: new Workload(seed),
    random,
  };
  for (let life = 0; life < lives; life += 1) {
    story.disk.cutPowerIn(20 + random.below(life === 0 ? 400 : 200));
    const wrong = await oneLife(story);
    if (wrong !== undefined) return `life ${life}: ${wrong}`;
    // A killed process leaves what it wrote in the page cache; only a power cut takes that.
    if (random.below(3) === 0) story.disk.killProcesses();
    else story.disk.restart(random.below(3) === 0 ? "lost" : "some");
  }
  return undefined;
}

async function oneLife(story: Story): Promise<string | undefined> {
  const { disk, time, work } = story;
  try {
    const store = await open(story);
    const wrong = await recovered(store, work);
    if (wrong !== undefined) return wrong;
    for (;;) await work.step(store, time);
  } catch (error) {
    if (!disk.powerless) return error instanceof Error ? `${error.stack ?? ""} ${String(error.cause)}` : String(error);
  }
  return undefined;
}

/** A commit that the cut hit is there as a whole or not at all; everything acknowledged is there. */
async function recovered(store: LogStore, work: Workload): Promise<string | undefined> {
  const lost = work.acknowledged.difference(store);
  const staged = work.staged.difference(store);
  if (lost !== undefined && staged !== undefined) return `${lost}; or with the commit under way, ${staged}`;
  const model = lost === undefined ? work.acknowledged : work.staged;
  model.learn(store);
  for (const [group, index] of work.checkpoints) {
    const found = await store.readCheckpoint(group);
    if ((found?.index ?? 0) < index) return `the checkpoint of group ${group} at ${index} is lost`;
    if (found && Buffer.from(found.bytes).toString() !== `group ${group} at ${found.index}`)
      return "a wrong checkpoint";
  }
  for (const group of store.groups()) await restore(store, group);
  // Segments that nobody needs any more go now, not while they are read.
  for (let turn = 0; turn < 300; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  await model.expectContent(store);
  work.resume(model);
  return undefined;
}

describe("power cuts", () => {
  // Goal: what a resolved commit covered is there after any crash, a commit that was under way as a whole or not at all.
  // Method: one seed drives the work, the moment of each cut, and which unsynced sectors and names survive it.
  test.each(Array.from({ length: seeds }, (_, row) => row + 1))(
    "nothing acknowledged is lost (seed %i)",
    async (seed) => {
      expect(await live(seed, false)).toBeUndefined();
    },
    60_000,
  );

  test("the same checker reports loss on a disk that lies about sync", async () => {
    const found: (string | undefined)[] = [];
    for (let seed = 1; seed <= 20; seed += 1) found.push(await live(seed, true));
    expect(found.filter((wrong) => wrong !== undefined).length).toBeGreaterThan(10);
  });

  test("and on a store that was told not to sync", async () => {
    const disk = new MemoryDisk();
    const time = new ManualTime();
    const options = {
      disk,
      folder: "data",
      clusterId: "c",
      replicaId: 1,
      clock: time,
      timers: time,
      random: new SeededRandom(1),
    };
    const sizes = {
      segmentBytes: 106_496,
      cacheBytes: 327_680,
      maxEntryBytes: 24_576,
      reserveBytes: 0,
      logger: silentLogger,
    };
    const store = await openLogStore({ ...options, ...sizes, unsafeNoSync: true });
    store.saveHardState(0, { term: 2, vote: 1 });
    await store.commit();
    disk.restart("lost");
    const outcome = await openLogStore({ ...options, ...sizes }).then(
      (reopened) => reopened.hardState(0).term,
      (error: unknown) => error instanceof CorruptionError,
    );
    expect(outcome).not.toBe(2);
  });
});
