import * as fs from "node:fs";
import * as files from "node:fs/promises";
import { resolve as absolute, dirname } from "node:path";
import { type Disk, DiskError, type DiskErrorCode, type DiskFile, type OpenOptions } from "./disk.ts";
import { lockFolder } from "./folder-lock.ts";

/** The real disk, on `node:fs`. Reads and writes run on the thread pool by the callback calls, whose fixed price is the lowest. */
export function nodeDisk(): Disk {
  return {
    open: openFile,
    read: (path) => mapped(path, "cannot read", () => files.readFile(path)),
    list: listFolder,
    makeFolder: (folder) => mapped(folder, "cannot create the folder", () => makeFolder(absolute(folder))),
    rename: (from, to) => mapped(from, `cannot rename to ${to}`, () => files.rename(from, to)),
    remove: (path) => mapped(path, "cannot remove", () => files.rm(path, { force: true })),
    syncFolder,
    space: (folder) =>
      mapped(folder, "cannot measure the file system of", async () => {
        const stats = await files.statfs(folder);
        return { freeBytes: stats.bavail * stats.bsize, totalBytes: stats.blocks * stats.bsize };
      }),
    lockFolder,
  };
}

/** The system's error as ours. */
function toDiskError(error: unknown, path: string, detail: string): DiskError {
  const code = typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
  const ours: DiskErrorCode = codes[code] ?? "io";
  return new DiskError(ours, path, code === "" ? detail : `${detail} (${code})`, { cause: error });
}

const codes: Readonly<Record<string, DiskErrorCode>> = {
  ENOENT: "notFound",
  ENOTDIR: "notFound",
  ENOSPC: "full",
  EDQUOT: "full",
  EACCES: "denied",
  EPERM: "denied",
  EROFS: "denied",
};

async function mapped<T>(path: string, detail: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toDiskError(error, path, detail);
  }
}

async function listFolder(folder: string): Promise<readonly string[]> {
  try {
    return (await files.readdir(folder)).sort();
  } catch (error) {
    const failure = toDiskError(error, folder, "cannot list");
    if (failure.code === "notFound") return [];
    throw failure;
  }
}

/** Folder by folder: Node's recursive `mkdir` never ends where the system finds no way below a parent that exists, as in /proc. */
async function makeFolder(folder: string): Promise<void> {
  const missing: string[] = [];
  for (let at = folder; !(await isFolder(at)); at = dirname(at)) missing.unshift(at);
  for (const path of missing) {
    await makeOne(path);
    await syncFolder(dirname(path));
  }
}

async function makeOne(path: string): Promise<void> {
  try {
    await files.mkdir(path);
  } catch (error) {
    if (!(await isFolder(path))) throw error; // Else somebody else made it meanwhile.
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await files.stat(path)).isDirectory();
  } catch {
    return false; // Whatever is in the way, making the folder will say.
  }
}

function syncFolder(folder: string): Promise<void> {
  return mapped(folder, "cannot sync the folder", async () => {
    const handle = await files.open(folder, fs.constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  });
}

function openFile(path: string, options: OpenOptions): Promise<DiskFile> {
  const { O_RDONLY, O_RDWR, O_CREAT, O_DSYNC } = fs.constants;
  let flags = options.access === "read" ? O_RDONLY : O_RDWR;
  if (options.create === true) flags |= O_CREAT;
  if (options.syncWrites === true) flags |= O_DSYNC;
  return options.uncached === true ? openUncached(path, flags) : openWith(path, flags);
}

function openWith(path: string, flags: number): Promise<DiskFile> {
  return new Promise((resolve, reject) => {
    fs.open(path, flags, 0o640, (error, fd) => {
      if (error) reject(toDiskError(error, path, "cannot open"));
      else resolve(new NodeFile(path, fd));
    });
  });
}

async function openUncached(path: string, flags: number): Promise<DiskFile> {
  // Only Linux has it.
  const direct = (fs.constants.O_DIRECT as number | undefined) ?? 0;
  try {
    return await openWith(path, flags | direct);
  } catch (error) {
    if (isUnsupported(error)) return openWith(path, flags);
    throw error;
  }
}

/** A file system that has no `O_DIRECT` says so when a file is opened (open(2), EINVAL). */
function isUnsupported(error: unknown): boolean {
  return error instanceof DiskError && (error.cause as NodeJS.ErrnoException).code === "EINVAL";
}

class NodeFile implements DiskFile {
  readonly #path: string;
  readonly #fd: number;

  constructor(path: string, fd: number) {
    this.#path = path;
    this.#fd = fd;
  }

  async size(): Promise<number> {
    const stats = await this.#call<fs.Stats>("cannot stat", (done) => {
      fs.fstat(this.#fd, done);
    });
    return stats.size;
  }

  async read(target: Uint8Array, targetStart: number, length: number, position: number): Promise<number> {
    let done = 0;
    while (done < length) {
      const count = await this.#readOnce(target, targetStart + done, length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  readSync(target: Uint8Array, targetStart: number, length: number, position: number): number {
    try {
      let done = 0;
      while (done < length) {
        const count = fs.readSync(this.#fd, target, targetStart + done, length - done, position + done);
        if (count === 0) break;
        done += count;
      }
      return done;
    } catch (error) {
      throw toDiskError(error, this.#path, "cannot read");
    }
  }

  write(source: Uint8Array, sourceStart: number, length: number, position: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const from = (done: number): void => {
        fs.write(this.#fd, source, sourceStart + done, length - done, position + done, (error, count) => {
          if (error) reject(toDiskError(error, this.#path, "cannot write"));
          else if (done + count === length) resolve();
          else if (count === 0) reject(new DiskError("io", this.#path, "a write of nothing was accepted"));
          else from(done + count);
        });
      };
      from(0);
    });
  }

  async sync(): Promise<void> {
    await this.#run("cannot sync", (done) => {
      fs.fdatasync(this.#fd, done);
    });
  }

  async truncate(length: number): Promise<void> {
    await this.#run("cannot truncate", (done) => {
      fs.ftruncate(this.#fd, length, done);
    });
  }

  async close(): Promise<void> {
    await this.#run("cannot close", (done) => {
      fs.close(this.#fd, done);
    });
  }

  #readOnce(target: Uint8Array, targetStart: number, length: number, position: number): Promise<number> {
    return this.#call<number>("cannot read", (done) => {
      fs.read(this.#fd, target, targetStart, length, position, done);
    });
  }

  #run(detail: string, start: (done: fs.NoParamCallback) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      start((error) => {
        if (error) reject(toDiskError(error, this.#path, detail));
        else resolve();
      });
    });
  }

  #call<T>(detail: string, start: (done: (error: NodeJS.ErrnoException | null, value: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      start((error, value) => {
        if (error) reject(toDiskError(error, this.#path, detail));
        else resolve(value);
      });
    });
  }
}
