import { execFile, execFileSync } from "node:child_process";
import { mkdir, mkdtemp, open, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const mib = 2 ** 20;
const chunk = Buffer.alloc(mib);
/** A block of the usual file systems. */
const smallest = 4_096;

/** A file system of its own that can be filled up: ext4 in a file, mounted through a loop device. Only root may; also for members inside a namespace. */
export class LoopDisk implements AsyncDisposable {
  /** Where it is mounted, empty but for what ext4 puts there. */
  readonly folder: string;
  readonly #base: string;

  private constructor(base: string) {
    this.#base = base;
    this.folder = join(base, "mounted");
  }

  /** @throws {Error} of `mount`, or that a tool is missing */
  static async open(sizeMib: number): Promise<LoopDisk> {
    const disk = new LoopDisk(await mkdtemp(join(tmpdir(), "saturnmq-loop-")));
    try {
      await disk.#mount(sizeMib);
    } catch (error) {
      await rm(disk.#base, { recursive: true, force: true });
      throw error;
    }
    return disk;
  }

  async #mount(sizeMib: number): Promise<void> {
    const image = join(this.#base, "image");
    await run("truncate", ["-s", `${sizeMib}M`, image]);
    // Without blocks kept for root: all of it can be filled, by root too.
    await run("mkfs.ext4", ["-q", "-F", "-m", "0", image]);
    await mkdir(this.folder);
    await run("mount", ["-o", "loop", image, this.folder]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run("umount", [this.folder]);
    await rm(this.#base, { recursive: true });
  }
}

/** Why `LoopDisk` cannot be had here; `undefined` when it can. */
export async function whyNoLoopDisk(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return "a loop mount needs root";
  try {
    const disk = await LoopDisk.open(4);
    await disk[Symbol.asyncDispose]();
    return undefined;
  } catch (error) {
    return `no loop mount: ${(error as Error).message.trim().split("\n").at(-1)}`;
  }
}

/**
 * Mounts a small file system in memory over a folder. Needs no root, but a mount namespace of one's own: call it in a program of `Namespace`. It is
 * full when a disk is, with the same error; what it cannot show is how long a disk takes.
 */
export async function mountMemoryDisk(folder: string, sizeMib: number): Promise<void> {
  await run("mount", ["-t", "tmpfs", "-o", `size=${sizeMib}m`, "tmpfs", folder]);
}

/** Why no mount namespace can be made here; `undefined` when one can. */
export function whyNoMountNamespace(): string | undefined {
  try {
    execFileSync("unshare", ["-Urm", "true"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "this user may not make a mount namespace";
  }
}

/** A file that takes the room of a disk away. */
export class Ballast {
  readonly #path: string;

  /** @param folder any on that disk */
  constructor(folder: string) {
    this.#path = join(folder, "ballast");
  }

  /** Takes `bytes` of room; all that there is when there is less. */
  async take(bytes: number): Promise<void> {
    await using file = await open(this.#path, "w");
    let size = chunk.length;
    for (let taken = 0; taken < bytes && size >= smallest; ) {
      const written = await file.write(chunk, 0, Math.min(size, bytes - taken)).then(
        ({ bytesWritten }) => bytesWritten,
        (error: unknown) => {
          if ((error as NodeJS.ErrnoException).code === "ENOSPC") return 0;
          throw error;
        },
      );
      taken += written;
      if (written === 0) size /= 2; // What is left is taken in smaller pieces.
    }
  }

  /** Takes all room but `bytes`. */
  async leave(bytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(join(this.#path, ".."));
    await this.take(Math.max(0, bavail * bsize - bytes));
  }

  /** Gives it back. */
  async release(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}
