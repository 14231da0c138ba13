import { assert, defined } from "@saturnmq/kit";
import { crc32 } from "@saturnmq/kit/node";
import type {
  Configuration,
  ConfigurationAt,
  Damage,
  EntryKind,
  GroupId,
  HardState,
  LogView,
  Payload,
  Position,
  StoredEntry,
} from "raft-ts";
import { knownConfiguration } from "./configurations.ts";
import { type EntryRange, without } from "./entry-ranges.ts";
import { MemoryBackfill } from "./memory-backfill.ts";
import { copyOf, type MemoryEntry, type MemoryGroup, newGroup } from "./memory-group.ts";
import { MemoryQueues } from "./memory-queues.ts";
import type {
  Backfill,
  BackfillEntry,
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

type MemoryCheckpoint = Checkpoint & { readonly atBytes: number };
type MemorySegment = { readonly segment: number; bytes: Uint8Array; used: number; lastWriteMs: number };
type Operation = (groups: Map<GroupId, MemoryGroup>) => void;

/** Damage for `crash` to leave behind: the group's entries from `from` on are lost. */
export type MemoryDamage = { readonly group: GroupId; readonly from: number; readonly action: "fetch" | "rejoin" };

/** How a `MemoryLogStore` differs from the defaults. */
export type MemoryLogStoreOptions = {
  readonly identity?: Identity;
  /** Default 1 MiB; a larger entry gets a segment of its own. */
  readonly segmentBytes?: number;
  readonly maxEntryBytes?: number;
  readonly checkpointBytes?: number;
  /** Stands for the disk: a commit is durable when this resolves; a rejection fails the commit. Default: at the end of the turn. */
  readonly write?: () => Promise<void>;
  readonly wallMs?: () => number;
};

/**
 * The log store without a disk, for tests of everything above it. Same contract, kept by the same suite; `crash` gives what a power cut
 * would leave.
 */
export class MemoryLogStore implements LogStore {
  readonly identity: Identity;
  readonly maxEntryBytes: number;
  readonly #options: MemoryLogStoreOptions;
  readonly #segmentBytes: number;
  /** What the views show, and what is durable: both are fed the same operations, the second at commit. */
  readonly #live = new Map<GroupId, MemoryGroup>();
  readonly #durable = new Map<GroupId, MemoryGroup>();
  #staged: Operation[] = [];
  #stagedBytes = 0;
  #writes = 0;
  #committedBytes = 0;
  #segments: MemorySegment[] = [];
  /** Segments that were filled in, numbered from below zero downwards; one a flush. */
  #filled: MemorySegment[] = [];
  /** By group: what `keepFrom` took back in this life. */
  readonly #keptFrom = new Map<GroupId, number>();
  #queues = new MemoryQueues();
  readonly #checkpoints = new Map<GroupId, MemoryCheckpoint[]>();
  readonly #backfills = new Set<GroupId>();
  #writtenBytes = 0;
  #committing = false;
  #failure: unknown;

  constructor(options: MemoryLogStoreOptions = {}) {
    this.#options = options;
    this.identity = options.identity ?? { clusterId: "memory", replicaId: 1, incarnation: 1 };
    this.maxEntryBytes = options.maxEntryBytes ?? 20 * 1024 * 1024;
    this.#segmentBytes = options.segmentBytes ?? 1024 * 1024;
    this.#openSegment(1, this.#segmentBytes);
  }

  get committing(): boolean {
    return this.#committing;
  }

  get roomBytes(): number {
    return Math.max(0, this.maxEntryBytes - this.#stagedBytes);
  }

  groups(): readonly GroupId[] {
    return [...this.#live.keys()].sort((a, b) => a - b);
  }

  view(group: GroupId): LogView {
    return groupOf(this.#live, group).view;
  }

  hardState(group: GroupId): HardState {
    return groupOf(this.#live, group).hardState;
  }

  append(
    group: GroupId,
    index: number,
    term: number,
    payload: Payload | undefined,
    configuration?: Configuration,
  ): void {
    this.#assertAlive();
    assert(payload === undefined || configuration === undefined, "a configuration entry has no other payload");
    const { terms } = groupOf(this.#live, group);
    if (index > terms.last + 1 || index < terms.first)
      throw new RangeError(`index ${index} does not follow entries ${terms.first} to ${terms.last} of group ${group}`);
    const known = configuration && knownConfiguration(index, configuration);
    const stored = known === undefined ? payload : payloadOf(known.bytes);
    const length = stored?.length ?? 0;
    if (known === undefined && length > this.roomBytes)
      throw new RangeError(`a payload of ${length} bytes exceeds the room of ${this.roomBytes}`);
    if (payload) countRecords(payload);
    const entry = this.#place(term, known === undefined ? "data" : "configuration", stored);
    this.#stagedBytes += length;
    this.#stage((groups) => {
      const target = groupOf(groups, group);
      if (index <= target.terms.last) discardFrom(target, index);
      target.terms.push(term);
      target.entries.set(index, entry);
      if (known !== undefined) target.configurations.add(known);
    });
  }

  saveHardState(group: GroupId, state: HardState): void {
    this.#assertAlive();
    const { term, vote } = state;
    this.#stage((groups) => {
      groupOf(groups, group).hardState = { term, vote };
    });
  }

  saveConfiguration(group: GroupId, { index, configuration }: ConfigurationAt): void {
    this.#assertAlive();
    const { newest } = groupOf(this.#live, group).configurations;
    if (index !== 0) throw new RangeError(`a first configuration has index 0, not ${index}`);
    if (newest !== undefined)
      throw new RangeError(`group ${group} has a configuration since entry ${newest.index}: it is changed by entries`);
    const known = knownConfiguration(index, configuration);
    this.#stage((groups) => {
      groupOf(groups, group).configurations.add(known);
    });
  }

  restartAt(group: GroupId, index: number, term: number, configuration: ConfigurationAt): void {
    this.#assertAlive();
    const live = groupOf(this.#live, group);
    const { first } = live.terms;
    if (index < first - 1 || configuration.index > index)
      throw new RangeError(
        `the log of group ${group} begins at ${first}: it cannot begin after ${index} with the configuration of ${configuration.index}`,
      );
    const known = knownConfiguration(configuration.index, configuration.configuration);
    const continues = live.terms.at(index) === term;
    const keptTo = live.appliedTo;
    if (continues) for (let at = Math.max(first, keptTo + 1); at <= index; at += 1) this.#indexHeld(live, group, at);
    else this.#queues.allowGaps(group);
    live.appliedTo = Math.max(keptTo, index);
    this.#stage((groups) => {
      const target = groupOf(groups, group);
      target.configurations.rebase(index, known);
      if (continues) target.terms.trim(index + 1);
      else {
        for (const held of target.entries.keys()) if (held > keptTo) target.entries.delete(held);
        target.terms.restart(index + 1, term);
        target.configurations.truncate(index + 1);
      }
      target.configurations.trim(index + 1);
    });
  }

  damaged(group: GroupId): Damage {
    return groupOf(this.#live, group).damage;
  }

  healed(group: GroupId): void {
    this.#assertAlive();
    this.#stage((groups) => {
      groupOf(groups, group).damage = "no";
    });
  }

  setLogStart(group: GroupId, index: number): void {
    this.#assertAlive();
    const { terms, floor } = groupOf(this.#live, group);
    if (index > terms.last + 1)
      throw new RangeError(`log start ${index} lies beyond the last entry ${terms.last} of group ${group}`);
    if (index > (this.#keptFrom.get(group) ?? Infinity)) this.#keptFrom.set(group, index);
    if (index <= floor) return;
    this.#stage((groups) => {
      const target = groupOf(groups, group);
      target.floor = index;
      target.terms.trim(index);
      target.configurations.trim(index);
    });
  }

  keepFrom(group: GroupId, index: number): void {
    this.#keptFrom.set(group, Math.min(index, this.#keptFrom.get(group) ?? Infinity));
  }

  /** Entries from here on are to be there. */
  #neededFrom(group: GroupId, { floor }: MemoryGroup): number {
    return Math.min(floor, this.#keptFrom.get(group) ?? Infinity);
  }

  async commit(): Promise<void> {
    this.#assertAlive();
    assert(!this.#committing, "one commit is in flight at a time");
    const operations = this.#staged;
    const bytes = this.#stagedBytes;
    this.#staged = [];
    this.#stagedBytes = 0;
    if (operations.length === 0) return;
    this.#committing = true;
    try {
      await (this.#options.write?.() ?? Promise.resolve());
    } catch (error) {
      this.#failure = error;
      throw error;
    } finally {
      this.#committing = false;
    }
    this.#writes += 1;
    this.#committedBytes += bytes;
    for (const operation of operations) operation(this.#durable);
    this.#release();
  }

  position(group: GroupId, index: number): Position | undefined {
    return this.#entry(group, index)?.position;
  }

  async read(group: GroupId, index: number): Promise<StoredEntry> {
    const entry = this.#entry(group, index);
    if (entry === undefined) throw new RangeError(`group ${group} holds no entry ${index}`);
    return { index, ...entry, summary: false };
  }

  async replay(group: GroupId, from: number, to: number, visit: (entry: StoredEntry) => void): Promise<void> {
    for (let index = from; index <= to; index += 1) visit(await this.read(group, index));
  }

  async *entries(group: GroupId, from: number, to: number): AsyncGenerator<HeldEntry> {
    for (let index = from; index <= to; index += 1) {
      const entry = await this.read(group, index);
      yield { ...entry, writtenMs: this.#segment(entry.position.segment)?.lastWriteMs ?? 0 };
    }
  }

  applied(group: GroupId, index: number): void {
    const live = groupOf(this.#live, group);
    live.appliedTo = Math.max(live.appliedTo, index);
  }

  indexMessage(key: QueueKey, offset: number, row: IndexRow): void {
    this.#queues.add(key, offset, row);
  }

  lookup(key: QueueKey, from: number, count: number): readonly IndexRow[] {
    return this.#queues.lookup(key, from, count);
  }

  readRecords(positions: readonly RecordPosition[]): readonly RecordRead[] {
    return positions.map(({ segment, offset, length }) => {
      const found = this.#segment(segment);
      if (found === undefined) return new RangeError(`segment ${segment} is not held any more`);
      return found.bytes.slice(offset, offset + length);
    });
  }

  async readCheckpoint(group: GroupId): Promise<Checkpoint | undefined> {
    return this.#checkpoints.get(group)?.at(-1);
  }

  async writeCheckpoint(
    group: GroupId,
    index: number,
    term: number,
    parts: readonly Uint8Array[],
    configuration?: ConfigurationAt,
  ): Promise<void> {
    const bytes = new Uint8Array(Buffer.concat(parts));
    const { terms, configurations } = groupOf(this.#live, group);
    const loggedTo = groupOf(this.#durable, group).terms.last;
    const logged = terms.at(index) === term ? configurations.find(index)?.at : undefined;
    const written = { index, term, bytes, configuration: configuration ?? logged, atBytes: this.#writtenBytes };
    const kept = (this.#checkpoints.get(group) ?? []).filter((old) => old.index <= loggedTo);
    this.#checkpoints.set(group, [...kept, written].slice(-2));
    this.#release();
  }

  checkpointsDue(): readonly GroupId[] {
    const bound = this.#options.checkpointBytes ?? 4 * 1024 ** 3;
    const oldest = this.#statusOf(this.#segments).at(0);
    return this.groups().filter((group) => {
      const kept = this.#checkpoints.get(group) ?? [];
      if (this.#writtenBytes - (kept.at(-1)?.atBytes ?? 0) >= bound) return true;
      const last = oldest?.sealed === true ? oldest.ranges.get(group)?.to : undefined;
      return (
        last !== undefined && last < this.#neededFrom(group, groupOf(this.#live, group)) && !coveredTwice(kept, last)
      );
    });
  }

  missing(group: GroupId, from: number, to: number): readonly EntryRange[] {
    const { entries, filled } = groupOf(this.#live, group);
    let left: readonly EntryRange[] = from <= to ? [{ from, to }] : [];
    for (const index of [...entries.keys(), ...filled.keys()]) left = without(left, index, index);
    return left;
  }

  async openBackfill(group: GroupId, from: number, to: number): Promise<Backfill> {
    this.#assertAlive();
    const { terms } = groupOf(this.#live, group);
    if (from < 1 || to >= terms.first)
      throw new RangeError(`entries ${from} to ${to} of group ${group} do not all lie below its first, ${terms.first}`);
    if (this.#backfills.has(group))
      throw new RangeError(`group ${group} is being filled in already: finish that first`);
    this.#backfills.add(group);
    return new MemoryBackfill(
      {
        maxEntryBytes: this.maxEntryBytes,
        missing: () => this.missing(group, Math.max(from, this.#neededFrom(group, groupOf(this.#live, group))), to),
        write: this.#options.write ?? (() => Promise.resolve()),
        fill: (entries) => {
          this.#fill(group, entries);
        },
        publish: () => {
          for (const entry of groupOf(this.#live, group).filled.values()) this.#indexEntry(group, entry, true);
          this.#backfills.delete(group);
        },
      },
      group,
      from,
      to,
    );
  }

  segments(): readonly SegmentStatus[] {
    return [...this.#statusOf(this.#filled), ...this.#statusOf(this.#segments)];
  }

  usage(): Usage {
    const bytesOf = (segments: readonly MemorySegment[]): number =>
      segments.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const bulkBytes = bytesOf(this.#filled);
    const most = Number.MAX_SAFE_INTEGER;
    return {
      logBytes: bytesOf(this.#segments) + bulkBytes,
      bulkBytes,
      freeBytes: most,
      totalBytes: most,
      reserveBytes: 0,
      full: false,
      writes: this.#writes,
      writtenBytes: this.#committedBytes,
    };
  }

  /**
   * The store that a new process would open after a crash at this moment: only what a resolved commit covered. This one is dead.
   *
   * @param damage groups that lose what had been durable; each has peers
   */
  crash(damage: readonly MemoryDamage[] = []): MemoryLogStore {
    this.#failure = new Error("the store crashed");
    const identity = { ...this.identity, incarnation: this.identity.incarnation + 1 };
    const next = new MemoryLogStore({ ...this.#options, identity });
    next.#segments = this.#segments;
    next.#filled = this.#filled;
    next.#writtenBytes = this.#writtenBytes;
    for (const [group, checkpoints] of this.#checkpoints) next.#checkpoints.set(group, checkpoints);
    for (const [group, held] of this.#durable)
      for (const groups of [next.#live, next.#durable]) groups.set(group, copyOf(held));
    for (const damaged of damage)
      for (const groups of [next.#live, next.#durable]) next.#lose(groupOf(groups, damaged.group), damaged);
    for (const [group, kept] of next.#checkpoints) {
      const { last } = groupOf(next.#durable, group).terms;
      next.#checkpoints.set(
        group,
        kept.filter(({ index }) => index <= last),
      );
    }
    next.#indexCovered();
    return next;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#failure ??= new Error("the store is closed");
  }

  /** As the file store's recovery: the log ends before the damage, or begins anew at a checkpoint beyond. */
  #lose(target: MemoryGroup, { group, from, action }: MemoryDamage): void {
    target.damage = action;
    if (from <= target.terms.last) discardFrom(target, from);
    const kept = (this.#checkpoints.get(group) ?? []).toReversed();
    const usable = kept.find(({ index, configuration }) => index <= target.terms.last || configuration !== undefined);
    const checkpoint = usable ?? (target.entries.has(1) ? undefined : kept[0]);
    if (checkpoint === undefined || checkpoint.index <= target.terms.last) return;
    const { index, term, configuration } = checkpoint;
    if (configuration === undefined) target.damage = "rejoin";
    else target.configurations.rebase(index, knownConfiguration(configuration.index, configuration.configuration));
    target.terms.restart(index + 1, term);
    target.configurations.trim(index + 1);
  }

  /** What the newest checkpoint covers is not applied again, so its messages are indexed here, as the file store does at recovery. */
  #indexCovered(): void {
    for (const [group, { entries, filled }] of this.#durable) {
      const covered = this.#checkpoints.get(group)?.at(-1)?.index ?? 0;
      for (const [index, entry] of [...entries].sort(([a], [b]) => a - b))
        if (index <= covered) this.#indexEntry(group, entry, true);
      for (const entry of filled.values()) this.#indexEntry(group, entry, true);
      this.#queues.allowGaps(group);
    }
  }

  #indexHeld({ entries }: MemoryGroup, group: GroupId, index: number): void {
    const entry = entries.get(index);
    if (entry !== undefined) this.#indexEntry(group, entry, false);
  }

  /** @param anywhere messages of lower offsets may come later */
  #indexEntry(group: GroupId, { kind, payload, position }: MemoryEntry, anywhere: boolean): void {
    if (kind === "data") this.#queues.addAll(group, payload, position, anywhere);
  }

  #fill(group: GroupId, entries: readonly BackfillEntry[]): void {
    const bytes = entries.reduce((sum, { payload }) => sum + payload.length, 0);
    const lastWriteMs = entries.reduce((most, { writtenMs }) => Math.max(most, writtenMs), 0);
    const segment = (this.#filled.at(-1)?.segment ?? -(2 ** 30)) + 1;
    const target = { segment, bytes: new Uint8Array(bytes), used: 0, lastWriteMs };
    this.#filled.push(target);
    for (const { index, term, kind, payload } of entries) {
      const entry = placeIn(target, term, kind, payload);
      for (const groups of [this.#live, this.#durable]) groupOf(groups, group).filled.set(index, entry);
    }
  }

  #stage(operation: Operation): void {
    operation(this.#live);
    this.#staged.push(operation);
  }

  #assertAlive(): void {
    if (this.#failure !== undefined) throw new Error("the log store has failed or is closed", { cause: this.#failure });
  }

  #entry(group: GroupId, index: number): MemoryEntry | undefined {
    const { entries, filled } = groupOf(this.#live, group);
    return filled.get(index) ?? entries.get(index);
  }

  #segment(number: number): MemorySegment | undefined {
    return [...this.#segments, ...this.#filled].find(({ segment }) => segment === number);
  }

  #statusOf(segments: readonly MemorySegment[]): readonly SegmentStatus[] {
    return segments.map(({ segment, bytes, lastWriteMs }) => {
      const ranges = new Map<GroupId, EntryRange>();
      for (const [group, { entries, filled }] of this.#durable)
        for (const [index, { position }] of [...entries, ...filled])
          if (position.segment === segment) ranges.set(group, widened(ranges.get(group), index));
      const sealed = segment !== this.#segments.at(-1)?.segment;
      return { segment, bytes: bytes.length, sealed, lastWriteMs, ranges };
    });
  }

  #place(term: number, kind: EntryKind, payload: Payload | undefined): MemoryEntry {
    const length = payload?.length ?? 0;
    const last = defined(this.#segments.at(-1), "the active segment");
    if (last.used + length > last.bytes.length)
      this.#openSegment(last.segment + 1, Math.max(length, this.#segmentBytes));
    const segment = defined(this.#segments.at(-1), "the active segment");
    segment.lastWriteMs = this.#options.wallMs?.() ?? 0;
    this.#writtenBytes += length;
    return placeIn(segment, term, kind, payload);
  }

  #openSegment(segment: number, size: number): void {
    this.#segments.push({ segment, bytes: new Uint8Array(size), used: 0, lastWriteMs: 0 });
  }

  /** Frees segments from the oldest on while every group is done with them, and those that were filled in on their own. */
  #release(): void {
    for (const { segment, ranges } of this.#statusOf(this.#filled))
      if ([...ranges].every(([group, { to }]) => to < this.#neededFrom(group, groupOf(this.#durable, group)))) {
        this.#filled = this.#filled.filter((filled) => filled.segment !== segment);
        this.#forget(segment);
      }
    for (;;) {
      const oldest = this.#segments[0];
      if (oldest === undefined || this.#segments.length === 1) return;
      for (const [group, held] of this.#durable) {
        const { entries } = held;
        const floor = this.#neededFrom(group, held);
        const kept = this.#checkpoints.get(group) ?? [];
        for (const [index, { position }] of entries)
          if (position.segment === oldest.segment && (index >= floor || !coveredTwice(kept, index))) return;
      }
      this.#segments.shift();
      this.#forget(oldest.segment);
    }
  }

  #forget(segment: number): void {
    for (const groups of [this.#live, this.#durable])
      for (const { entries, filled } of groups.values())
        for (const held of [entries, filled])
          for (const [index, { position }] of held) if (position.segment === segment) held.delete(index);
    this.#queues.forget(segment);
  }
}

function groupOf(groups: Map<GroupId, MemoryGroup>, group: GroupId): MemoryGroup {
  let found = groups.get(group);
  if (found === undefined) {
    found = newGroup();
    groups.set(group, found);
  }
  return found;
}

function discardFrom({ terms, entries, configurations }: MemoryGroup, index: number): void {
  for (let at = index; at <= terms.last; at += 1) entries.delete(at);
  terms.truncate(index);
  configurations.truncate(index);
}

function placeIn(segment: MemorySegment, term: number, kind: EntryKind, payload: Payload | undefined): MemoryEntry {
  const length = payload?.length ?? 0;
  const start = segment.used;
  if (payload) segment.bytes.set(payload.bytes.subarray(payload.start, payload.start + length), start);
  segment.used += length;
  const copy = { bytes: segment.bytes, start, length, crc: payload?.crc ?? 0 };
  return { term, kind, payload: copy, position: { segment: segment.segment, offset: start } };
}

function payloadOf(bytes: Uint8Array): Payload {
  return { bytes, start: 0, length: bytes.length, crc: crc32(bytes, 0, bytes.length) };
}

function coveredTwice(kept: readonly Checkpoint[], index: number): boolean {
  return kept.length === 2 && kept.every((checkpoint) => checkpoint.index >= index);
}

function widened(range: EntryRange | undefined, index: number): EntryRange {
  return { from: Math.min(index, range?.from ?? index), to: Math.max(index, range?.to ?? index) };
}
