import { defined } from "@saturnmq/kit";
import type { GroupId } from "raft-ts";
import { getU64 } from "./bytes.ts";
import type { CheckpointInfo, CheckpointStore } from "./checkpoint-store.ts";
import { hasPeers, readConfiguration } from "./configurations.ts";
import { type EntryHead, entryHeadBytes, entryKind, type FrameHead, readEntryHead, walkEntries } from "./frame.ts";
import type { FrameReader } from "./frame-reader.ts";
import { GroupLog } from "./group-log.ts";
import { CorruptionError } from "./ports.ts";
import { recordAt, recordFlags } from "./record.ts";
import { type RestartFact, readRestart } from "./restart-fact.ts";
import type { Segment } from "./segment.ts";
import { damages, type GroupState } from "./state-frame.ts";
import type { Summary } from "./summary.ts";

/** What damage did to a group, until the record of an earlier opening says where its log went on. */
type Broken = {
  /** Entries above cannot be told from overwritten ones any more. */
  trusted: number;
};

/** A group that a damaged frame hit in this scan and that no later frame tells to have been taken care of. */
export type DamagedGroup = {
  readonly log: GroupLog;
  readonly firstLost: number;
  /** Its log start, if the record of it is lost. */
  readonly logStart: number | undefined;
  /** Its log begins anew at its newest checkpoint, which lies beyond what is left of it. */
  readonly restart: RestartFact | undefined;
};

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
  /** Groups of which a damaged frame may have held entries: what follows of them in later frames does not follow what is here. */
  readonly #broken = new Map<GroupId, Broken>();
  /** Groups to be marked as damaged by this opening. */
  readonly #hit = new Set<GroupId>();
  /** Groups of which entries were discarded while scanning: their messages are indexed in a second pass. */
  readonly truncated = new Set<GroupId>();
  #started = false;

  constructor(checkpoints: CheckpointStore) {
    this.#checkpoints = checkpoints;
  }

  /** True once a state frame was read: all groups are known. */
  get started(): boolean {
    return this.#started;
  }

  ids(): readonly GroupId[] {
    return [...this.groups.keys()].sort((a, b) => a - b);
  }

  /** Whether what is lost of a group exists elsewhere, by its newest known configuration. */
  voters(group: GroupId): "one" | "more" {
    const newest = this.groups.get(group)?.configurations.newest;
    return newest !== undefined && hasPeers(newest.at.configuration) ? "more" : "one";
  }

  /** A segment that needs no scan. */
  addSealed(segment: Segment, summary: Summary): void {
    segment.summary = summary;
    segment.end = summary.end;
    segment.holes = summary.holes;
    segment.lastSequence = summary.lastSequence;
    segment.lastWriteMs = summary.lastWriteMs;
    for (const { group, firstIndex, count } of summary.groups.values())
      segment.ranges.set(group, { first: firstIndex, last: firstIndex + count - 1 });
    this.#sealed.push(segment);
  }

  /** A segment's frames are read from now on. */
  beginSegment(segment: Segment): void {
    this.#scanned.push(segment);
  }

  /** A segment's state frame: the groups' beginning if it is the first that is scanned, else a check of what was read so far. */
  applyStates(segment: Segment, at: number, states: readonly GroupState[]): void {
    for (const state of states)
      if (!this.#started) this.#begin(segment, at, state);
      else if (this.#broken.has(state.group)) this.#learn(state);
      else this.#check(segment, at, state);
    this.#started = true;
  }

  applyFrame(segment: Segment, at: number, reader: FrameReader, head: FrameHead): void {
    const start = reader.at(at);
    walkEntries(reader.view, start, head, (place) => {
      const entry = readEntryHead(reader.view, place);
      const offset = at + place - start;
      const from = place + entryHeadBytes;
      const bytes = reader.bytes.subarray(from, from + entry.length);
      const counts = !this.#broken.has(entry.group);
      if (counts) this.#applyEntry(segment, offset, entry, bytes);
      else this.#applyBehindDamage(segment, offset, entry, bytes);
      if (counts && entry.kind === entryKind.entry)
        this.#index(segment, offset + entryHeadBytes, entry, reader.view, from);
    });
  }

  /**
   * A frame, or several, cannot be read, and nothing that they held of the group.
   *
   * @param entries they may have held entries, truncations or starts of its log
   * @param overwrites they may have overwritten entries that are here
   */
  damage(group: GroupId, action: "fetch" | "rejoin", entries: boolean, overwrites: boolean): void {
    const log = this.groupLog(group);
    if (log.damage !== "rejoin") log.damage = action;
    this.#hit.add(group);
    if (!entries) return;
    const { last } = log.terms;
    const trusted = overwrites ? this.#known(log) : last;
    const broken = this.#broken.get(group);
    this.#broken.set(group, { trusted: Math.min(trusted, broken?.trusted ?? trusted) });
  }

  /** Last checks, and the groups' logs as durable. @returns the groups to be marked as damaged */
  finish(oldestPath: string): readonly DamagedGroup[] {
    const damaged = [...this.#hit].sort((a, b) => a - b).map((group) => this.#settle(this.groupLog(group)));
    const [hole] = [...this.#cut, ...[...this.#freed].map(([group]) => [group, this.groupLog(group).terms.first])];
    if (hole !== undefined)
      throw new CorruptionError(
        oldestPath,
        0,
        `entries of group ${hole[0]} from ${hole[1]} on are missing: segment files were removed`,
      );
    for (const log of this.groups.values()) {
      this.#dropUnfinished(log);
      log.durableFloor = log.floor;
      log.durableLast = log.terms.last;
      log.markPlaced();
    }
    return damaged;
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
    // Of a log that was restarted, what is older than its beginning does not count.
    const behind = parts.find(({ firstIndex, count }) => firstIndex + count > state.logStart);
    const held = behind?.firstIndex ?? state.lastIndex + 1;
    if (held > state.logStart) this.#freed.set(state.group, held);
    // The term before the first entry held is not known yet; the log start that allowed to free brings it.
    const before = behind === undefined ? state.lastTerm : 0;
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
    for (const { summary } of this.#sealed)
      for (const known of summary?.configurations.get(state.group) ?? [])
        if (known.index <= state.lastIndex) log.configurations.add(known);
    log.configurations.trim(log.terms.first);
    log.places.restart(state.lastIndex + 1);
  }

  #check(segment: Segment, at: number, state: GroupState): void {
    const log = this.groupLog(state.group);
    const { terms, hardState, configurations } = log;
    const { configuration } = state;
    const same =
      terms.last === state.lastIndex &&
      terms.lastTerm === state.lastTerm &&
      (terms.first === state.logStart || this.#freed.has(state.group)) &&
      (log.floor === state.floor || this.#freed.has(state.group)) &&
      // What this scan found damaged is marked only behind it.
      (log.damage === state.damage || this.#hit.has(state.group)) &&
      configurations.newest?.index === configuration?.index &&
      hardState.term === state.hardTerm &&
      hardState.vote === state.vote;
    if (!same) throw contradiction(segment, at, state);
  }

  /** What a state frame says of a group that an earlier frame's damage has hit, and what cannot be stale. */
  #learn(state: GroupState): void {
    const log = this.groupLog(state.group);
    log.hardState = { term: state.hardTerm, vote: state.vote };
    if (state.configuration?.index === 0 && log.configurations.newest === undefined)
      log.configurations.add(state.configuration);
  }

  #applyEntry(segment: Segment, offset: number, entry: EntryHead, payload: Uint8Array): void {
    const log = this.groupLog(entry.group);
    switch (entry.kind) {
      case entryKind.entry:
      case entryKind.configuration:
        if (entry.index !== log.terms.last + 1 || entry.term < log.terms.lastTerm)
          throw new CorruptionError(
            segment.path,
            offset,
            `entry ${entry.index} of group ${entry.group} follows ${log.terms.last}`,
          );
        log.push(entry.term, segment.sequence, offset + entryHeadBytes, entry.length);
        if (entry.kind === entryKind.configuration) log.configurations.add(readConfiguration(entry.index, payload));
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
      case entryKind.firstConfiguration:
        log.configurations.add(readConfiguration(entry.index, payload));
        return;
      case entryKind.restart:
        this.#restart(log, readRestart(entry.index, entry.term, payload));
        return;
      case entryKind.damage:
        this.#markDamaged(log, entry);
        return;
      case entryKind.healed:
        log.damage = "no";
        return;
      default:
        throw new CorruptionError(
          segment.path,
          offset,
          `an entry has kind ${entry.kind}: a newer program wrote it, start that`,
        );
    }
  }

  /** Of a broken group only that counts which cannot depend on what is lost. */
  #applyBehindDamage(segment: Segment, offset: number, entry: EntryHead, payload: Uint8Array): void {
    const log = this.groupLog(entry.group);
    const broken = defined(this.#broken.get(entry.group), "the damage of a group");
    const { terms } = log;
    switch (entry.kind) {
      case entryKind.truncation:
        broken.trusted = Math.min(broken.trusted, entry.index - 1);
        return;
      case entryKind.logStart:
        // Below it all is committed: if the terms agree, so do the entries.
        if (terms.at(entry.index - 1) === entry.term) this.#moveLogStart(segment, offset, log, entry);
        return;
      case entryKind.restart:
        this.#restartBehindDamage(log, readRestart(entry.index, entry.term, payload), broken);
        return;
      case entryKind.firstConfiguration:
        if (log.configurations.newest === undefined) this.#applyEntry(segment, offset, entry, payload);
        return;
      case entryKind.hardState:
      case entryKind.damage:
        this.#applyEntry(segment, offset, entry, payload);
        return;
      default:
        return;
    }
  }

  #restartBehindDamage(log: GroupLog, fact: RestartFact, broken: Broken): void {
    const keptTo = Math.min(fact.keptTo, broken.trusted);
    if (!fact.continues) {
      // Nothing that was lost is part of this log any more.
      this.#broken.delete(log.group);
      if (log.damage === "fetch") {
        log.damage = "no";
        this.#hit.delete(log.group);
      }
      this.#restart(log, { ...fact, keptTo });
    } else if (log.terms.at(fact.index) === fact.term) this.#restart(log, fact);
    else this.#restart(log, { ...fact, continues: false, keptTo });
  }

  /** An earlier opening found damage and says where the group's log went on. */
  #markDamaged(log: GroupLog, { group, index, term }: EntryHead): void {
    this.#broken.delete(group);
    this.#hit.delete(group);
    log.damage = damages[term] ?? "no";
    // A segment that was begun for this record says already how the log goes on.
    if (index >= log.terms.first && index <= log.terms.last) this.#truncate(log, index);
  }

  #truncate(log: GroupLog, index: number): void {
    // Entries of freed segments that were overwritten before they were applied.
    if (index < log.terms.first && this.#freed.has(log.group)) {
      log.terms.restart(index, 0);
      log.places.restart(index);
      this.#freed.set(log.group, index);
    } else log.truncate(index);
    this.#uncover(log, index);
    if ((this.#cut.get(log.group) ?? 0) >= index) this.#cut.delete(log.group);
  }

  #uncover(log: GroupLog, index: number): void {
    this.truncated.add(log.group);
    for (const segment of [...this.#sealed, ...this.#scanned]) segment.uncover(log.group, index);
  }

  #restart(log: GroupLog, fact: RestartFact): void {
    log.restart(fact);
    log.appliedTo = 0;
    // Whatever was missing before lies below the log's new beginning.
    if (!fact.continues || (this.#cut.get(log.group) ?? Number.POSITIVE_INFINITY) <= fact.index)
      this.#cut.delete(log.group);
    if ((this.#freed.get(log.group) ?? Number.POSITIVE_INFINITY) <= fact.index + 1) this.#freed.delete(log.group);
    if (!fact.continues) this.#uncover(log, fact.keptTo + 1);
  }

  #moveLogStart(segment: Segment, offset: number, log: GroupLog, { index, term }: EntryHead): void {
    if (index > log.terms.last + 1)
      throw new CorruptionError(
        segment.path,
        offset,
        `the log start ${index} of group ${log.group} lies beyond ${log.terms.last}`,
      );
    const within = index >= log.terms.first;
    log.trim(index);
    if (within) log.terms.setTermBefore(term);
    if ((this.#freed.get(log.group) ?? Number.POSITIVE_INFINITY) <= index) this.#freed.delete(log.group);
  }

  /** The last entry that is known not to be overwritten: of a sealed segment, or covered by a checkpoint. */
  #known(log: GroupLog): number {
    const { group, terms } = log;
    const sealed = this.#sealed.map(({ ranges }) => ranges.get(group)?.last ?? 0);
    const covered = this.#checkpoints.of(group).map(({ index }) => (index <= terms.last ? index : 0));
    return Math.max(0, ...sealed, ...covered);
  }

  /** Ends what is left of a damaged group's log before the damage, or begins it anew at a checkpoint beyond. */
  #settle(log: GroupLog): DamagedGroup {
    const { group, terms } = log;
    const broken = this.#broken.get(group);
    const held = this.#freed.get(group);
    if (held !== undefined) {
      // The log start that allowed to free what is before is lost; the term of the first entry held is all that is known.
      log.trim(Math.min(terms.last, held) + 1);
      this.#freed.delete(group);
    }
    const found = { log, firstLost: terms.last + 1, logStart: held && terms.first };
    const checkpoint = this.#beginning(log);
    if (checkpoint === undefined || checkpoint.index <= terms.last) return { ...found, restart: undefined };
    const { index, term, configuration } = checkpoint;
    // Without the configuration in force there the replica could vote in a group of long ago.
    if (configuration === undefined) log.damage = "rejoin";
    const restart = {
      index,
      term,
      continues: false,
      keptTo: Math.min(broken?.trusted ?? terms.last, terms.last),
      configuration: configuration ?? log.configurations.newest,
    };
    this.#restart(log, restart);
    return { ...found, restart };
  }

  /** The newest checkpoint that what is left of a damaged group's log, or a log that begins anew there, can go on from. */
  #beginning({ group, terms }: GroupLog): CheckpointInfo | undefined {
    const kept = this.#checkpoints.of(group);
    const usable = kept.find(({ index, configuration }) => index <= terms.last || configuration !== undefined);
    const oldest = [...this.#sealed, ...this.#scanned].find(({ ranges }) => ranges.has(group));
    return usable ?? (oldest?.ranges.get(group)?.first === 1 ? undefined : kept[0]);
  }

  /** A checkpoint from elsewhere that the log was to begin after: that did not become durable, so it did not happen. */
  #dropUnfinished({ group, terms }: GroupLog): void {
    if ((this.#checkpoints.of(group)[0]?.index ?? 0) <= terms.last) return;
    this.#checkpoints.drop(group, ({ index }) => index <= terms.last);
    // It covered nothing.
    this.truncated.add(group);
  }

  /** Messages of entries that a checkpoint covers are not applied again, so they are indexed right here. */
  #index(segment: Segment, offset: number, entry: EntryHead, view: DataView, from: number): void {
    const covered = this.#checkpoints.of(entry.group)[0]?.index ?? 0;
    // After a discard all are indexed once more.
    if (entry.index > covered || segment.rows === undefined || this.truncated.size > 0) return;
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
