import { assert, type Clock, type Logger } from "@saturnmq/kit";
import type { GroupId, HardState, LogView, Payload, Position, StoredEntry } from "raft-ts";
import type { CheckpointStore } from "./checkpoint-store.ts";
import { GroupLog } from "./group-log.ts";
import type { Janitor } from "./janitor.ts";
import type { LogReader } from "./log-reader.ts";
import type { LogWriter } from "./log-writer.ts";
import type { MessageIndex } from "./message-index.ts";
import type { Identity, IndexRow, LogStore, QueueKey, RecordPosition, SegmentStatus } from "./ports.ts";
import { countRecords } from "./record-check.ts";
import type { SegmentList } from "./segment-list.ts";
import type { SegmentPool } from "./segment-pool.ts";
import type { Stage } from "./stage.ts";

/** The rooms of a file store, wired by `openLogStore`. */
export type StoreParts = {
  readonly identity: Identity;
  readonly maxEntryBytes: number;
  readonly checkpointBytes: number;
  readonly checkpointRecords: number;
  readonly reserveBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly groups: Map<GroupId, GroupLog>;
  readonly segments: SegmentList;
  readonly checkpoints: CheckpointStore;
  readonly pool: SegmentPool;
  readonly stage: Stage;
  readonly writer: LogWriter;
  readonly reader: LogReader;
  readonly index: MessageIndex;
  readonly janitor: Janitor;
  readonly lock: AsyncDisposable;
};

/** The log at the moment of a group's last checkpoint. */
type CheckpointMark = { readonly bytes: number; readonly records: number };

/** The log store on files: stages into memory, leaves the work to its rooms. */
export class FileLogStore implements LogStore {
  readonly identity: Identity;
  readonly maxEntryBytes: number;
  readonly #parts: StoreParts;
  readonly #groups: Map<GroupId, GroupLog>;
  readonly #marks = new Map<GroupId, CheckpointMark>();
  /** Records appended in this process's life. */
  #records = 0;
  #closing: Promise<void> | undefined;

  constructor(parts: StoreParts) {
    this.identity = parts.identity;
    this.maxEntryBytes = parts.maxEntryBytes;
    this.#parts = parts;
    this.#groups = parts.groups;
  }

  get roomBytes(): number {
    return this.#parts.stage.roomBytes;
  }

  get committing(): boolean {
    return this.#parts.writer.committing;
  }

  groups(): readonly GroupId[] {
    return [...this.#groups.values()]
      .filter(({ exists }) => exists)
      .map(({ group }) => group)
      .sort((a, b) => a - b);
  }

  view(group: GroupId): LogView {
    return this.#log(group).view;
  }

  hardState(group: GroupId): HardState {
    return this.#log(group).hardState;
  }

  append(group: GroupId, index: number, term: number, payload: Payload | undefined): void {
    const { writer, stage } = this.#parts;
    writer.assertAlive();
    const log = this.#log(group);
    const { terms } = log;
    if (index > terms.last + 1 || index < terms.first)
      throw new RangeError(`index ${index} does not follow entries ${terms.first} to ${terms.last} of group ${group}`);
    const length = payload?.length ?? 0;
    if (length > stage.roomBytes)
      throw new RangeError(`a payload of ${length} bytes exceeds the room of ${stage.roomBytes}`);
    if (payload) this.#records += countRecords(payload);
    if (index <= terms.last) {
      assert(index > log.appliedTo, "an applied entry is never discarded");
      stage.addTruncation(log, index, this.#groups.size);
      log.truncate(index);
      log.stagedTruncation = Math.min(log.stagedTruncation, index);
    }
    const at = stage.addEntry(log, index, term, payload, this.#groups.size);
    log.push(term, 0, at, length);
    log.stagedFrom = Math.min(log.stagedFrom, index);
  }

  saveHardState(group: GroupId, state: HardState): void {
    this.#parts.writer.assertAlive();
    const log = this.#log(group);
    log.hardState = { term: state.term, vote: state.vote };
    this.#parts.stage.addHardState(log, this.#groups.size);
  }

  setLogStart(group: GroupId, index: number): void {
    this.#parts.writer.assertAlive();
    const log = this.#log(group);
    const { terms } = log;
    if (index > terms.last + 1)
      throw new RangeError(`log start ${index} lies beyond the last entry ${terms.last} of group ${group}`);
    if (index <= terms.first) return;
    this.#parts.stage.addLogStart(log, index, terms.at(index - 1) ?? 0, this.#groups.size);
    log.trim(index);
  }

  async commit(): Promise<void> {
    await this.#parts.writer.commit();
    this.#parts.janitor.wake();
  }

  position(group: GroupId, index: number): Position | undefined {
    return this.#parts.reader.position(this.#log(group), index);
  }

  read(group: GroupId, index: number): Promise<StoredEntry> {
    return this.#parts.reader.read(this.#log(group), index);
  }

  replay(group: GroupId, from: number, to: number, visit: (entry: StoredEntry) => void): Promise<void> {
    return this.#parts.reader.replay(this.#log(group), from, to, visit);
  }

  applied(group: GroupId, index: number): void {
    const log = this.#log(group);
    if (index <= log.appliedTo) return;
    log.appliedTo = index;
    this.#parts.janitor.wake();
  }

  indexMessage(key: QueueKey, offset: number, row: IndexRow): void {
    this.#parts.index.add(key, offset, row);
  }

  lookup(key: QueueKey, from: number, count: number): readonly IndexRow[] | Promise<readonly IndexRow[]> {
    return this.#parts.index.lookup(key, from, count);
  }

  readRecord(position: RecordPosition): Uint8Array | Promise<Uint8Array> {
    return this.#parts.reader.readRecord(position);
  }

  readCheckpoint(
    group: GroupId,
  ): Promise<{ readonly index: number; readonly term: number; readonly bytes: Uint8Array } | undefined> {
    return this.#parts.checkpoints.read(group, this.#firstHeld(group) <= 1);
  }

  async writeCheckpoint(group: GroupId, index: number, term: number, parts: readonly Uint8Array[]): Promise<void> {
    const { writer, checkpoints, clock, janitor } = this.#parts;
    writer.assertAlive();
    const mark = { bytes: writer.placedBytes, records: this.#records };
    await checkpoints.write(group, index, term, clock.wallMs(), parts);
    this.#marks.set(group, mark);
    janitor.wake();
  }

  checkpointsDue(): readonly GroupId[] {
    const due = new Set(this.#parts.janitor.blocking());
    for (const log of this.#groups.values()) if (this.#isDue(log)) due.add(log.group);
    return [...due].sort((a, b) => a - b);
  }

  segments(): readonly SegmentStatus[] {
    return [...this.#parts.segments].map((segment) => ({
      segment: segment.sequence,
      bytes: segment.size,
      sealed: segment.summary !== undefined,
      lastWriteMs: segment.lastWriteMs,
      lastIndex: new Map([...segment.ranges].map(([group, { last }]) => [group, last])),
    }));
  }

  usage(): { logBytes: number; freeBytes: number; reserveBytes: number; full: boolean } {
    const { segments, pool, reserveBytes } = this.#parts;
    const logBytes = [...segments].reduce((sum, { size }) => sum + size, 0);
    return { logBytes, freeBytes: pool.freeBytes + pool.spareBytes, reserveBytes, full: pool.full };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { writer, janitor, pool, segments, lock } = this.#parts;
    // A commit that waits for room on a full disk would wait for ever.
    if (pool.full) await pool.close();
    await writer.close();
    await janitor.close();
    await pool.close();
    for (const segment of segments) {
      await segment.retire();
      await segment.summary?.close();
    }
    await lock[Symbol.asyncDispose]();
  }

  #log(group: GroupId): GroupLog {
    const found = this.#groups.get(group);
    if (found !== undefined) return found;
    if (!Number.isInteger(group) || group < 0 || group > 65_535)
      throw new RangeError(`a group is 0 to 65,535, not ${group}`);
    const log = new GroupLog(group);
    this.#groups.set(group, log);
    return log;
  }

  /** First index of the group on disk. */
  #firstHeld(group: GroupId): number {
    for (const segment of this.#parts.segments) {
      const range = segment.ranges.get(group);
      if (range !== undefined) return range.first;
    }
    const { last } = this.#log(group).terms;
    return last === 0 ? 1 : last + 1;
  }

  #isDue(log: GroupLog): boolean {
    const { writer, checkpoints, checkpointBytes, checkpointRecords } = this.#parts;
    const newest = checkpoints.of(log.group)[0];
    if (log.appliedTo <= (newest?.index ?? 0)) return false;
    const mark = this.#marks.get(log.group) ?? { bytes: this.#placeAfter(log, newest?.index ?? 0), records: 0 };
    // The first time sooner, each group at another point, so that they do not all come due at once.
    const share = newest === undefined ? 0.5 + 0.5 * ((log.group * 0.618_033_988) % 1) : 1;
    const grown = writer.placedBytes - mark.bytes;
    return grown >= share * checkpointBytes || this.#records - mark.records >= share * checkpointRecords;
  }

  /** Where in the log's bytes the first entry after `index` lies, roughly: at its segment's beginning. */
  #placeAfter(log: GroupLog, index: number): number {
    for (const segment of this.#parts.segments)
      if ((segment.ranges.get(log.group)?.last ?? 0) > index) return segment.sequence * segment.size;
    return this.#parts.writer.placedBytes;
  }
}
