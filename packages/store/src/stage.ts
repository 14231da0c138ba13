import { assert } from "@saturnmq/kit";
import { crc32 } from "@saturnmq/kit/node";
import type { Payload } from "raft-ts";
import type { Arena } from "./arena.ts";
import type { KnownConfiguration } from "./configurations.ts";
import {
  entryHeadBytes,
  entryKind,
  frameHeadBytes,
  frameVersion,
  groupFlag,
  setEntryHead,
  versionOfKind,
} from "./frame.ts";
import type { GroupLog } from "./group-log.ts";
import { encodeRestart, type RestartFact } from "./restart-fact.ts";
import { damages } from "./state-frame.ts";

/** Room beside the payload of the largest entry: head, shard list, hard states and log starts of some hundred groups. */
export const stageSpareBytes = 65_536;

/** A finished frame in the arena: what its head needs to know. */
export type StagedFrame = {
  readonly version: number;
  readonly start: number;
  readonly length: number;
  readonly groupCount: number;
  readonly entriesStart: number;
  readonly entryCount: number;
};

/** The frame under assembly, at the arena's front: head, shard list, entries, contiguous, ready to be written as it lies. */
export class Stage {
  readonly #arena: Arena;
  readonly #maxEntryBytes: number;
  #groups: GroupLog[] = [];
  #flags: number[] = [];
  /** Shard list rows for which there is room before the entries. */
  #listRoom = 0;
  #entriesBytes = 0;
  #entryCount = 0;
  #version: number = frameVersion.first;

  constructor(arena: Arena, maxEntryBytes: number) {
    this.#arena = arena;
    this.#maxEntryBytes = maxEntryBytes;
  }

  get empty(): boolean {
    return this.#entryCount === 0;
  }

  get groups(): readonly GroupLog[] {
    return this.#groups;
  }

  get roomBytes(): number {
    return Math.max(0, this.#maxEntryBytes - this.#entriesBytes);
  }

  get #entriesStart(): number {
    return frameHeadBytes + 4 * this.#listRoom;
  }

  /**
   * Adds an entry.
   *
   * @param knownGroups how many groups there are: room is left for as many in the list
   * @returns where its payload lies, from the start of the entries
   */
  addEntry(log: GroupLog, index: number, term: number, payload: Payload | undefined, knownGroups: number): number {
    const { entries } = groupFlag;
    const length = payload?.length ?? 0;
    const at = this.#add(log, entries, entryKind.entry, index, term, length, payload?.crc ?? 0, knownGroups);
    if (payload) {
      const target = this.#arena.front + this.#entriesStart + at;
      this.#arena.bytes.set(payload.bytes.subarray(payload.start, payload.start + length), target);
    }
    return at;
  }

  /** As `addEntry`, of a configuration. */
  addConfiguration(log: GroupLog, term: number, added: KnownConfiguration, knownGroups: number): number {
    return this.#addFact(log, groupFlag.entries, entryKind.configuration, added.index, term, added.bytes, knownGroups);
  }

  addFirstConfiguration(log: GroupLog, { index, bytes }: KnownConfiguration, knownGroups: number): void {
    this.#addFact(log, groupFlag.firstConfiguration, entryKind.firstConfiguration, index, 0, bytes, knownGroups);
  }

  addRestart(log: GroupLog, fact: RestartFact, knownGroups: number): void {
    const { index, term } = fact;
    this.#addFact(log, groupFlag.restart, entryKind.restart, index, term, encodeRestart(fact), knownGroups);
  }

  /** Says that entries from `index` on are lost. */
  addDamage(log: GroupLog, index: number, knownGroups: number): void {
    const kind = damages.indexOf(log.damage);
    this.#add(log, groupFlag.damage, entryKind.damage, index, kind, 0, 0, knownGroups);
  }

  addHealed(log: GroupLog, knownGroups: number): void {
    this.#add(log, groupFlag.damage, entryKind.healed, 0, 0, 0, 0, knownGroups);
  }

  addHardState(log: GroupLog, knownGroups: number): void {
    const { term, vote } = log.hardState;
    if (log.stagedHardState < 0) {
      const at = this.#add(log, groupFlag.hardState, entryKind.hardState, vote, term, 0, 0, knownGroups);
      log.stagedHardState = at - entryHeadBytes;
      return;
    }
    const place = this.#arena.front + this.#entriesStart + log.stagedHardState;
    setEntryHead(this.#arena.view, place, entryKind.hardState, log.group, vote, term, 0, 0);
  }

  addTruncation(log: GroupLog, index: number, knownGroups: number): void {
    this.#add(log, groupFlag.truncation, entryKind.truncation, index, 0, 0, 0, knownGroups);
  }

  /** @param startTerm term of the entry before `index` */
  addLogStart(log: GroupLog, index: number, startTerm: number, knownGroups: number): void {
    this.#add(log, groupFlag.logStart, entryKind.logStart, index, startTerm, 0, 0, knownGroups);
  }

  /** Ends the frame: writes its shard list. The caller settles the groups, caches the frame in the arena, and may stage the next. */
  finish(): StagedFrame {
    const { view, front } = this.#arena;
    this.#groups.forEach((log, row) => {
      view.setUint16(front + frameHeadBytes + 4 * row, log.group, true);
      view.setUint16(front + frameHeadBytes + 4 * row + 2, this.#flags[row] ?? 0, true);
    });
    const frame = {
      version: this.#version,
      start: front,
      length: this.#entriesStart + this.#entriesBytes,
      groupCount: this.#groups.length,
      entriesStart: this.#entriesStart,
      entryCount: this.#entryCount,
    };
    return frame;
  }

  /** Begins an empty frame at the arena's new front. */
  clear(): void {
    this.#groups = [];
    this.#flags = [];
    this.#listRoom = 0;
    this.#entriesBytes = 0;
    this.#entryCount = 0;
    this.#version = frameVersion.first;
  }

  /** @returns where its payload lies, from the start of the entries */
  #addFact(
    log: GroupLog,
    flag: number,
    kind: number,
    index: number,
    term: number,
    payload: Uint8Array,
    knownGroups: number,
  ): number {
    const crc = crc32(payload, 0, payload.length);
    const at = this.#add(log, flag, kind, index, term, payload.length, crc, knownGroups);
    this.#arena.bytes.set(payload, this.#arena.front + this.#entriesStart + at);
    return at;
  }

  #add(
    log: GroupLog,
    flag: number,
    kind: number,
    index: number,
    term: number,
    length: number,
    crc: number,
    knownGroups: number,
  ): number {
    if (this.#entryCount === 0) this.#listRoom = Math.max(1, knownGroups);
    this.#version = Math.max(this.#version, versionOfKind(kind));
    this.#touch(log, flag);
    const used = this.#entriesStart + this.#entriesBytes;
    const needed = used + entryHeadBytes + length;
    assert(needed <= frameHeadBytes + this.#maxEntryBytes + stageSpareBytes, "a frame fits the stage");
    this.#arena.reserve(used, needed);
    setEntryHead(this.#arena.view, this.#arena.front + used, kind, log.group, index, term, length, crc);
    const at = this.#entriesBytes + entryHeadBytes;
    this.#entriesBytes = at + length;
    this.#entryCount += 1;
    return at;
  }

  /** Puts the group on the shard list. */
  #touch(log: GroupLog, flag: number): void {
    if (log.stagedRow >= 0) {
      this.#flags[log.stagedRow] = (this.#flags[log.stagedRow] ?? 0) | flag;
      return;
    }
    if (this.#groups.length === this.#listRoom) this.#growList();
    log.stagedRow = this.#groups.length;
    this.#groups.push(log);
    this.#flags.push(flag);
  }

  /** Moves the entries up: more groups turned up than were known when the frame was begun. */
  #growList(): void {
    const from = this.#entriesStart;
    this.#listRoom *= 2;
    const to = this.#entriesStart;
    this.#arena.reserve(from + this.#entriesBytes, to + this.#entriesBytes);
    const { front } = this.#arena;
    this.#arena.bytes.copyWithin(front + to, front + from, front + from + this.#entriesBytes);
  }
}
