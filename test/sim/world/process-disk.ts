import type { Disk, DiskFile, OpenOptions, Random } from "@saturnmq/kit";
import type { MemoryDisk } from "@saturnmq/kit/testing";
import type { SimulatedProcess } from "./process.ts";

/** How long a machine's disk takes, milliseconds. A sync takes up to `syncMs` more. */
export type DiskSpeed = { readonly accessMs: number; readonly syncMs: number };

export const fastDisk: DiskSpeed = { accessMs: 0.05, syncMs: 0.6 };

/** A machine's disk as one process sees it: each call takes its time, and nothing is answered to a process that has ended. */
export function processDisk(disk: MemoryDisk, process: SimulatedProcess, random: Random, speed: () => DiskSpeed): Disk {
  const view = new ProcessDisk(disk, process, random, speed);
  return view;
}

class ProcessDisk implements Disk {
  readonly #disk: MemoryDisk;
  readonly #process: SimulatedProcess;
  readonly #random: Random;
  readonly #speed: () => DiskSpeed;

  constructor(disk: MemoryDisk, process: SimulatedProcess, random: Random, speed: () => DiskSpeed) {
    this.#disk = disk;
    this.#process = process;
    this.#random = random;
    this.#speed = speed;
  }

  async open(path: string, options: OpenOptions): Promise<DiskFile> {
    // Synced apart, so that a power cut finds the write under way.
    const file = await this.#access(() => this.#disk.open(path, { ...options, syncWrites: false }));
    const { syncWrites = false } = options;
    return {
      size: () => this.#access(() => file.size()),
      read: (target, start, length, position) => this.#access(() => file.read(target, start, length, position)),
      readSync: (target, start, length, position) => file.readSync(target, start, length, position),
      write: async (source, start, length, position) => {
        const written = file.write(source, start, length, position);
        // Nobody waits for it any more once the process has ended.
        written.catch(() => undefined);
        await (syncWrites ? this.#sync(() => written.then(() => file.sync())) : this.#access(() => written));
      },
      sync: () => this.#sync(() => file.sync()),
      truncate: (length) => this.#access(() => file.truncate(length)),
      close: () => this.#access(() => file.close()),
    };
  }

  read(path: string): Promise<Uint8Array> {
    return this.#access(() => this.#disk.read(path));
  }

  list(folder: string): Promise<readonly string[]> {
    return this.#access(() => this.#disk.list(folder));
  }

  makeFolder(): Promise<void> {
    return this.#access(() => this.#disk.makeFolder());
  }

  rename(from: string, to: string): Promise<void> {
    return this.#access(() => this.#disk.rename(from, to));
  }

  remove(path: string): Promise<void> {
    return this.#access(() => this.#disk.remove(path));
  }

  syncFolder(folder: string): Promise<void> {
    return this.#sync(() => this.#disk.syncFolder(folder));
  }

  space(): Promise<{ readonly freeBytes: number; readonly totalBytes: number }> {
    return this.#access(() => this.#disk.space());
  }

  async lockFolder(folder: string): Promise<AsyncDisposable> {
    const lock = await this.#access(() => this.#disk.lockFolder(folder));
    return { [Symbol.asyncDispose]: () => this.#access(async () => lock[Symbol.asyncDispose]()) };
  }

  #access<Result>(operation: () => Promise<Result>): Promise<Result> {
    return this.#take(this.#speed().accessMs, operation);
  }

  #sync<Result>(operation: () => Promise<Result>): Promise<Result> {
    const { accessMs, syncMs } = this.#speed();
    return this.#take(accessMs + syncMs, operation);
  }

  /** Half of the time and up to all of it pass before the operation is done. */
  #take<Result>(ms: number, operation: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const passes = ms / 2 + (ms / 2) * (this.#random.below(1_000) / 1_000);
      this.#process.later(passes, () => {
        operation().then(resolve, reject);
      });
    });
  }
}
