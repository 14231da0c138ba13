import { defined, InvariantError, type Logger } from "@saturnmq/kit";
import { viewOf } from "./bytes.ts";
import { CorruptionError, type IndexRow, type QueueKey } from "./ports.ts";
import type { Segment } from "./segment.ts";
import type { SegmentList } from "./segment-list.ts";
import { type QueueRun, rowBytes, rowCheck, type Summary } from "./summary.ts";

const pageBytes = 4096;
/** Pages of summaries kept in memory. */
const pagesKept = 1024;
/** Far fewer rows than the pages hold, so that a look-up never drives out its own. */
const maxCount = 65_536;

/** Part of a run that a look-up wants. */
type Slice = { readonly segment: Segment; readonly run: QueueRun; readonly from: number; readonly to: number };

/** The queue index: rows of unsealed segments in memory, of sealed ones in their summaries, read by the page and kept for a while. */
export class MessageIndex {
  readonly #segments: SegmentList;
  readonly #logger: Logger;
  readonly #rebuild: (segment: Segment) => Promise<Summary>;
  /** Least recently used first. */
  readonly #pages = new Map<number, Uint8Array>();

  constructor(segments: SegmentList, logger: Logger, rebuild: (segment: Segment) => Promise<Summary>) {
    this.#segments = segments;
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
    const to = from + count;
    const boundary = this.#firstInMemory(key);
    const slices = from < boundary ? this.#slices(key, from, Math.min(to, boundary)) : [];
    try {
      if (slices.every((slice) => this.#cached(slice))) return this.#collect(key, slices, from, to);
    } catch (error) {
      // Only the rows that were asked for were checked when the page was read.
      if (!(error instanceof CorruptionError)) throw error;
    }
    return this.#load(key, slices).then(() => this.lookup(key, from, count));
  }

  /** Forgets the pages of a segment whose summary has changed or gone. */
  forget(segment: Segment): void {
    for (const page of this.#pages.keys())
      if (Math.floor(page / pagesPerSegment) === segment.sequence) this.#pages.delete(page);
  }

  /** Lowest offset of the queue in unsealed segments. */
  #firstInMemory(key: QueueKey): number {
    let first = Number.POSITIVE_INFINITY;
    for (const { rows } of this.#segments.backwards()) {
      if (rows === undefined) break;
      const queue = rows.find(key);
      if (queue >= 0) first = rows.firstOffset(queue);
    }
    return first;
  }

  /** Parts of sealed runs within [from, to), lowest first. */
  #slices(key: QueueKey, from: number, to: number): readonly Slice[] {
    const slices: Slice[] = [];
    for (const segment of this.#segments.backwards()) {
      const runs = segment.summary?.runs(key, from) ?? [];
      for (const run of [...runs].reverse())
        if (run.firstOffset < to)
          slices.push({
            segment,
            run,
            from: Math.max(from, run.firstOffset),
            to: Math.min(to, run.firstOffset + run.count),
          });
      if ((runs[0]?.firstOffset ?? Number.POSITIVE_INFINITY) <= from) break;
    }
    return slices.reverse();
  }

  #collect(key: QueueKey, slices: readonly Slice[], from: number, to: number): readonly IndexRow[] {
    const found: IndexRow[] = [];
    for (const slice of slices)
      for (let offset = slice.from; offset < slice.to; offset += 1) found.push(this.#row(key, slice, offset));
    for (const { rows } of this.#segments) {
      const queue = rows?.find(key) ?? -1;
      if (rows === undefined || queue < 0) continue;
      const start = Math.max(from, rows.firstOffset(queue));
      rows.collect(queue, start, Math.min(to, rows.nextOffset(queue)), found);
    }
    return found;
  }

  /** A row whose page is in memory and has been checked. */
  #row(key: QueueKey, { segment, run }: Slice, offset: number): IndexRow {
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
      segment: segment.sequence,
      offset: view.getUint32(at, true),
      length: view.getUint32(at + 4, true),
      tagHash: view.getUint32(at + 8, true),
    };
  }

  /** True when every page of the slice is in memory; they become the most recently used. */
  #cached(slice: Slice): boolean {
    for (const key of pageKeys(slice)) {
      const page = this.#pages.get(key);
      if (page === undefined) return false;
      this.#pages.delete(key);
      this.#pages.set(key, page);
    }
    return true;
  }

  /** Reads the slices' pages and checks the wanted rows; a summary with a bad one is rebuilt. */
  async #load(key: QueueKey, slices: readonly Slice[]): Promise<void> {
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

  async #loadPages(slice: Slice): Promise<void> {
    for (const key of pageKeys(slice)) {
      if (this.#pages.has(key)) continue;
      const page = await slice.segment.summary?.read((key % pagesPerSegment) * pageBytes, pageBytes);
      if (page === undefined) return;
      this.#pages.set(key, page);
    }
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
  return segment.sequence * pagesPerSegment + Math.floor(place / pageBytes);
}

function* pageKeys({ segment, run, from, to }: Slice): Generator<number> {
  const last = pageKey(segment, rowPlace(run, to - 1));
  for (let key = pageKey(segment, rowPlace(run, from)); key <= last; key += 1) yield key;
}
