import type { GroupId, RaftLog } from "raft-ts";

/** Who the data folder belongs to. Checked at every open; a foreign or missing one is refused. */
export type Identity = {
  readonly clusterId: string;
  /** Broker or name server replica id. */
  readonly replicaId: number;
  /** Raised on disk at every boot before anything else is written. */
  readonly incarnation: number;
};

/** One place of a message: which segment, where in it the record starts, how long the record is. */
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
   * The record at a place, whole, its body's CRC checked when it comes from disk. A view that may be overwritten later: copy before the next turn.
   * In the caller's turn when it is in the tail cache.
   *
   * @throws {CorruptionError} naming file and offset
   */
  readRecord(position: RecordPosition): Uint8Array | Promise<Uint8Array>;

  /** The newest readable checkpoint of a group. */
  readCheckpoint(
    group: GroupId,
  ): Promise<{ readonly index: number; readonly term: number; readonly bytes: Uint8Array } | undefined>;
  /** Writes a checkpoint of the state after `index`: temporary file, sync, rename, folder sync; two are kept. */
  writeCheckpoint(group: GroupId, index: number, term: number, parts: readonly Uint8Array[]): Promise<void>;
  /** Groups whose checkpoint is due because the shared log has grown by the bound since their last, or because one blocks a segment's release. */
  checkpointsDue(): readonly GroupId[];

  /** Tells that entries of `group` below `index` and messages below the minimum offsets are no longer needed: segments may be freed. */
  setLogStart(group: GroupId, index: number): void;
  /** Segments oldest first with, per group, the first index after it: what retention needs. */
  segments(): readonly SegmentStatus[];
  usage(): {
    readonly logBytes: number;
    readonly freeBytes: number;
    readonly reserveBytes: number;
    readonly full: boolean;
  };
}

export type SegmentStatus = {
  readonly segment: number;
  readonly bytes: number;
  readonly sealed: boolean;
  /** Wall clock, milliseconds, when its last frame was written. */
  readonly lastWriteMs: number;
  /** Per group with entries here: the last index in it. */
  readonly lastIndex: ReadonlyMap<GroupId, number>;
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
