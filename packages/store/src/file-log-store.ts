import { assert, type Clock, type Disk, type Logger } from "@saturnmq/kit";
import type {
  Configuration,
  ConfigurationAt,
  Damage,
  GroupId,
  HardState,
  LogView,
  Payload,
  Position,
  StoredEntry,
} from "raft-ts";
import type { BadEntries } from "./bad-entries.ts";
import type { BulkSegments } from "./bulk-segments.ts";
import { viewOf } from "./bytes.ts";
import type { CheckpointStore } from "./checkpoint-store.ts";
import { knownConfiguration } from "./configurations.ts";
import { type EntryRange, without } from "./entry-ranges.ts";
import { FileBackfill } from "./file-backfill.ts";
import { GroupLog } from "./group-log.ts";
import { indexRecords } from "./group-table.ts";
import type { Janitor } from "./janitor.ts";
import type { LogReader } from "./log-reader.ts";
import type { LogWriter } from "./log-writer.ts";
import type { MessageIndex } from "./message-index.ts";
import type {
  Backfill,
  Checkpoint,
  HeldEntry,
  Identity,
  IndexRow,
  LogStore,
  QueueKey,
  RecordPosition,
  RecordRead,
  SegmentStatus,
  Usage,
} from "./ports.ts";
import { countRecords } from "./record-check.ts";
import type { Segment } from "./segment.ts";
import type { SegmentList } from "./segment-list.ts";
import type { SegmentPool } from "./segment-pool.ts";
import type { Stage } from "./stage.ts";

/** The rooms of a file store, wired by `openLogStore`. */
export type StoreParts = {
  readonly disk: Disk;
  readonly folder: string;
  readonly segmentBytes: number;
  readonly identity: Identity;
  readonly maxEntryBytes: number;
  readonly checkpointBytes: number;
  readonly checkpointRecords: number;
  readonly reserveBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly groups: Map<GroupId, GroupLog>;
  readonly segments: SegmentList;
  readonly bulk: BulkSegments;
  readonly bad: BadEntries;
  readonly checkpoints: CheckpointStore;
  readonly pool: SegmentPool;
  readonly stage: Stage;
  readonly writer: LogWriter;
  readonly reader: LogReader;
  readonly index: MessageIndex;
  readonly janitor: Janitor;
  readonly lock: AsyncDisposable;
};

/** Commits that a back-fill lets pass before each piece of its own: a fifth of the writes is its guaranteed share. */
const backfillPatience = 4;

/** The log at the moment of a group's last checkpoint. */
type CheckpointMark = { readonly bytes: number; readonly records: number };

/** The log store on files: stages into memory, leaves the work to its rooms. */
export class FileLogStore implements LogStore {
  readonly identity: Identity;
  readonly maxEntryBytes: number;
  readonly #parts: StoreParts;
  readonly #groups: Map<GroupId, GroupLog>;
  readonly #marks = new Map<GroupId, CheckpointMark>();
  readonly #backfills = new Map<GroupId, FileBackfill>();
  /** Entries that a staged restart made part of a checkpoint before they were applied: nobody else will index their messages. */
  #unindexed: { readonly log: GroupLog; readonly from: number; readonly to: number }[] = [];
  /** Records appended in this process's life. */
  #records = 0;
  #closing: Promise<void> | undefined;

  constructor(parts: StoreParts) {
    this.identity = parts.identity;
    this.maxEntryBytes = parts.maxEntryBytes;
    this.#parts = parts;
    this.#groups = parts.groups;
    for (const log of parts.groups.values()) this.#wire(log);
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

  append(
    group: GroupId,
    index: number,
    term: number,
    payload: Payload | undefined,
    configuration?: Configuration,
  ): void {
    const { writer, stage } = this.#parts;
    writer.assertAlive();
    assert(payload === undefined || configuration === undefined, "a configuration entry has no other payload");
    const log = this.#log(group);
    const { terms } = log;
    if (index > terms.last + 1 || index < terms.first)
      throw new RangeError(`index ${index} does not follow entries ${terms.first} to ${terms.last} of group ${group}`);
    const known = configuration && knownConfiguration(index, configuration);
    const length = known?.bytes.length ?? payload?.length ?? 0;
    if (known === undefined && length > stage.roomBytes)
      throw new RangeError(`a payload of ${length} bytes exceeds the room of ${stage.roomBytes}`);
    if (payload) this.#records += countRecords(payload);
    if (index <= terms.last) {
      assert(index > log.appliedTo, "an applied entry is never discarded");
      stage.addTruncation(log, index, this.#groups.size);
      log.truncate(index);
      log.stagedTruncation = Math.min(log.stagedTruncation, index);
    }
    const at =
      known === undefined
        ? stage.addEntry(log, index, term, payload, this.#groups.size)
        : stage.addConfiguration(log, term, known, this.#groups.size);
    log.push(term, 0, at, length);
    if (known !== undefined) log.configurations.add(known);
    log.stagedFrom = Math.min(log.stagedFrom, index);
  }

  saveHardState(group: GroupId, state: HardState): void {
    this.#parts.writer.assertAlive();
    const log = this.#log(group);
    log.hardState = { term: state.term, vote: state.vote };
    this.#parts.stage.addHardState(log, this.#groups.size);
  }

  saveConfiguration(group: GroupId, { index, configuration }: ConfigurationAt): void {
    this.#parts.writer.assertAlive();
    const log = this.#log(group);
    const { newest } = log.configurations;
    if (index !== 0) throw new RangeError(`a first configuration has index 0, not ${index}`);
    if (newest !== undefined)
      throw new RangeError(`group ${group} has a configuration since entry ${newest.index}: it is changed by entries`);
    const known = knownConfiguration(index, configuration);
    this.#parts.stage.addFirstConfiguration(log, known, this.#groups.size);
    log.configurations.add(known);
  }

  restartAt(group: GroupId, index: number, term: number, configuration: ConfigurationAt): void {
    this.#parts.writer.assertAlive();
    const log = this.#log(group);
    const { terms } = log;
    if (index < terms.first - 1 || configuration.index > index)
      throw new RangeError(
        `the log of group ${group} begins at ${terms.first}: it cannot begin after ${index} with the configuration of ${configuration.index}`,
      );
    const continues = terms.at(index) === term;
    const known = knownConfiguration(configuration.index, configuration.configuration);
    const fact = { index, term, continues, keptTo: log.appliedTo, configuration: known };
    this.#parts.stage.addRestart(log, fact, this.#groups.size);
    if (continues && log.appliedTo < index)
      this.#unindexed.push({ log, from: Math.max(log.appliedTo + 1, terms.first), to: index });
    log.restart(fact);
    if (continues) return;
    log.stagedFrom = Number.POSITIVE_INFINITY;
    log.stagedGap = Math.min(log.stagedGap, fact.keptTo);
    this.#unindexed = this.#unindexed.filter((part) => part.log !== log);
  }

  damaged(group: GroupId): Damage {
    return this.#log(group).damage;
  }

  healed(group: GroupId): void {
    this.#parts.writer.assertAlive();
    const log = this.#log(group);
    if (log.damage === "no") return;
    log.damage = "no";
    this.#parts.stage.addHealed(log, this.#groups.size);
  }

  setLogStart(group: GroupId, index: number): void {
    this.#parts.writer.assertAlive();
    const log = this.#log(group);
    const { terms } = log;
    if (index > terms.last + 1)
      throw new RangeError(`log start ${index} lies beyond the last entry ${terms.last} of group ${group}`);
    if (index > log.keptFrom) log.keptFrom = index;
    if (index <= log.floor) return;
    this.#parts.stage.addLogStart(log, index, terms.at(index - 1) ?? 0, this.#groups.size);
    log.trim(index);
  }

  keepFrom(group: GroupId, index: number): void {
    const log = this.#log(group);
    log.keptFrom = Math.min(log.keptFrom, index);
  }

  async commit(): Promise<void> {
    const unindexed = this.#unindexed;
    this.#unindexed = [];
    await this.#parts.writer.commit();
    for (const { log, from, to } of unindexed) await this.#indexCovered(log, from, to);
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

  readRecords(positions: readonly RecordPosition[]): readonly RecordRead[] | Promise<readonly RecordRead[]> {
    return this.#parts.reader.readRecords(positions);
  }

  readCheckpoint(group: GroupId): Promise<Checkpoint | undefined> {
    const { first, last } = this.#log(group).terms;
    const held = this.missing(group, 1, last).length === 0;
    return this.#parts.checkpoints.read(group, { held, replayable: held && first === 1 });
  }

  async writeCheckpoint(
    group: GroupId,
    index: number,
    term: number,
    parts: readonly Uint8Array[],
    configuration?: ConfigurationAt,
  ): Promise<void> {
    const { writer, checkpoints, clock, janitor } = this.#parts;
    writer.assertAlive();
    const { terms, configurations, durableLast } = this.#log(group);
    const mark = { bytes: writer.placedBytes, records: this.#records };
    // What the log says of an index that it does not hold is not what is in force there.
    const logged = terms.at(index) === term ? configurations.find(index) : undefined;
    const known = configuration && knownConfiguration(configuration.index, configuration.configuration);
    await checkpoints.write(group, index, term, clock.wallMs(), parts, known ?? logged, durableLast);
    this.#marks.set(group, mark);
    janitor.wake();
  }

  checkpointsDue(): readonly GroupId[] {
    const due = new Set(this.#parts.janitor.blocking());
    for (const log of this.#groups.values()) if (this.#isDue(log)) due.add(log.group);
    return [...due].sort((a, b) => a - b);
  }

  entries(group: GroupId, from: number, to: number): AsyncIterable<HeldEntry> {
    return this.#parts.reader.entries(this.#log(group), from, to);
  }

  missing(group: GroupId, from: number, to: number): readonly EntryRange[] {
    const { segments, bulk, bad } = this.#parts;
    let left: readonly EntryRange[] = from <= to ? [{ from, to }] : [];
    for (const { id, ranges } of [...segments, ...bulk.of(group)]) {
      const range = ranges.get(group);
      if (range === undefined) continue;
      let held: readonly EntryRange[] = [{ from: range.first, to: range.last }];
      for (const part of bad.of(id, group)) held = without(held, part.from, part.to);
      for (const part of held) left = without(left, part.from, part.to);
    }
    for (const part of bulk.written(group)) left = without(left, part.from, part.to);
    return left;
  }

  async openBackfill(group: GroupId, from: number, to: number): Promise<Backfill> {
    const { writer, janitor, bulk, identity } = this.#parts;
    writer.assertAlive();
    const log = this.#log(group);
    if (from < 1 || to >= log.terms.first)
      throw new RangeError(
        `entries ${from} to ${to} of group ${group} do not all lie below its first, ${log.terms.first}`,
      );
    if (this.#backfills.has(group))
      throw new RangeError(`group ${group} is being filled in already: finish that first`);
    const context = {
      ...this.#parts,
      bulk,
      epoch: identity.incarnation,
      missing: () => this.missing(group, Math.max(from, log.neededFrom), to),
      yieldToCommits: () => writer.yieldToCommits(backfillPatience),
      failed: (error: unknown) => {
        writer.fail(error);
      },
      closed: () => {
        this.#backfills.delete(group);
        janitor.wake();
      },
    };
    const backfill = new FileBackfill(context, group, from, to);
    this.#backfills.set(group, backfill);
    return backfill;
  }

  segments(): readonly SegmentStatus[] {
    const { segments, bulk } = this.#parts;
    return [
      ...bulk.all().map((segment) => statusOf(segment, segment.end)),
      ...[...segments].map((segment) => statusOf(segment, segment.size)),
    ];
  }

  usage(): Usage {
    const { segments, bulk, pool, writer, reserveBytes } = this.#parts;
    return {
      ...writer.written,
      logBytes: [...segments].reduce((sum, { size }) => sum + size, bulk.bytes),
      bulkBytes: bulk.bytes,
      freeBytes: pool.freeBytes + pool.spareBytes,
      totalBytes: pool.totalBytes,
      reserveBytes,
      full: pool.full,
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { writer, janitor, pool, segments, bulk, lock } = this.#parts;
    // A commit that waits for room on a full disk would wait for ever.
    if (pool.full) await pool.close();
    for (const backfill of this.#backfills.values()) await backfill.stop();
    await writer.close();
    await janitor.close();
    await pool.close();
    for (const segment of segments) {
      await segment.retire();
      await segment.summary?.close();
    }
    await bulk.close();
    await lock[Symbol.asyncDispose]();
  }

  #log(group: GroupId): GroupLog {
    const found = this.#groups.get(group);
    if (found !== undefined) return found;
    if (!Number.isInteger(group) || group < 0 || group > 65_535)
      throw new RangeError(`a group is 0 to 65,535, not ${group}`);
    const log = new GroupLog(group);
    this.#wire(log);
    this.#groups.set(group, log);
    return log;
  }

  #wire(log: GroupLog): void {
    log.sealedBytes = (index) => this.#parts.reader.sealedBytes(log, index, this.maxEntryBytes);
  }

  /** Indexes the messages of entries that are part of a checkpoint and will not be applied. */
  async #indexCovered(log: GroupLog, from: number, to: number): Promise<void> {
    for (let index = from; index <= to; index += 1) {
      const { payload, position, kind } = await this.#parts.reader.read(log, index);
      const segment = this.#parts.segments.get(position.segment);
      if (kind !== "data" || segment === undefined) continue;
      indexRecords(segment, position.offset, log.group, viewOf(payload.bytes), payload.start, payload.length);
    }
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

function statusOf({ id, summary, lastWriteMs, ranges }: Segment, bytes: number): SegmentStatus {
  return {
    segment: id,
    bytes,
    sealed: summary !== undefined,
    lastWriteMs,
    ranges: new Map([...ranges].map(([group, { first, last }]) => [group, { from: first, to: last }])),
  };
}
