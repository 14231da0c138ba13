import type { GroupId } from "raft-ts";
import { getU64 } from "./bytes.ts";
import type { CheckpointStore } from "./checkpoint-store.ts";
import { type EntryHead, entryHeadBytes, entryKind, type FrameHead, readEntryHead, walkEntries } from "./frame.ts";
import type { FrameReader } from "./frame-reader.ts";
import { GroupLog } from "./group-log.ts";
import { CorruptionError } from "./ports.ts";
import { recordAt, recordFlags } from "./record.ts";
import type { Segment } from "./segment.ts";
import type { GroupState } from "./state-frame.ts";
import type { Summary } from "./summary.ts";

/** The groups as recovery rebuilds them, frame by frame. */
export class GroupTable {
  readonly groups = new Map<GroupId, GroupLog>();
  readonly #checkpoints: CheckpointStore;
  readonly #sealed: Segment[] = [];
  readonly #scanned: Segment[] = [];
  /** Groups whose entries of sealed segments end before what the state frame says: a later truncation must have cut them. By first missing index. */
  readonly #cut = new Map<GroupId, number>();
  /** Groups whose first entries are freed although the state frame still names them: a later log start must lie there or above. */
  readonly #freed = new Map<GroupId, number>();
  /** Groups of which entries were discarded while scanning: their messages are indexed in a second pass. */
  readonly truncated = new Set<GroupId>();
  #started = false;

  constructor(checkpoints: CheckpointStore) {
    this.#checkpoints = checkpoints;
  }

  ids(): readonly GroupId[] {
    return [...this.groups.keys()].sort((a, b) => a - b);
  }

  /** A segment that needs no scan. */
  addSealed(segment: Segment, summary: Summary): void {
    segment.summary = summary;
    segment.end = summary.end;
    segment.lastSequence = summary.lastSequence;
    segment.lastWriteMs = summary.lastWriteMs;
    for (const { group, firstIndex, count } of summary.groups.values())
      segment.ranges.set(group, { first: firstIndex, last: firstIndex + count - 1 });
    this.#sealed.push(segment);
  }

  /** A segment's state frame: the groups' beginning if it is the first that is scanned, else a check of what was read so far. */
  applyStates(segment: Segment, at: number, states: readonly GroupState[]): void {
    this.#scanned.push(segment);
    for (const state of states)
      if (this.#started) this.#check(segment, at, state);
      else this.#begin(segment, at, state);
    this.#started = true;
  }

  applyFrame(segment: Segment, at: number, reader: FrameReader, head: FrameHead): void {
    const start = reader.at(at);
    walkEntries(reader.view, start, head, (place) => {
      const entry = readEntryHead(reader.view, place);
      const offset = at + place - start;
      this.#applyEntry(segment, offset, entry);
      if (entry.kind === entryKind.entry)
        this.#index(segment, offset + entryHeadBytes, entry, reader.view, place + entryHeadBytes);
    });
  }

  /** Last checks, and the groups' logs as durable. */
  finish(oldestPath: string): void {
    const [hole] = [...this.#cut, ...[...this.#freed].map(([group]) => [group, this.groupLog(group).terms.first])];
    if (hole !== undefined)
      throw new CorruptionError(
        oldestPath,
        0,
        `entries of group ${hole[0]} from ${hole[1]} on are missing: segment files were removed`,
      );
    for (const log of this.groups.values()) {
      log.durableLogStart = log.terms.first;
      log.markPlaced();
    }
  }

  groupLog(group: GroupId): GroupLog {
    let log = this.groups.get(group);
    if (log === undefined) {
      log = new GroupLog(group);
      this.groups.set(group, log);
    }
    return log;
  }

  #begin(segment: Segment, at: number, state: GroupState): void {
    const log = this.groupLog(state.group);
    log.restore(state);
    const parts = this.#sealed
      .map(({ summary }) => summary?.groups.get(state.group))
      .filter((part) => part !== undefined);
    const held = parts[0]?.firstIndex ?? state.lastIndex + 1;
    if (held > state.logStart) this.#freed.set(state.group, held);
    // The term before the first entry held is not known yet; the log start that allowed to free brings it.
    const before = parts.length === 0 ? state.lastTerm : 0;
    log.terms.restart(Math.max(held, state.logStart), held > state.logStart ? before : state.startTerm);
    for (const part of parts)
      part.terms.forEach(({ first, term }, row) => {
        const last = (part.terms[row + 1]?.first ?? part.firstIndex + part.count) - 1;
        if (first <= log.terms.last + 1) log.terms.extend(last, term);
      });
    if (log.terms.last < state.lastIndex) {
      this.#cut.set(state.group, log.terms.last + 1);
      log.terms.extend(state.lastIndex, state.lastTerm);
    }
    if (log.terms.last !== state.lastIndex || log.terms.lastTerm !== state.lastTerm)
      throw contradiction(segment, at, state);
    log.places.restart(state.lastIndex + 1);
  }

  #check(segment: Segment, at: number, state: GroupState): void {
    const log = this.groupLog(state.group);
    const { terms, hardState } = log;
    const same =
      terms.last === state.lastIndex &&
      terms.lastTerm === state.lastTerm &&
      (terms.first === state.logStart || this.#freed.has(state.group)) &&
      hardState.term === state.hardTerm &&
      hardState.vote === state.vote;
    if (!same) throw contradiction(segment, at, state);
  }

  #applyEntry(segment: Segment, offset: number, entry: EntryHead): void {
    const log = this.groupLog(entry.group);
    switch (entry.kind) {
      case entryKind.entry:
        if (entry.index !== log.terms.last + 1 || entry.term < log.terms.lastTerm)
          throw new CorruptionError(
            segment.path,
            offset,
            `entry ${entry.index} of group ${entry.group} follows ${log.terms.last}`,
          );
        log.push(entry.term, segment.sequence, offset + entryHeadBytes, entry.length);
        segment.cover(entry.group, entry.index, entry.index);
        return;
      case entryKind.hardState:
        log.hardState = { term: entry.term, vote: entry.index };
        return;
      case entryKind.truncation:
        this.#truncate(log, entry.index);
        return;
      case entryKind.logStart:
        this.#moveLogStart(segment, offset, log, entry);
        return;
      default:
        throw new CorruptionError(
          segment.path,
          offset,
          `an entry has kind ${entry.kind}: a newer program wrote it, start that`,
        );
    }
  }

  #truncate(log: GroupLog, index: number): void {
    // Entries of freed segments that were overwritten before they were applied.
    if (index < log.terms.first && this.#freed.has(log.group)) {
      log.terms.restart(index, 0);
      log.places.restart(index);
      this.#freed.set(log.group, index);
    } else log.truncate(index);
    this.truncated.add(log.group);
    for (const segment of [...this.#sealed, ...this.#scanned]) segment.uncover(log.group, index);
    if ((this.#cut.get(log.group) ?? 0) >= index) this.#cut.delete(log.group);
  }

  #moveLogStart(segment: Segment, offset: number, log: GroupLog, { index, term }: EntryHead): void {
    if (index > log.terms.last + 1)
      throw new CorruptionError(
        segment.path,
        offset,
        `the log start ${index} of group ${log.group} lies beyond ${log.terms.last}`,
      );
    if (index < log.terms.first) return;
    log.terms.trim(index);
    log.terms.setTermBefore(term);
    if ((this.#freed.get(log.group) ?? Number.POSITIVE_INFINITY) <= index) this.#freed.delete(log.group);
  }

  /** Messages of entries that a checkpoint covers are not applied again, so they are indexed right here. */
  #index(segment: Segment, offset: number, entry: EntryHead, view: DataView, from: number): void {
    const covered = this.#checkpoints.of(entry.group)[0]?.index ?? 0;
    if (entry.index > covered || segment.rows === undefined) return;
    indexRecords(segment, offset, entry.group, view, from, entry.length);
  }
}

/** Puts the messages of a payload into its segment's queue rows. `offset`: of the payload in the segment; `from`: in the view. */
export function indexRecords(
  segment: Segment,
  offset: number,
  group: GroupId,
  view: DataView,
  from: number,
  length: number,
): void {
  for (let at = from; at < from + length; ) {
    const size = view.getUint32(at + recordAt.length, true);
    if ((view.getUint8(at + recordAt.flags) & recordFlags.message) !== 0) {
      const key = {
        group,
        stream: view.getUint32(at + recordAt.stream, true),
        partition: view.getUint32(at + recordAt.partition, true),
      };
      const tagHash = view.getUint32(at + recordAt.tagHash, true);
      const row = { segment: segment.sequence, offset: offset + at - from, length: size, tagHash };
      segment.rows?.add(key, getU64(view, at + recordAt.offset), row);
    }
    at += size;
  }
}

function contradiction(segment: Segment, at: number, state: GroupState): CorruptionError {
  return new CorruptionError(
    segment.path,
    at,
    `the state frame says that group ${state.group} ends at entry ${state.lastIndex} of term ${state.lastTerm}, the log before it does not`,
  );
}
