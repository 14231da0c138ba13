import { type Disk, DiskError, type DiskFile, type Logger, type Random } from "@saturnmq/kit";
import type { GroupId } from "raft-ts";
import { alignUp, blockBytes } from "./bytes.ts";
import type { EntryRange } from "./entry-ranges.ts";
import { frameKind, readEntryHead, walkEntries } from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import { bulkFolder, bulkPaths, sequenceOf } from "./paths.ts";
import { CorruptionError, type Identity } from "./ports.ts";
import { Segment } from "./segment.ts";
import { decodeSegmentHeader, encodeSegmentHeader } from "./segment-header.ts";
import { openSummary, trySummary } from "./summary.ts";
import { buildSummary } from "./summary-builder.ts";

export type BulkContext = {
  readonly disk: Disk;
  readonly folder: string;
  readonly identity: Identity;
  readonly random: Random;
  readonly logger: Logger;
  readonly segmentBytes: number;
};

/** A bulk segment that is being written. */
export type BulkFile = {
  readonly group: GroupId;
  readonly segment: Segment;
  readonly file: DiskFile;
  /** Of the next frame: its sequence, its place, the index of its first entry (0: any). */
  sequence: number;
  offset: number;
  nextIndex: number;
  closed: boolean;
};

/**
 * Segments that were filled in beside the log (header kind `bulk`): consecutive entries of one group each, in frames of their own sequence,
 * found again at opening without any order among them. The newest that holds an entry counts.
 */
export class BulkSegments {
  readonly #context: BulkContext;
  /** Sealed, by number. */
  readonly #segments = new Map<number, Segment>();
  readonly #byGroup = new Map<GroupId, readonly Segment[]>();
  readonly #writing = new Set<BulkFile>();
  #next = 1;

  constructor(context: BulkContext) {
    this.#context = context;
  }

  /** Finds what is there. What was not ended is ended where it is whole. */
  async open(): Promise<void> {
    const { disk, folder } = this.#context;
    await disk.makeFolder(bulkFolder(folder));
    await disk.syncFolder(bulkFolder(folder));
    const names = await disk.list(bulkFolder(folder));
    for (const name of names) {
      const sequence = sequenceOf(name, "seg");
      if (sequence === undefined) continue;
      this.#next = Math.max(this.#next, sequence + 1);
      await this.#admit(sequence);
    }
    const kept = new Set(names.filter((name) => name.endsWith(".seg")).map((name) => name.slice(0, -4)));
    for (const name of names)
      if (name.endsWith(".tmp") || (name.endsWith(".sum") && !kept.has(name.slice(0, -4))))
        await disk.remove(`${bulkFolder(folder)}/${name}`);
  }

  /** Oldest file first. */
  of(group: GroupId): readonly Segment[] {
    return this.#byGroup.get(group) ?? [];
  }

  get(id: number): Segment | undefined {
    return this.#segments.get(id);
  }

  /** By number. */
  all(): readonly Segment[] {
    return [...this.#segments.values()].sort((a, b) => a.sequence - b.sequence);
  }

  get bytes(): number {
    const segments = [...this.#segments.values(), ...[...this.#writing].map(({ segment }) => segment)];
    return segments.reduce((sum, { end }) => sum + end, 0);
  }

  /** What is durable of a group but not readable yet. */
  written(group: GroupId): readonly EntryRange[] {
    return [...this.#writing].flatMap(({ segment }) => {
      const range = segment.ranges.get(group);
      return range === undefined ? [] : [{ from: range.first, to: range.last }];
    });
  }

  /** A new file, whose header and name are durable. */
  async begin(group: GroupId, wallMs: number): Promise<BulkFile> {
    const { disk, folder, identity, random, segmentBytes } = this.#context;
    const sequence = this.#next;
    this.#next += 1;
    const paths = bulkPaths(folder, sequence);
    const salt = random.below(2 ** 32);
    const header = { ...identity, kind: "bulk", group, segment: sequence, salt, size: segmentBytes, wallMs } as const;
    const file = await disk.open(paths.segment, { access: "readWrite", create: true });
    await file.write(encodeSegmentHeader(header), 0, blockBytes, 0);
    await file.sync();
    await disk.syncFolder(bulkFolder(folder));
    const segment = new Segment(disk, paths, sequence, salt, segmentBytes, true);
    segment.end = blockBytes;
    const begun = { group, segment, file, sequence: 1, offset: blockBytes, nextIndex: 0, closed: false };
    this.#writing.add(begun);
    return begun;
  }

  /** Ends a file that is being written: what it holds can be read from now on. */
  async seal(begun: BulkFile): Promise<void> {
    await closeOnce(begun);
    if (begun.segment.ranges.size === 0) await this.#remove(begun.segment);
    else await this.#seal(begun.group, begun.segment);
    this.#writing.delete(begun);
  }

  async free(segment: Segment): Promise<void> {
    this.#segments.delete(segment.id);
    for (const [group, segments] of this.#byGroup)
      if (segments.includes(segment))
        this.#byGroup.set(
          group,
          segments.filter((held) => held !== segment),
        );
    await segment.summary?.close();
    await segment.retire();
    await this.#remove(segment);
  }

  async close(): Promise<void> {
    // The next opening ends them.
    for (const begun of this.#writing) await closeOnce(begun);
    for (const segment of this.#segments.values()) {
      await segment.retire();
      await segment.summary?.close();
    }
  }

  async #admit(sequence: number): Promise<void> {
    const { disk, folder, logger } = this.#context;
    const paths = bulkPaths(folder, sequence);
    const header = await this.#header(paths.segment, sequence);
    if (header === undefined) return;
    const segment = new Segment(disk, paths, sequence, header.salt, header.size, true);
    const { summary } = await trySummary(disk, paths.summary, sequence, header.salt);
    if (summary !== undefined) {
      segment.summary = summary;
      segment.end = summary.end;
      segment.lastWriteMs = summary.lastWriteMs;
      for (const { group, firstIndex, count } of summary.groups.values())
        segment.ranges.set(group, { first: firstIndex, last: firstIndex + count - 1 });
      this.#add(header.group, segment);
      return;
    }
    await this.#scan(segment, header.group);
    try {
      if (segment.ranges.size === 0) await this.#remove(segment);
      else await this.#seal(header.group, segment);
    } catch (error) {
      if (!(error instanceof DiskError) || error.code !== "full") throw error;
      logger.warn({ path: segment.path, err: error }, "no room to write a summary; its entries are not readable yet");
    }
  }

  /** A file without a readable header holds nothing that can be told from anything else: it is left alone, its entries are missing. */
  async #header(path: string, sequence: number): Promise<{ salt: number; size: number; group: GroupId } | undefined> {
    const { disk, identity, logger } = this.#context;
    const file = await disk.open(path, { access: "read" });
    const block = new Uint8Array(blockBytes);
    const count = await file.read(block, 0, blockBytes, 0);
    await file.close();
    try {
      const header = decodeSegmentHeader(block.subarray(0, count), path);
      const { clusterId, replicaId } = identity;
      if (header.clusterId === clusterId && header.replicaId === replicaId && header.segment === sequence)
        if (header.kind === "bulk") return header;
      throw new CorruptionError(path, 0, `it is ${header.kind} segment ${header.segment} of another folder or name`);
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      logger.warn({ path, err: error }, "a segment that was filled in is unreadable; its entries are fetched again");
      return undefined;
    }
  }

  /** Reads an unfinished file up to the first frame that is not whole. */
  async #scan(segment: Segment, group: GroupId): Promise<void> {
    const file = await this.#context.disk.open(segment.path, { access: "readWrite" });
    try {
      // A killed process may leave bytes that can be read but are not durable yet.
      await file.sync();
      const reader = new FrameReader(file, segment.sequence, segment.salt, Math.min(await file.size(), segment.size));
      segment.end = blockBytes;
      for (let sequence = 1; ; sequence += 1) {
        const head = await reader.head(segment.end);
        if (head?.kind !== frameKind.bulk || head.sequence !== sequence) return;
        if ((await reader.fault(segment.end, head, true)) !== undefined) return;
        walkEntries(reader.view, reader.at(segment.end), head, (place) => {
          const { index } = readEntryHead(reader.view, place);
          segment.cover(group, index, index);
        });
        segment.end += alignUp(head.length);
        segment.lastWriteMs = head.wallMs;
        segment.lastSequence = head.sequence;
      }
    } finally {
      await file.close();
    }
  }

  async #seal(group: GroupId, segment: Segment): Promise<void> {
    const { disk } = this.#context;
    await buildSummary(
      disk,
      segment,
      segment.summaryPath,
      () => true,
      () => [],
    );
    segment.summary = await openSummary(disk, segment.summaryPath, segment.sequence, segment.salt);
    this.#add(group, segment);
  }

  #add(group: GroupId, segment: Segment): void {
    this.#segments.set(segment.id, segment);
    this.#byGroup.set(group, [...this.of(group), segment]);
  }

  /** The segment first: a summary alone is removed at the next opening. */
  async #remove({ path, summaryPath }: Segment): Promise<void> {
    const { disk, folder } = this.#context;
    await disk.remove(path);
    await disk.remove(summaryPath);
    await disk.syncFolder(bulkFolder(folder));
  }
}

async function closeOnce(begun: BulkFile): Promise<void> {
  if (!begun.closed) await begun.file.close();
  begun.closed = true;
}
