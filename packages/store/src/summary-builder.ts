import type { Disk, DiskFile } from "@saturnmq/kit";
import { crc32 } from "@saturnmq/kit/node";
import type { GroupId } from "raft-ts";
import { alignUp, type ByteRange, blockBytes, getU64, setU64, viewOf } from "./bytes.ts";
import type { KnownConfiguration } from "./configurations.ts";
import {
  type EntryHead,
  entryHeadBytes,
  entryKind,
  type FrameHead,
  frameKind,
  isLogEntry,
  readEntryHead,
  walkEntries,
} from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import { CorruptionError, type QueueKey } from "./ports.ts";
import { recordAt, recordFlags } from "./record.ts";
import type { Segment } from "./segment.ts";
import {
  blockRowBytes,
  configurationRowBytes,
  groupRowBytes,
  headCrc,
  holeRowBytes,
  rowBytes,
  rowCheck,
  runRowBytes,
  stateHeadBytes,
  summaryMagic,
  summaryVersion,
  termRowBytes,
} from "./summary.ts";

/** State records of one group are written out when this many bytes of them are gathered. */
const stateBlockBytes = 128 * 1024;

/** Whether the entry whose payload starts at `offset` of the segment is the one that counts: applied, or known not to be overwritten. */
export type Validity = (group: GroupId, index: number, offset: number) => boolean;

/** The configurations that a group's log knows now. */
export type ConfigurationsOf = (group: GroupId) => readonly KnownConfiguration[];

/**
 * Which entries of a segment count, found from the segment alone: the last of each index, as far as `ranges` reach.
 *
 * @throws {CorruptionError} naming the place in the segment
 */
export async function survivors(segment: Segment): Promise<Validity> {
  const groups = new Map<GroupId, Map<number, number>>();
  await segment.reading((source) =>
    walkSegment(source, segment, (reader, offset, head) => {
      const start = reader.at(offset);
      walkEntries(reader.view, start, head, (place) => {
        const { kind, group, index } = readEntryHead(reader.view, place);
        if (!isLogEntry(kind)) return;
        const places = groups.get(group) ?? new Map<number, number>();
        groups.set(group, places.set(index, offset + place - start + entryHeadBytes));
      });
    }),
  );
  return (group, index, offset) => {
    const range = segment.ranges.get(group);
    return (
      range !== undefined && index >= range.first && index <= range.last && groups.get(group)?.get(index) === offset
    );
  };
}

/** Visits a full segment's frames, checked but for the bodies. @throws {CorruptionError} */
async function walkSegment(
  source: DiskFile,
  { sequence, salt, path, end, holes }: Segment,
  visit: (reader: FrameReader, offset: number, head: FrameHead) => void | Promise<void>,
): Promise<void> {
  const reader = new FrameReader(source, sequence, salt, end);
  /** Up to here an unreadable block may be a copy of the state frame: one bad copy is what there are two for. Known after the first frame. */
  let copiesEnd: number | undefined;
  for (let offset = blockBytes; offset < end; ) {
    const hole = holes.find(({ from }) => from === offset);
    if (hole !== undefined) {
      copiesEnd ??= offset;
      offset = hole.to;
      continue;
    }
    const head = await reader.head(offset);
    if (head === undefined && offset < (copiesEnd ?? end)) {
      offset += blockBytes;
      continue;
    }
    const fault = head === undefined ? undefined : await reader.fault(offset, head, false);
    if (head === undefined || (fault !== undefined && head.kind !== frameKind.state))
      throw new CorruptionError(path, fault?.at ?? offset, fault?.detail ?? "no frame where one must be");
    if (fault === undefined) await visit(reader, offset, head);
    const copiesLeft = head.kind === frameKind.state && head.copy === 0 ? 2 : 1;
    copiesEnd ??= offset + copiesLeft * alignUp(head.length);
    offset += alignUp(head.length);
  }
  if (copiesEnd === undefined) throw new CorruptionError(path, blockBytes, "no frame where one must be");
}

/** What is gathered of one group. */
type GroupPart = {
  readonly group: GroupId;
  firstIndex: number;
  readonly rows: number[];
  readonly terms: { first: number; term: number }[];
  readonly blocks: { at: number; bytes: number; crc: number; firstIndex: number; count: number }[];
  buffer: Uint8Array;
  used: number;
  blockFirst: number;
  blockCount: number;
  /** By stream and partition; the newest run of each. */
  readonly current: Map<number, Map<number, RunPart>>;
};

type ConfigurationPart = { readonly group: GroupId; readonly known: KnownConfiguration };

/** A run of rows under construction. */
type RunPart = { readonly key: QueueKey; readonly firstOffset: number; readonly rows: number[] };

/**
 * Writes the summary of a segment from the segment itself: to a temporary file, synced, renamed, folder synced.
 *
 * Bodies are not read into it nor checked; everything else is.
 *
 * @throws {CorruptionError} naming the place in the segment
 */
export async function buildSummary(
  disk: Disk,
  segment: Segment,
  path: string,
  valid: Validity,
  configurationsOf: ConfigurationsOf,
): Promise<void> {
  const temporary = `${path}.tmp`;
  await disk.remove(temporary);
  const file = await disk.open(temporary, { access: "readWrite", create: true });
  try {
    const builder = new SummaryBuilder(file, segment, valid, configurationsOf);
    await segment.reading((source) => builder.scan(source));
    await builder.finish();
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(temporary, path);
  await disk.syncFolder(path.slice(0, path.lastIndexOf("/")));
}

class SummaryBuilder {
  readonly #file: DiskFile;
  readonly #segment: Segment;
  readonly #valid: Validity;
  readonly #groups = new Map<GroupId, GroupPart>();
  readonly #runs: RunPart[] = [];
  #lastRun: RunPart | undefined;
  readonly #configurationsOf: ConfigurationsOf;
  /** Some entry is a configuration. */
  #configured = false;
  #at = blockBytes;
  #lastSequence = 0;
  #lastWriteMs = 0;

  constructor(file: DiskFile, segment: Segment, valid: Validity, configurationsOf: ConfigurationsOf) {
    this.#file = file;
    this.#segment = segment;
    this.#valid = valid;
    this.#configurationsOf = configurationsOf;
  }

  /** Goes through the segment's frames up to its end. */
  async scan(source: DiskFile): Promise<void> {
    await walkSegment(source, this.#segment, (reader, offset, head) => this.#addFrame(reader, offset, head));
  }

  async finish(): Promise<void> {
    for (const part of this.#groups.values()) await this.#flush(part);
    const groups = [...this.#groups.values()].sort((a, b) => a.group - b.group);
    const runs = this.#runs.sort((a, b) => compareKeys(a.key, b.key) || a.firstOffset - b.firstOffset);
    // Rows never straddle the pages in which they are read.
    this.#at = Math.ceil(this.#at / rowBytes) * rowBytes;
    const rowsAt = this.#at;
    const rowCount = [...groups, ...runs].reduce((sum, { rows }) => sum + rows.length / 3, 0);
    const rows = new Uint8Array(rowCount * rowBytes);
    const places = encodeRows(rows, rowsAt, groups, runs);
    await this.#write(rows);
    const configurations = groups.flatMap(({ group, firstIndex, rows }) =>
      this.#configurationsOf(group)
        .filter(({ index }) => index < firstIndex + rows.length / 3)
        .map((known) => ({ group, known })),
    );
    const directory = concat(encodeDirectory(groups, runs, places), encodeExtras(this.#segment.holes, configurations));
    const directoryAt = this.#at;
    await this.#write(directory);
    const counts = { groups, runs, configurations };
    await this.#file.write(this.#encodeHead(directoryAt, directory, counts), 0, blockBytes, 0);
  }

  async #addFrame(reader: FrameReader, offset: number, head: FrameHead): Promise<void> {
    this.#lastSequence = head.sequence;
    this.#lastWriteMs = head.wallMs;
    const { view } = reader;
    const full: GroupPart[] = [];
    walkEntries(view, reader.at(offset), head, (place) => {
      const entry = readEntryHead(view, place);
      const payloadAt = offset + (place - reader.at(offset)) + entryHeadBytes;
      if (!isLogEntry(entry.kind) || !this.#valid(entry.group, entry.index, payloadAt)) return;
      const part = this.#addEntry(reader, place, entry, payloadAt);
      if (part.used >= stateBlockBytes) full.push(part);
    });
    for (const part of full) await this.#flush(part);
  }

  #addEntry(reader: FrameReader, place: number, entry: EntryHead, payloadAt: number): GroupPart {
    const part = this.#partOf(entry);
    if (part.terms.at(-1)?.term !== entry.term) part.terms.push({ first: entry.index, term: entry.term });
    part.rows.push(payloadAt, entry.length, 0);
    if (part.blockCount === 0) part.blockFirst = entry.index;
    part.blockCount += 1;
    reserve(part, stateHeadBytes + entry.length);
    const headAt = part.used;
    part.used += stateHeadBytes;
    const from = place + entryHeadBytes;
    if (entry.kind === entryKind.configuration) {
      this.#configured = true;
      part.buffer.set(reader.bytes.subarray(from, from + entry.length), part.used);
      part.used += entry.length;
    } else
      for (let at = from; at < from + entry.length; ) at += this.#addRecord(reader, at, payloadAt + at - from, part);
    const view = viewOf(part.buffer);
    setU64(view, headAt, entry.index);
    setU64(view, headAt + 8, entry.term);
    view.setUint32(headAt + 16, entry.kind, true);
    view.setUint32(headAt + 20, part.used - headAt - stateHeadBytes, true);
    view.setUint32(headAt + 24, entry.crc, true);
    view.setUint32(headAt + 28, payloadAt, true);
    return part;
  }

  /** Copies the record without its body, adds its queue row if it is a message; its full length. */
  #addRecord(reader: FrameReader, at: number, offset: number, part: GroupPart): number {
    const { bytes, view } = reader;
    const length = view.getUint32(at + recordAt.length, true);
    const bodyStart = view.getUint32(at + recordAt.bodyStart, true);
    const bodyEnd = bodyStart + view.getUint32(at + recordAt.bodyLength, true);
    part.buffer.set(bytes.subarray(at, at + bodyStart), part.used);
    part.used += bodyStart;
    if (bodyEnd < length) {
      part.buffer.set(bytes.subarray(at + bodyEnd, at + length), part.used);
      part.used += length - bodyEnd;
    }
    if ((view.getUint8(at + recordAt.flags) & recordFlags.message) !== 0) {
      const stream = view.getUint32(at + recordAt.stream, true);
      const partition = view.getUint32(at + recordAt.partition, true);
      const run = this.#runOf(part, stream, partition, getU64(view, at + recordAt.offset));
      run.rows.push(offset, length, view.getUint32(at + recordAt.tagHash, true));
    }
    return length;
  }

  #partOf({ group, index }: EntryHead): GroupPart {
    let part = this.#groups.get(group);
    if (part === undefined) {
      const buffer = new Uint8Array(2 * stateBlockBytes);
      part = {
        group,
        firstIndex: index,
        rows: [],
        terms: [],
        blocks: [],
        buffer,
        used: 0,
        blockFirst: index,
        blockCount: 0,
        current: new Map(),
      };
      this.#groups.set(group, part);
    }
    return part;
  }

  /** The run that the message continues, or a new one. Messages of one queue often follow each other. */
  #runOf(part: GroupPart, stream: number, partition: number, offset: number): RunPart {
    const { group } = part;
    const last = this.#lastRun;
    if (last !== undefined && continues(last, offset)) {
      const { key } = last;
      if (key.partition === partition && key.stream === stream && key.group === group) return last;
    }
    const { current } = part;
    const ofStream = current.get(stream) ?? new Map<number, RunPart>();
    if (ofStream.size === 0) current.set(stream, ofStream);
    let run = ofStream.get(partition);
    if (run === undefined || !continues(run, offset)) {
      run = { key: { group, stream, partition }, firstOffset: offset, rows: [] };
      ofStream.set(partition, run);
      this.#runs.push(run);
    }
    this.#lastRun = run;
    return run;
  }

  async #flush(part: GroupPart): Promise<void> {
    if (part.used === 0) return;
    const crc = crc32(part.buffer, 0, part.used);
    part.blocks.push({ at: this.#at, bytes: part.used, crc, firstIndex: part.blockFirst, count: part.blockCount });
    await this.#write(part.buffer.subarray(0, part.used));
    part.used = 0;
    part.blockCount = 0;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await this.#file.write(bytes, 0, bytes.length, this.#at);
    this.#at += bytes.length;
  }

  #encodeHead(
    directoryAt: number,
    directory: Uint8Array,
    { groups, runs, configurations }: DirectoryParts,
  ): Uint8Array {
    const head = new Uint8Array(blockBytes);
    const view = viewOf(head);
    view.setUint32(0, summaryMagic, true);
    const { holes } = this.#segment;
    const extras = holes.length + configurations.length > 0 || this.#configured;
    view.setUint16(4, extras ? summaryVersion.configurations : summaryVersion.first, true);
    view.setUint32(12, this.#segment.salt, true);
    setU64(view, 16, this.#segment.sequence);
    // Frames that were lost count too.
    setU64(view, 24, Math.max(this.#lastSequence, this.#segment.lastSequence));
    setU64(view, 32, this.#lastWriteMs);
    setU64(view, 40, directoryAt);
    view.setUint32(48, directory.length, true);
    view.setUint32(52, crc32(directory, 0, directory.length), true);
    view.setUint32(56, groups.length, true);
    view.setUint32(60, sum(groups.map(({ terms }) => terms.length)), true);
    view.setUint32(64, sum(groups.map(({ blocks }) => blocks.length)), true);
    view.setUint32(68, runs.length, true);
    setU64(view, 72, this.#segment.end);
    view.setUint32(80, holes.length, true);
    view.setUint32(84, configurations.length, true);
    view.setUint32(8, headCrc(head), true);
    return head;
  }
}

type DirectoryParts = {
  readonly groups: readonly GroupPart[];
  readonly runs: readonly RunPart[];
  readonly configurations: readonly ConfigurationPart[];
};

/** Fills `target`; where in the file each part's rows start. */
function encodeRows(
  target: Uint8Array,
  fileAt: number,
  groups: readonly GroupPart[],
  runs: readonly RunPart[],
): ReadonlyMap<GroupPart | RunPart, number> {
  const places = new Map<GroupPart | RunPart, number>();
  const view = viewOf(target);
  let at = 0;
  const add = (part: GroupPart | RunPart, key: QueueKey, first: number): void => {
    places.set(part, fileAt + at);
    for (let row = 0; row < part.rows.length; row += 3) {
      for (let field = 0; field < 3; field += 1) view.setUint32(at + 4 * field, part.rows[row + field] ?? 0, true);
      view.setUint32(at + 12, rowCheck(target, at, key, first + row / 3), true);
      at += rowBytes;
    }
  };
  for (const part of groups) add(part, { group: part.group, stream: 0, partition: 0 }, part.firstIndex);
  for (const run of runs) add(run, run.key, run.firstOffset);
  return places;
}

function encodeDirectory(
  groups: readonly GroupPart[],
  runs: readonly RunPart[],
  places: ReadonlyMap<GroupPart | RunPart, number>,
): Uint8Array {
  const terms = groups.flatMap((part) => part.terms);
  const blocks = groups.flatMap((part) => part.blocks);
  const termsAt = groups.length * groupRowBytes;
  const blocksAt = termsAt + terms.length * termRowBytes;
  const runsAt = blocksAt + blocks.length * blockRowBytes;
  const bytes = new Uint8Array(runsAt + runs.length * runRowBytes);
  const view = viewOf(bytes);
  let firstTerm = 0;
  let firstBlock = 0;
  groups.forEach((part, row) => {
    const at = row * groupRowBytes;
    const words = [firstTerm, part.terms.length, firstBlock, part.blocks.length];
    view.setUint32(at, part.group, true);
    view.setUint32(at + 4, part.rows.length / 3, true);
    setU64(view, at + 8, part.firstIndex);
    setU64(view, at + 16, places.get(part) ?? 0);
    words.forEach((word, field) => view.setUint32(at + 24 + 4 * field, word, true));
    firstTerm += part.terms.length;
    firstBlock += part.blocks.length;
  });
  terms.forEach(({ first, term }, row) => {
    setU64(view, termsAt + row * termRowBytes, first);
    setU64(view, termsAt + row * termRowBytes + 8, term);
  });
  blocks.forEach((block, row) => {
    const at = blocksAt + row * blockRowBytes;
    setU64(view, at, block.at);
    view.setUint32(at + 8, block.bytes, true);
    view.setUint32(at + 12, block.crc, true);
    setU64(view, at + 16, block.firstIndex);
    view.setUint32(at + 24, block.count, true);
  });
  runs.forEach((run, row) => {
    const at = runsAt + row * runRowBytes;
    const words = [run.key.group, run.key.stream, run.key.partition, run.rows.length / 3];
    words.forEach((word, field) => view.setUint32(at + 4 * field, word, true));
    setU64(view, at + 16, run.firstOffset);
    setU64(view, at + 24, places.get(run) ?? 0);
  });
  return bytes;
}

function encodeExtras(holes: readonly ByteRange[], configurations: readonly ConfigurationPart[]): Uint8Array {
  const rowsAt = holes.length * holeRowBytes;
  const bytesAt = rowsAt + configurations.length * configurationRowBytes;
  const bytes = new Uint8Array(bytesAt + sum(configurations.map(({ known }) => known.bytes.length)));
  const view = viewOf(bytes);
  holes.forEach(({ from, to }, row) => {
    setU64(view, row * holeRowBytes, from);
    setU64(view, row * holeRowBytes + 8, to);
  });
  let at = bytesAt;
  configurations.forEach(({ group, known }, row) => {
    const place = rowsAt + row * configurationRowBytes;
    view.setUint32(place, group, true);
    view.setUint32(place + 4, known.bytes.length, true);
    setU64(view, place + 8, known.index);
    bytes.set(known.bytes, at);
    at += known.bytes.length;
  });
  return bytes;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}

function reserve(part: GroupPart, bytes: number): void {
  if (part.used + bytes <= part.buffer.length) return;
  const grown = new Uint8Array(Math.max(2 * part.buffer.length, part.used + bytes));
  grown.set(part.buffer.subarray(0, part.used));
  part.buffer = grown;
}

function continues(run: RunPart, offset: number): boolean {
  return run.firstOffset + run.rows.length / 3 === offset;
}

function compareKeys(a: QueueKey, b: QueueKey): number {
  return a.group - b.group || a.stream - b.stream || a.partition - b.partition;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
