import { assert, defined } from "@saturnmq/kit";
import type { GroupId, HardState, LogView, Payload, Position, StoredEntry } from "raft-ts";
import type { Identity, IndexRow, LogStore, QueueKey, RecordPosition, SegmentStatus } from "./ports.ts";
import { recordAt, recordFlags, walkRecords } from "./record.ts";
import { countRecords } from "./record-check.ts";
import { TermRuns } from "./term-runs.ts";

type MemoryEntry = { readonly term: number; readonly payload: Payload; readonly position: Position };

/** One group's log: what `view` shows, and what a crash leaves. */
type MemoryGroup = {
  readonly terms: TermRuns;
  /** Entries by index, staged ones included. */
  readonly entries: Map<number, MemoryEntry>;
  hardState: HardState;
  logStart: number;
  appliedTo: number;
};

type Checkpoint = {
  readonly index: number;
  readonly term: number;
  readonly bytes: Uint8Array;
  readonly atBytes: number;
};
type MemorySegment = { readonly segment: number; bytes: Uint8Array; used: number; lastWriteMs: number };
type Operation = (groups: Map<GroupId, MemoryGroup>) => void;

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
  #segments: MemorySegment[] = [];
  readonly #queues = new Map<string, { first: number; rows: IndexRow[] }>();
  readonly #checkpoints = new Map<GroupId, Checkpoint[]>();
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
    const { terms } = groupOf(this.#live, group);
    return viewOf(terms, this.#views, group);
  }

  readonly #views = new Map<GroupId, LogView>();

  hardState(group: GroupId): HardState {
    return groupOf(this.#live, group).hardState;
  }

  append(group: GroupId, index: number, term: number, payload: Payload | undefined): void {
    this.#assertAlive();
    const { terms } = groupOf(this.#live, group);
    if (index > terms.last + 1 || index < terms.first)
      throw new RangeError(`index ${index} does not follow entries ${terms.first} to ${terms.last} of group ${group}`);
    const length = payload?.length ?? 0;
    if (length > this.roomBytes)
      throw new RangeError(`a payload of ${length} bytes exceeds the room of ${this.roomBytes}`);
    if (payload) countRecords(payload);
    const entry = this.#place(term, payload);
    this.#stagedBytes += length;
    this.#stage((groups) => {
      const target = groupOf(groups, group);
      if (index <= target.terms.last) discardFrom(target, index);
      target.terms.push(term);
      target.entries.set(index, entry);
    });
  }

  saveHardState(group: GroupId, state: HardState): void {
    this.#assertAlive();
    const { term, vote } = state;
    this.#stage((groups) => {
      groupOf(groups, group).hardState = { term, vote };
    });
  }

  setLogStart(group: GroupId, index: number): void {
    this.#assertAlive();
    const { terms } = groupOf(this.#live, group);
    if (index > terms.last + 1)
      throw new RangeError(`log start ${index} lies beyond the last entry ${terms.last} of group ${group}`);
    if (index <= terms.first) return;
    this.#stage((groups) => {
      const target = groupOf(groups, group);
      target.terms.trim(index);
      target.logStart = index;
    });
  }

  async commit(): Promise<void> {
    this.#assertAlive();
    assert(!this.#committing, "one commit is in flight at a time");
    const operations = this.#staged;
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
    for (const operation of operations) operation(this.#durable);
    this.#release();
  }

  position(group: GroupId, index: number): Position | undefined {
    return groupOf(this.#live, group).entries.get(index)?.position;
  }

  async read(group: GroupId, index: number): Promise<StoredEntry> {
    const entry = groupOf(this.#live, group).entries.get(index);
    if (entry === undefined) throw new RangeError(`group ${group} holds no entry ${index}`);
    return { index, ...entry, summary: false };
  }

  async replay(group: GroupId, from: number, to: number, visit: (entry: StoredEntry) => void): Promise<void> {
    for (let index = from; index <= to; index += 1) visit(await this.read(group, index));
  }

  applied(group: GroupId, index: number): void {
    groupOf(this.#live, group).appliedTo = index;
  }

  indexMessage(key: QueueKey, offset: number, row: IndexRow): void {
    const name = queueName(key);
    const queue = this.#queues.get(name);
    if (queue === undefined) {
      this.#queues.set(name, { first: offset, rows: [row] });
      return;
    }
    const next = queue.first + queue.rows.length;
    assert(offset <= next, `offset ${offset} leaves a gap after ${next - 1} in queue ${name}`);
    if (offset === next) queue.rows.push(row);
  }

  lookup(key: QueueKey, from: number, count: number): readonly IndexRow[] {
    const queue = this.#queues.get(queueName(key));
    if (queue === undefined) return [];
    const start = Math.max(0, from - queue.first);
    return queue.rows.slice(start, Math.max(start, from + count - queue.first));
  }

  readRecord({ segment, offset, length }: RecordPosition): Uint8Array {
    const found = this.#segments.find((candidate) => candidate.segment === segment);
    if (found === undefined) throw new RangeError(`segment ${segment} is not held any more`);
    return found.bytes.subarray(offset, offset + length);
  }

  async readCheckpoint(group: GroupId): Promise<{ index: number; term: number; bytes: Uint8Array } | undefined> {
    return this.#checkpoints.get(group)?.at(-1);
  }

  async writeCheckpoint(group: GroupId, index: number, term: number, parts: readonly Uint8Array[]): Promise<void> {
    const bytes = new Uint8Array(Buffer.concat(parts));
    const kept = this.#checkpoints.get(group)?.slice(-1) ?? [];
    this.#checkpoints.set(group, [...kept, { index, term, bytes, atBytes: this.#writtenBytes }]);
    this.#release();
  }

  checkpointsDue(): readonly GroupId[] {
    const bound = this.#options.checkpointBytes ?? 4 * 1024 ** 3;
    const oldest = this.segments()[0];
    return this.groups().filter((group) => {
      const kept = this.#checkpoints.get(group) ?? [];
      if (this.#writtenBytes - (kept.at(-1)?.atBytes ?? 0) >= bound) return true;
      const last = oldest?.sealed === true ? oldest.lastIndex.get(group) : undefined;
      return last !== undefined && last < groupOf(this.#live, group).logStart && !coveredTwice(kept, last);
    });
  }

  segments(): readonly SegmentStatus[] {
    return this.#segments.map(({ segment, bytes, lastWriteMs }, at) => {
      const lastIndex = new Map<GroupId, number>();
      for (const [group, { entries }] of this.#durable)
        for (const [index, { position }] of entries)
          if (position.segment === segment) lastIndex.set(group, Math.max(index, lastIndex.get(group) ?? 0));
      return { segment, bytes: bytes.length, sealed: at < this.#segments.length - 1, lastWriteMs, lastIndex };
    });
  }

  usage(): { logBytes: number; freeBytes: number; reserveBytes: number; full: boolean } {
    const logBytes = this.#segments.reduce((sum, { bytes }) => sum + bytes.length, 0);
    return { logBytes, freeBytes: Number.MAX_SAFE_INTEGER, reserveBytes: 0, full: false };
  }

  /** The store that a new process would open after a crash at this moment: only what a resolved commit covered. This one is dead. */
  crash(): MemoryLogStore {
    this.#failure = new Error("the store crashed");
    const identity = { ...this.identity, incarnation: this.identity.incarnation + 1 };
    const next = new MemoryLogStore({ ...this.#options, identity });
    next.#segments = this.#segments;
    next.#writtenBytes = this.#writtenBytes;
    for (const [group, checkpoints] of this.#checkpoints) next.#checkpoints.set(group, checkpoints);
    for (const [group, held] of this.#durable)
      for (const groups of [next.#live, next.#durable]) groups.set(group, copyOf(held));
    next.#indexCovered();
    return next;
  }

  /** What the newest checkpoint covers is not applied again, so its messages are indexed here, as the file store does at recovery. */
  #indexCovered(): void {
    for (const [group, { entries, terms }] of this.#durable) {
      const covered = Math.min(this.#checkpoints.get(group)?.at(-1)?.index ?? 0, terms.last);
      for (let index = terms.first; index <= covered; index += 1) {
        const entry = entries.get(index);
        if (entry !== undefined) this.#indexEntry(group, entry);
      }
    }
  }

  #indexEntry(group: GroupId, { payload, position }: MemoryEntry): void {
    const view = new DataView(payload.bytes.buffer, payload.bytes.byteOffset, payload.bytes.byteLength);
    walkRecords(payload, (at, length) => {
      if ((view.getUint8(at + recordAt.flags) & recordFlags.message) === 0) return;
      const key = {
        group,
        stream: view.getUint32(at + recordAt.stream, true),
        partition: view.getUint32(at + recordAt.partition, true),
      };
      const offset =
        view.getUint32(at + recordAt.offset + 4, true) * 2 ** 32 + view.getUint32(at + recordAt.offset, true);
      const place = { segment: position.segment, offset: position.offset + at - payload.start, length };
      this.indexMessage(key, offset, { ...place, tagHash: view.getUint32(at + recordAt.tagHash, true) });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#failure ??= new Error("the store is closed");
  }

  #stage(operation: Operation): void {
    operation(this.#live);
    this.#staged.push(operation);
  }

  #assertAlive(): void {
    if (this.#failure !== undefined) throw new Error("the log store has failed or is closed", { cause: this.#failure });
  }

  #place(term: number, payload: Payload | undefined): MemoryEntry {
    const length = payload?.length ?? 0;
    const last = defined(this.#segments.at(-1), "the active segment");
    if (last.used + length > last.bytes.length)
      this.#openSegment(last.segment + 1, Math.max(length, this.#segmentBytes));
    const segment = defined(this.#segments.at(-1), "the active segment");
    const start = segment.used;
    if (payload) segment.bytes.set(payload.bytes.subarray(payload.start, payload.start + length), start);
    segment.used += length;
    segment.lastWriteMs = this.#options.wallMs?.() ?? 0;
    this.#writtenBytes += length;
    const copy = { bytes: segment.bytes, start, length, crc: payload?.crc ?? 0 };
    return { term, payload: copy, position: { segment: segment.segment, offset: start } };
  }

  #openSegment(segment: number, size: number): void {
    this.#segments.push({ segment, bytes: new Uint8Array(size), used: 0, lastWriteMs: 0 });
  }

  /** Frees segments from the oldest on while every group is done with them. */
  #release(): void {
    for (;;) {
      const oldest = this.#segments[0];
      if (oldest === undefined || this.#segments.length === 1) return;
      for (const [group, { entries, logStart }] of this.#durable) {
        const kept = this.#checkpoints.get(group) ?? [];
        for (const [index, { position }] of entries)
          if (position.segment === oldest.segment && (index >= logStart || !coveredTwice(kept, index))) return;
      }
      this.#segments.shift();
      for (const groups of [this.#live, this.#durable])
        for (const { entries } of groups.values())
          for (const [index, { position }] of entries) if (position.segment === oldest.segment) entries.delete(index);
      for (const queue of this.#queues.values())
        while (queue.rows[0]?.segment === oldest.segment) {
          queue.rows.shift();
          queue.first += 1;
        }
    }
  }
}

function groupOf(groups: Map<GroupId, MemoryGroup>, group: GroupId): MemoryGroup {
  let found = groups.get(group);
  if (found === undefined) {
    found = { terms: new TermRuns(), entries: new Map(), hardState: { term: 0, vote: 0 }, logStart: 1, appliedTo: 0 };
    groups.set(group, found);
  }
  return found;
}

function viewOf(terms: TermRuns, views: Map<GroupId, LogView>, group: GroupId): LogView {
  let view = views.get(group);
  if (view === undefined) {
    view = {
      get firstIndex() {
        return terms.first;
      },
      get lastIndex() {
        return terms.last;
      },
      get lastTerm() {
        return terms.lastTerm;
      },
      termAt: (index) => terms.at(index),
    };
    views.set(group, view);
  }
  return view;
}

function discardFrom({ terms, entries }: MemoryGroup, index: number): void {
  for (let at = index; at <= terms.last; at += 1) entries.delete(at);
  terms.truncate(index);
}

function copyOf(held: MemoryGroup): MemoryGroup {
  return { ...held, terms: held.terms.copy(), entries: new Map(held.entries), appliedTo: 0 };
}

function coveredTwice(kept: readonly Checkpoint[], index: number): boolean {
  return kept.length === 2 && kept.every((checkpoint) => checkpoint.index >= index);
}

function queueName(key: QueueKey): string {
  return `${key.group}/${key.stream}/${key.partition}`;
}
