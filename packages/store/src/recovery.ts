import { type Disk, type DiskFile, defined, type Logger } from "@saturnmq/kit";
import type { GroupId } from "raft-ts";
import { alignUp, blockBytes, viewOf } from "./bytes.ts";
import type { CheckpointStore } from "./checkpoint-store.ts";
import { type FrameFault, type FrameHead, frameKind, groupFlag, readGroupList, walkEntries } from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import { GroupTable, indexRecords } from "./group-table.ts";
import { indexFolder, logFolder, segmentPath, sequenceOf, summaryPath } from "./paths.ts";
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
  readonly voters: "one" | "more";
};

/** The log as it was found. */
export type RecoveredLog = {
  /** Begun segments, oldest first; the last goes on being written. Empty: nothing was ever written. */
  readonly segments: Segment[];
  /** The file made ready to be the next segment, if any. */
  readonly prepared: Segment | undefined;
  readonly table: GroupTable;
  /** Of the last accepted frame; 0 when there is none. */
  readonly lastSequence: number;
  /** The last frame is a seal: everything is known durable. */
  readonly sealed: boolean;
};

type Place = { readonly segment: Segment; readonly at: number; readonly reader: FrameReader };

/** Reads a data folder's log: sealed segments by their summaries, the others frame by frame (design 6). Changes nothing on disk. */
export async function recoverLog(context: RecoveryContext): Promise<RecoveredLog> {
  const found = await openSegments(context);
  const recovery = new Recovery(context, found);
  return recovery.run();
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
    segments.push(await openSegment(disk, segmentPath(folder, sequence), sequence, identity));
  }
  return segments;
}

async function openSegment(disk: Disk, path: string, sequence: number, identity: Identity): Promise<Segment> {
  const file = await disk.open(path, { access: "read" });
  const block = new Uint8Array(blockBytes);
  const count = await file.read(block, 0, blockBytes, 0);
  await file.close();
  const header = decodeSegmentHeader(block.subarray(0, count), path);
  if (header.segment !== sequence) throw new CorruptionError(path, 16, `the file holds segment ${header.segment}`);
  if (header.clusterId !== identity.clusterId || header.replicaId !== identity.replicaId)
    throw new CorruptionError(
      path,
      32,
      `the segment belongs to replica ${header.replicaId} of cluster ${header.clusterId}, the folder to replica ${identity.replicaId} of cluster ${identity.clusterId}`,
    );
  return new Segment(disk, path, sequence, header.salt, header.size);
}

class Recovery {
  readonly #context: RecoveryContext;
  readonly #segments: readonly Segment[];
  readonly #table: GroupTable;
  /** Sequence of the frame before the next one; 0 when unknown. */
  #last = 0;
  #lastKind: number = frameKind.commit;
  #epoch = 0;
  /** Highest sequence recorded as durable by a readable frame. */
  #durable = 0;

  constructor(context: RecoveryContext, segments: readonly Segment[]) {
    this.#context = context;
    this.#segments = segments;
    this.#table = new GroupTable(context.checkpoints);
  }

  async run(): Promise<RecoveredLog> {
    const tail = await this.#loadSummaries();
    let begun = tail;
    for (let row = tail; row < this.#segments.length; row += 1) {
      const more = await this.#segmentAt(row).reading((file) => this.#scan(row, file));
      if (this.#segmentAt(row).end > 0) begun = row + 1;
      if (!more) break;
    }
    if (this.#table.truncated.size > 0) await this.#indexAgain(this.#segments.slice(tail, begun));
    const left = this.#segments.slice(begun);
    if (left[1] !== undefined)
      throw new CorruptionError(
        left[0]?.path ?? "",
        blockBytes,
        "the segment was never begun, but one after it exists",
      );
    this.#table.finish(this.#segments[0]?.path ?? logFolder(this.#context.folder));
    return {
      segments: this.#segments.slice(0, begun),
      prepared: left[0],
      table: this.#table,
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
      const path = summaryPath(folder, segment.sequence);
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
      if (!dense) segment.known = opened.summary;
      else {
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
          const bytes = new Uint8Array(places.length(index));
          const offset = places.offset(index);
          await segment.reading((file) => file.read(bytes, 0, bytes.length, offset));
          indexRecords(segment, offset, group, viewOf(bytes), 0, bytes.length);
        }
      }
    }
  }

  /** Reads one segment's frames into the table. @returns false when the log ends in it */
  async #scan(row: number, file: DiskFile): Promise<boolean> {
    const segment = this.#segmentAt(row);
    const reader = new FrameReader(file, segment.sequence, segment.salt, Math.min(await file.size(), segment.size));
    let at = await this.#scanStateFrame(row, reader);
    if (at === 0) return false;
    segment.rows = new QueueRows(segment.sequence);
    for (;;) {
      segment.end = at;
      const head = await reader.head(at);
      const fault = await this.#faultOf(row, reader, at, head);
      if (head === undefined || fault !== undefined) {
        // A full segment ends without a trace: the state frame of the next says so.
        if (await this.#begins(row + 1, this.#last + 1)) return true;
        await this.#stop({ segment, at, reader }, row, head, fault);
        return false;
      }
      this.#accept({ segment, at, reader }, head);
      at += alignUp(head.length);
    }
  }

  /** Reads the state frame from the better of its copies; where the frames behind it start, or 0 if the segment was never begun. */
  async #scanStateFrame(row: number, reader: FrameReader): Promise<number> {
    const segment = this.#segmentAt(row);
    const first = await reader.head(blockBytes);
    if (
      first !== undefined &&
      first.kind === frameKind.state &&
      (await this.#faultOf(row, reader, blockBytes, first)) === undefined
    ) {
      this.#acceptState({ segment, at: blockBytes, reader }, first);
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
      this.#acceptState({ segment, at, reader }, head);
      segment.badCopy = { good: at, bad: blockBytes };
      return at + alignUp(head.length);
    }
    await this.#stop({ segment, at: blockBytes, reader }, row, first, undefined);
    return 0;
  }

  /** True when the segment of `row` begins with a readable state frame of that sequence. */
  async #begins(row: number, sequence: number): Promise<boolean> {
    const segment = this.#segments[row];
    if (segment === undefined) return false;
    return segment.reading(async (file) => {
      const reader = new FrameReader(file, segment.sequence, segment.salt, Math.min(await file.size(), segment.size));
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

  /** The next frame is not readable at `place`: cuts the log there, or throws. */
  async #stop(place: Place, row: number, head: FrameHead | undefined, fault: FrameFault | undefined): Promise<void> {
    const { segment, at, reader } = place;
    const list = head && (await this.#listAt(reader, at, head, segment.salt));
    const later = await this.#later(place, row);
    const voting = [...(list ?? [])].filter(([, flags]) => (flags & (groupFlag.hardState | groupFlag.state)) !== 0);
    const groups = list === undefined ? this.#table.ids() : [...list.keys()];
    const hardState = list === undefined || voting.length > 0;
    const { action, why } = decideRecovery({
      frame: head !== undefined && head.epoch < this.#epoch ? "old" : "bad",
      durable: this.#last + 1 <= later.durable || (this.#last === 0 && segment.sequence > 1),
      hardState,
      hardStateLater: (list === undefined ? groups : voting.map(([group]) => group)).every((group) =>
        later.hardStates.has(group),
      ),
      voters: this.#context.voters,
    });
    if (action === "accept" || action === "cut") return;
    throw new CorruptionError(segment.path, fault?.at ?? at, `${fault?.detail ?? "no readable state frame"}; ${why}`, {
      action,
      groups,
    });
  }

  /** What readable frames behind `place` know. */
  async #later(place: Place, row: number): Promise<{ durable: number; hardStates: ReadonlySet<GroupId> }> {
    let durable = this.#durable;
    const hardStates = new Set<GroupId>();
    const scan = (reader: FrameReader, salt: number, from: number): Promise<void> =>
      reader.scanHeads(from, (at, head) => {
        if (head.epoch < this.#epoch) return;
        durable = Math.max(durable, head.durable);
        if (head.sequence <= this.#last + 1) return;
        const list = readGroupList(reader.bytes, reader.view, reader.at(at), salt, head);
        for (const [group, flags] of list ?? [])
          if ((flags & (groupFlag.hardState | groupFlag.state)) !== 0) hardStates.add(group);
      });
    await scan(place.reader, place.segment.salt, place.at);
    for (const segment of this.#segments.slice(row + 1))
      await segment.reading(async (file) => {
        const size = Math.min(await file.size(), segment.size);
        await scan(new FrameReader(file, segment.sequence, segment.salt, size), segment.salt, blockBytes);
      });
    return { durable, hardStates };
  }

  async #listAt(
    reader: FrameReader,
    at: number,
    head: FrameHead,
    salt: number,
  ): Promise<ReadonlyMap<GroupId, number> | undefined> {
    await reader.head(at);
    return readGroupList(reader.bytes, reader.view, reader.at(at), salt, head);
  }

  #acceptState(place: Place, head: FrameHead): void {
    const { segment, at, reader } = place;
    const states: GroupState[] = [];
    walkEntries(reader.view, reader.at(at), head, (entry) => states.push(readState(reader.view, entry)));
    this.#table.applyStates(segment, at, states);
    this.#note(segment, head);
  }

  #accept({ segment, at, reader }: Place, head: FrameHead): void {
    this.#table.applyFrame(segment, at, reader, head);
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

  #segmentAt(row: number): Segment {
    return defined(this.#segments[row], "a segment of the log");
  }
}
