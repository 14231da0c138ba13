/**
 * The store alone against what the disk gives to a bare loop: `node bench/src/store.ts [folder]`.
 *
 * Rounds of all four are interleaved in one run on one file system; each figure is the median of its rounds.
 */
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { silentLogger } from "@saturnmq/kit";
import { crc32, nodeDisk, systemClock, systemTimers } from "@saturnmq/kit/node";
import { type LogStore, openLogStore, RecordBatch } from "@saturnmq/store";
import { machineFacts } from "./machine.ts";

const kib = 1024;
const mib = 1024 * kib;
const bodyBytes = kib;
/** Records of a large group, one commit: about a mebibyte. */
const groupRecords = 1000;

const { values } = parseArgs({
  options: {
    folder: { type: "string", default: "." },
    rounds: { type: "string", default: "9" },
    seconds: { type: "string", default: "1" },
  },
});
const rounds = Number(values.rounds);
const roundMs = 1000 * Number(values.seconds);
const folder = mkdtempSync(join(values.folder, "saturnmq-bench-"));

async function main(): Promise<void> {
  const disk = nodeDisk();
  await using store = await openLogStore({
    disk,
    folder: join(folder, "store"),
    clusterId: "bench",
    replicaId: 1,
    clock: systemClock(),
    timers: systemTimers(),
    random: { below: (bound) => randomInt(bound) },
    logger: silentLogger,
  });
  const yardstick = await openYardstick(join(folder, "yardstick"));
  const writer = new StoreWriter(store);
  const small: Pair = { bare: [], store: [] };
  const large: Pair = { bare: [], store: [] };
  // Until segments are recycled ones, as in a log that has reached its bound.
  for (let round = 0; round < 2; round += 1) await writer.commits(groupRecords, 2 * roundMs);
  for (let round = 0; round < rounds; round += 1) {
    small.bare.push(await yardstick.loop(4 * kib, roundMs));
    small.store.push(await writer.commits(1, roundMs));
    large.bare.push(await yardstick.loop(mib, roundMs));
    large.store.push(await writer.commits(groupRecords, roundMs));
  }
  await yardstick.close();
  report(small, large);
}

/** Writes a second, by round. */
type Pair = { readonly bare: number[]; readonly store: number[] };

/** A pre-written file that is overwritten round and round, synced, one write in flight, and nothing else. */
async function openYardstick(
  path: string,
): Promise<{ loop: (size: number, ms: number) => Promise<number>; close: () => Promise<void> }> {
  const disk = nodeDisk();
  const fileBytes = 256 * mib;
  const content = Buffer.alloc(mib, 1);
  const filling = await disk.open(path, { access: "readWrite", create: true });
  for (let at = 0; at < fileBytes; at += mib) await filling.write(content, 0, mib, at);
  await filling.sync();
  await filling.close();
  const file = await disk.open(path, { access: "readWrite", syncWrites: true });
  let at = 0;
  return {
    loop: async (size, ms) => {
      const start = performance.now();
      let count = 0;
      for (; performance.now() - start < ms; count += 1) {
        await file.write(content, 0, size, at);
        at = (at + size) % fileBytes;
      }
      return (1000 * count) / (performance.now() - start);
    },
    close: () => file.close(),
  };
}

/** Commits entries of 1 KiB messages the way the Raft driver of a sole voter does, and lets segments be sealed and freed behind. */
class StoreWriter {
  readonly #store: LogStore;
  readonly #batch = new RecordBatch(4 * mib);
  readonly #body = Buffer.alloc(bodyBytes, 7);
  readonly #crc: number;
  /** Queue offsets: of the next message to stage, and to index. */
  #next = 0;
  #offset = 0;
  #freeing: Promise<void> | undefined;

  constructor(store: LogStore) {
    this.#store = store;
    this.#crc = crc32(this.#body, 0, bodyBytes);
  }

  /** Commits one after the other; while one is written the next is staged and the one before applied. @returns commits a second */
  async commits(records: number, ms: number): Promise<number> {
    const start = performance.now();
    let count = 0;
    this.#stage(records);
    for (; performance.now() - start < ms; count += 1) {
      const index = this.#store.view(0).lastIndex;
      const committed = this.#store.commit();
      this.#stage(records);
      await committed;
      this.#apply(index, records);
      if (count % 64 === 63) this.#retain();
    }
    const rate = (1000 * count) / (performance.now() - start);
    await this.#store.commit();
    this.#apply(this.#store.view(0).lastIndex, records);
    await this.#freeing;
    return rate;
  }

  #stage(records: number): void {
    const batch = this.#batch;
    batch.reset();
    for (let record = 0; record < records; record += 1) {
      const at = batch.add(1, 1, bodyBytes);
      batch.bytes.set(this.#body, at);
      batch.setBody(0, bodyBytes, this.#crc);
      batch.setMessage(1, 0, this.#next, 0);
      this.#next += 1;
    }
    this.#store.append(0, this.#store.view(0).lastIndex + 1, 1, batch.payload());
  }

  /** Indexes each message, as the broker does. */
  #apply(index: number, records: number): void {
    const position = this.#store.position(0, index);
    if (position === undefined) throw new Error("a committed entry has no place");
    const length = this.#batch.length / records;
    for (let record = 0; record < records; record += 1) {
      const row = { segment: position.segment, offset: position.offset + record * length, length, tagHash: 0 };
      this.#store.indexMessage({ group: 0, stream: 1, partition: 0 }, this.#offset, row);
      this.#offset += 1;
    }
    this.#store.applied(0, index);
  }

  /** What retention does in a log that has reached its bound: beyond three segments the oldest is given up and becomes the next. */
  #retain(): void {
    if (this.#store.segments().length > 3) this.#freeing ??= this.#giveUp();
  }

  async #giveUp(): Promise<void> {
    const last = this.#store.segments().at(-2)?.ranges.get(0)?.to ?? 0;
    for (let copy = 0; copy < 2; copy += 1) await this.#store.writeCheckpoint(0, last, 1, []);
    this.#store.setLogStart(0, last + 1);
    this.#freeing = undefined;
  }
}

function report(small: Pair, large: Pair): void {
  const rows = [
    ["1 record of 1 KiB a commit", "4 KiB writes", small, 1, "commits/s", 0.7],
    [`${groupRecords} records of 1 KiB a commit`, "1 MiB writes", large, (groupRecords * bodyBytes) / 1e6, "MB/s", 0.5],
  ] as const;
  console.log(`${machine()}\n`);
  console.log("| store | bare loop | store | bare | ratio (median of rounds, min to max) | wanted |");
  console.log("|---|---|---:|---:|---:|---:|");
  for (const [name, bare, pair, unit, unitName, wanted] of rows) {
    const bareUnit = bare.startsWith("1 MiB") ? mib / 1e6 : 1;
    const ratios = pair.store
      .map((rate, round) => (rate * unit) / ((pair.bare[round] ?? Number.NaN) * bareUnit))
      .sort((a, b) => a - b);
    const ratio = median(ratios);
    const figures = [median(pair.store) * unit, median(pair.bare) * bareUnit].map(
      (value) => `${value.toFixed(0)} ${unitName}`,
    );
    const range = `${ratio.toFixed(2)} (${ratios[0]?.toFixed(2)} to ${ratios.at(-1)?.toFixed(2)})`;
    console.log(`| ${name} | ${bare} | ${figures.join(" | ")} | ${range} | ${wanted} |`);
    if (ratio < wanted) process.exitCode = 1;
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

function machine(): string {
  const { cpu, cores, memoryGiB, kernel, fileSystem, node, date } = machineFacts(folder);
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB; ${kernel}; ${fileSystem}; Node ${node}; ${rounds} rounds of ${roundMs / 1000} s each, interleaved; ${date}`;
}

try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
