import { assert } from "../assert.ts";
import { type Disk, DiskError, type DiskErrorCode, type DiskFile, type OpenOptions } from "../disk.ts";
import { SeededRandom } from "../random.ts";
import { MemoryInode } from "./memory-inode.ts";

/** Of writes past the cache. */
const blockBytes = 4_096;

/** What a `MemoryDisk` can be told. */
export type MemoryDiskOptions = {
  /** Decides what a crash leaves of unsynced bytes. Default 1. */
  readonly seed?: number;
  /** Bytes that fit; default no bound. */
  readonly capacityBytes?: number;
  /** Syncs and synced writes answer without making anything durable: a negative control must then see loss. */
  readonly liesAboutSync?: boolean;
};

/** A fault to come. */
export type DiskFault = {
  readonly on: "read" | "write" | "sync";
  /** Only on files whose path contains this; default all. */
  readonly path?: string;
  readonly code?: DiskErrorCode;
  /** Operations that still succeed before. */
  readonly after?: number;
  /** Fails for good, not once. */
  readonly sticky?: boolean;
  /** A write leaves the first half of its bytes. */
  readonly short?: boolean;
};

type FolderChange = { readonly folder: string; readonly apply: (entries: Map<string, MemoryInode>) => void };
type ArmedFault = DiskFault & { left: number };

/**
 * A disk in memory that forgets like a real one: each file has what is durable and what was written since; a crash keeps a seeded choice of
 * the latter, sector by sector, and of creations, renames and removals whose folder was not synced a prefix. One seed, one outcome.
 */
export class MemoryDisk implements Disk {
  readonly #random: SeededRandom;
  readonly #liesAboutSync: boolean;
  capacityBytes: number;
  /** Room that files take which are none of the program's. */
  ballastBytes = 0;
  #live = new Map<string, MemoryInode>();
  #durable = new Map<string, MemoryInode>();
  #changes: FolderChange[] = [];
  #faults: ArmedFault[] = [];
  #locks = new Set<string>();
  /** Raised by each crash: handles and locks of an earlier life are dead. */
  #life = 0;
  #cutIn = Number.POSITIVE_INFINITY;
  #powerless = false;
  /** Mutating operations so far. */
  operations = 0;

  constructor(options: MemoryDiskOptions = {}) {
    this.#random = new SeededRandom(options.seed ?? 1);
    this.#liesAboutSync = options.liesAboutSync ?? false;
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY;
  }

  async open(path: string, options: OpenOptions): Promise<DiskFile> {
    await this.#turn();
    let inode = this.#live.get(path);
    if (inode === undefined) {
      if (options.create !== true) throw new DiskError("notFound", path, "cannot open");
      inode = new MemoryInode();
      this.#operate(path);
      this.#change(folderOf(path), setEntry(path, inode));
    }
    return this.#handle(path, inode, options);
  }

  async read(path: string): Promise<Uint8Array> {
    await this.#turn();
    this.#strike("read", path);
    const inode = this.#live.get(path);
    if (inode === undefined) throw new DiskError("notFound", path, "cannot read");
    return inode.bytes.slice();
  }

  async list(folder: string): Promise<readonly string[]> {
    await this.#turn();
    return this.paths()
      .filter((path) => folderOf(path) === folder)
      .map((path) => path.slice(folder.length + 1));
  }

  /** Folders exist as soon as they are named. */
  async makeFolder(): Promise<void> {
    await this.#turn();
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#turn();
    const inode = this.#live.get(from);
    if (inode === undefined) throw new DiskError("notFound", from, "cannot rename");
    this.#operate(from);
    this.#change(folderOf(to), (entries) => {
      entries.delete(from);
      entries.set(to, inode);
    });
  }

  async remove(path: string): Promise<void> {
    await this.#turn();
    if (!this.#live.has(path)) return;
    this.#operate(path);
    this.#change(folderOf(path), (entries) => entries.delete(path));
  }

  async syncFolder(folder: string): Promise<void> {
    await this.#turn();
    this.#strike("sync", folder);
    this.#operate(folder);
    if (this.#liesAboutSync) return;
    for (const { apply } of this.#changes.filter((change) => change.folder === folder)) apply(this.#durable);
    this.#changes = this.#changes.filter((change) => change.folder !== folder);
  }

  async space(): Promise<{ readonly freeBytes: number; readonly totalBytes: number }> {
    await this.#turn();
    const total = Math.min(this.capacityBytes, Number.MAX_SAFE_INTEGER);
    return { freeBytes: Math.max(0, total - this.usedBytes - this.ballastBytes), totalBytes: total };
  }

  async lockFolder(folder: string): Promise<AsyncDisposable> {
    await this.#turn();
    if (this.#locks.has(folder)) throw new DiskError("locked", folder, "the folder is in use by another process");
    this.#locks.add(folder);
    const life = this.#life;
    return {
      [Symbol.asyncDispose]: async () => {
        if (life === this.#life) this.#locks.delete(folder);
      },
    };
  }

  /** Paths of all files, sorted. */
  paths(): readonly string[] {
    return [...this.#live.keys()].sort();
  }

  get usedBytes(): number {
    return [...this.#live.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** Content of a file as it is now; a copy. */
  content(path: string): Uint8Array {
    const inode = this.#live.get(path);
    if (inode === undefined) throw new DiskError("notFound", path, "cannot read");
    return inode.bytes.slice();
  }

  /** Replaces, creates or (`undefined`) removes a file behind everybody's back, durably. */
  plant(path: string, bytes: Uint8Array | undefined): void {
    const inode = bytes && new MemoryInode(bytes);
    for (const entries of [this.#live, this.#durable])
      if (inode === undefined) entries.delete(path);
      else entries.set(path, inode);
  }

  /** Turns one bit of a file over, under whoever has it open. */
  flipBit(path: string, byte: number, bit: number): void {
    const inode = this.#live.get(path);
    if (inode === undefined) throw new DiskError("notFound", path, "cannot turn a bit over");
    inode.flipBit(byte, bit);
  }

  /** Lets an operation to come fail. */
  fail(fault: DiskFault): void {
    this.#faults.push({ ...fault, left: fault.after ?? 0 });
  }

  /** The power goes at the start of the `operation`-th mutating operation from now (1 is the next); nothing succeeds until `restart`. */
  cutPowerIn(operation: number): void {
    this.#cutIn = operation;
  }

  /** True after a power cut. */
  get powerless(): boolean {
    return this.#powerless;
  }

  /** The machine goes down. Nothing succeeds until `restart`. */
  cutPower(): void {
    this.#powerless = true;
  }

  /**
   * What the machine finds when it comes up again. Every handle and lock of before is dead.
   *
   * @param unsynced what is left of it: nothing, or a choice by the seed
   */
  restart(unsynced: "lost" | "some" = "some"): void {
    const survives = unsynced === "some" ? this.#random : undefined;
    for (const { apply } of this.#survivingChanges(survives)) apply(this.#durable);
    this.#changes = [];
    for (const inode of new Set([...this.#live.values(), ...this.#durable.values()])) inode.crash(survives);
    this.#live = new Map(this.#durable);
    this.#locks.clear();
    this.#faults = [];
    this.#life += 1;
    this.#cutIn = Number.POSITIVE_INFINITY;
    this.#powerless = false;
  }

  /** The processes are killed, the machine goes on: all that was written is still there, handles and locks are dead. */
  killProcesses(): void {
    this.#locks.clear();
    this.#faults = [];
    this.#life += 1;
    this.#cutIn = Number.POSITIVE_INFINITY;
    this.#powerless = false;
  }

  /** A disk with the same files, all durable. */
  copy(options: MemoryDiskOptions = {}): MemoryDisk {
    const copy = new MemoryDisk(options);
    for (const [path, { bytes }] of this.#live) copy.plant(path, bytes.slice());
    return copy;
  }

  #handle(path: string, inode: MemoryInode, options: OpenOptions): DiskFile {
    const life = this.#life;
    const enter = async (): Promise<void> => {
      await this.#turn();
      if (life !== this.#life) throw new DiskError("io", path, "the handle is of an earlier life");
    };
    const read = (target: Uint8Array, targetStart: number, length: number, position: number): number => {
      if (life !== this.#life) throw new DiskError("io", path, "the handle is of an earlier life");
      this.#strike("read", path);
      const part = inode.bytes.subarray(position, position + length);
      target.set(part, targetStart);
      return part.length;
    };
    return {
      size: async () => {
        await enter();
        return inode.bytes.length;
      },
      read: async (target, targetStart, length, position) => {
        await enter();
        return read(target, targetStart, length, position);
      },
      readSync: read,
      write: async (source, sourceStart, length, position) => {
        if (options.uncached === true)
          assert(length % blockBytes === 0 && position % blockBytes === 0, "past the cache go whole blocks only");
        await enter();
        this.#write(path, inode, source.slice(sourceStart, sourceStart + length), position);
        await enter();
        if (options.syncWrites === true) this.#sync(path, inode);
      },
      sync: async () => {
        await enter();
        this.#operate(path);
        this.#sync(path, inode);
      },
      truncate: async (length) => {
        await enter();
        this.#operate(path);
        inode.truncate(length);
      },
      close: async () => {
        await enter();
      },
    };
  }

  #write(path: string, inode: MemoryInode, bytes: Uint8Array, position: number): void {
    if (!this.#hasRoom(position + bytes.length - inode.bytes.length)) throw new DiskError("full", path, "cannot write");
    const fault = this.#armed("write", path);
    if (fault?.short === true) inode.write(bytes.subarray(0, bytes.length >> 1), position);
    if (fault !== undefined) throw new DiskError(fault.code ?? "io", path, "cannot write");
    // A write that the power cut hits is under way: some of it may have arrived.
    inode.write(bytes, position);
    this.#operate(path);
  }

  #hasRoom(grown: number): boolean {
    if (grown <= 0 || this.capacityBytes === Number.POSITIVE_INFINITY) return true;
    return this.usedBytes + this.ballastBytes + grown <= this.capacityBytes;
  }

  #sync(path: string, inode: MemoryInode): void {
    this.#strike("sync", path);
    if (!this.#liesAboutSync) inode.sync();
  }

  #change(folder: string, apply: FolderChange["apply"]): void {
    apply(this.#live);
    this.#changes.push({ folder, apply });
  }

  /** Per folder, changes become durable in order. */
  #survivingChanges(random: SeededRandom | undefined): readonly FolderChange[] {
    if (random === undefined) return [];
    const kept = new Map<string, number>();
    for (const folder of new Set(this.#changes.map((change) => change.folder))) {
      const count = this.#changes.filter((change) => change.folder === folder).length;
      kept.set(folder, random.below(count + 1));
    }
    return this.#changes.filter(({ folder }) => {
      const left = kept.get(folder) ?? 0;
      kept.set(folder, left - 1);
      return left > 0;
    });
  }

  /** Counts a mutating operation; the power may go here. */
  #operate(path: string): void {
    this.operations += 1;
    this.#cutIn -= 1;
    if (this.#cutIn <= 0) this.#powerless = true;
    if (this.#powerless) throw new DiskError("io", path, "the power is gone");
  }

  #strike(on: DiskFault["on"], path: string): void {
    const fault = this.#armed(on, path);
    if (fault !== undefined) throw new DiskError(fault.code ?? "io", path, `cannot ${on}`);
  }

  /** The fault that hits this operation, if any. */
  #armed(on: DiskFault["on"], path: string): ArmedFault | undefined {
    const fault = this.#faults.find((armed) => armed.on === on && path.includes(armed.path ?? ""));
    if (fault === undefined) return undefined;
    if (fault.left > 0) {
      fault.left -= 1;
      return undefined;
    }
    if (fault.sticky !== true) this.#faults = this.#faults.filter((armed) => armed !== fault);
    return fault;
  }

  /** Each operation takes a turn of the event loop, as on a real disk. */
  async #turn(): Promise<void> {
    await Promise.resolve();
    if (this.#powerless) throw new DiskError("io", "", "the power is gone");
  }
}

function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

function setEntry(path: string, inode: MemoryInode): FolderChange["apply"] {
  return (entries) => entries.set(path, inode);
}
