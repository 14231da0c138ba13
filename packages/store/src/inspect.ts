import { type Disk, DiskError, type DiskFile } from "@saturnmq/kit";
import { crc32 } from "@saturnmq/kit/node";
import type { ConfigurationAt, Damage } from "raft-ts";
import { alignUp, blockBytes, viewOf } from "./bytes.ts";
import { verifyCheckpoint } from "./checkpoint-store.ts";
import {
  entryHeadBytes,
  entryKind,
  type FrameFault,
  type FrameHead,
  frameKind,
  isLogEntry,
  readEntryHead,
  walkEntries,
} from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import { readIdentity } from "./identity.ts";
import { bulkFolder, bulkPaths, checkpointFolder, logFolder, segmentPath, sequenceOf, summaryPath } from "./paths.ts";
import { CorruptionError, type Identity } from "./ports.ts";
import { recordAt, recordFlags, walkRecords } from "./record.ts";
import { decodeSegmentHeader, type SegmentHeader } from "./segment-header.ts";
import { readState } from "./state-frame.ts";
import { openSummary, rowBytes, rowCheck, type Summary, trySummary } from "./summary.ts";

/**
 * One finding of `inspectLog`, in the order of the folder: the identity, each segment with its frames and summary, the groups, what was
 * filled in, the checkpoints, the sum.
 */
export type InspectLine =
  | ({ readonly kind: "identity" } & Identity)
  | {
      readonly kind: "segment";
      readonly path: string;
      readonly segment: number;
      readonly bytes: number;
      readonly frames: number;
      readonly entries: number;
      readonly records: number;
      readonly messages: number;
      readonly firstFrame: number;
      readonly lastFrame: number;
      /** Bytes of the file that frames take. */
      readonly usedBytes: number;
      readonly sealed: boolean;
    }
  | {
      readonly kind: "frame";
      readonly path: string;
      readonly offset: number;
      readonly frame: "commit" | "state" | "seal";
      readonly sequence: number;
      readonly epoch: number;
      readonly durable: number;
      readonly wallMs: number;
      readonly bytes: number;
      readonly groups: number;
      readonly entries: number;
    }
  | {
      /** A group as the newest state frame describes it, at the beginning of `segment`. */
      readonly kind: "group";
      readonly group: number;
      readonly segment: number;
      readonly lastIndex: number;
      readonly lastTerm: number;
      readonly term: number;
      readonly vote: number;
      readonly logStart: number;
      readonly floor: number;
      readonly damage: Damage;
      readonly configuration: ConfigurationAt | undefined;
    }
  | {
      /** A segment that was filled in beside the log. */
      readonly kind: "bulk";
      readonly path: string;
      readonly group: number;
      readonly firstIndex: number;
      readonly lastIndex: number;
      readonly frames: number;
      readonly bytes: number;
      readonly sealed: boolean;
    }
  | {
      readonly kind: "checkpoint";
      readonly path: string;
      readonly group: number;
      readonly index: number;
      readonly term: number;
      readonly bytes: number;
    }
  /** Something is not what was written. */
  | { readonly kind: "damage"; readonly file: string; readonly offset: number; readonly detail: string }
  /** A last frame that was being written when the process ended, or is being written now. */
  | { readonly kind: "tornTail"; readonly file: string; readonly offset: number; readonly detail: string }
  | {
      readonly kind: "total";
      readonly segments: number;
      readonly frames: number;
      readonly entries: number;
      readonly records: number;
      readonly messages: number;
      readonly damaged: number;
    };

export type InspectOptions = {
  /** Give a line for every frame. */
  readonly frames?: boolean;
  /** Check bodies, summaries and the contents of checkpoints too. */
  readonly verify?: boolean;
};

/** Where in the log the inspection is, and what it knows of the groups. */
type Progress = { lastFrame: number; epoch: number; groups: readonly InspectLine[] };

type Counts = { frames: number; entries: number; records: number; messages: number };

/**
 * Reads a data folder and says what is in it and what is damaged. Takes no lock and writes nothing: it may look at the folder of a running
 * process, whose newest frames may then look torn.
 */
export async function* inspectLog(
  disk: Disk,
  folder: string,
  options: InspectOptions = {},
): AsyncGenerator<InspectLine> {
  const total = { segments: 0, frames: 0, entries: 0, records: 0, messages: 0, damaged: 0 };
  for await (const line of lines(disk, folder, options)) {
    if (line.kind === "damage") total.damaged += 1;
    if (line.kind === "segment") {
      total.segments += 1;
      for (const count of ["frames", "entries", "records", "messages"] as const) total[count] += line[count];
    }
    yield line;
  }
  yield { kind: "total", ...total };
}

async function* lines(disk: Disk, folder: string, options: InspectOptions): AsyncGenerator<InspectLine> {
  yield* guarded(async function* () {
    const identity = await readIdentity(disk, folder);
    if (identity === undefined)
      throw new CorruptionError(`${folder}/identity`, 0, "the file is missing: this is no data folder");
    yield { kind: "identity", ...identity };
  });
  const names = await disk.list(logFolder(folder));
  const sequences = names.map((name) => sequenceOf(name, "seg")).filter((sequence) => sequence !== undefined);
  const state: Progress = { lastFrame: 0, epoch: 0, groups: [] };
  for (const [row, sequence] of sequences.entries()) {
    const previous = sequences[row - 1];
    if (previous !== undefined && previous + 1 !== sequence)
      yield {
        kind: "damage",
        file: segmentPath(folder, previous + 1),
        offset: 0,
        detail: "the segment file is missing",
      };
    yield* guarded(() => segmentLines(disk, folder, sequence, state, options));
  }
  yield* state.groups;
  for (const name of await disk.list(bulkFolder(folder))) {
    const sequence = sequenceOf(name, "seg");
    if (sequence !== undefined) yield* guarded(() => bulkLines(disk, folder, sequence, options.verify === true));
  }
  for (const name of await disk.list(checkpointFolder(folder)))
    if (name.endsWith(".ckp"))
      yield* guarded(async function* () {
        const path = `${checkpointFolder(folder)}/${name}`;
        const { group, index, term, length } = await verifyCheckpoint(disk, path);
        yield { kind: "checkpoint", path, group, index, term, bytes: length };
      });
}

/** Turns a corruption, and a file that went away meanwhile, into a line. */
async function* guarded(source: () => AsyncGenerator<InspectLine>): AsyncGenerator<InspectLine> {
  try {
    yield* source();
  } catch (error) {
    if (error instanceof CorruptionError)
      yield { kind: "damage", file: error.file, offset: error.offset, detail: error.message };
    else if (error instanceof DiskError && error.code === "notFound")
      yield { kind: "damage", file: error.path, offset: 0, detail: "the file went away while it was looked at" };
    else throw error;
  }
}

async function* segmentLines(
  disk: Disk,
  folder: string,
  sequence: number,
  state: Progress,
  options: InspectOptions,
): AsyncGenerator<InspectLine> {
  const path = segmentPath(folder, sequence);
  const file = await disk.open(path, { access: "read" });
  try {
    const block = new Uint8Array(blockBytes);
    const header = decodeSegmentHeader(block.subarray(0, await file.read(block, 0, blockBytes, 0)), path);
    if (header.segment !== sequence || header.kind !== "log")
      throw new CorruptionError(path, 16, `the file holds ${header.kind} segment ${header.segment}`);
    yield* frameLines(file, path, header, state, options, await summaryOf(disk, folder, header));
  } finally {
    await file.close();
  }
  if (options.verify === true) yield* guarded(() => summaryLines(disk, folder, sequence, path));
}

/** The summary if there is a readable one. */
async function summaryOf(disk: Disk, folder: string, header: SegmentHeader): Promise<boolean> {
  try {
    await (await openSummary(disk, summaryPath(folder, header.segment), header.segment, header.salt)).close();
    return true;
  } catch (error) {
    if (error instanceof CorruptionError || error instanceof DiskError) return false;
    throw error;
  }
}

async function* frameLines(
  file: DiskFile,
  path: string,
  header: SegmentHeader,
  state: Progress,
  options: InspectOptions,
  sealed: boolean,
): AsyncGenerator<InspectLine> {
  const size = Math.min(await file.size(), header.size);
  const reader = new FrameReader(file, header.segment, header.salt, size);
  const counts: Counts = { frames: 0, entries: 0, records: 0, messages: 0 };
  let firstFrame = 0;
  let at = blockBytes;
  let usedBytes = blockBytes;
  while (at < size) {
    const head = await reader.head(at);
    const fault = head && ((await reader.fault(at, head, options.verify === true)) ?? misplaced(at, head, state));
    if (head !== undefined && fault === undefined) {
      firstFrame ||= head.sequence;
      state.lastFrame = head.sequence;
      state.epoch = head.epoch;
      count(reader, at, head, counts);
      if (head.kind === frameKind.state && head.copy === 0) state.groups = groupLines(reader, at, head);
      if (options.frames === true) yield frameLine(path, at, head);
      at += alignUp(head.length);
      usedBytes = at;
      continue;
    }
    // Nothing readable behind it: the log's end, or the end of what a full segment holds.
    const next = await nextHead(reader, at, state);
    if (next === undefined && head === undefined) break;
    const place = { file: path, offset: fault?.at ?? at, detail: fault?.detail ?? "no frame where one must be" };
    yield next === undefined ? { kind: "tornTail", ...place } : { kind: "damage", ...place };
    if (next === undefined) break;
    at = next;
  }
  yield {
    kind: "segment",
    path,
    segment: header.segment,
    bytes: size,
    ...counts,
    firstFrame,
    lastFrame: firstFrame === 0 ? 0 : state.lastFrame,
    usedBytes,
    sealed,
  };
}

function misplaced(at: number, head: FrameHead, state: Progress): FrameFault | undefined {
  const repeated = head.kind === frameKind.state && head.copy === 1 && head.sequence === state.lastFrame;
  const follows = state.lastFrame === 0 || head.sequence > state.lastFrame || repeated;
  if (follows && head.epoch >= state.epoch) return undefined;
  return {
    at,
    detail: `frame ${head.sequence} of epoch ${head.epoch} stands after frame ${state.lastFrame} of epoch ${state.epoch}`,
  };
}

/** Place of the next frame behind `at` that belongs to this life of the log. */
async function nextHead(reader: FrameReader, at: number, state: Progress): Promise<number | undefined> {
  let found: number | undefined;
  await reader.scanHeads(at + blockBytes, (offset, head) => {
    if (head.sequence > state.lastFrame && head.epoch >= state.epoch) found ??= offset;
  });
  return found;
}

function count(reader: FrameReader, at: number, head: FrameHead, counts: Counts): void {
  counts.frames += 1;
  const { bytes, view } = reader;
  walkEntries(view, reader.at(at), head, (place) => {
    const { kind, length } = readEntryHead(view, place);
    if (isLogEntry(kind)) counts.entries += 1;
    if (kind !== entryKind.entry) return;
    walkRecords({ bytes, start: place + entryHeadBytes, length }, (record) => {
      counts.records += 1;
      if ((view.getUint8(record + recordAt.flags) & recordFlags.message) !== 0) counts.messages += 1;
    });
  });
}

function groupLines(reader: FrameReader, at: number, head: FrameHead): readonly InspectLine[] {
  const found: InspectLine[] = [];
  walkEntries(reader.view, reader.at(at), head, (place) => {
    const state = readState(reader.bytes, reader.view, place);
    const { group, lastIndex, lastTerm, hardTerm, vote, logStart, floor, damage, configuration } = state;
    const { segment } = head;
    const hardState = { term: hardTerm, vote };
    const log = { lastIndex, lastTerm, logStart, floor };
    found.push({ kind: "group", group, segment, ...log, ...hardState, damage, configuration: configuration?.at });
  });
  return found;
}

/** A segment that was filled in: its frames, of a sequence of their own, up to the first that is not whole. */
async function* bulkLines(disk: Disk, folder: string, sequence: number, verify: boolean): AsyncGenerator<InspectLine> {
  const { segment: path, summary } = bulkPaths(folder, sequence);
  const file = await disk.open(path, { access: "read" });
  try {
    const block = new Uint8Array(blockBytes);
    const header = decodeSegmentHeader(block.subarray(0, await file.read(block, 0, blockBytes, 0)), path);
    if (header.segment !== sequence || header.kind !== "bulk")
      throw new CorruptionError(path, 16, `the file holds ${header.kind} segment ${header.segment}`);
    const known = (await trySummary(disk, summary, sequence, header.salt)).summary;
    await known?.close();
    const sealed = known !== undefined;
    const size = known?.end ?? Math.min(await file.size(), header.size);
    const reader = new FrameReader(file, sequence, header.salt, size);
    const range = { firstIndex: 0, lastIndex: 0 };
    let [at, frames] = [blockBytes, 0];
    while (at < size) {
      const head = await reader.head(at);
      const fault =
        head?.kind === frameKind.bulk && head.sequence === frames + 1
          ? await reader.fault(at, head, verify || !sealed)
          : { at, detail: "no frame where one must be" };
      if (head === undefined || fault !== undefined) {
        const place = { file: path, offset: fault?.at ?? at, detail: fault?.detail ?? "no frame where one must be" };
        yield { kind: sealed ? "damage" : "tornTail", ...place };
        break;
      }
      walkEntries(reader.view, reader.at(at), head, (place) => {
        const { index } = readEntryHead(reader.view, place);
        range.firstIndex ||= index;
        range.lastIndex = index;
      });
      frames += 1;
      at += alignUp(head.length);
    }
    yield { kind: "bulk", path, group: header.group, ...range, frames, bytes: at, sealed };
    if (sealed && verify) yield* guarded(() => summaryFileLines(disk, summary, sequence, header.salt));
  } finally {
    await file.close();
  }
}

function frameLine(path: string, offset: number, head: FrameHead): InspectLine {
  const frame = head.kind === frameKind.commit ? "commit" : head.kind === frameKind.state ? "state" : "seal";
  const { sequence, epoch, durable, wallMs, length, groupCount, entryCount } = head;
  return {
    kind: "frame",
    path,
    offset,
    frame,
    sequence,
    epoch,
    durable,
    wallMs,
    bytes: length,
    groups: groupCount,
    entries: entryCount,
  };
}

/** Checks every row and state block of a summary. */
async function* summaryLines(
  disk: Disk,
  folder: string,
  sequence: number,
  segmentFile: string,
): AsyncGenerator<InspectLine> {
  const path = summaryPath(folder, sequence);
  const file = await disk.open(segmentFile, { access: "read" });
  const block = new Uint8Array(blockBytes);
  await file.read(block, 0, blockBytes, 0);
  await file.close();
  yield* summaryFileLines(disk, path, sequence, decodeSegmentHeader(block, segmentFile).salt);
}

async function* summaryFileLines(
  disk: Disk,
  path: string,
  sequence: number,
  salt: number,
): AsyncGenerator<InspectLine> {
  let summary: Summary;
  try {
    summary = await openSummary(disk, path, sequence, salt);
  } catch (error) {
    if (error instanceof DiskError && error.code === "notFound") return;
    throw error;
  }
  try {
    for (const { group, firstIndex, count: rows, blocks } of summary.groups.values()) {
      for (const { at, bytes, crc } of blocks) {
        const content = await summary.read(at, bytes);
        if (content.length !== bytes || crc32(content, 0, bytes) !== crc)
          yield { kind: "damage", file: path, offset: at, detail: "a state block does not match its CRC" };
      }
      for (let index = firstIndex; index < firstIndex + rows; index += 1) summary.entryPlace(group, index);
    }
    for (const { key, run } of summary.allRuns()) {
      const content = await summary.read(run.rowsAt, run.count * rowBytes);
      const view = viewOf(content);
      for (let row = 0; row < run.count; row += 1)
        if (
          content.length < (row + 1) * rowBytes ||
          view.getUint32(row * rowBytes + 12, true) !== rowCheck(content, row * rowBytes, key, run.firstOffset + row)
        )
          yield {
            kind: "damage",
            file: path,
            offset: run.rowsAt + row * rowBytes,
            detail: `the row of offset ${run.firstOffset + row} does not match its check`,
          };
    }
  } finally {
    await summary.close();
  }
}
