import type { ConfigurationAt, EntryKind, GroupId, Payload, RaftLog, StoredEntry } from "raft-ts";
import type { EntryRange } from "./entry-ranges.ts";

/** Who the data folder belongs to. Checked at every open; a foreign or missing one is refused. */
export type Identity = {
  readonly clusterId: string;
  /** Broker or name server replica id. */
  readonly replicaId: number;
  /** Raised on disk at every boot before anything else is written. */
  readonly incarnation: number;
};

/** One place of a message: which segment (below zero: one that was filled in later), where in it the record starts, how long the record is. */
export type RecordPosition = { readonly segment: number; readonly offset: number; readonly length: number };

/** A queue on this log: stream is the topic id, partition the queue number. */
export type QueueKey = { readonly group: GroupId; readonly stream: number; readonly partition: number };

/** A row of the queue index. */
export type IndexRow = RecordPosition & { readonly tagHash: number };

/**
 * The shared log of one process and the message store in one (design 6).
 */
export interface LogStore extends RaftLog, AsyncDisposable {
  readonly identity: Identity;
  /** Groups that have anything on disk. */
  groups(): readonly GroupId[];

  /** Adds an applied message to the queue index. Offsets of one queue come dense and rising. */
  indexMessage(key: QueueKey, offset: number, row: IndexRow): void;
  /**
   * Rows of offsets [from, from + count) that exist; fewer at the queue's end. At most 65,536 at once.
   * In the caller's turn when the rows are in memory, else after a read of summaries.
   */
  lookup(key: QueueKey, from: number, count: number): readonly IndexRow[] | Promise<readonly IndexRow[]>;
  /**
   * The records at places, in the same order, each whole, its body's CRC checked when it comes from disk, in bytes that nobody changes. In the
   * caller's turn when all are in memory; else neighbours are read together, and what lies behind them along with them.
   */
  readRecords(positions: readonly RecordPosition[]): readonly RecordRead[] | Promise<readonly RecordRead[]>;

  /** The newest readable checkpoint of a group. */
  readCheckpoint(group: GroupId): Promise<Checkpoint | undefined>;
  /**
   * Writes a checkpoint of the state after `index`: temporary file, sync, rename, folder sync; two are kept. One beyond the log is forgotten
   * at the next opening unless `restartAt` has let the log begin after it by then.
   *
   * @param configuration in force at `index`; default: what the log says, if it holds the entry
   */
  writeCheckpoint(
    group: GroupId,
    index: number,
    term: number,
    parts: readonly Uint8Array[],
    configuration?: ConfigurationAt,
  ): Promise<void>;
  /** Groups whose checkpoint is due because the shared log has grown by the bound since their last, or because one blocks a segment's release. */
  checkpointsDue(): readonly GroupId[];

  /**
   * Entries [from, to] in order, whole, their bodies checked: for a peer that fills in what it lacks. Reads ahead into one buffer and leaves
   * the caches alone. An entry is a view until the next one.
   *
   * @throws {RangeError} at the first entry that is not held; {CorruptionError} at the first that is not what was written
   */
  entries(group: GroupId, from: number, to: number): AsyncIterable<HeldEntry>;
  /** Which of the entries [from, to] the store cannot give: never held, freed, lost to damage, or found corrupt when they were read. */
  missing(group: GroupId, from: number, to: number): readonly EntryRange[];
  /**
   * Begins to fill in entries below the log's first index (design 6, "A new replica"), or goes on with it: what an earlier life made durable
   * is not `missing` any more. One at a time a group.
   */
  openBackfill(group: GroupId, from: number, to: number): Promise<Backfill>;

  /**
   * Tells that entries of `group` below `index` and messages below the minimum offsets are no longer needed: segments may be freed. Below
   * the view's first index this concerns what was filled in and what a restart left readable.
   */
  setLogStart(group: GroupId, index: number): void;
  /**
   * Takes a log start back for this life: entries from `index` on are needed again, those that are gone to be filled in, as when a replica that was given
   * up comes back. A later `setLogStart` above `index` counts again.
   */
  keepFrom(group: GroupId, index: number): void;
  /** Segments oldest first, those that were filled in before the others, with, per group, the first index after it: what retention needs. */
  segments(): readonly SegmentStatus[];
  usage(): Usage;
}

/** Bytes, except `full` and `writes`. */
export type Usage = {
  /** In segments. */
  readonly logBytes: number;
  /** Of these, in segments that were filled in. */
  readonly bulkBytes: number;
  /** Free on the file system when it was last measured, and its size. */
  readonly freeBytes: number;
  readonly totalBytes: number;
  readonly reserveBytes: number;
  /** There is no room for a further segment. */
  readonly full: boolean;
  /** Synchronous writes of the log since it was opened, and their bytes, those that fill it in left out. */
  readonly writes: number;
  readonly writtenBytes: number;
};

/** A record; or why there is none: a `CorruptionError` naming file and offset, a `RangeError` when its segment is freed, what the disk said. */
export type RecordRead = Uint8Array | Error;

/** `configuration`: in force at `index`, if the log knew it when the checkpoint was written. */
export type Checkpoint = {
  readonly index: number;
  readonly term: number;
  readonly bytes: Uint8Array;
  readonly configuration: ConfigurationAt | undefined;
};

/** `writtenMs`: wall clock, milliseconds, when the segment it lies in was last written. */
export type HeldEntry = StoredEntry & { readonly writtenMs: number };

/** An entry for the back-fill, as a peer's `entries` gave it. */
export type BackfillEntry = {
  readonly index: number;
  readonly term: number;
  readonly kind: EntryKind;
  readonly payload: Payload;
  readonly writtenMs: number;
};

/**
 * Fills in entries that the log lacks, beside it: into segments of their own, with writes that wait for the commit under way. They are
 * indexed, by Raft index and by queue offset, and never applied.
 */
export interface Backfill extends AsyncDisposable {
  readonly group: GroupId;
  readonly from: number;
  readonly to: number;
  /** What is still to be added, lowest first. What was added counts once `flush` has resolved. */
  missing(): readonly EntryRange[];
  /** Payload bytes that can be added before the next `flush`; an entry always fits when nothing waits. */
  readonly roomBytes: number;
  /**
   * Takes an entry that is missing; those that follow each other by index lie together best.
   *
   * @throws {RangeError} if it is not missing, does not fit, or its payload is not what its checks say
   */
  add(entry: BackfillEntry): void;
  /**
   * Makes what was added durable.
   *
   * @throws {DiskError} `full` when the reserve would be touched: what was added is forgotten, and may be added again later
   */
  flush(): Promise<void>;
  /** Flushes, and makes all that is durable readable. Nothing can be added afterwards. */
  finish(): Promise<void>;
}

export type SegmentStatus = {
  readonly segment: number;
  readonly bytes: number;
  readonly sealed: boolean;
  /** Wall clock, milliseconds, when its last frame was written; of what was filled in: by whom it came from. */
  readonly lastWriteMs: number;
  /** Per group with entries here: the first and the last index in it. */
  readonly ranges: ReadonlyMap<GroupId, EntryRange>;
};

/** What a replica with peers must do about damage (see `recovery-decision.ts`); a sole voter can only refuse. */
export type DamageRemedy = { readonly action: "refuse" | "fetch" | "rejoin"; readonly groups: readonly GroupId[] };

/** Bytes on disk are not what was written. Names where; nothing is guessed. */
export class CorruptionError extends Error {
  override readonly name = "CorruptionError";
  readonly file: string;
  readonly offset: number;
  /** Set when recovery found it. */
  readonly remedy: DamageRemedy | undefined;

  constructor(file: string, offset: number, detail: string, remedy?: DamageRemedy) {
    super(`${file} is corrupt at byte ${String(offset)}: ${detail}`);
    this.file = file;
    this.offset = offset;
    this.remedy = remedy;
  }
}

/** The data folder belongs to someone else. */
export class ForeignFolderError extends Error {
  override readonly name = "ForeignFolderError";
}
