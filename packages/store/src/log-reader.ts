import type { DiskFile, Logger } from "@saturnmq/kit";
import { crc32 } from "@saturnmq/kit/node";
import type { EntryKind, Position, StoredEntry } from "raft-ts";
import type { Arena } from "./arena.ts";
import type { BadEntries } from "./bad-entries.ts";
import type { BulkSegments } from "./bulk-segments.ts";
import { getU64, viewOf } from "./bytes.ts";
import { entryHeadBytes, entryKind, isLogEntry, readEntryHead } from "./frame.ts";
import type { GroupLog } from "./group-log.ts";
import { CorruptionError, type HeldEntry, type RecordPosition, type RecordRead } from "./ports.ts";
import { ReadAhead } from "./read-ahead.ts";
import { recordAt, recordLength } from "./record.ts";
import { bodyMatches, type PayloadFault, payloadFault, recordCheck } from "./record-check.ts";
import { type RecordSpan, recordSpans } from "./record-spans.ts";
import type { Segment } from "./segment.ts";
import type { SegmentList } from "./segment-list.ts";
import { type StateBlock, type Summary, stateHeadBytes } from "./summary.ts";

type EntryPlace = {
  readonly segment: Segment;
  readonly offset: number;
  readonly length: number;
  readonly term: number;
};

/** Bytes read at once for entries that follow each other. */
const windowBytes = 1024 * 1024;
const nothing = Buffer.alloc(0);

/** What a reader reads from. `rebuild` writes a sealed segment's summary anew. */
export type ReaderContext = {
  readonly segments: SegmentList;
  readonly bulk: BulkSegments;
  readonly bad: BadEntries;
  readonly arena: Arena;
  readonly logger: Logger;
  readonly rebuild: (segment: Segment) => Promise<Summary>;
};

/** Reads entries and records, from the tail cache or from disk; what comes from disk is checked. */
export class LogReader {
  readonly #context: ReaderContext;
  readonly #ahead = new ReadAhead();

  constructor(context: ReaderContext) {
    this.#context = context;
  }

  position(log: GroupLog, index: number): Position | undefined {
    const filled = this.#filledPlace(log, index);
    if (filled === undefined && log.places.has(index)) {
      const segment = log.places.segment(index);
      return segment === 0 ? undefined : { segment, offset: log.places.offset(index) };
    }
    const place = filled ?? this.#sealedPlace(log, index);
    return place && { segment: place.segment.id, offset: place.offset };
  }

  async read(log: GroupLog, index: number): Promise<StoredEntry> {
    const place = await this.#locate(log, index);
    if (place === undefined) throw new RangeError(`group ${log.group} holds no written entry ${index}`);
    const cached = this.#cached(place);
    if (cached !== undefined) return storedEntry(place, index, cached);
    return place.segment.reading(async (file) => {
      const bytes = new Uint8Array(entryHeadBytes + place.length);
      const count = await file.read(bytes, 0, bytes.length, place.offset - entryHeadBytes);
      return this.#checked(log, place, index, bytes.subarray(0, count));
    });
  }

  /** Entries that lie behind each other in a segment are read together. */
  async *entries(log: GroupLog, from: number, to: number): AsyncGenerator<HeldEntry> {
    let window: Window | undefined;
    for (let index = from; index <= to; index += 1) {
      const place = await this.#locate(log, index);
      if (place === undefined) throw new RangeError(`group ${log.group} holds no written entry ${index}`);
      const writtenMs = place.segment.lastWriteMs;
      const cached = this.#cached(place);
      if (cached !== undefined) {
        yield { ...storedEntry(place, index, cached), writtenMs };
        continue;
      }
      if (window === undefined || !covers(window, place)) window = await readWindow(place, window?.bytes);
      const start = place.offset - entryHeadBytes - window.from;
      const bytes = window.bytes.subarray(start, Math.min(start + entryHeadBytes + place.length, window.count));
      yield { ...this.#checked(log, place, index, bytes), writtenMs };
    }
  }

  /** Payload bytes of a sealed entry. A summary with a bad row is rebuilt, and until then the answer is `unknown`. */
  sealedBytes(log: GroupLog, index: number, unknown: number): number {
    try {
      return this.#sealedPlace(log, index)?.length ?? unknown;
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      // Whoever reads the entry sees a failure.
      this.#mend(error).catch(() => undefined);
      return unknown;
    }
  }

  async replay(log: GroupLog, from: number, to: number, visit: (entry: StoredEntry) => void): Promise<void> {
    let next = from;
    // A copy: segments that are not needed may be freed meanwhile.
    for (const segment of [...this.#context.segments]) {
      const range = segment.ranges.get(log.group);
      if (range === undefined || range.last < next || next > to) continue;
      if (range.first > next) break;
      const last = Math.min(to, range.last);
      next = segment.summary
        ? await this.#replaySummary(log, segment, next, last, visit)
        : await segment.reading(async (file) => replayFrames(log, segment, file, next, last, visit));
    }
    if (next <= to) throw new RangeError(`group ${log.group} holds no written entry ${next}`);
  }

  readRecords(positions: readonly RecordPosition[]): readonly RecordRead[] | Promise<readonly RecordRead[]> {
    const reads: RecordRead[] = [];
    const away: number[] = [];
    const copies = new Copies(positions);
    for (let member = 0; member < positions.length; member += 1) {
      const position = positions[member] as RecordPosition;
      const read = this.#cachedRecord(position, copies) ?? this.#readLately(position, copies);
      if (read === undefined) away.push(member);
      else reads[member] = read;
    }
    return away.length === 0 ? reads : this.#readAway(positions, away, reads, copies);
  }

  #cachedRecord({ segment, offset, length }: RecordPosition, copies: Copies): Uint8Array | undefined {
    const { arena } = this.#context;
    const at = arena.find(segment, offset, length);
    return at < 0 ? undefined : copies.of(arena.bytes, at, length);
  }

  #readLately({ segment, offset, length }: RecordPosition, copies: Copies): Uint8Array | undefined {
    const held = this.#held(segment);
    const found = held && this.#ahead.find(held, offset, offset + length);
    if (held === undefined || found === undefined) return undefined;
    const bytes = copies.of(found.bytes, found.start, length);
    if (recordFault(bytes, length) === undefined) return bytes;
    this.#ahead.forget(held, offset);
    return undefined;
  }

  async #readAway(
    positions: readonly RecordPosition[],
    away: readonly number[],
    reads: RecordRead[],
    copies: Copies,
  ): Promise<readonly RecordRead[]> {
    await Promise.all(recordSpans(positions, away).map((span) => this.#readSpan(positions, span, reads, copies)));
    return reads;
  }

  async #readSpan(
    positions: readonly RecordPosition[],
    { segment, from, to, members }: RecordSpan,
    reads: RecordRead[],
    copies: Copies,
  ): Promise<void> {
    const held = this.#held(segment);
    try {
      if (held === undefined) throw new RangeError(`segment ${segment} is not held any more`);
      await this.#ahead.read(held, from, to, members.length, ({ bytes, start, count }) => {
        for (const member of members) {
          const { offset, length } = positions[member] as RecordPosition;
          const at = offset - from;
          const copy = copies.of(bytes, start + at, Math.max(0, Math.min(length, count - at)));
          reads[member] = this.#checkedRecord(held, offset, copy, length);
        }
      });
    } catch (error) {
      for (const member of members) reads[member] = toError(error);
    }
  }

  #held(segment: number): Segment | undefined {
    const { segments, bulk } = this.#context;
    return segments.get(segment) ?? bulk.get(segment);
  }

  /** @param bytes as they came from disk */
  #checkedRecord(held: Segment, offset: number, bytes: Uint8Array, length: number): RecordRead {
    const fault = recordFault(bytes, length);
    if (fault === undefined) return bytes;
    this.#noteBadRecord(held, offset);
    return new CorruptionError(held.path, offset + fault.at, fault.detail);
  }

  /** As `#sealedPlace`, also of what was filled in and of unsealed segments, mending a summary whose row is bad. */
  async #locate(log: GroupLog, index: number): Promise<EntryPlace | undefined> {
    try {
      const filled = this.#filledPlace(log, index);
      if (filled !== undefined) return filled;
      if (log.places.has(index)) {
        const segment = this.#context.segments.get(log.places.segment(index));
        return segment && placeIn(segment, log, index);
      }
      return this.#sealedPlace(log, index);
    } catch (error) {
      await this.#mend(error);
      return this.#filledPlace(log, index) ?? this.#sealedPlace(log, index);
    }
  }

  /** Rebuilds the summary that `error` is about. */
  async #mend(error: unknown): Promise<void> {
    const { segments, bulk, logger, rebuild } = this.#context;
    const segment = [...segments, ...bulk.all()].find(
      ({ summary }) => error instanceof CorruptionError && summary?.path === error.file,
    );
    if (segment === undefined) throw error;
    logger.warn({ path: segment.path, err: error }, "a summary is corrupt and is rebuilt from its segment");
    await rebuild(segment);
  }

  /** What was filled in counts before the log: it may stand for what is corrupt there. */
  #filledPlace(log: GroupLog, index: number): EntryPlace | undefined {
    for (const segment of this.#context.bulk.of(log.group).toReversed()) {
      const place = segment.summary?.entryPlace(log.group, index);
      if (place !== undefined) return { segment, ...place };
    }
    return undefined;
  }

  /** The newest segment's row counts. @throws {CorruptionError} if it is bad */
  #sealedPlace(log: GroupLog, index: number): EntryPlace | undefined {
    for (const segment of this.#context.segments.backwards()) {
      const place = segment.summary?.entryPlace(log.group, index);
      if (place !== undefined) return { segment, ...place };
    }
    return undefined;
  }

  /** A copy of the entry's head and payload, if they are in the tail cache. */
  #cached({ segment, offset, length }: EntryPlace): Uint8Array | undefined {
    const { arena } = this.#context;
    const at = arena.find(segment.id, offset - entryHeadBytes, entryHeadBytes + length);
    return at < 0 ? undefined : arena.bytes.slice(at, at + entryHeadBytes + length);
  }

  #checked(log: GroupLog, place: EntryPlace, index: number, bytes: Uint8Array): StoredEntry {
    try {
      return checkedEntry(log, place, index, bytes);
    } catch (error) {
      if (error instanceof CorruptionError) this.#context.bad.add(place.segment.id, log.group, index);
      throw error;
    }
  }

  #noteBadRecord(segment: Segment, offset: number): void {
    const entry = segment.summary?.entryAround(offset);
    if (entry !== undefined) this.#context.bad.add(segment.id, entry.group, entry.index);
  }

  async #replaySummary(
    log: GroupLog,
    segment: Segment,
    from: number,
    to: number,
    visit: (entry: StoredEntry) => void,
  ): Promise<number> {
    let next = from;
    let mended = false;
    for (let row = 0; next <= to; row += 1) {
      const block = segment.summary?.groups.get(log.group)?.blocks[row];
      if (block === undefined)
        throw new CorruptionError(segment.path, 0, `its summary lacks entry ${next} of group ${log.group}`);
      if (block.firstIndex + block.count <= next) continue;
      const bytes = await segment.summary?.read(block.at, block.bytes);
      if (bytes?.length === block.bytes && crc32(bytes, 0, bytes.length) === block.crc) {
        next = visitBlock(segment, block, bytes, next, to, visit);
        continue;
      }
      const fault = new CorruptionError(segment.summary?.path ?? "", block.at, "a state block does not match its CRC");
      if (mended) throw fault;
      mended = true;
      const { logger, rebuild } = this.#context;
      logger.warn({ path: segment.path, err: fault }, "a summary is corrupt and is rebuilt from its segment");
      await rebuild(segment);
      row = -1;
    }
    return next;
  }
}

/** @returns the index after the last visited */
function visitBlock(
  segment: Segment,
  block: StateBlock,
  bytes: Uint8Array,
  from: number,
  to: number,
  visit: (entry: StoredEntry) => void,
): number {
  const view = viewOf(bytes);
  let next = from;
  for (let at = 0; at < block.bytes && next <= to; ) {
    const index = getU64(view, at);
    const length = view.getUint32(at + 20, true);
    if (index >= from) {
      const crc = view.getUint32(at + 24, true);
      visit({
        index,
        term: getU64(view, at + 8),
        kind: kindOf(segment.summary?.kinds === true ? view.getUint32(at + 16, true) : entryKind.entry),
        payload: { bytes, start: at + stateHeadBytes, length, crc },
        position: { segment: segment.sequence, offset: view.getUint32(at + 28, true) },
        summary: true,
      });
      next = index + 1;
    }
    at += stateHeadBytes + length;
  }
  return next;
}

function placeIn(segment: Segment, { places }: GroupLog, index: number): EntryPlace {
  return { segment, offset: places.offset(index), length: places.length(index), term: places.term(index) };
}

/** Reads synchronously: this runs at start-up, when the entries are many, small and cached. @returns the index after the last visited */
function replayFrames(
  log: GroupLog,
  segment: Segment,
  file: DiskFile,
  from: number,
  to: number,
  visit: (entry: StoredEntry) => void,
): number {
  let buffer = new Uint8Array(65_536);
  for (let index = from; index <= to; index += 1) {
    const place = placeIn(segment, log, index);
    const length = entryHeadBytes + place.length;
    if (length > buffer.length) buffer = new Uint8Array(2 * length);
    const count = file.readSync(buffer, 0, length, place.offset - entryHeadBytes);
    visit(checkedEntry(log, place, index, buffer.subarray(0, count)));
  }
  return to + 1;
}

/** @param bytes the entry's head and payload as they came from disk */
function checkedEntry(log: GroupLog, place: EntryPlace, index: number, bytes: Uint8Array): StoredEntry {
  const { path } = place.segment;
  if (bytes.length < entryHeadBytes + place.length)
    throw new CorruptionError(path, place.offset + bytes.length - entryHeadBytes, "the entry is cut short");
  const view = viewOf(bytes);
  const head = readEntryHead(view, 0);
  const same = isLogEntry(head.kind) && head.group === log.group && head.index === index && head.term === place.term;
  if (!same || head.length !== place.length)
    throw new CorruptionError(
      path,
      place.offset - entryHeadBytes,
      `entry ${index} of group ${log.group} is not where it was written`,
    );
  const fault =
    head.kind === entryKind.entry
      ? payloadFault(bytes, view, entryHeadBytes, place.length, head.crc, true)
      : configurationFault(bytes, head.crc);
  if (fault !== undefined) throw new CorruptionError(path, place.offset + fault.at - entryHeadBytes, fault.detail);
  return storedEntry(place, index, bytes);
}

function configurationFault(bytes: Uint8Array, crc: number): PayloadFault | undefined {
  if (crc32(bytes, entryHeadBytes, bytes.length - entryHeadBytes) === crc) return undefined;
  return { at: entryHeadBytes, detail: "the configuration does not match its CRC" };
}

function kindOf(kind: number): EntryKind {
  return kind === entryKind.configuration ? "configuration" : "data";
}

/** Bytes [from, from + count) of a segment. */
type Window = { readonly segment: Segment; readonly bytes: Uint8Array; readonly from: number; readonly count: number };

function covers({ segment, from, count }: Window, place: EntryPlace): boolean {
  const start = place.offset - entryHeadBytes;
  return segment === place.segment && start >= from && place.offset + place.length <= from + count;
}

/** Reads the entry and what lies behind it, into `buffer` if that is large enough. */
async function readWindow({ segment, offset, length }: EntryPlace, buffer: Uint8Array | undefined): Promise<Window> {
  const needed = Math.max(windowBytes, entryHeadBytes + length);
  const bytes = buffer !== undefined && buffer.length >= needed ? buffer : new Uint8Array(needed);
  const from = offset - entryHeadBytes;
  const count = await segment.reading((file) => file.read(bytes, 0, needed, from));
  return { segment, bytes, from, count };
}

function storedEntry(place: EntryPlace, index: number, bytes: Uint8Array): StoredEntry {
  const { crc, term, kind } = readEntryHead(viewOf(bytes), 0);
  return {
    index,
    term,
    kind: kindOf(kind),
    payload: { bytes, start: entryHeadBytes, length: place.length, crc },
    position: { segment: place.segment.id, offset: place.offset },
    summary: false,
  };
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error("a record cannot be read", { cause: error });
}

/** What is wrong if `bytes` is not exactly the record that was written, and where in it. */
function recordFault(bytes: Uint8Array, length: number): PayloadFault | undefined {
  if (bytes.length < length) return { at: bytes.length, detail: "the record is cut short" };
  const view = viewOf(bytes);
  if (recordLength(view, 0, length) !== length || recordCheck(bytes, view, 0) !== view.getUint32(recordAt.check, true))
    return { at: 0, detail: "the record does not match its check" };
  if (bodyMatches(bytes, view, 0)) return undefined;
  return { at: view.getUint32(recordAt.bodyStart, true), detail: "the body does not match its CRC" };
}

/**
 * Copies of records side by side, since where they lie is overwritten in time: memory of its own for each costs several times the copying. Made when the
 * first is.
 */
class Copies {
  readonly #positions: readonly RecordPosition[];
  #bytes = nothing;
  #end = 0;

  /** @param positions of all that may be copied */
  constructor(positions: readonly RecordPosition[]) {
    this.#positions = positions;
  }

  of(source: Uint8Array, start: number, length: number): Uint8Array {
    if (this.#end + length > this.#bytes.length) {
      this.#bytes = Buffer.allocUnsafeSlow(this.#positions.reduce((sum, position) => sum + position.length, 0));
      this.#end = 0;
    }
    const at = this.#end;
    this.#end += length;
    this.#bytes.set(source.subarray(start, start + length), at);
    return this.#bytes.subarray(at, at + length);
  }
}
