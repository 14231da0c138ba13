import { type Disk, type DiskFile, defined, type Logger } from "@saturnmq/kit";
import type { GroupId } from "raft-ts";
import { alignUp, blockBytes, viewOf } from "./bytes.ts";
import type { CheckpointStore } from "./checkpoint-store.ts";
import {
  entryHeadBytes,
  entryKind,
  type FrameFault,
  type FrameHead,
  frameKind,
  groupFlag,
  readEntryHead,
  readGroupList,
  walkEntries,
} from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import { type DamagedGroup, GroupTable, indexRecords } from "./group-table.ts";
import { LaterFrames, type NextFrame } from "./later-frames.ts";
import { indexFolder, logFolder, logPaths, segmentPath, sequenceOf } from "./paths.ts";
import { CorruptionError, type Identity } from "./ports.ts";
import { QueueRows } from "./queue-rows.ts";
import { decideRecovery } from "./recovery-decision.ts";
import { Segment } from "./segment.ts";
import { decodeSegmentHeader } from "./segment-header.ts";
import { type GroupState, readState } from "./state-frame.ts";
import { trySummary } from "./summary.ts";

export type RecoveryContext = {
  readonly disk: Disk;
  readonly folder: string;
  readonly identity: Identity;
  readonly logger: Logger;
  readonly checkpoints: CheckpointStore;
};

/** The log as it was found. */
export type RecoveredLog = {
  /** Begun segments, oldest first; the last goes on being written. Empty: nothing was ever written. */
  readonly segments: Segment[];
  /** The file made ready to be the next segment, if any. */
  readonly prepared: Segment | undefined;
  readonly table: GroupTable;
  /** What the opening must write down before anything else. */
  readonly damaged: readonly DamagedGroup[];
  /** Of the last accepted frame; 0 when there is none. */
  readonly lastSequence: number;
  /** The last frame is a seal: everything is known durable. */
  readonly sealed: boolean;
};

type Place = { readonly segment: Segment; readonly row: number; readonly at: number; readonly reader: FrameReader };

/** Reads a data folder's log: sealed segments by their summaries, the others frame by frame (design 6). Changes nothing on disk. */
export async function recoverLog(context: RecoveryContext): Promise<RecoveredLog> {
  let trusted = Number.POSITIVE_INFINITY;
  for (;;) {
    const recovery = new Recovery(context, await openSegments(context), trusted);
    const found = await recovery.run();
    if (found !== undefined) return found;
    // The state frame to begin with is lost, but the segment before it says the same at greater length.
    trusted = recovery.tail - 1;
    context.logger.warn(
      { segments: trusted },
      "a state frame is unreadable; the log is read from an earlier segment on",
    );
  }
}

/** Checks that the segment files are complete and ours. */
async function openSegments({ disk, folder, identity }: RecoveryContext): Promise<Segment[]> {
  const names = await disk.list(logFolder(folder));
  const sequences = names.map((name) => sequenceOf(name, "seg")).filter((sequence) => sequence !== undefined);
  const segments: Segment[] = [];
  for (const sequence of sequences) {
    const expected = (segments.at(-1)?.sequence ?? sequence - 1) + 1;
    if (sequence !== expected)
      throw new CorruptionError(segmentPath(folder, expected), 0, "the segment file is missing");
    segments.push(await openSegment(disk, folder, sequence, identity));
  }
  return segments;
}

async function openSegment(disk: Disk, folder: string, sequence: number, identity: Identity): Promise<Segment> {
  const paths = logPaths(folder, sequence);
  const path = paths.segment;
  const file = await disk.open(path, { access: "read" });
  const block = new Uint8Array(blockBytes);
  const count = await file.read(block, 0, blockBytes, 0);
  await file.close();
  const header = decodeSegmentHeader(block.subarray(0, count), path);
  if (header.segment !== sequence || header.kind !== "log")
    throw new CorruptionError(path, 16, `the file holds ${header.kind} segment ${header.segment}`);
  if (header.clusterId !== identity.clusterId || header.replicaId !== identity.replicaId)
    throw new CorruptionError(
      path,
      32,
      `the segment belongs to replica ${header.replicaId} of cluster ${header.clusterId}, the folder to replica ${identity.replicaId} of cluster ${identity.clusterId}`,
    );
  return new Segment(disk, paths, sequence, header.salt, header.size);
}

type LostFrame = {
  readonly frame: "old" | "bad";
  readonly durable: boolean;
  /** What it held of which group; `undefined` when that is unknown. */
  readonly list: ReadonlyMap<GroupId, number> | undefined;
  readonly repeats: boolean;
};

class Recovery {
  readonly #context: RecoveryContext;
  readonly #segments: readonly Segment[];
  readonly #trusted: number;
  readonly #table: GroupTable;
  readonly #later: LaterFrames;
  /** Segments that are known from their summaries. */
  tail = 0;
  /** Sequence of the frame before the next one; 0 when unknown. */
  #last = 0;
  #lastKind: number = frameKind.commit;
  #epoch = 0;
  /** Highest sequence recorded as durable by a readable frame. */
  #durable = 0;
  /** Where the first readable frame behind damage is. */
  #resumeRow = 0;

  /** @param trusted segments whose summaries may stand for them */
  constructor(context: RecoveryContext, segments: readonly Segment[], trusted: number) {
    this.#context = context;
    this.#segments = segments;
    this.#trusted = trusted;
    this.#table = new GroupTable(context.checkpoints);
    this.#later = new LaterFrames(segments);
  }

  /** @returns `undefined` when the segment to begin with does not say what went before, but an earlier one is there that may */
  async run(): Promise<RecoveredLog | undefined> {
    const tail = await this.#loadSummaries();
    this.tail = tail;
    let begun = tail;
    for (let row = tail; row < this.#segments.length; row += 1) {
      if (row < this.#resumeRow) {
        this.#passOverSegment(this.#segmentAt(row));
        begun = row + 1;
        continue;
      }
      const outcome = await this.#segmentAt(row).reading((file) => this.#scan(row, file));
      if (outcome === "unknown") {
        await this.#close();
        return undefined;
      }
      if (this.#segmentAt(row).end > 0) begun = row + 1;
      if (outcome === "ends") break;
    }
    const left = this.#segments.slice(begun);
    if (left[1] !== undefined)
      throw new CorruptionError(
        left[0]?.path ?? "",
        blockBytes,
        "the segment was never begun, but one after it exists",
      );
    const damaged = this.#table.finish(this.#segments[0]?.path ?? logFolder(this.#context.folder));
    if (this.#table.truncated.size > 0) await this.#indexAgain(this.#segments.slice(tail, begun));
    return {
      segments: this.#segments.slice(0, begun),
      prepared: left[0],
      table: this.#table,
      damaged,
      lastSequence: this.#last,
      sealed: this.#lastKind === frameKind.seal,
    };
  }

  /** Reads the summaries' directories; the number of segments that need no scan. A summary that is lost or bad makes its segment and those behind be scanned. */
  async #loadSummaries(): Promise<number> {
    const { disk, folder, logger } = this.#context;
    const present = new Set(await disk.list(indexFolder(folder)));
    let tail = 0;
    let dense = true;
    for (const segment of this.#segments) {
      const path = segment.summaryPath;
      if (!present.has(path.slice(path.lastIndexOf("/") + 1))) {
        dense = false;
        continue;
      }
      const opened = await trySummary(disk, path, segment.sequence, segment.salt);
      if (opened.summary === undefined) {
        logger.warn({ path, err: opened.fault }, "a summary is unreadable and will be rebuilt from its segment");
        dense = false;
        continue;
      }
      if (!dense || tail >= this.#trusted) {
        dense = false;
        segment.known = opened.summary;
      } else {
        this.#table.addSealed(segment, opened.summary);
        this.#last = opened.summary.lastSequence;
        tail += 1;
      }
    }
    // A segment is sealed only after the next one's state frame is durable.
    if (tail > 0) this.#durable = this.#last + 1;
    return tail;
  }

  /** Indexes the messages of covered entries once more: what was indexed on the way may have been discarded later. */
  async #indexAgain(segments: readonly Segment[]): Promise<void> {
    for (const segment of segments) {
      segment.rows = new QueueRows(segment.sequence);
      for (const [group, { first, last }] of segment.ranges) {
        const covered = this.#context.checkpoints.of(group)[0]?.index ?? 0;
        const { places } = this.#table.groupLog(group);
        for (let index = first; index <= Math.min(last, covered); index += 1) {
          const bytes = new Uint8Array(entryHeadBytes + places.length(index));
          const offset = places.offset(index);
          await segment.reading((file) => file.read(bytes, 0, bytes.length, offset - entryHeadBytes));
          const view = viewOf(bytes);
          if (readEntryHead(view, 0).kind !== entryKind.entry) continue;
          indexRecords(segment, offset, group, view, entryHeadBytes, bytes.length - entryHeadBytes);
        }
      }
    }
  }

  /** Reads one segment's frames into the table. @returns whether the log goes on in the next, ends in it, or cannot be read from it on */
  async #scan(row: number, file: DiskFile): Promise<"goes on" | "ends" | "unknown"> {
    const segment = this.#segmentAt(row);
    const reader = new FrameReader(file, segment.sequence, segment.salt, segment.size);
    this.#table.beginSegment(segment);
    const begun = await this.#scanStateFrame(row, reader);
    if (typeof begun !== "number") return begun;
    segment.rows = new QueueRows(segment.sequence);
    for (let at = begun; ; ) {
      segment.end = at;
      const head = await reader.head(at);
      const fault = await this.#faultOf(row, reader, at, head);
      if (head !== undefined && fault === undefined) {
        this.#table.applyFrame(segment, at, reader, head);
        this.#note(segment, head);
        at += alignUp(head.length);
        continue;
      }
      // A full segment ends without a trace: the state frame of the next says so.
      if (await this.#begins(row + 1, this.#last + 1)) return "goes on";
      const next = await this.#stop({ segment, row, at, reader }, head, fault);
      if (typeof next !== "number") return next;
      at = next;
    }
  }

  /** Reads the state frame from the better of its copies. @returns where the frames behind it start, or as `#scan` */
  async #scanStateFrame(row: number, reader: FrameReader): Promise<number | "goes on" | "ends" | "unknown"> {
    const segment = this.#segmentAt(row);
    const first = await reader.head(blockBytes);
    if (
      first !== undefined &&
      first.kind === frameKind.state &&
      (await this.#faultOf(row, reader, blockBytes, first)) === undefined
    ) {
      this.#acceptState(segment, blockBytes, reader, first);
      const second = blockBytes + alignUp(first.length);
      const copy = await reader.head(second);
      if (
        copy?.copy !== 1 ||
        copy.sequence !== first.sequence ||
        (await reader.fault(second, copy, false)) !== undefined
      )
        segment.badCopy = { good: blockBytes, bad: second };
      return second + alignUp(first.length);
    }
    const copies: { at: number; head: FrameHead }[] = [];
    await reader.scanHeads(blockBytes, (at, head) => {
      if (head.kind === frameKind.state && head.copy === 1) copies.push({ at, head });
    });
    for (const { at, head } of copies) {
      await reader.head(at);
      if ((await this.#faultOf(row, reader, at, head)) !== undefined) continue;
      this.#acceptState(segment, at, reader, head);
      segment.badCopy = { good: at, bad: blockBytes };
      return at + alignUp(head.length);
    }
    if (!this.#table.started && row > 0) return "unknown";
    return this.#stop({ segment, row, at: blockBytes, reader }, first, undefined);
  }

  /** True when the segment of `row` begins with a readable state frame of that sequence. */
  async #begins(row: number, sequence: number): Promise<boolean> {
    const segment = this.#segments[row];
    if (segment === undefined) return false;
    return segment.reading(async (file) => {
      const reader = new FrameReader(file, segment.sequence, segment.salt, segment.size);
      const first = await reader.head(blockBytes);
      if (first !== undefined) return first.kind === frameKind.state && first.sequence === sequence;
      let follows = false;
      await reader.scanHeads(blockBytes, (_, head) => {
        if (head.kind === frameKind.state && head.sequence === sequence) follows = true;
      });
      return follows;
    });
  }

  /** What keeps the frame from being the next one. Bodies are looked at only if nothing behind it proves that it was durable. */
  async #faultOf(
    row: number,
    reader: FrameReader,
    at: number,
    head: FrameHead | undefined,
  ): Promise<FrameFault | undefined> {
    if (head === undefined) return { at, detail: "no frame of this segment starts here" };
    if (this.#last > 0 && head.sequence !== this.#last + 1)
      return { at, detail: `frame ${head.sequence} stands where ${this.#last + 1} must be` };
    if (head.epoch < this.#epoch)
      return { at, detail: `a frame of epoch ${head.epoch} stands after one of epoch ${this.#epoch}` };
    const fault = await reader.fault(at, head, false);
    if (fault !== undefined) return fault;
    const next = reader.peekHead(at + alignUp(head.length));
    if (next !== undefined && next.sequence === head.sequence + 1 && next.durable >= head.sequence) return undefined;
    const torn = await reader.fault(at, head, true);
    return torn === undefined || (await this.#begins(row + 1, head.sequence + 1)) ? undefined : torn;
  }

  /**
   * The next frame is not readable at `place`: the log ends there, or was damaged there and goes on behind it.
   *
   * @returns where the next readable frame starts, or as `#scan`
   * @throws {CorruptionError} when what is lost exists nowhere else
   */
  async #stop(
    place: Place,
    head: FrameHead | undefined,
    fault: FrameFault | undefined,
  ): Promise<number | "goes on" | "ends"> {
    const { segment, row, at } = place;
    const expected = this.#last + 1;
    const behind = await this.#later.behind(row, at, expected, this.#epoch);
    const durable = expected <= Math.max(this.#durable, behind.durable) || (this.#last === 0 && segment.sequence > 1);
    const list = await this.#listOf(place, head, behind.next);
    const lost = {
      frame: head !== undefined && head.epoch < this.#epoch ? ("old" as const) : ("bad" as const),
      durable,
      list,
      // Of a state frame alone everything is known from the frames before.
      repeats: at === blockBytes && this.#table.started && behind.next?.sequence === expected + 1,
    };
    const why = this.#decide(lost, behind.hardStates);
    if (why.action === "cut") return "ends";
    if (why.action === "refuse" || behind.next === undefined)
      throw new CorruptionError(
        segment.path,
        fault?.at ?? at,
        `${fault?.detail ?? "no readable state frame"}; ${why.why}`,
        { action: "refuse", groups: why.groups },
      );
    return this.#passOver(place, behind.next, why.why);
  }

  /** Marks each group that the unreadable frame may have held, if all of them can go on. */
  #decide(
    { frame, durable, list, repeats }: LostFrame,
    hardStates: ReadonlySet<GroupId>,
  ): { readonly action: "cut" | "refuse" | "goes on"; readonly why: string; readonly groups: readonly GroupId[] } {
    const groups = list === undefined ? this.#table.ids() : [...list.keys()];
    const rows = groups.map((group) => {
      const flags = list?.get(group);
      const hardState = flags === undefined || (flags & (groupFlag.hardState | groupFlag.state)) !== 0;
      const hardStateKnown = repeats || hardStates.has(group);
      const voters = this.#table.voters(group);
      return { group, flags, ...decideRecovery({ frame, durable, hardState, hardStateKnown, voters }) };
    });
    // Nobody is known, or nobody was hit.
    const unknown = { frame, durable, hardState: true, hardStateKnown: false, voters: "one" } as const;
    if (!durable || (list === undefined && groups.length === 0))
      return { action: durable ? "refuse" : "cut", why: decideRecovery(unknown).why, groups };
    const refused = rows.filter(({ action }) => action === "refuse");
    const [first] = refused;
    if (first !== undefined) return { action: "refuse", why: first.why, groups: refused.map(({ group }) => group) };
    for (const { group, flags, action } of rows) {
      const entries = !repeats && (flags === undefined || (flags & ~groupFlag.hardState) !== 0);
      const overwrites = flags === undefined || (flags & ~(groupFlag.hardState | groupFlag.entries)) !== 0;
      this.#table.damage(group, action === "rejoin" ? "rejoin" : "fetch", entries, overwrites);
    }
    return { action: "goes on", why: rows[0]?.why ?? "it held nothing", groups };
  }

  /** Goes on at the next readable frame, wherever that is. */
  #passOver({ segment, row, at }: Place, next: NextFrame, why: string): number | "goes on" {
    const to = next.row === row ? next.at : segment.size;
    segment.holes = [...segment.holes, { from: at, to }];
    segment.end = to;
    segment.rows ??= new QueueRows(segment.sequence);
    // What was summarized before the damage was found may hold what is cut now.
    for (const scanned of this.#segments.slice(this.tail)) {
      void scanned.known?.close();
      scanned.known = undefined;
    }
    this.#last = next.sequence - 1;
    if (next.row > row) {
      segment.lastSequence = this.#last;
      this.#resumeRow = next.row;
    }
    this.#context.logger.error(
      { path: segment.path, offset: at, bytes: to - at, why },
      "the log is damaged: groups with peers go on without what is lost",
    );
    return next.row === row ? next.at : "goes on";
  }

  /** A segment in which no frame is readable, though there are some behind it. */
  #passOverSegment(segment: Segment): void {
    this.#table.beginSegment(segment);
    segment.rows = new QueueRows(segment.sequence);
    segment.holes = [{ from: blockBytes, to: segment.size }];
    segment.end = segment.size;
    segment.lastSequence = this.#last;
  }

  /** What the frame held, by its shard list, if that is readable and nothing else is lost beside it. */
  async #listOf(
    { segment, at, reader }: Place,
    head: FrameHead | undefined,
    next: NextFrame | undefined,
  ): Promise<ReadonlyMap<GroupId, number> | undefined> {
    const alone = next === undefined || next.sequence === this.#last + 2;
    if (head === undefined || head.sequence !== this.#last + 1 || head.epoch < this.#epoch || !alone) return undefined;
    await reader.head(at);
    return readGroupList(reader.bytes, reader.view, reader.at(at), segment.salt, head);
  }

  #acceptState(segment: Segment, at: number, reader: FrameReader, head: FrameHead): void {
    const states: GroupState[] = [];
    walkEntries(reader.view, reader.at(at), head, (entry) => {
      states.push(readState(reader.bytes, reader.view, entry));
    });
    this.#table.applyStates(segment, at, states);
    this.#note(segment, head);
  }

  #note(segment: Segment, head: FrameHead): void {
    this.#last = head.sequence;
    this.#lastKind = head.kind;
    this.#epoch = head.epoch;
    this.#durable = Math.max(this.#durable, head.durable);
    segment.lastSequence = head.sequence;
    segment.lastWriteMs = head.wallMs;
  }

  async #close(): Promise<void> {
    for (const segment of this.#segments) {
      await segment.retire();
      await segment.summary?.close();
      await segment.known?.close();
    }
  }

  #segmentAt(row: number): Segment {
    return defined(this.#segments[row], "a segment of the log");
  }
}
