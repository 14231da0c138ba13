import { apply, type StateWatcher } from "./apply.ts";
import { grown } from "./columns.ts";
import { Lists } from "./lists.ts";
import type { ShardRecord } from "./shard-record.ts";
import type { ShardState } from "./shard-state.ts";
import { slotKind } from "./slot-table.ts";
import { TimingWheel } from "./timing-wheel.ts";

/** Messages [offset, offset + count) of one queue. */
export type Run = { readonly offset: number; readonly count: number };

/** The list of slots that are due by a record that is not committed yet; cursor c's ready slots are list c + 1. */
const dueList = 0;

/**
 * What the leader of one term knows beyond the committed state: that state with every record it has decided (`decided`), when leases
 * end, and which messages can be handed out. It dies with the leadership.
 *
 * Each live slot of `decided` is in one place: scheduled until its deadline, due but not committed, ready, or taken by a receive that is
 * reading it. Each message without slot is below the scan position (taken, or in `returned`) or at or above it.
 */
export class Overlay implements StateWatcher {
  readonly term: number;
  readonly decided: ShardState;
  readonly #wheel: TimingWheel;
  readonly #lists = new Lists();
  /** By cursor: messages from here on were never taken in this term. */
  #scan = new Float64Array(16);
  /** By cursor: messages from here on have no slot, as far as the scan position has not passed them. */
  #slotsEnd = new Float64Array(16);
  /** By cursor: messages without slot that were taken and given back. */
  readonly #returned = new Map<number, number[]>();
  #counter = 0;

  /** @param state the committed state; copied */
  constructor(state: ShardState, term: number, nowMs: number) {
    this.term = term;
    this.decided = state.copy();
    this.#wheel = new TimingWheel(nowMs);
    const { cursors, slots } = this.decided;
    for (let cursor = 0; cursor < cursors.end; cursor += 1) this.cursorStarted(cursor);
    for (let slot = 0; slot < slots.end; slot += 1) {
      if (slots.kind[slot] === slotKind.live) this.slotChanged(slot);
    }
  }

  /** Messages leased or hidden until a later time. */
  get scheduled(): number {
    return this.#wheel.count;
  }

  /** Shard time before which no lease ends. */
  get nextDueMs(): number {
    return this.#wheel.nextDueMs();
  }

  /** True when slots are due by records that are not committed yet. */
  get awaitsCommit(): boolean {
    return this.#lists.first(dueList) >= 0;
  }

  /** Takes a record into the decided state. The caller has staged its bytes. */
  add(record: ShardRecord): void {
    apply(this.decided, record, this);
  }

  /** The counter of `count` new leases' first. */
  nextCounter(count = 1): number {
    const first = this.#counter + 1;
    this.#counter += count;
    return first;
  }

  slotChanged(slot: number): void {
    this.#lists.remove(slot);
    this.#wheel.schedule(slot, this.decided.slots.deadline[slot] ?? 0);
    // A slot that no receive of this term made: of an earlier leader, or of a handle whose lease was lost.
    const cursor = this.decided.slots.cursor[slot] ?? 0;
    const offset = this.decided.slots.offset[slot] ?? 0;
    if (offset >= (this.#scan[cursor] ?? 0)) {
      this.#slotsEnd[cursor] = Math.max(this.#slotsEnd[cursor] ?? 0, offset + 1);
    }
  }

  slotGone(slot: number): void {
    this.#lists.remove(slot);
    this.#wheel.remove(slot);
  }

  cursorStarted(cursor: number): void {
    if (cursor >= this.#scan.length) {
      const capacity = Math.max(this.#scan.length * 2, cursor + 1);
      this.#scan = grown(this.#scan, capacity);
      this.#slotsEnd = grown(this.#slotsEnd, capacity);
    }
    this.#scan[cursor] = this.decided.cursors.floor[cursor] ?? 0;
    this.#slotsEnd[cursor] = 0;
    this.#returned.delete(cursor);
  }

  /** Moves time on: leases that ended become due. Calls `due` with the slots whose own record is committed in `state`. */
  advance(state: ShardState, nowMs: number, due: (slot: number) => void): void {
    for (let slot = this.#lists.first(dueList), last = -1; slot >= 0 && slot !== last; ) {
      this.#lists.remove(slot);
      if (this.#isCommitted(state, slot)) {
        due(slot);
      } else {
        this.#lists.push(dueList, slot);
        if (last < 0) last = slot;
      }
      slot = this.#lists.first(dueList);
    }
    this.#wheel.advance(nowMs, (slot) => {
      if (this.#isCommitted(state, slot)) due(slot);
      else this.#lists.push(dueList, slot);
    });
  }

  /** Makes a due slot ready to be taken. */
  makeReady(slot: number): void {
    this.#lists.push((this.decided.slots.cursor[slot] ?? 0) + 1, slot);
  }

  /** Whether `take` would find a message. `state` bounds what was committed. */
  hasReady(state: ShardState, cursor: number): boolean {
    if (this.#lists.first(cursor + 1) >= 0 || (this.#returned.get(cursor)?.length ?? 0) > 0) return true;
    return this.#skipKnown(cursor, state.nextOf(cursor)) < state.nextOf(cursor);
  }

  /**
   * Takes up to `count` messages that can be leased: redelivered ones first, then new ones in offset order. Nobody else gets them until they are
   * leased, finished or `release`d.
   */
  take(state: ShardState, cursor: number, count: number): Run[] {
    const runs: Run[] = [];
    let left = count;
    for (; left > 0; left -= 1) {
      const slot = this.#lists.shift(cursor + 1);
      if (slot < 0) break;
      extend(runs, this.decided.slots.offset[slot] ?? 0, 1);
    }
    const returned = this.#returned.get(cursor);
    while (left > 0 && returned !== undefined && returned.length > 0) {
      const offset = returned.shift() ?? 0;
      if (this.decided.isDone(cursor, offset) || this.decided.liveSlot(cursor, offset) >= 0) continue;
      extend(runs, offset, 1);
      left -= 1;
    }
    const end = state.nextOf(cursor);
    while (left > 0) {
      const from = this.#skipKnown(cursor, end);
      if (from >= end) break;
      const taken = this.#unknownRun(cursor, from, Math.min(end, from + left));
      extend(runs, from, taken);
      this.#scan[cursor] = from + taken;
      left -= taken;
    }
    return runs;
  }

  /** Gives back taken messages that were neither leased nor finished. */
  release(cursor: number, runs: readonly Run[]): void {
    for (const { offset: from, count } of runs) {
      for (let offset = from; offset < from + count; offset += 1) this.#releaseOne(cursor, offset);
    }
  }

  /** Whether a taken message may still be leased: it was not finished and not changed since. */
  isTaken(cursor: number, offset: number): boolean {
    if (this.decided.isDone(cursor, offset)) return false;
    const slot = this.decided.liveSlot(cursor, offset);
    return slot < 0 || (!this.#wheel.has(slot) && this.#lists.ownerOf(slot) < 0);
  }

  #releaseOne(cursor: number, offset: number): void {
    if (!this.isTaken(cursor, offset)) return;
    const slot = this.decided.liveSlot(cursor, offset);
    if (slot >= 0) {
      this.makeReady(slot);
      return;
    }
    const list = this.#returned.get(cursor);
    if (list === undefined) this.#returned.set(cursor, [offset]);
    else list.push(offset);
  }

  /** Moves the scan position over what is finished or has a slot, up to `end`. */
  #skipKnown(cursor: number, end: number): number {
    const { cursors } = this.decided;
    let at = Math.max(this.#scan[cursor] ?? 0, cursors.floor[cursor] ?? 0);
    while (at < end) {
      const before = at;
      if ((cursors.doneAbove[cursor] ?? 0) > 0) at = cursors.bits[cursor]?.nextClear(at) ?? at;
      if (at < (this.#slotsEnd[cursor] ?? 0) && this.decided.liveSlot(cursor, at) >= 0) at += 1;
      if (at === before) break;
    }
    at = Math.min(at, Math.max(end, this.#scan[cursor] ?? 0));
    this.#scan[cursor] = at;
    return at;
  }

  /** Length of the run from `from`, itself unknown, that is neither finished nor has slots. */
  #unknownRun(cursor: number, from: number, to: number): number {
    const { cursors } = this.decided;
    let end = to;
    if ((cursors.doneAbove[cursor] ?? 0) > 0) end = cursors.bits[cursor]?.nextSet(from, to) ?? to;
    const slotsEnd = Math.min(end, this.#slotsEnd[cursor] ?? 0);
    for (let at = from + 1; at < slotsEnd; at += 1) if (this.decided.liveSlot(cursor, at) >= 0) return at - from;
    return end - from;
  }

  #isCommitted({ slots }: ShardState, slot: number): boolean {
    const decided = this.decided.slots;
    return (
      slots.kind[slot] === slotKind.live &&
      slots.cursor[slot] === decided.cursor[slot] &&
      slots.offset[slot] === decided.offset[slot] &&
      slots.term[slot] === decided.term[slot] &&
      slots.counter[slot] === decided.counter[slot]
    );
  }
}

/** Adds messages to the last run if they follow it, else as a new run. */
export function extend(runs: Run[], offset: number, count: number): void {
  const last = runs.at(-1);
  if (last !== undefined && last.offset + last.count === offset) {
    runs[runs.length - 1] = { offset: last.offset, count: last.count + count };
  } else {
    runs.push({ offset, count });
  }
}
