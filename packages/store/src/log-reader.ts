import type { DiskFile, Logger } from "@saturnmq/kit";
import { crc32 } from "@saturnmq/kit/node";
import type { Position, StoredEntry } from "raft-ts";
import type { Arena } from "./arena.ts";
import { getU64, viewOf } from "./bytes.ts";
import { entryHeadBytes, entryKind, readEntryHead } from "./frame.ts";
import type { GroupLog } from "./group-log.ts";
import { CorruptionError, type RecordPosition } from "./ports.ts";
import { recordAt, recordLength } from "./record.ts";
import { bodyMatches, payloadFault, recordCheck } from "./record-check.ts";
import type { Segment } from "./segment.ts";
import type { SegmentList } from "./segment-list.ts";
import { type StateBlock, type Summary, stateHeadBytes } from "./summary.ts";

type EntryPlace = { readonly segment: Segment; readonly offset: number; readonly length: number };

/** Reads entries and records, from the tail cache or from disk; what comes from disk is checked. */
export class LogReader {
  readonly #segments: SegmentList;
  readonly #arena: Arena;
  readonly #logger: Logger;
  readonly #rebuild: (segment: Segment) => Promise<Summary>;

  /** @param rebuild writes a sealed segment's summary anew */
  constructor(segments: SegmentList, arena: Arena, logger: Logger, rebuild: (segment: Segment) => Promise<Summary>) {
    this.#segments = segments;
    this.#arena = arena;
    this.#logger = logger;
    this.#rebuild = rebuild;
  }

  position(log: GroupLog, index: number): Position | undefined {
    if (log.places.has(index)) {
      const segment = log.places.segment(index);
      return segment === 0 ? undefined : { segment, offset: log.places.offset(index) };
    }
    const place = this.#sealedPlace(log, index);
    return place && { segment: place.segment.sequence, offset: place.offset };
  }

  async read(log: GroupLog, index: number): Promise<StoredEntry> {
    const place = await this.#locate(log, index);
    if (place === undefined) throw new RangeError(`group ${log.group} holds no written entry ${index}`);
    const cached = this.#arena.find(
      place.segment.sequence,
      place.offset - entryHeadBytes,
      entryHeadBytes + place.length,
    );
    if (cached >= 0) {
      const bytes = this.#arena.bytes.slice(cached, cached + entryHeadBytes + place.length);
      return storedEntry(place, index, bytes);
    }
    return place.segment.reading(async (file) => {
      const bytes = new Uint8Array(entryHeadBytes + place.length);
      const count = await file.read(bytes, 0, bytes.length, place.offset - entryHeadBytes);
      return checkedEntry(log, place, index, bytes.subarray(0, count));
    });
  }

  async replay(log: GroupLog, from: number, to: number, visit: (entry: StoredEntry) => void): Promise<void> {
    let next = from;
    // A copy: segments that are not needed may be freed meanwhile.
    for (const segment of [...this.#segments]) {
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

  readRecord(position: RecordPosition): Uint8Array | Promise<Uint8Array> {
    const { segment, offset, length } = position;
    const cached = this.#arena.find(segment, offset, length);
    if (cached >= 0) return this.#arena.bytes.subarray(cached, cached + length);
    const held = this.#segments.get(segment);
    if (held === undefined) return Promise.reject(new RangeError(`segment ${segment} is not held any more`));
    return held.reading(async (file) => {
      const bytes = new Uint8Array(length);
      const count = await file.read(bytes, 0, length, offset);
      checkRecord(held.path, offset, bytes.subarray(0, count), length);
      return bytes;
    });
  }

  /** As `#sealedPlace`, mending a summary whose row is bad. */
  async #locate(log: GroupLog, index: number): Promise<EntryPlace | undefined> {
    if (log.places.has(index)) {
      const segment = this.#segments.get(log.places.segment(index));
      return segment && { segment, offset: log.places.offset(index), length: log.places.length(index) };
    }
    try {
      return this.#sealedPlace(log, index);
    } catch (error) {
      const segment = [...this.#segments].find(
        ({ summary }) => error instanceof CorruptionError && summary?.path === error.file,
      );
      if (segment === undefined) throw error;
      this.#logger.warn({ path: segment.path, err: error }, "a summary is corrupt and is rebuilt from its segment");
      await this.#rebuild(segment);
      return this.#sealedPlace(log, index);
    }
  }

  /** The newest segment's row counts. @throws {CorruptionError} if it is bad */
  #sealedPlace(log: GroupLog, index: number): EntryPlace | undefined {
    for (const segment of this.#segments.backwards()) {
      const place = segment.summary?.entryPlace(log.group, index);
      if (place !== undefined) return { segment, ...place };
    }
    return undefined;
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
      this.#logger.warn({ path: segment.path, err: fault }, "a summary is corrupt and is rebuilt from its segment");
      await this.#rebuild(segment);
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
    const place = { segment, offset: log.places.offset(index), length: log.places.length(index) };
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
  // Below the log start the terms are forgotten.
  const term = log.terms.at(index) ?? head.term;
  const same = head.kind === entryKind.entry && head.group === log.group && head.index === index && head.term === term;
  if (!same || head.length !== place.length)
    throw new CorruptionError(
      path,
      place.offset - entryHeadBytes,
      `entry ${index} of group ${log.group} is not where it was written`,
    );
  const fault = payloadFault(bytes, view, entryHeadBytes, place.length, head.crc, true);
  if (fault !== undefined) throw new CorruptionError(path, place.offset + fault.at - entryHeadBytes, fault.detail);
  return storedEntry(place, index, bytes);
}

function storedEntry(place: EntryPlace, index: number, bytes: Uint8Array): StoredEntry {
  const { crc, term } = readEntryHead(viewOf(bytes), 0);
  return {
    index,
    term,
    payload: { bytes, start: entryHeadBytes, length: place.length, crc },
    position: { segment: place.segment.sequence, offset: place.offset },
    summary: false,
  };
}

/** @throws {CorruptionError} unless `bytes` is exactly the record that was written */
function checkRecord(path: string, offset: number, bytes: Uint8Array, length: number): void {
  if (bytes.length < length) throw new CorruptionError(path, offset + bytes.length, "the record is cut short");
  const view = viewOf(bytes);
  if (recordLength(view, 0, length) !== length || recordCheck(bytes, view, 0) !== view.getUint32(recordAt.check, true))
    throw new CorruptionError(path, offset, "the record does not match its check");
  if (!bodyMatches(bytes, view, 0))
    throw new CorruptionError(
      path,
      offset + view.getUint32(recordAt.bodyStart, true),
      "the body does not match its CRC",
    );
}
