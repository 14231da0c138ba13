/**
 * The only door to files. Production opens `node:fs` behind it, the simulator a seeded disk that can lose unsynced writes, tear them,
 * flip bits and fill up. Paths are absolute or relative to the process; directories separate with "/".
 */
export interface Disk {
  /**
   * Opens a file for positioned reads and writes.
   *
   * @throws {DiskError} `notFound` when absent and not `create`
   */
  open(path: string, options: OpenOptions): Promise<DiskFile>;
  /** Whole content. @throws {DiskError} `notFound` */
  read(path: string): Promise<Uint8Array>;
  /** Names (not paths) inside a folder, sorted; empty when the folder is absent. */
  list(folder: string): Promise<readonly string[]>;
  /** Creates a folder and its parents, durable. */
  makeFolder(folder: string): Promise<void>;
  /** Renames a file over another. Durable only after `syncFolder`. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; absent is not an error. Durable only after `syncFolder`. */
  remove(path: string): Promise<void>;
  /** Makes creations, renames and removals inside `folder` durable. */
  syncFolder(folder: string): Promise<void>;
  /** Room left for this user on the file system of `folder`, and its size, bytes. */
  space(folder: string): Promise<{ readonly freeBytes: number; readonly totalBytes: number }>;
  /**
   * Takes a folder for this process alone until disposed, or until the process is gone.
   *
   * @throws {DiskError} `locked` when someone holds it
   */
  lockFolder(folder: string): Promise<AsyncDisposable>;
}

export type OpenOptions = {
  readonly access: "read" | "readWrite";
  /** Create when absent. */
  readonly create?: boolean;
  /** Each write returns only when its bytes are durable (`O_DSYNC`). */
  readonly syncWrites?: boolean;
  /**
   * Writes pass the system's cache by, where the file system can do so (`O_DIRECT`): for much that nobody reads soon. Each is of whole blocks of
   * 4 KiB, at a multiple of that, from memory that begins at one.
   */
  readonly uncached?: boolean;
};

export interface DiskFile {
  /** Bytes in the file now. */
  size(): Promise<number>;
  /** Reads up to `length` bytes at `position` into `target` from `targetStart`; the count read, less only at the end of the file. */
  read(target: Uint8Array, targetStart: number, length: number, position: number): Promise<number>;
  /** As `read`, in the caller's turn. For small reads that are likely cached, and at start-up. */
  readSync(target: Uint8Array, targetStart: number, length: number, position: number): number;
  /** Writes all of the range or fails. @throws {DiskError} `full` or `io` */
  write(source: Uint8Array, sourceStart: number, length: number, position: number): Promise<void>;
  /** Data durable (`fdatasync`). @throws {DiskError} `io`: what was written before must then be taken for lost */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

export type DiskErrorCode = "notFound" | "full" | "io" | "denied" | "locked";

/** A file operation failed. `path` names the file; `cause` is the system's error. */
export class DiskError extends Error {
  override readonly name = "DiskError";
  readonly code: DiskErrorCode;
  readonly path: string;

  constructor(code: DiskErrorCode, path: string, detail: string, options?: ErrorOptions) {
    super(`${detail}: ${path}`, options);
    this.code = code;
    this.path = path;
  }
}

/**
 * Replaces `path` so that after a crash it holds either all of the old or all of the new bytes.
 *
 * Writes a temporary file, syncs it, renames it, syncs the folder.
 */
export async function replaceFile(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`;
  await disk.remove(temporary);
  const file = await disk.open(temporary, { access: "readWrite", create: true });
  try {
    await file.write(bytes, 0, bytes.length, 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(temporary, path);
  await disk.syncFolder(path.slice(0, Math.max(0, path.lastIndexOf("/"))) || "/");
}
