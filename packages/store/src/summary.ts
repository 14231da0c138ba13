import { type Disk, DiskError, type DiskFile } from "@saturnmq/kit";
import { crc32 } from "@saturnmq/kit/node";
import type { GroupId } from "raft-ts";
import { type ByteRange, blockBytes, getU64, viewOf } from "./bytes.ts";
import { type KnownConfiguration, readConfiguration } from "./configurations.ts";
import { CorruptionError, type QueueKey } from "./ports.ts";

/**
 * The summary of a sealed segment: its Raft index, its queue index, and its state records without bodies. Rebuildable from the segment.
 *
 * ```
 * block 0     u32 magic "SQSM"  u16 version  u16 0  u32 CRC of the rest of the block  u32 salt of the segment
 *         16  u64 segment  u64 lastSequence  u64 lastWriteMs  u64 directoryAt  u32 directoryBytes  u32 directoryCrc
 *         56  u32 groups  u32 terms  u32 blocks  u32 queue runs   u64 end of the segment's last frame
 *         80  u32 holes   u32 configurations                      (since version 2)
 * blocks      state blocks: entries of one group, each {u64 index, u64 term, u32 kind, u32 short length, u32 crc, u32 offset in the segment}
 *             and the payload without bodies; a block's CRC is in the directory. In version 1 the full length stands for the kind
 * rows        Raft rows {u32 offset, u32 length, u32 0, u32 check} a group; queue rows {u32 offset, u32 length, u32 tagHash, u32 check} a run
 * directory   groups {u32 group, u32 count, u64 first index, u64 rowsAt, u32 first term row, u32 term rows, u32 first block, u32 blocks}
 *             terms  {u64 first index, u64 term}
 *             blocks {u64 at, u32 bytes, u32 crc, u64 first index, u32 count, u32 0}
 *             runs   {u32 group, u32 stream, u32 partition, u32 count, u64 first offset, u64 rowsAt}, sorted
 *             holes  {u64 from, u64 to}: bytes of the segment that recovery found damaged and fetched again elsewhere
 *             configurations {u32 group, u32 bytes, u64 index}: of each group with entries here, those that its log knew up to the last of
 *             them when the summary was written; then the bytes of each
 * ```
 *
 * Version 1 is written when it can say all there is, so that the program before can still read it.
 *
 * A row's check covers what it says and whose it is, so a few rows can be read without the rest.
 */
export const summaryMagic = 0x4d_53_51_53;
export const summaryVersion = { first: 1, configurations: 2 } as const;
export const rowBytes = 16;
export const groupRowBytes = 40;
export const termRowBytes = 16;
export const blockRowBytes = 32;
export const runRowBytes = 32;
export const holeRowBytes = 16;
export const configurationRowBytes = 16;
export const stateHeadBytes = 32;

export type SummaryGroup = {
  readonly group: GroupId;
  readonly firstIndex: number;
  readonly count: number;
  readonly rowsAt: number;
  /** Runs of equal term. */
  readonly terms: readonly { readonly first: number; readonly term: number }[];
  readonly blocks: readonly StateBlock[];
};

export type StateBlock = {
  readonly at: number;
  readonly bytes: number;
  readonly crc: number;
  readonly firstIndex: number;
  readonly count: number;
};

/** Consecutive offsets of one queue in the segment. */
export type QueueRun = { readonly firstOffset: number; readonly count: number; readonly rowsAt: number };

/** The directory of a summary, in memory; the rest is read when asked for. */
export class Summary {
  readonly path: string;
  readonly groups: ReadonlyMap<GroupId, SummaryGroup>;
  readonly lastSequence: number;
  readonly lastWriteMs: number;
  /** End of the last frame in the segment. */
  readonly end: number;
  /** State blocks and rows tell configurations from data. */
  readonly kinds: boolean;
  readonly holes: readonly ByteRange[];
  /** By rising index. */
  readonly configurations: ReadonlyMap<GroupId, readonly KnownConfiguration[]>;
  readonly #file: DiskFile;
  readonly #runs: DataView;
  #readers = 0;
  #closed = false;
  #drained: (() => void) | undefined;

  constructor(file: DiskFile, path: string, head: DataView, directory: Uint8Array) {
    const view = viewOf(directory);
    const [groups, terms, blocks, runs] = [56, 60, 64, 68].map((place) => head.getUint32(place, true)) as [
      number,
      number,
      number,
      number,
    ];
    this.#file = file;
    this.path = path;
    this.lastSequence = getU64(head, 24);
    this.lastWriteMs = getU64(head, 32);
    this.end = getU64(head, 72);
    const termsAt = groups * groupRowBytes;
    const blocksAt = termsAt + terms * termRowBytes;
    const runsAt = blocksAt + blocks * blockRowBytes;
    this.#runs = new DataView(directory.buffer, directory.byteOffset + runsAt, runs * runRowBytes);
    this.kinds = head.getUint16(4, true) !== summaryVersion.first;
    const holesAt = runsAt + runs * runRowBytes;
    const [holes, configurations] = this.kinds ? [head.getUint32(80, true), head.getUint32(84, true)] : [0, 0];
    this.holes = Array.from({ length: holes }, (_, row) => ({
      from: getU64(view, holesAt + row * holeRowBytes),
      to: getU64(view, holesAt + row * holeRowBytes + 8),
    }));
    this.configurations = readConfigurations(directory, holesAt + holes * holeRowBytes, configurations);
    const rows = Array.from({ length: groups }, (_, row) => readGroup(view, row * groupRowBytes, termsAt, blocksAt));
    this.groups = new Map(rows.map((group) => [group.group, group]));
  }

  /** Runs of a queue with offsets at or after `from`, lowest first. */
  runs(key: QueueKey, from: number): readonly QueueRun[] {
    const found: QueueRun[] = [];
    for (let row = this.#firstRun(key); row < this.#runs.byteLength; row += runRowBytes) {
      if (compareRun(this.#runs, row, key) !== 0) break;
      const count = this.#runs.getUint32(row + 12, true);
      const firstOffset = getU64(this.#runs, row + 16);
      if (firstOffset + count > from) found.push({ firstOffset, count, rowsAt: getU64(this.#runs, row + 24) });
    }
    return found;
  }

  /** Every run of every queue. */
  *allRuns(): Generator<{ readonly key: QueueKey; readonly run: QueueRun }> {
    const runs = this.#runs;
    for (let row = 0; row < runs.byteLength; row += runRowBytes) {
      const [group, stream, partition, count] = [0, 4, 8, 12].map((field) => runs.getUint32(row + field, true)) as [
        number,
        number,
        number,
        number,
      ];
      yield {
        key: { group, stream, partition },
        run: { firstOffset: getU64(runs, row + 16), count, rowsAt: getU64(runs, row + 24) },
      };
    }
  }

  /** Reads part of the file; fewer bytes at its end. @throws {RangeError} once it is closed */
  async read(at: number, length: number): Promise<Uint8Array> {
    if (this.#closed) throw new RangeError(`${this.path} is not used any more`);
    this.#readers += 1;
    try {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, await this.#file.read(bytes, 0, length, at));
    } finally {
      this.#readers -= 1;
      if (this.#readers === 0) this.#drained?.();
    }
  }

  /**
   * Where an entry's payload lies in the segment, and its term; `undefined` if the summary does not hold it.
   *
   * @throws {CorruptionError} if its row does not match its check
   */
  entryPlace(
    group: GroupId,
    index: number,
  ): { readonly offset: number; readonly length: number; readonly term: number } | undefined {
    const part = this.groups.get(group);
    if (part === undefined || index < part.firstIndex || index >= part.firstIndex + part.count) return undefined;
    const at = part.rowsAt + rowBytes * (index - part.firstIndex);
    const row = new Uint8Array(rowBytes);
    const view = viewOf(row);
    const count = this.#file.readSync(row, 0, rowBytes, at);
    const check = rowCheck(row, 0, { group, stream: 0, partition: 0 }, index);
    if (count < rowBytes || view.getUint32(12, true) !== check)
      throw new CorruptionError(this.path, at, `the row of entry ${index} of group ${group} does not match its check`);
    const term = part.terms.findLast(({ first }) => first <= index)?.term ?? 0;
    return { offset: view.getUint32(0, true), length: view.getUint32(4, true), term };
  }

  /** The entry that holds the byte at `offset` of the segment, if its rows are readable. */
  entryAround(offset: number): { readonly group: GroupId; readonly index: number } | undefined {
    for (const { group, firstIndex, count } of this.groups.values()) {
      // Entries of one group lie in the order of their indexes.
      let low = firstIndex;
      let high = firstIndex + count - 1;
      while (low < high) {
        const middle = Math.ceil((low + high) / 2);
        if ((this.#placeOrNothing(group, middle)?.offset ?? 0) <= offset) low = middle;
        else high = middle - 1;
      }
      const place = this.#placeOrNothing(group, low);
      if (place !== undefined && offset >= place.offset && offset < place.offset + place.length)
        return { group, index: low };
    }
    return undefined;
  }

  /** Refuses new reads and waits for those under way. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#readers > 0)
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    await this.#file.close();
  }

  #placeOrNothing(group: GroupId, index: number): { readonly offset: number; readonly length: number } | undefined {
    try {
      return this.entryPlace(group, index);
    } catch (error) {
      if (error instanceof CorruptionError) return undefined;
      throw error;
    }
  }

  /** Byte of the first run of the queue, or where it would be. */
  #firstRun(key: QueueKey): number {
    let low = 0;
    let high = this.#runs.byteLength / runRowBytes;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareRun(this.#runs, middle * runRowBytes, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low * runRowBytes;
  }
}

/**
 * Reads a summary's head and directory.
 *
 * @throws {CorruptionError} if they are not what was written for this segment; {DiskError} `notFound` if there is none
 */
export async function openSummary(disk: Disk, path: string, segment: number, salt: number): Promise<Summary> {
  const file = await disk.open(path, { access: "read" });
  try {
    const head = new Uint8Array(blockBytes);
    const view = viewOf(head);
    if ((await file.read(head, 0, blockBytes, 0)) < blockBytes || view.getUint32(8, true) !== headCrc(head))
      throw new CorruptionError(path, 0, "the head of the summary does not match its CRC");
    const version = view.getUint16(4, true);
    const known = version === summaryVersion.first || version === summaryVersion.configurations;
    if (view.getUint32(0, true) !== summaryMagic || !known)
      throw new CorruptionError(path, 4, `the summary has version ${version}; this program knows 1 and 2`);
    if (getU64(view, 16) !== segment || view.getUint32(12, true) !== salt)
      throw new CorruptionError(path, 12, "the summary belongs to another segment");
    const directory = new Uint8Array(view.getUint32(48, true));
    const count = await file.read(directory, 0, directory.length, getU64(view, 40));
    if (count < directory.length || crc32(directory, 0, count) !== view.getUint32(52, true))
      throw new CorruptionError(path, getU64(view, 40), "the directory of the summary does not match its CRC");
    return new Summary(file, path, view, directory);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** As `openSummary`; `undefined` and a reason when it must be rebuilt. */
export async function trySummary(
  disk: Disk,
  path: string,
  segment: number,
  salt: number,
): Promise<{ summary: Summary } | { summary: undefined; fault: Error }> {
  try {
    return { summary: await openSummary(disk, path, segment, salt) };
  } catch (error) {
    if (error instanceof CorruptionError || (error instanceof DiskError && error.code === "notFound"))
      return { summary: undefined, fault: error };
    throw error;
  }
}

/** CRC of block 0 without the field itself. */
export function headCrc(head: Uint8Array): number {
  return crc32(head, 12, blockBytes - 12, crc32(head, 0, 8));
}

/** Check of the row at `at`: of an entry, with its index as `number` and 0 for stream and partition, or of a message and its offset. */
export function rowCheck(bytes: Uint8Array, at: number, key: QueueKey, number: number): number {
  const seed =
    Math.imul(key.stream, 0x9e_37_79_b1) ^
    Math.imul(key.partition, 0x85_eb_ca_6b) ^
    Math.imul(key.group + 1, 0xc2_b2_ae_35);
  return crc32(bytes, at, 12, (seed ^ number ^ Math.floor(number / 4_294_967_296)) >>> 0);
}

function readConfigurations(
  directory: Uint8Array,
  rowsAt: number,
  count: number,
): ReadonlyMap<GroupId, readonly KnownConfiguration[]> {
  const view = viewOf(directory);
  const found = new Map<GroupId, KnownConfiguration[]>();
  let from = rowsAt + count * configurationRowBytes;
  for (let row = rowsAt; row < rowsAt + count * configurationRowBytes; row += configurationRowBytes) {
    const group = view.getUint32(row, true);
    const bytes = directory.subarray(from, from + view.getUint32(row + 4, true));
    from += bytes.length;
    found.set(group, [...(found.get(group) ?? []), readConfiguration(getU64(view, row + 8), bytes)]);
  }
  return found;
}

function readGroup(view: DataView, at: number, termsAt: number, blocksAt: number): SummaryGroup {
  const firstTerm = termsAt + termRowBytes * view.getUint32(at + 24, true);
  const firstBlock = blocksAt + blockRowBytes * view.getUint32(at + 32, true);
  return {
    group: view.getUint32(at, true),
    count: view.getUint32(at + 4, true),
    firstIndex: getU64(view, at + 8),
    rowsAt: getU64(view, at + 16),
    terms: Array.from({ length: view.getUint32(at + 28, true) }, (_, row) => ({
      first: getU64(view, firstTerm + row * termRowBytes),
      term: getU64(view, firstTerm + row * termRowBytes + 8),
    })),
    blocks: Array.from({ length: view.getUint32(at + 36, true) }, (_, row) =>
      readBlock(view, firstBlock + row * blockRowBytes),
    ),
  };
}

function readBlock(view: DataView, at: number): StateBlock {
  return {
    at: getU64(view, at),
    bytes: view.getUint32(at + 8, true),
    crc: view.getUint32(at + 12, true),
    firstIndex: getU64(view, at + 16),
    count: view.getUint32(at + 24, true),
  };
}

function compareRun(runs: DataView, row: number, key: QueueKey): number {
  return (
    runs.getUint32(row, true) - key.group ||
    runs.getUint32(row + 4, true) - key.stream ||
    runs.getUint32(row + 8, true) - key.partition
  );
}
