import {
  alignedBytes,
  type Clock,
  type Disk,
  DiskError,
  type DiskFile,
  type Logger,
  type Random,
  type Timers,
} from "@saturnmq/kit";
import { blockBytes } from "./bytes.ts";
import { logFolder, logPaths } from "./paths.ts";
import type { Identity } from "./ports.ts";
import { Segment } from "./segment.ts";
import { encodeSegmentHeader } from "./segment-header.ts";

/** Zeros are written in pieces of this size and synced every few pieces, so that commits beside it keep their pace. */
const fillBytes = 1024 * 1024;
const fillsPerSync = 4;
/** Freed files kept for later beside the one that is ready. */
const sparesKept = 4;
/** Pause before the next attempt to make a segment on a full disk. */
const retryMs = 1000;

export type PoolContext = {
  readonly disk: Disk;
  readonly folder: string;
  readonly identity: Identity;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly segmentBytes: number;
  readonly reserveBytes: number;
};

/** Makes segments ahead of their use: zero-filled or recycled files, their header durable, under their final name. */
export class SegmentPool {
  readonly #context: PoolContext;
  #spares: string[] = [];
  #spareCount = 0;
  #next: { readonly sequence: number; readonly ready: Promise<Segment> } | undefined;
  /** Sequence of the segment that is ready; 0 when none is. */
  #ready = 0;
  #full = false;
  #freeBytes = 0;
  #totalBytes = 0;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(context: PoolContext) {
    this.#context = context;
  }

  /** True while the next segment cannot be made for want of room: sends are refused before the log itself has to wait. */
  get full(): boolean {
    return this.#full;
  }

  /** Room on the file system when it was last measured. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** Size of the file system. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** Bytes in files that wait to be used. */
  get spareBytes(): number {
    return this.#spares.length * this.#context.segmentBytes;
  }

  /** Finds the spare files; what a crash left half filled is removed. */
  async open(): Promise<void> {
    const { disk, folder, segmentBytes } = this.#context;
    await this.#measure();
    for (const name of await disk.list(logFolder(folder))) {
      const path = `${logFolder(folder)}/${name}`;
      const match = /^spare-(\d+)\.seg$/.exec(name);
      if (match === null) {
        if (name.endsWith(".tmp")) await disk.remove(path);
        continue;
      }
      this.#spareCount = Math.max(this.#spareCount, Number(match[1]));
      if ((await sizeOf(disk, path)) === segmentBytes && this.#spares.length < sparesKept) this.#spares.push(path);
      else await disk.remove(path);
    }
  }

  /** Takes a prepared segment that an earlier life left. */
  adopt(segment: Segment): void {
    this.#next = { sequence: segment.sequence, ready: Promise.resolve(segment) };
    this.#ready = segment.sequence;
  }

  /** Starts making the segment of that sequence, unless it is made or being made. */
  prepare(sequence: number): void {
    if (this.#next?.sequence === sequence) return;
    const ready = this.#make(sequence);
    // Whoever takes it sees the failure.
    ready.catch(() => undefined);
    this.#next = { sequence, ready };
  }

  /** True when `take` of that sequence would not wait. */
  isReady(sequence: number): boolean {
    return this.#ready === sequence;
  }

  /** The segment of that sequence, ready to be begun. Waits while the disk is full. */
  async take(sequence: number): Promise<Segment> {
    this.prepare(sequence);
    const segment = await this.#next?.ready;
    if (segment === undefined) throw new RangeError(`segment ${sequence} was not prepared`);
    return segment;
  }

  /** Puts a freed segment's file to the spares, or gives its room back. */
  async recycle(segment: Segment): Promise<void> {
    const { disk, folder, segmentBytes } = this.#context;
    await segment.retire();
    if (this.#spares.length < sparesKept && segment.size === segmentBytes) {
      const path = this.#newSparePath();
      await disk.rename(segment.path, path);
      await disk.syncFolder(logFolder(folder));
      this.#spares.push(path);
    } else {
      await disk.remove(segment.path);
      await disk.syncFolder(logFolder(folder));
    }
    this.#wake?.();
  }

  /** Ends the retries. What is under way ends on its own. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#wake?.();
    await this.#next?.ready.catch(() => undefined);
  }

  async #make(sequence: number): Promise<Segment> {
    for (;;) {
      try {
        const segment = await this.#dress(await this.#spare(), sequence);
        if (this.#full) this.#context.logger.info({ segment: sequence }, "there is room for a new segment again");
        this.#full = false;
        this.#ready = sequence;
        return segment;
      } catch (error) {
        if (!(error instanceof DiskError) || error.code !== "full" || this.#closed) throw error;
        if (!this.#full)
          this.#context.logger.warn({ err: error }, "no room for a new segment: sends are refused until there is");
        this.#full = true;
      }
      await this.#pause();
    }
  }

  /** Writes the header of its new life, durable, and gives the file its name. */
  async #dress(path: string, sequence: number): Promise<Segment> {
    const { disk, folder, identity, clock, random, segmentBytes } = this.#context;
    const salt = random.below(2 ** 32);
    const header = encodeSegmentHeader({
      ...identity,
      kind: "log",
      group: 0,
      segment: sequence,
      salt,
      size: segmentBytes,
      wallMs: clock.wallMs(),
    });
    const file = await disk.open(path, { access: "readWrite" });
    try {
      await file.write(header, 0, blockBytes, 0);
      await file.sync();
    } finally {
      await file.close();
    }
    const target = logPaths(folder, sequence);
    await disk.rename(path, target.segment);
    await disk.syncFolder(logFolder(folder));
    this.#spares = this.#spares.filter((spare) => spare !== path);
    return new Segment(disk, target, sequence, salt, segmentBytes);
  }

  async #spare(): Promise<string> {
    const { disk, folder, segmentBytes, reserveBytes } = this.#context;
    const recycled = this.#spares[0];
    if (recycled !== undefined) return recycled;
    await this.#measure();
    if (this.#freeBytes - segmentBytes < reserveBytes)
      throw new DiskError(
        "full",
        logFolder(folder),
        `${this.#freeBytes} bytes are free; a segment and the reserve need ${segmentBytes + reserveBytes}`,
      );
    const path = this.#newSparePath();
    const temporary = `${path}.tmp`;
    // Copying zeros into the system's cache would cost as much as copying the messages that overwrite them.
    const file = await disk.open(temporary, { access: "readWrite", create: true, uncached: true });
    try {
      await zeroFill(file, 0, segmentBytes, () => this.#closed);
    } catch (error) {
      await disk.remove(temporary);
      throw error;
    } finally {
      await file.close();
    }
    await disk.rename(temporary, path);
    this.#spares.push(path);
    return path;
  }

  async #measure(): Promise<void> {
    const { freeBytes, totalBytes } = await this.#context.disk.space(this.#context.folder);
    this.#freeBytes = freeBytes;
    this.#totalBytes = totalBytes;
  }

  #newSparePath(): string {
    this.#spareCount += 1;
    return `${logFolder(this.#context.folder)}/spare-${this.#spareCount}.seg`;
  }

  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#closed) resolve();
      else this.#context.timers.after(retryMs, resolve);
    });
    this.#wake = undefined;
  }
}

let aligned: Uint8Array | undefined;

/** Writes zeros over [from, to), whole blocks, durable. Blocks once written are overwritten at a third of the price of new ones. */
export async function zeroFill(
  file: DiskFile,
  from: number,
  to: number,
  stopped: () => boolean = () => false,
): Promise<void> {
  aligned ??= alignedBytes(fillBytes);
  const zeros = aligned;
  let unsynced = 0;
  for (let at = from; at < to; at += fillBytes) {
    if (stopped()) throw new Error("the store is being closed");
    await file.write(zeros, 0, Math.min(fillBytes, to - at), at);
    unsynced += 1;
    if (unsynced < fillsPerSync) continue;
    await file.sync();
    unsynced = 0;
  }
  await file.sync();
}

async function sizeOf(disk: Disk, path: string): Promise<number> {
  const file = await disk.open(path, { access: "read" });
  try {
    return await file.size();
  } finally {
    await file.close();
  }
}
