import { assert, type Clock, type Disk, DiskError } from "@saturnmq/kit";
import { crc32 } from "@saturnmq/kit/node";
import { decodeConfiguration, type GroupId } from "raft-ts";
import type { BulkFile, BulkSegments } from "./bulk-segments.ts";
import { alignUp, blockBytes, viewOf } from "./bytes.ts";
import { type EntryRange, without } from "./entry-ranges.ts";
import {
  entryHeadBytes,
  entryKind,
  frameHeadBytes,
  frameKind,
  frameVersion,
  groupFlag,
  sealFrameHead,
  setEntryHead,
} from "./frame.ts";
import type { Backfill, BackfillEntry } from "./ports.ts";
import { payloadFault } from "./record-check.ts";

/** Payload bytes that are gathered before they are written; a larger entry is written alone. */
const gatheredBytes = 1024 * 1024;
/** Written at a time: then the commit under way, if there is one, goes first. */
const writtenBytes = 256 * 1024;
const entriesStart = frameHeadBytes + 4;

export type BackfillContext = {
  readonly disk: Disk;
  readonly folder: string;
  readonly clock: Clock;
  readonly bulk: BulkSegments;
  readonly epoch: number;
  readonly segmentBytes: number;
  readonly maxEntryBytes: number;
  readonly reserveBytes: number;
  /** What the store lacks now of the range. */
  readonly missing: () => readonly EntryRange[];
  /** Resolves when no commit is under way, or enough of them have been let pass. */
  readonly yieldToCommits: () => Promise<void>;
  /** Called with an error after which the store must not go on. */
  readonly failed: (error: unknown) => void;
  readonly closed: (backfill: FileBackfill) => void;
};

/** A frame under assembly, [start, start + length) of the buffer: consecutive entries. */
type Frame = { readonly start: number; length: number; readonly first: number; last: number; writtenMs: number };

/** Back-fill into bulk segments: gathers up to a megabyte, writes it in pieces between commits, syncs. */
export class FileBackfill implements Backfill {
  readonly group: GroupId;
  readonly from: number;
  readonly to: number;
  readonly #context: BackfillContext;
  #wanted: readonly EntryRange[];
  #buffer = new Uint8Array(0);
  #frames: Frame[] = [];
  #payloadBytes = 0;
  #writing: BulkFile | undefined;
  /** Files that are full, or that a fault ended, and wait to be sealed. */
  #ended: BulkFile[] = [];
  #flushing: Promise<void> | undefined;
  #finished = false;

  constructor(context: BackfillContext, group: GroupId, from: number, to: number) {
    this.#context = context;
    this.group = group;
    this.from = from;
    this.to = to;
    this.#wanted = context.missing();
  }

  missing(): readonly EntryRange[] {
    return this.#context.missing();
  }

  get roomBytes(): number {
    if (this.#frames.length === 0) return this.#context.maxEntryBytes;
    return Math.max(0, gatheredBytes - this.#payloadBytes);
  }

  add(entry: BackfillEntry): void {
    this.#assertOpen();
    const { index, payload } = entry;
    if (!this.#wanted.some(({ from, to }) => index >= from && index <= to))
      throw new RangeError(`entry ${index} of group ${this.group} is not missing from ${this.from} to ${this.to}`);
    if (payload.length > this.roomBytes)
      throw new RangeError(`a payload of ${payload.length} bytes exceeds the room of ${this.roomBytes}: flush first`);
    checkPayload(entry);
    this.#wanted = without(this.#wanted, index, index);
    this.#append(this.#frameFor(index, entryHeadBytes + payload.length), entry);
  }

  async flush(): Promise<void> {
    this.#assertOpen();
    if (this.#frames.length === 0) return;
    this.#flushing = this.#flush();
    await this.#flushing;
  }

  async finish(): Promise<void> {
    if (this.#finished) return;
    await this.flush();
    this.#end();
    await this.#seal();
    this.#finished = true;
    this.#context.closed(this);
  }

  /** The store is being closed: waits for the flush under way. The next opening ends what is not ended. */
  async stop(): Promise<void> {
    this.#finished = true;
    // Its caller hears of a failure.
    await this.#flushing?.catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#finished) return;
    this.#finished = true;
    this.#context.closed(this);
    this.#end();
    await this.#seal();
  }

  #assertOpen(): void {
    if (this.#finished) throw new Error("the back-fill has ended");
    assert(this.#flushing === undefined, "a back-fill is flushed before more is added");
  }

  async #flush(): Promise<void> {
    try {
      await this.#write();
    } catch (error) {
      this.#give(error);
      throw error;
    } finally {
      this.#flushing = undefined;
      this.#frames = [];
      this.#payloadBytes = 0;
      if (this.#buffer.length > 2 * gatheredBytes) this.#buffer = new Uint8Array(0);
      this.#wanted = this.#context.missing();
    }
  }

  /** The frame that goes on with the entry of so many bytes, if it then fits a segment; or a new one. */
  #frameFor(index: number, bytes: number): Frame {
    const last = this.#frames.at(-1);
    const most = this.#context.segmentBytes - blockBytes;
    if (last !== undefined && last.last + 1 === index && alignUp(last.length + bytes) <= most) return last;
    const start = last === undefined ? 0 : alignUp(last.start + last.length);
    const frame = { start, length: entriesStart, first: index, last: index - 1, writtenMs: 0 };
    this.#frames.push(frame);
    return frame;
  }

  #append(frame: Frame, { index, term, kind, payload, writtenMs }: BackfillEntry): void {
    const at = frame.start + frame.length;
    const number = kind === "data" ? entryKind.entry : entryKind.configuration;
    this.#reserve(alignUp(at + entryHeadBytes + payload.length));
    setEntryHead(viewOf(this.#buffer), at, number, this.group, index, term, payload.length, payload.crc);
    this.#buffer.set(payload.bytes.subarray(payload.start, payload.start + payload.length), at + entryHeadBytes);
    frame.length += entryHeadBytes + payload.length;
    frame.last = index;
    frame.writtenMs = Math.max(frame.writtenMs, writtenMs);
    this.#payloadBytes += payload.length;
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(bytes, Math.min(2 * this.#buffer.length, 2 * gatheredBytes)));
    grown.set(this.#buffer);
    this.#buffer = grown;
  }

  async #write(): Promise<void> {
    const { disk, folder, reserveBytes } = this.#context;
    const needed = this.#frames.reduce((sum, { length }) => sum + alignUp(length), 0);
    const { freeBytes } = await disk.space(folder);
    if (freeBytes - needed < reserveBytes)
      throw new DiskError(
        "full",
        folder,
        `${freeBytes} bytes are free; the back-fill and the reserve need ${needed + reserveBytes}`,
      );
    const written: { readonly target: BulkFile; readonly frame: Frame }[] = [];
    for (const frame of this.#frames) {
      const target = await this.#fileFor(frame);
      await this.#writeFrame(target, frame);
      written.push({ target, frame });
    }
    for (const target of new Set(written.map((part) => part.target))) await target.file.sync();
    for (const { target, frame } of written) {
      const { segment } = target;
      segment.cover(this.group, frame.first, frame.last);
      segment.end += alignUp(frame.length);
      segment.lastWriteMs = Math.max(segment.lastWriteMs, frame.writtenMs);
    }
    await this.#seal();
  }

  /** The file that goes on with the frame, or a new one. */
  async #fileFor({ first, length }: Frame): Promise<BulkFile> {
    const { bulk, clock, segmentBytes } = this.#context;
    const present = this.#writing;
    if (present?.nextIndex === first && present.offset + alignUp(length) <= segmentBytes) return present;
    this.#end();
    this.#writing = await bulk.begin(this.group, clock.wallMs());
    assert(this.#writing.offset + alignUp(length) <= segmentBytes, "a frame fits a segment");
    return this.#writing;
  }

  async #writeFrame(target: BulkFile, frame: Frame): Promise<void> {
    const { epoch, yieldToCommits } = this.#context;
    const { start, length } = frame;
    const padded = alignUp(length);
    const view = viewOf(this.#buffer);
    view.setUint16(start + frameHeadBytes, this.group, true);
    view.setUint16(start + frameHeadBytes + 2, groupFlag.entries, true);
    this.#buffer.fill(0, start + length, start + padded);
    sealFrameHead(this.#buffer, view, start, target.segment.salt, {
      version: frameVersion.configurations,
      kind: frameKind.bulk,
      copy: 0,
      length,
      segment: target.segment.sequence,
      sequence: target.sequence,
      epoch,
      durable: target.sequence - 1,
      wallMs: frame.writtenMs,
      groupCount: 1,
      entriesStart,
      entryCount: frame.last - frame.first + 1,
    });
    for (let done = 0; done < padded; done += writtenBytes) {
      await yieldToCommits();
      await target.file.write(this.#buffer, start + done, Math.min(writtenBytes, padded - done), target.offset + done);
    }
    target.offset += padded;
    target.sequence += 1;
    target.nextIndex = frame.last + 1;
  }

  /** After a fault the file ends where it is known to be whole. A full disk can be waited for, anything else ends the store. */
  #give(error: unknown): void {
    this.#end();
    if (!(error instanceof DiskError) || error.code !== "full") this.#context.failed(error);
  }

  #end(): void {
    if (this.#writing !== undefined) this.#ended.push(this.#writing);
    this.#writing = undefined;
  }

  async #seal(): Promise<void> {
    for (let file = this.#ended[0]; file !== undefined; file = this.#ended[0]) {
      await this.#context.bulk.seal(file);
      this.#ended.shift();
    }
  }
}

/** @throws {RangeError} unless it is what its checks say */
function checkPayload({ index, kind, payload }: BackfillEntry): void {
  const { bytes, start, length, crc } = payload;
  if (kind === "configuration") {
    if (crc32(bytes, start, length) !== crc) throw new RangeError(`entry ${index} does not match its CRC`);
    decodeConfiguration(bytes.subarray(start, start + length));
    return;
  }
  const fault = payloadFault(bytes, viewOf(bytes), start, length, crc, true);
  if (fault !== undefined) throw new RangeError(`entry ${index} is not what was sent: ${fault.detail}`);
}
