import { defined, InvariantError, type Logger } from "@saturnmq/kit";
import type { BulkSegments } from "./bulk-segments.ts";
import { viewOf } from "./bytes.ts";
import { type EntryRange, overlap, without } from "./entry-ranges.ts";
import { CorruptionError, type IndexRow, type QueueKey } from "./ports.ts";
import type { QueueRows } from "./queue-rows.ts";
import type { Segment } from "./segment.ts";
import type { SegmentList } from "./segment-list.ts";
import { type QueueRun, rowBytes, rowCheck, type Summary } from "./summary.ts";

const pageBytes = 4096;
/** Read along with those that a look-up needs. */
const pagesAhead = 15;
/** Pages of summaries kept in memory. */
const pagesKept = 1024;
/** Far fewer rows than the pages hold, so that a look-up never drives out its own. */
const maxCount = 65_536;

/** Consecutive offsets [from, to) that a look-up wants of one segment: of a run in its summary, or of a queue's rows in memory. */
type SliceBounds = { readonly segment: Segment; readonly from: number; readonly to: number };
type SealedSlice = SliceBounds & { readonly run: QueueRun };
type Slice =
  | SealedSlice
  | (SliceBounds & { readonly run: undefined; readonly rows: QueueRows; readonly queue: number });

/** The queue index: rows of unsealed segments in memory, of sealed ones in their summaries, read by the page and kept for a while. */
export class MessageIndex {
  readonly #segments: SegmentList;
  readonly #bulk: BulkSegments;
  readonly #logger: Logger;
  readonly #rebuild: (segment: Segment) => Promise<Summary>;
  /** Least recently used first. */
  readonly #pages = new Map<number, Uint8Array>();

  constructor(
    segments: SegmentList,
    bulk: BulkSegments,
    logger: Logger,
    rebuild: (segment: Segment) => Promise<Summary>,
  ) {
    this.#segments = segments;
    this.#bulk = bulk;
    this.#logger = logger;
    this.#rebuild = rebuild;
  }

  add(key: QueueKey, offset: number, row: IndexRow): void {
    const segment = this.#segments.get(row.segment);
    if (segment?.rows !== undefined) segment.rows.add(key, offset, row);
    // A message of a sealed segment is in its summary.
    else if (segment?.summary === undefined)
      throw new InvariantError(`segment ${row.segment} of a message to index is not held`);
  }

  lookup(key: QueueKey, from: number, count: number): readonly IndexRow[] | Promise<readonly IndexRow[]> {
    if (count > maxCount) throw new RangeError(`at most ${maxCount} rows are looked up at once, not ${count}`);
    const slices = this.#slices(key, from, from + count);
    const sealed = slices.filter(isSealed);
    try {
      if (sealed.every((slice) => this.#cached(slice))) return this.#collect(key, slices);
    } catch (error) {
      // Only the rows that were asked for were checked when the page was read.
      if (!(error instanceof CorruptionError)) throw error;
    }
    return this.#load(key, sealed).then(() => this.lookup(key, from, count));
  }

  /** Forgets the pages of a segment whose summary has changed or gone. */
  forget(segment: Segment): void {
    for (const page of this.#pages.keys())
      if (Math.floor(page / pagesPerSegment) === segment.id) this.#pages.delete(page);
  }

  /** What is held of the offsets [from, to), from the first that is held up to the first that is not. */
  #slices(key: QueueKey, from: number, to: number): readonly Slice[] {
    const filled = this.#bulk.of(key.group);
    const found: Slice[] = [];
    let wanted: readonly EntryRange[] = [{ from, to: to - 1 }];
    const segments = filled.length === 0 ? this.#segments.backwards() : this.#newestFirst(filled);
    for (const segment of segments) {
      const held = offsetsIn(segment, key, from);
      for (const slice of held)
        for (const part of wanted.map((range) => overlap(range, { from: slice.from, to: slice.to - 1 })))
          if (part !== undefined) {
            found.push({ ...slice, from: part.from, to: part.to + 1 });
            wanted = without(wanted, part.from, part.to);
          }
      // Older segments of the log hold lower offsets.
      if (wanted.length === 0 || (filled.length === 0 && held.some((slice) => slice.from <= from))) break;
    }
    found.sort((a, b) => a.from - b.from);
    const end = found.findIndex((slice, row) => row > 0 && slice.from !== found[row - 1]?.to);
    return end < 0 ? found : found.slice(0, end);
  }

  /** What was filled in counts before the log: it may stand for what is corrupt there. */
  *#newestFirst(filled: readonly Segment[]): Generator<Segment> {
    yield* filled.toReversed();
    yield* this.#segments.backwards();
  }

  #collect(key: QueueKey, slices: readonly Slice[]): readonly IndexRow[] {
    const found: IndexRow[] = [];
    for (const slice of slices) {
      if (isSealed(slice))
        for (let offset = slice.from; offset < slice.to; offset += 1) found.push(this.#row(key, slice, offset));
      else slice.rows.collect(slice.queue, slice.from, slice.to, found);
    }
    return found;
  }

  /** A row whose page is in memory and has been checked. */
  #row(key: QueueKey, { segment, run }: SealedSlice, offset: number): IndexRow {
    const place = rowPlace(run, offset);
    const page = defined(this.#pages.get(pageKey(segment, place)), "a page that was just loaded");
    const at = place % pageBytes;
    const view = viewOf(page);
    if (at + rowBytes > page.length || view.getUint32(at + 12, true) !== rowCheck(page, at, key, offset))
      throw new CorruptionError(
        segment.summary?.path ?? segment.path,
        place,
        `the row of offset ${offset} does not match its check`,
      );
    return {
      segment: segment.id,
      offset: view.getUint32(at, true),
      length: view.getUint32(at + 4, true),
      tagHash: view.getUint32(at + 8, true),
    };
  }

  /** True when every page of the slice is in memory; they become the most recently used. */
  #cached(slice: SealedSlice): boolean {
    for (const key of pageKeys(slice)) {
      const page = this.#pages.get(key);
      if (page === undefined) return false;
      this.#pages.delete(key);
      this.#pages.set(key, page);
    }
    return true;
  }

  /** Reads the slices' pages and checks the wanted rows; a summary with a bad one is rebuilt. */
  async #load(key: QueueKey, slices: readonly SealedSlice[]): Promise<void> {
    for (const slice of slices) {
      try {
        await this.#loadPages(slice);
        // Freed, or written anew, meanwhile: the look-up begins anew.
        if (!this.#cached(slice)) return;
        for (let offset = slice.from; offset < slice.to; offset += 1) this.#row(key, slice, offset);
      } catch (error) {
        if (error instanceof RangeError) return;
        if (!(error instanceof CorruptionError)) throw error;
        this.#logger.warn({ path: error.file, err: error }, "a summary is corrupt and is rebuilt from its segment");
        await this.#rebuild(slice.segment);
        this.forget(slice.segment);
        return;
      }
    }
  }

  /** Reads what is missing in one go, with some pages behind it, which whoever goes through a queue wants next. */
  async #loadPages(slice: SealedSlice): Promise<void> {
    const missing = [...pageKeys(slice)].filter((key) => !this.#pages.has(key));
    const [first] = missing;
    const last = missing.at(-1);
    if (first === undefined || last === undefined) return;
    const wanted = (last - first + 1 + pagesAhead) * pageBytes;
    const bytes = await slice.segment.summary?.read(pageNumber(first) * pageBytes, wanted);
    if (bytes === undefined) return;
    for (let at = 0, key = first; at < bytes.length; at += pageBytes, key += 1)
      this.#pages.set(key, bytes.subarray(at, at + pageBytes));
    for (const key of this.#pages.keys()) {
      if (this.#pages.size <= pagesKept) break;
      this.#pages.delete(key);
    }
  }
}

/** More pages than a summary can have. */
const pagesPerSegment = 4_194_304;

function rowPlace(run: QueueRun, offset: number): number {
  return run.rowsAt + rowBytes * (offset - run.firstOffset);
}

function pageKey(segment: Segment, place: number): number {
  return segment.id * pagesPerSegment + Math.floor(place / pageBytes);
}

/** Of a page in its summary. A segment's number may be below zero. */
function pageNumber(key: number): number {
  return key - Math.floor(key / pagesPerSegment) * pagesPerSegment;
}

function isSealed(slice: Slice): slice is SealedSlice {
  return slice.run !== undefined;
}

/** What a segment holds of a queue, at or after `from`, lowest first. */
function offsetsIn(segment: Segment, key: QueueKey, from: number): readonly Slice[] {
  const { rows, summary } = segment;
  if (rows === undefined)
    return (summary?.runs(key, from) ?? []).map((run) => ({
      segment,
      run,
      from: run.firstOffset,
      to: run.firstOffset + run.count,
    }));
  const queue = rows.find(key);
  if (queue < 0) return [];
  return [{ segment, run: undefined, rows, queue, from: rows.firstOffset(queue), to: rows.nextOffset(queue) }];
}

function* pageKeys({ segment, run, from, to }: SealedSlice): Generator<number> {
  const last = pageKey(segment, rowPlace(run, to - 1));
  for (let key = pageKey(segment, rowPlace(run, from)); key <= last; key += 1) yield key;
}
