import { assert, type Cancel, type Clock, type Disk, type DiskFile, type Timers } from "@saturnmq/kit";
import type { Arena } from "./arena.ts";
import { alignUp, blockBytes, viewOf } from "./bytes.ts";
import { frameHeadBytes, frameKind, frameVersion, sealFrameHead } from "./frame.ts";
import type { GroupLog } from "./group-log.ts";
import { QueueRows } from "./queue-rows.ts";
import type { SegmentList } from "./segment-list.ts";
import type { SegmentPool } from "./segment-pool.ts";
import type { Stage, StagedFrame } from "./stage.ts";
import { encodeStateFrame, type GroupState, stateFrameBytes } from "./state-frame.ts";

export type WriterContext = {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly arena: Arena;
  readonly stage: Stage;
  readonly segments: SegmentList;
  readonly pool: SegmentPool;
  readonly segmentBytes: number;
  readonly sealAfterMs: number;
  readonly syncWrites: boolean;
  readonly epoch: number;
  /** What a state frame says now. */
  readonly states: () => readonly GroupState[];
  /** Called once, with the error after which nothing may be written any more. */
  readonly failed: (error: unknown) => void;
};

type FramePlace = {
  readonly sequence: number;
  readonly segment: number;
  readonly offset: number;
  /** What the state frame says, when the frame is the first of a new segment. */
  readonly states: readonly GroupState[] | undefined;
};

/** A frame with its place; not written yet. */
type PlacedFrame = StagedFrame & FramePlace & { readonly changes: readonly Change[] };

/** A write that has ended. */
type WrittenFrame = {
  readonly sequence: number;
  readonly offset: number;
  readonly bytes: number;
  readonly wallMs: number;
};

/** What a frame changes about which entries lie where. */
type Change = {
  readonly log: GroupLog;
  readonly truncatedFrom: number;
  readonly from: number;
  readonly to: number;
  /** Entries behind it are discarded by a restart of the log. */
  readonly gapAfter: number;
  readonly floor: number;
};

/** Turns the stage into frames on disk: one write at a time, into the active segment, then the next. */
export class LogWriter {
  readonly #context: WriterContext;
  #file: DiskFile;
  /** Sequence of the next frame, and where it goes. */
  #next: number;
  #segment: number;
  #end: number;
  #durable: number;
  #writes = 0;
  #writtenBytes = 0;
  #committing = false;
  #inFlight: Promise<void> | undefined;
  /** The last frame on disk is a seal. */
  #sealed: boolean;
  #sealing: Promise<void> | undefined;
  #sealTimer: Cancel | undefined;
  #lastWriteAt = 0;
  #failure: unknown;
  #closed = false;
  readonly #sealPage = new Uint8Array(blockBytes);

  /** @param file the active segment's, open for writing */
  constructor(context: WriterContext, file: DiskFile, lastSequence: number, sealed: boolean) {
    this.#context = context;
    this.#file = file;
    this.#next = lastSequence + 1;
    this.#durable = lastSequence;
    this.#segment = context.segments.active.sequence;
    this.#end = context.segments.active.end;
    this.#sealed = sealed;
  }

  get committing(): boolean {
    return this.#committing;
  }

  /** Writes that have ended, and their bytes. */
  get written(): { readonly writes: number; readonly writtenBytes: number } {
    return { writes: this.#writes, writtenBytes: this.#writtenBytes };
  }

  /** Bytes from the log's beginning to the end of what has a place: grows for ever. */
  get placedBytes(): number {
    return this.#segment * this.#context.segmentBytes + this.#end;
  }

  /** @throws {Error} after a failed write, and once closed */
  assertAlive(): void {
    if (this.#failure !== undefined)
      throw new Error("the log store has failed: the process must end", { cause: this.#failure });
    if (this.#closed) throw new Error("the log store is closed");
  }

  /** Ends the store: everything but reading throws from now on. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = error ?? new Error("the log store has failed");
    this.#context.failed(error);
  }

  /** Lets commits go first: waits while one is under way, for at most `patience` of them if they follow each other without a pause. */
  async yieldToCommits(patience: number): Promise<void> {
    for (let waited = 0; waited < patience && this.#committing; waited += 1) {
      await this.#inFlight?.catch(() => undefined);
      // Whoever waited for that commit begins the next one first.
      for (let turn = 0; turn < 4; turn += 1) await Promise.resolve();
    }
  }

  commit(): Promise<void> {
    this.assertAlive();
    assert(!this.#committing, "one commit is in flight at a time");
    if (this.#context.stage.empty) return Promise.resolve();
    this.#committing = true;
    const written = this.#write(this.#place());
    this.#inFlight = written;
    return written;
  }

  /** Records that all before is durable, unless the last frame says so already. */
  async seal(): Promise<void> {
    if (this.#sealed || this.#committing || this.#sealing !== undefined) return;
    const { pool, segmentBytes, states } = this.#context;
    const rotate = this.#end + blockBytes > segmentBytes;
    // A seal is not worth waiting for a disk with room.
    if (rotate && !pool.isReady(this.#segment + 1)) return;
    const place = this.#nextPlace(rotate ? states() : undefined, rotate ? 0 : blockBytes);
    this.#sealing = this.#writeSeal(place);
    await this.#sealing;
  }

  /** Waits for the commit under way, seals, and refuses everything from then on. What is only staged is dropped. */
  async close(): Promise<void> {
    this.#sealTimer?.();
    // Its caller hears of a failure.
    await this.#inFlight?.catch(() => undefined);
    if (this.#failure === undefined) {
      await this.#sealing;
      await this.seal();
    }
    this.#closed = true;
    await this.#file.close();
  }

  #place(): PlacedFrame {
    const { arena, stage, states } = this.#context;
    const staged = stage.finish();
    const padded = alignUp(staged.length);
    const rotate = this.#end + padded > this.#context.segmentBytes || stage.groups.some((log) => this.#leavesGap(log));
    const place = this.#nextPlace(rotate ? states() : undefined, padded);
    const changes = stage.groups.map((log) => ({
      log,
      truncatedFrom: log.stagedTruncation,
      from: log.stagedFrom,
      to: log.terms.last,
      gapAfter: log.stagedGap,
      floor: log.floor,
    }));
    for (const { log } of changes) log.settle(place.segment, place.offset + staged.entriesStart);
    arena.finish(place.segment, place.offset, staged.length);
    stage.clear();
    return { ...staged, ...place, changes };
  }

  /** In one segment a group's entries, and its messages, are dense: behind a gap they go on in the next. */
  #leavesGap({ group, stagedGap }: GroupLog): boolean {
    const { active } = this.#context.segments;
    if (stagedGap === Number.POSITIVE_INFINITY || active.sequence !== this.#segment) return false;
    return (
      (active.ranges.get(group)?.first ?? Number.POSITIVE_INFINITY) <= stagedGap || active.rows?.knows(group) === true
    );
  }

  /** Hands out the next sequence number and place. */
  #nextPlace(states: readonly GroupState[] | undefined, bytes: number): FramePlace {
    if (states !== undefined) {
      this.#segment += 1;
      this.#end = blockBytes + 2 * stateFrameBytes(states);
      this.#next += 1;
    }
    const place = { sequence: this.#next, segment: this.#segment, offset: this.#end, states };
    if (bytes > 0) this.#next += 1;
    this.#end += bytes;
    return place;
  }

  async #write(frame: PlacedFrame): Promise<void> {
    const { arena, clock, segments, epoch } = this.#context;
    try {
      if (this.#sealing !== undefined) await this.#sealing;
      if (frame.states !== undefined) await this.#begin(frame.segment, frame.sequence - 1, frame.states);
      const { start, length } = frame;
      const wallMs = clock.wallMs();
      const head = { ...frame, kind: frameKind.commit, copy: 0, epoch, durable: this.#durable, wallMs };
      sealFrameHead(arena.bytes, arena.view, start, segments.active.salt, head);
      const padded = alignUp(length);
      arena.bytes.fill(0, start + length, start + padded);
      await this.#file.write(arena.bytes, start, padded, frame.offset);
      this.#written({ sequence: frame.sequence, offset: frame.offset, bytes: padded, wallMs });
    } catch (error) {
      this.fail(error);
      throw error;
    }
    for (const change of frame.changes) this.#settle(change);
    this.#sealed = false;
    this.#committing = false;
    this.#armSeal();
  }

  /** Begins a segment: its state frame, twice. */
  async #begin(sequence: number, frame: number, states: readonly GroupState[]): Promise<void> {
    const { disk, clock, segments, pool, epoch, syncWrites } = this.#context;
    const segment = await pool.take(sequence);
    const file = await disk.open(segment.path, { access: "readWrite", syncWrites });
    const wallMs = clock.wallMs();
    const place = { segment: sequence, sequence: frame, epoch, durable: this.#durable, wallMs };
    const bytes = encodeStateFrame(states, segment.salt, place);
    await file.write(bytes, 0, bytes.length, blockBytes);
    await this.#file.close();
    this.#file = file;
    segment.rows = new QueueRows(sequence);
    segments.add(segment);
    this.#written({ sequence: frame, offset: blockBytes, bytes: bytes.length, wallMs });
    pool.prepare(sequence + 1);
  }

  async #writeSeal(place: FramePlace): Promise<void> {
    const { clock, segments, epoch } = this.#context;
    try {
      if (place.states !== undefined) {
        // The state frame of the next segment says it as well.
        await this.#begin(place.segment, place.sequence - 1, place.states);
      } else {
        const wallMs = clock.wallMs();
        const head = {
          ...place,
          version: frameVersion.first,
          kind: frameKind.seal,
          copy: 0,
          length: frameHeadBytes,
          epoch,
          durable: this.#durable,
          wallMs,
          groupCount: 0,
          entriesStart: frameHeadBytes,
          entryCount: 0,
        };
        sealFrameHead(this.#sealPage, viewOf(this.#sealPage), 0, segments.active.salt, head);
        await this.#file.write(this.#sealPage, 0, blockBytes, place.offset);
        this.#written({ sequence: place.sequence, offset: place.offset, bytes: blockBytes, wallMs });
      }
      this.#sealed = true;
    } catch (error) {
      this.fail(error);
      throw error;
    } finally {
      this.#sealing = undefined;
    }
  }

  #written({ sequence, offset, bytes, wallMs }: WrittenFrame): void {
    const { active } = this.#context.segments;
    this.#writes += 1;
    this.#writtenBytes += bytes;
    this.#durable = sequence;
    active.end = offset + bytes;
    active.lastSequence = sequence;
    active.lastWriteMs = wallMs;
  }

  /** Only now that it is durable may segments be sealed or freed because of it. */
  #settle({ log, truncatedFrom, from, to, gapAfter, floor }: Change): void {
    const { segments } = this.#context;
    const discardedFrom = Math.min(truncatedFrom, gapAfter + 1);
    if (discardedFrom !== Number.POSITIVE_INFINITY)
      for (const segment of segments) segment.uncover(log.group, discardedFrom);
    if (from <= to) segments.active.cover(log.group, from, to);
    log.durableFloor = Math.max(log.durableFloor, floor);
    log.durableLast = to;
  }

  #armSeal(): void {
    const { clock, timers, sealAfterMs } = this.#context;
    this.#lastWriteAt = clock.monoMs();
    if (this.#sealTimer !== undefined) return;
    const tick = (): void => {
      this.#sealTimer = undefined;
      // The end of a commit under way arms it again.
      if (this.#closed || this.#failure !== undefined || this.#sealed || this.#committing) return;
      const left = this.#lastWriteAt + sealAfterMs - clock.monoMs();
      if (left > 0) this.#sealTimer = timers.after(Math.max(1, left), tick);
      // A failure has been reported by then.
      else this.seal().catch(() => undefined);
    };
    this.#sealTimer = timers.after(sealAfterMs, tick);
  }
}
