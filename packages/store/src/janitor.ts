import { type Cancel, type Disk, DiskError, type Logger, type Timers } from "@saturnmq/kit";
import type { GroupId } from "raft-ts";
import type { BadEntries } from "./bad-entries.ts";
import type { BulkSegments } from "./bulk-segments.ts";
import type { CheckpointStore } from "./checkpoint-store.ts";
import type { GroupLog } from "./group-log.ts";
import type { Segment } from "./segment.ts";
import type { SegmentList } from "./segment-list.ts";
import type { SegmentPool } from "./segment-pool.ts";
import { openSummary, type Summary } from "./summary.ts";
import { buildSummary, type ConfigurationsOf, survivors, type Validity } from "./summary-builder.ts";

const retryMs = 1000;

export type JanitorContext = {
  readonly disk: Disk;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly segments: SegmentList;
  readonly bulk: BulkSegments;
  readonly bad: BadEntries;
  readonly pool: SegmentPool;
  readonly checkpoints: CheckpointStore;
  readonly groups: ReadonlyMap<GroupId, GroupLog>;
  /** A segment's summary is another one, or gone. */
  readonly changed: (segment: Segment) => void;
  /** Called with an error after which the store must not go on. */
  readonly failed: (error: unknown) => void;
};

/** Works behind the writer, one thing at a time: seals full segments whose entries are applied, frees the oldest when nobody needs them. */
export class Janitor {
  readonly #context: JanitorContext;
  #running: Promise<void> | undefined;
  readonly #rebuilding = new Map<Segment, Promise<Summary>>();
  #again = false;
  #retry: Cancel | undefined;
  #closed = false;

  constructor(context: JanitorContext) {
    this.#context = context;
  }

  /** Does what can be done now. Cheap when that is nothing. */
  wake(): void {
    if (this.#closed || (!this.#sealable() && !this.#freeable() && !this.#filledFreeable())) return;
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (!this.#again) return;
      this.#again = false;
      this.wake();
    });
  }

  /** Writes a sealed segment's summary anew; once, for however many that ask. */
  rebuild(segment: Segment): Promise<Summary> {
    const running = this.#rebuilding.get(segment);
    if (running !== undefined) return running;
    const rebuilt = this.#rebuild(segment).finally(() => this.#rebuilding.delete(segment));
    this.#rebuilding.set(segment, rebuilt);
    return rebuilt;
  }

  async #rebuild(segment: Segment): Promise<Summary> {
    const old = segment.summary;
    const summary = await this.#build(segment, await survivors(segment));
    segment.summary = summary;
    this.#context.changed(segment);
    await old?.close();
    return summary;
  }

  /** Groups whose missing checkpoints keep the oldest segment from being freed. */
  *blocking(): Generator<GroupId> {
    const { segments, checkpoints, groups } = this.#context;
    const { oldest } = segments;
    if (oldest.summary === undefined) return;
    for (const [group, { last }] of oldest.ranges)
      if (last < (groups.get(group)?.freedBelow ?? 0) && !checkpoints.coveredTwice(group, last)) yield group;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#retry?.();
    await this.#running;
  }

  #sealable(): boolean {
    const { segments, groups } = this.#context;
    const segment = segments.oldestUnsealed;
    if (segment === segments.active) return false;
    for (const [group, { last }] of segment.ranges) if ((groups.get(group)?.appliedTo ?? 0) < last) return false;
    return true;
  }

  #freeable(): boolean {
    const { segments, checkpoints, groups } = this.#context;
    const { oldest } = segments;
    if (oldest.summary === undefined || oldest === segments.active) return false;
    for (const [group, { last }] of oldest.ranges) {
      const log = groups.get(group);
      if (log === undefined || last >= log.freedBelow || !checkpoints.coveredTwice(group, last)) return false;
    }
    return true;
  }

  /** A segment that was filled in and whose entries nobody needs any more. No checkpoint depends on it. */
  #filledFreeable(): Segment | undefined {
    const { bulk, groups } = this.#context;
    return bulk
      .all()
      .find(({ ranges }) => [...ranges].every(([group, { last }]) => last < (groups.get(group)?.freedBelow ?? 0)));
  }

  async #freeFilled(segment: Segment): Promise<void> {
    const { bulk, bad, logger, changed } = this.#context;
    changed(segment);
    bad.forget(segment.id);
    await bulk.free(segment);
    logger.debug({ path: segment.path }, "a segment that was filled in is freed");
  }

  async #run(): Promise<void> {
    try {
      while (!this.#closed && this.#sealable()) await this.#seal();
      while (!this.#closed && this.#freeable()) await this.#free();
      for (let filled = this.#filledFreeable(); !this.#closed && filled; filled = this.#filledFreeable())
        await this.#freeFilled(filled);
    } catch (error) {
      if (!(error instanceof DiskError) || error.code !== "full") {
        this.#context.failed(error);
        return;
      }
      this.#context.logger.warn({ err: error }, "no room to write a summary; it is tried again");
      this.#retry = this.#context.timers.after(retryMs, () => {
        this.wake();
      });
    }
  }

  async #seal(): Promise<void> {
    const { segments, groups, logger } = this.#context;
    const segment = segments.oldestUnsealed;
    const summary = segment.known ?? (await this.#build(segment, validityOf(groups, segment)));
    segment.known = undefined;
    segment.summary = summary;
    segment.rows = undefined;
    for (const [group, { last }] of segment.ranges) groups.get(group)?.places.dropBelow(last + 1);
    logger.debug({ segment: segment.sequence }, "a segment is sealed");
  }

  async #free(): Promise<void> {
    const { disk, segments, bad, pool, logger, changed } = this.#context;
    const segment = segments.removeOldest();
    changed(segment);
    bad.forget(segment.id);
    await segment.summary?.close();
    // The segment first: without its summary it would have to be read whole at the next start.
    await pool.recycle(segment);
    await disk.remove(segment.summaryPath);
    logger.debug({ segment: segment.sequence }, "a segment is freed");
  }

  async #build(segment: Segment, valid: Validity): Promise<Summary> {
    const { disk, groups } = this.#context;
    const configurationsOf: ConfigurationsOf = (group) => groups.get(group)?.configurations.all ?? [];
    await buildSummary(disk, segment, segment.summaryPath, valid, configurationsOf);
    return openSummary(disk, segment.summaryPath, segment.sequence, segment.salt);
  }
}

/** Of a segment that is being sealed, the entries in memory are the ones that count. */
function validityOf(groups: ReadonlyMap<GroupId, GroupLog>, segment: Segment): Validity {
  return (group, index, offset) => {
    const places = groups.get(group)?.places;
    return places?.has(index) === true && places.segment(index) === segment.sequence && places.offset(index) === offset;
  };
}
