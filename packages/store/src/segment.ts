import { assert, type Disk, type DiskFile } from "@saturnmq/kit";
import type { GroupId } from "raft-ts";
import type { ByteRange } from "./bytes.ts";
import type { SegmentPaths } from "./paths.ts";
import type { QueueRows } from "./queue-rows.ts";
import type { Summary } from "./summary.ts";

/** First and last index of a group's valid entries in a segment: not overwritten later. */
export type IndexRange = { first: number; last: number };

/** Added to a bulk segment's sequence number where numbers of log segments stand too: below them all. */
const bulkBase = -(2 ** 30);

/** A segment of the log and its file, which is opened when needed and kept until nobody reads from it. */
export class Segment {
  readonly sequence: number;
  /** Names the segment in positions: the sequence number, of a bulk segment moved below zero. */
  readonly id: number;
  readonly path: string;
  readonly summaryPath: string;
  readonly salt: number;
  readonly size: number;
  readonly ranges = new Map<GroupId, IndexRange>();
  /** Where the next frame goes; of a full one: the end of its last. */
  end = 0;
  lastWriteMs = 0;
  /** Highest frame sequence in it. */
  lastSequence = 0;
  /** Present once it is sealed; then `rows` is not. */
  summary: Summary | undefined;
  rows: QueueRows | undefined;
  /** Copies of the state frame as recovery found them: the second is to be written anew from the first named. */
  badCopy: { readonly good: number; readonly bad: number } | undefined;
  /** A good summary found on disk although the segment had to be scanned: adopted when it is sealed. */
  known: Summary | undefined;
  /** Bytes between frames that recovery found damaged. */
  holes: readonly ByteRange[] = [];
  readonly #disk: Disk;
  #file: Promise<DiskFile> | undefined;
  #readers = 0;
  #retired = false;
  #drained: (() => void) | undefined;

  constructor(disk: Disk, paths: SegmentPaths, sequence: number, salt: number, size: number, bulk = false) {
    this.#disk = disk;
    this.path = paths.segment;
    this.summaryPath = paths.summary;
    this.sequence = sequence;
    this.id = bulk ? bulkBase + sequence : sequence;
    this.salt = salt;
    this.size = size;
  }

  /** Runs `work` with the file open for reading. @throws {RangeError} once the segment is freed */
  async reading<T>(work: (file: DiskFile) => Promise<T>): Promise<T> {
    if (this.#retired) throw new RangeError(`segment ${this.sequence} has been freed`);
    this.#readers += 1;
    try {
      this.#file ??= this.#disk.open(this.path, { access: "read" });
      return await work(await this.#file);
    } finally {
      this.#readers -= 1;
      if (this.#readers === 0) this.#drained?.();
    }
  }

  /** Refuses new readers, waits for those there are, closes the file: then it may be written anew. */
  async retire(): Promise<void> {
    this.#retired = true;
    if (this.#readers > 0)
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    assert(this.#readers === 0, "a retired segment has no readers");
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) await (await file).close();
  }

  /** Takes note of a group's entry placed in it. */
  cover(group: GroupId, first: number, last: number): void {
    const range = this.ranges.get(group);
    if (range === undefined) this.ranges.set(group, { first, last });
    else range.last = last;
  }

  /** Takes note that the group's entries from `index` on are overwritten. */
  uncover(group: GroupId, index: number): void {
    const range = this.ranges.get(group);
    if (range === undefined || range.last < index) return;
    if (range.first >= index) this.ranges.delete(group);
    else range.last = index - 1;
  }
}
