import { type Disk, DiskError, type DiskFile, type Logger } from "@saturnmq/kit";
import { crc32 } from "@saturnmq/kit/node";
import type { ConfigurationAt, GroupId } from "raft-ts";
import { getU64, setU64, viewOf } from "./bytes.ts";
import { type KnownConfiguration, readConfiguration } from "./configurations.ts";
import { CorruptionError } from "./ports.ts";

/**
 * A checkpoint file: `u32` magic, `u16` version, `u16` group, `u32` CRC of the head, `u32` CRC of the content, then `u64` ordinal, index,
 * term, content length, wall clock ms. In version 2 there follow, as part of the head, the configuration in force at the index: `u64` index
 * of the entry that brought it, `u32` length, `u32` 0, and so many bytes. Then the content. Without a configuration version 1 is written,
 * so that the program before can still read it.
 */
const firstHeadBytes = 56;
const headBytes = 72;
const magic = 0x50_43_51_53;
/** Far more than any configuration takes. */
const maxConfigurationBytes = 65_536;
/** A checkpoint is written in pieces of this size. */
const pieceBytes = 262_144;
const versions = { first: 1, configurations: 2 } as const;

export type CheckpointInfo = {
  readonly path: string;
  readonly group: GroupId;
  /** Counts a group's checkpoints. */
  readonly ordinal: number;
  readonly index: number;
  readonly term: number;
  /** Of the content. */
  readonly length: number;
  readonly crc: number;
  /** In force at the index, if the log knew it then. */
  readonly configuration: KnownConfiguration | undefined;
};

/** The groups' checkpoints: two kept each, the newest last. */
export class CheckpointStore {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #logger: Logger;
  readonly #kept = new Map<GroupId, CheckpointInfo[]>();
  /** Highest ordinal a file of the group bears, readable or not. */
  readonly #ordinals = new Map<GroupId, number>();
  /** Files of checkpoints that do not count: their log never began after them. Removed once the log is recovered. */
  #dropped: string[] = [];
  /** Files whose head could not be read: kept for the operator, never counted. */
  readonly #damaged = new Map<GroupId, CorruptionError>();

  constructor(disk: Disk, folder: string, logger: Logger) {
    this.#disk = disk;
    this.#folder = folder;
    this.#logger = logger;
  }

  /** Reads the heads of what is there; what a crash left half written is removed. */
  async open(): Promise<void> {
    await this.#disk.makeFolder(this.#folder);
    for (const name of await this.#disk.list(this.#folder)) {
      const path = `${this.#folder}/${name}`;
      const match = /^(\d{5})-(\d{10})\.ckp$/.exec(name);
      if (match !== null) await this.#admit(path, Number(match[1]), Number(match[2]));
      else if (name.endsWith(".tmp")) await this.#disk.remove(path);
    }
  }

  /** Newest first: index and term of the group's checkpoints. */
  of(group: GroupId): readonly CheckpointInfo[] {
    return [...(this.#kept.get(group) ?? [])].reverse();
  }

  /** Forgets checkpoints of a group that the log shows not to count. Nothing changes on disk before `removeDropped`. */
  drop(group: GroupId, counts: (checkpoint: CheckpointInfo) => boolean): void {
    const kept = this.#kept.get(group) ?? [];
    this.#dropped.push(...kept.filter((checkpoint) => !counts(checkpoint)).map(({ path }) => path));
    this.#kept.set(group, kept.filter(counts));
  }

  async removeDropped(): Promise<void> {
    for (const path of this.#dropped) await this.#disk.remove(path);
    this.#dropped = [];
  }

  /** True when two checkpoints cover `index`, so that the log up to there is needed neither for a restart nor for a restart from the older one. */
  coveredTwice(group: GroupId, index: number): boolean {
    const kept = this.#kept.get(group) ?? [];
    return kept.length >= 2 && kept.every((checkpoint) => checkpoint.index >= index);
  }

  /**
   * Content of the newest readable checkpoint. One that does not match its CRC is passed over.
   *
   * @param log whether all entries from the first on are there, and whether they are the log's own, so that they can be replayed: what was filled in
   *   below its first is not
   * @throws {CorruptionError} when none is readable and the log alone cannot give the state
   */
  async read(
    group: GroupId,
    log: { readonly held: boolean; readonly replayable: boolean },
  ): Promise<
    { index: number; term: number; bytes: Uint8Array; configuration: ConfigurationAt | undefined } | undefined
  > {
    let damage = this.#damaged.get(group);
    for (const info of this.of(group)) {
      try {
        const content = await this.#content(info);
        return { index: info.index, term: info.term, bytes: content, configuration: info.configuration?.at };
      } catch (error) {
        if (!(error instanceof CorruptionError)) throw error;
        damage = error;
        this.#logger.warn({ group, path: info.path, err: error }, "a checkpoint is corrupt; the one before is used");
        this.#kept.set(
          group,
          (this.#kept.get(group) ?? []).filter((kept) => kept !== info),
        );
      }
    }
    if (log.replayable || (log.held && damage === undefined)) return undefined;
    throw (
      damage ?? new CorruptionError(this.#folder, 0, `no checkpoint of group ${group} is left and its log is freed`)
    );
  }

  /**
   * Writes a checkpoint and removes those older than the last two.
   *
   * @param loggedTo last entry of the group's log that is durable: a checkpoint beyond, which the log does not begin after, takes the place of another such
   */
  async write(
    group: GroupId,
    index: number,
    term: number,
    wallMs: number,
    parts: readonly Uint8Array[],
    configuration: KnownConfiguration | undefined,
    loggedTo: number,
  ): Promise<void> {
    const ordinal = (this.#ordinals.get(group) ?? 0) + 1;
    this.#ordinals.set(group, ordinal);
    const path = `${this.#folder}/${String(group).padStart(5, "0")}-${String(ordinal).padStart(10, "0")}.ckp`;
    const crc = parts.reduce((sum, part) => crc32(part, 0, part.length, sum), 0);
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const info = { path, group, ordinal, index, term, length, crc, configuration };
    await this.#replace(path, [encodeHead(info, wallMs), ...parts]);
    const before = this.#kept.get(group) ?? [];
    const kept = [...before.filter((old) => old.index <= loggedTo), info].slice(-2);
    this.#kept.set(group, kept);
    for (const old of before) if (!kept.includes(old)) await this.#disk.remove(old.path);
  }

  async #replace(path: string, parts: readonly Uint8Array[]): Promise<void> {
    const temporary = `${path}.tmp`;
    await this.#disk.remove(temporary);
    const file = await this.#disk.open(temporary, { access: "readWrite", create: true });
    try {
      let at = 0;
      for (const piece of inPieces(parts)) {
        await file.write(piece, 0, piece.length, at);
        at += piece.length;
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await this.#disk.rename(temporary, path);
    await this.#disk.syncFolder(this.#folder);
  }

  async #admit(path: string, group: GroupId, ordinal: number): Promise<void> {
    this.#ordinals.set(group, Math.max(ordinal, this.#ordinals.get(group) ?? 0));
    try {
      const info = await readCheckpointHead(this.#disk, path);
      if (info.group !== group || info.ordinal !== ordinal)
        throw new CorruptionError(path, 0, `it is checkpoint ${info.ordinal} of group ${info.group}`);
      const kept = this.#kept.get(group) ?? [];
      // A crash between the write of a third and the removal of the first leaves three.
      this.#kept.set(group, [...kept, info].slice(-2));
      if (kept.length === 2 && kept[0]) await this.#disk.remove(kept[0].path);
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      this.#damaged.set(group, error);
      this.#logger.warn({ group, path, err: error }, "a checkpoint is corrupt; the one before is used");
    }
  }

  async #content(info: CheckpointInfo): Promise<Uint8Array> {
    const start = headLength(info);
    const bytes = (await this.#disk.read(info.path)).subarray(start);
    if (bytes.length !== info.length || crc32(bytes, 0, bytes.length) !== info.crc)
      throw new CorruptionError(info.path, start, "the content of the checkpoint does not match its CRC");
    return bytes;
  }
}

/** The same bytes for few writes: a checkpoint has a part for every queue and cursor. Each piece is a view until the next one. */
function* inPieces(parts: readonly Uint8Array[]): Generator<Uint8Array> {
  const left = parts.reduce((sum, { length }) => sum + length, 0);
  const piece = new Uint8Array(Math.min(pieceBytes, left));
  let filled = 0;
  for (const part of parts) {
    for (let from = 0; from < part.length; ) {
      const taken = Math.min(part.length - from, piece.length - filled);
      piece.set(part.subarray(from, from + taken), filled);
      from += taken;
      filled += taken;
      if (filled < piece.length) continue;
      yield piece;
      filled = 0;
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}

/** @throws {CorruptionError} unless the file begins with a checkpoint's head and has its length */
async function readCheckpointHead(disk: Disk, path: string): Promise<CheckpointInfo> {
  const file = await disk.open(path, { access: "read" });
  try {
    const bytes = new Uint8Array(headBytes);
    const size = await file.size();
    const head = bytes.subarray(0, await file.read(bytes, 0, headBytes, 0));
    const extra = await configurationPart(file, head);
    const view = viewOf(bytes);
    if (head.length < firstHeadBytes || view.getUint32(0, true) !== magic || extra === undefined)
      throw new CorruptionError(path, 0, "the head of the checkpoint does not match its CRC");
    const version = view.getUint16(4, true);
    if (version !== versions.first && version !== versions.configurations)
      throw new DiskError("io", path, `the checkpoint has version ${version}; this program knows 1 and 2`);
    const info = {
      path,
      group: view.getUint16(6, true),
      ordinal: getU64(view, 16),
      index: getU64(view, 24),
      term: getU64(view, 32),
      length: getU64(view, 40),
      crc: view.getUint32(12, true),
      configuration:
        version === versions.first ? undefined : readConfiguration(getU64(view, firstHeadBytes), extra.configuration),
    };
    if (size !== headLength(info) + info.length)
      throw new CorruptionError(path, size, `the checkpoint should have ${headLength(info) + info.length} bytes`);
    return info;
  } finally {
    await file.close();
  }
}

/** The part of the head that only version 2 has; `undefined` when the head does not match its CRC. */
async function configurationPart(
  file: DiskFile,
  head: Uint8Array,
): Promise<{ readonly configuration: Uint8Array } | undefined> {
  if (head.length < firstHeadBytes) return undefined;
  const view = viewOf(head);
  const crc = view.getUint32(8, true);
  if (headCrc(head.subarray(0, firstHeadBytes)) === crc) return { configuration: new Uint8Array() };
  if (head.length < headBytes || view.getUint32(64, true) > maxConfigurationBytes) return undefined;
  const whole = new Uint8Array(headBytes + view.getUint32(64, true));
  const count = await file.read(whole, 0, whole.length, 0);
  return count === whole.length && headCrc(whole) === crc ? { configuration: whole.subarray(headBytes) } : undefined;
}

/** @throws {CorruptionError} unless the content matches its CRC */
export async function verifyCheckpoint(disk: Disk, path: string): Promise<CheckpointInfo> {
  const info = await readCheckpointHead(disk, path);
  const bytes = await disk.read(path);
  const start = headLength(info);
  if (crc32(bytes, start, bytes.length - start) !== info.crc)
    throw new CorruptionError(path, start, "the content of the checkpoint does not match its CRC");
  return info;
}

function headLength({ configuration }: CheckpointInfo): number {
  return configuration === undefined ? firstHeadBytes : headBytes + configuration.bytes.length;
}

function encodeHead(info: CheckpointInfo, wallMs: number): Uint8Array {
  const { configuration } = info;
  const bytes = new Uint8Array(headLength(info));
  const view = viewOf(bytes);
  view.setUint32(0, magic, true);
  view.setUint16(4, configuration === undefined ? versions.first : versions.configurations, true);
  view.setUint16(6, info.group, true);
  view.setUint32(12, info.crc, true);
  setU64(view, 16, info.ordinal);
  setU64(view, 24, info.index);
  setU64(view, 32, info.term);
  setU64(view, 40, info.length);
  setU64(view, 48, wallMs);
  if (configuration !== undefined) {
    setU64(view, firstHeadBytes, configuration.index);
    view.setUint32(64, configuration.bytes.length, true);
    bytes.set(configuration.bytes, headBytes);
  }
  view.setUint32(8, headCrc(bytes), true);
  return bytes;
}

function headCrc(bytes: Uint8Array): number {
  return crc32(bytes, 12, bytes.length - 12, crc32(bytes, 0, 8));
}
