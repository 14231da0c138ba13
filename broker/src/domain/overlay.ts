import { apply, type StateWatcher } from "./apply.ts";
import { grown } from "./columns.ts";
import { filtersMax } from "./filter-table.ts";
import { Lists } from "./lists.ts";
import { OrderedReads } from "./ordered-reads.ts";
import { ReadyLists } from "./ready-lists.ts";
import { extend, type Run } from "./runs.ts";
import { ScanPositions } from "./scan-positions.ts";
import type { ShardRecord } from "./shard-record.ts";
import type { ShardState } from "./shard-state.ts";
import { slotKind } from "./slot-table.ts";
import { TimingWheel } from "./timing-wheel.ts";

/** Messages that the one who took them does not want; a bit for each filter, by number, that may. */
export type Left = Run & { readonly mask: number };

/** Messages that somebody reads with a filter: nobody else gets them until it is ended. */
export type Taken = {
  readonly cursor: number;
  /** Number of the filter. */
  readonly filter: number;
  readonly runs: readonly Run[];
  /** Those without slot are in [freshFrom, freshTo). */
  readonly freshFrom: number;
  readonly freshTo: number;
};

/** A take, and a bit for each filter whose scan passed it. */
type Reading = { readonly taken: Taken; passedBy: number };

/** The one list of slots that are due by a record that is not committed yet. */
const dueList = 0;

/**
 * What the leader of one term knows beyond the committed state: that state with every record it has decided (`decided`), when leases
 * end, and which messages can be handed out. It dies with the leadership.
 *
 * Each live slot of `decided` is in one place: scheduled until its deadline, due but not committed, ready, or taken by a receive that is
 * reading it. Of the messages without slot, each filter has those at or above its scan position before it; below it are only messages that
 * it does not want or that somebody is reading.
 */
export class Overlay implements StateWatcher {
  readonly term: number;
  /** Shard time at which it began. */
  readonly sinceMs: number;
  readonly decided: ShardState;
  /** How ordered groups read. */
  readonly ordered: OrderedReads;
  readonly #wheel: TimingWheel;
  readonly #due = new Lists();
  readonly #ready = new ReadyLists();
  readonly #positions = new ScanPositions();
  /** By cursor: messages from here on have no slot. */
  #slotsEnd = new Float64Array(16);
  /** By cursor: what is being read. A few at a time. */
  readonly #reading = new Map<number, Reading[]>();
  #counter = 0;

  /** @param state the committed state; copied */
  constructor(state: ShardState, term: number, nowMs: number) {
    this.term = term;
    this.sinceMs = nowMs;
    this.decided = state.copy();
    this.ordered = new OrderedReads(this.decided);
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
    return this.#due.first(dueList) >= 0;
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
    this.#due.remove(slot);
    this.#ready.remove(slot);
    this.#wheel.schedule(slot, this.decided.slots.deadline[slot] ?? 0);
    const cursor = this.decided.slots.cursor[slot] ?? 0;
    const end = (this.decided.slots.offset[slot] ?? 0) + 1;
    if (end > (this.#slotsEnd[cursor] ?? 0)) this.#slotsEnd[cursor] = end;
    this.ordered.slotChanged(slot);
  }

  slotGone(slot: number): void {
    this.#due.remove(slot);
    this.#ready.remove(slot);
    this.#wheel.remove(slot);
    this.ordered.slotGone(slot);
  }

  cursorStarted(cursor: number): void {
    if (cursor >= this.#slotsEnd.length) {
      this.#slotsEnd = grown(this.#slotsEnd, Math.max(this.#slotsEnd.length * 2, cursor + 1));
    }
    this.#slotsEnd[cursor] = 0;
    this.#reading.delete(cursor);
    this.ordered.cursorStarted(cursor);
    for (let filter = 0; filter < filtersMax; filter += 1) this.#positions.forgetOne(cursor, filter);
  }

  /** What a filter passed over, nobody may want any more, or somebody new: all look again, from the floor on. */
  filtersChanged(group: number, topic: number): void {
    const { cursors, queues } = this.decided;
    const concerns = (cursor: number): boolean =>
      cursors.group[cursor] === group && queues.topic[cursors.queueRow[cursor] ?? 0] === topic;
    this.#positions.forget(concerns);
    for (const cursor of this.#ready.classified()) if (concerns(cursor)) this.#ready.reopen(cursor);
    this.ordered.filtersChanged(concerns);
  }

  /** Moves time on: leases that ended become due. Calls `due` with the slots whose own record is committed in `state`. */
  advance(state: ShardState, nowMs: number, due: (slot: number) => void): void {
    for (let slot = this.#due.first(dueList), last = -1; slot >= 0 && slot !== last; ) {
      this.#due.remove(slot);
      if (this.#isCommitted(state, slot)) {
        due(slot);
      } else {
        this.#due.push(dueList, slot);
        if (last < 0) last = slot;
      }
      slot = this.#due.first(dueList);
    }
    this.#wheel.advance(nowMs, (slot) => {
      if (this.#isCommitted(state, slot)) due(slot);
      else this.#due.push(dueList, slot);
    });
  }

  /** Has a message that is due be due again later. */
  postpone(cursor: number, offset: number, untilMs: number): void {
    const slot = this.decided.liveSlot(cursor, offset);
    if (slot >= 0) this.#wheel.schedule(slot, untilMs);
  }

  /** Makes a due slot ready to be taken. */
  makeReady(slot: number): void {
    if (this.ordered.slotReady(slot)) return;
    this.#ready.push(this.decided.slots.cursor[slot] ?? 0, slot);
  }

  /** Whether `take` would find a message. `state` bounds what was committed. */
  hasReady(state: ShardState, cursor: number, filter: number): boolean {
    if (this.#ready.hasFor(cursor, filter)) return true;
    return this.#skipKnown(cursor, filter, state.nextOf(cursor)) < state.nextOf(cursor);
  }

  /**
   * Takes up to `count` messages that can be leased and that this filter may want: redelivered ones first, then new ones in offset order.
   * Nobody else gets them until the caller calls `end`.
   */
  take(state: ShardState, cursor: number, filter: number, count: number): Taken {
    const runs: Run[] = [];
    let left = count;
    for (; left > 0; left -= 1) {
      const slot = this.#ready.shift(cursor, filter);
      if (slot < 0) break;
      extend(runs, this.decided.slots.offset[slot] ?? 0, 1);
    }
    const end = state.nextOf(cursor);
    let [freshFrom, freshTo] = [end, end];
    while (left > 0) {
      const from = this.#skipKnown(cursor, filter, end);
      if (from >= end) break;
      const taken = this.#unknownRun(cursor, from, Math.min(end, from + left));
      extend(runs, from, taken);
      freshFrom = Math.min(freshFrom, from);
      freshTo = from + taken;
      this.#positions.set(cursor, filter, freshTo);
      left -= taken;
    }
    const taken = { cursor, filter, runs, freshFrom, freshTo };
    if (runs.length > 0) this.#readings(cursor).push({ taken, passedBy: 0 });
    return taken;
  }

  /** Whether a take still holds: its cursor did not go or begin anew. */
  holds({ cursor, runs }: Taken): boolean {
    return this.#reading.get(cursor)?.some(({ taken }) => taken.runs === runs) ?? false;
  }

  /**
   * Ends a take: what was neither leased nor finished can be taken again, by the filters that may want it.
   *
   * @param left what this filter does not want, but others do
   * @param unreadable offsets that stay taken: they count as unfinished, and the others flow
   * @returns whether somebody may find something now that was not there before
   */
  end(
    { cursor, filter, runs, freshFrom }: Taken,
    left: readonly Left[] = [],
    unreadable: readonly number[] = [],
  ): boolean {
    const readings = this.#reading.get(cursor) ?? [];
    const at = readings.findIndex(({ taken }) => taken.runs === runs);
    if (at < 0) return false;
    const [{ passedBy }] = readings.splice(at, 1) as [Reading];
    for (const offset of unreadable) this.#hold(readings, cursor, offset);
    if (readings.length === 0) this.#reading.delete(cursor);
    for (let other = 0; passedBy >>> other !== 0; other += 1) {
      if ((passedBy & (1 << other)) !== 0) this.#positions.rewind(cursor, other, freshFrom);
    }
    const kept = this.#passOn(cursor, left);
    for (const offset of unreadable) kept.add(offset);
    const unused = this.#giveBack(cursor, filter, runs, kept);
    return passedBy !== 0 || left.length > 0 || unused;
  }

  /** Whether a taken message may still be leased: it was not finished and not changed since. */
  isTaken(cursor: number, offset: number): boolean {
    if (this.decided.isDone(cursor, offset)) return false;
    const slot = this.decided.liveSlot(cursor, offset);
    return slot < 0 || (!this.#wheel.has(slot) && this.#due.ownerOf(slot) < 0 && !this.#ready.has(slot));
  }

  /** Has every scan pass an offset, until the cursor ends or begins anew. */
  #hold(readings: Reading[], cursor: number, offset: number): void {
    const runs = [{ offset, count: 1 }];
    readings.push({ taken: { cursor, filter: 0, runs, freshFrom: offset, freshTo: offset + 1 }, passedBy: 0 });
  }

  /** Keeps messages for those who may want them. @returns the offsets that have no slot: other scans find them */
  #passOn(cursor: number, left: readonly Left[]): Set<number> {
    const fresh = new Set<number>();
    for (const { offset: from, count, mask } of left) {
      for (let offset = from; offset < from + count; offset += 1) {
        const slot = this.decided.liveSlot(cursor, offset);
        if (slot < 0) fresh.add(offset);
        else if (this.isTaken(cursor, offset) && !this.#isRead(cursor, offset)) this.#ready.push(cursor, slot, mask);
      }
    }
    return fresh;
  }

  #giveBack(cursor: number, filter: number, runs: readonly Run[], kept: ReadonlySet<number>): boolean {
    let any = false;
    let fresh = Infinity;
    for (const { offset: from, count } of runs) {
      for (let offset = from; offset < from + count; offset += 1) {
        if (kept.has(offset) || !this.isTaken(cursor, offset)) continue;
        const slot = this.decided.liveSlot(cursor, offset);
        if (slot < 0) fresh = Math.min(fresh, offset);
        else if (this.#isRead(cursor, offset)) continue;
        else this.makeReady(slot);
        any = true;
      }
    }
    this.#positions.rewind(cursor, filter, fresh);
    return any;
  }

  /** Whether a message is being read: changed by a handle whose lease was lost, it may have been taken twice. */
  #isRead(cursor: number, offset: number): boolean {
    const readings = this.#reading.get(cursor) ?? [];
    return readings.some(({ taken }) =>
      taken.runs.some((run) => offset >= run.offset && offset < run.offset + run.count),
    );
  }

  #readings(cursor: number): Reading[] {
    const known = this.#reading.get(cursor);
    if (known !== undefined) return known;
    const readings: Reading[] = [];
    this.#reading.set(cursor, readings);
    return readings;
  }

  /** Moves a filter's scan position over what is finished, has a slot or is being read, up to `end`. */
  #skipKnown(cursor: number, filter: number, end: number): number {
    const { cursors } = this.decided;
    const position = this.#positions.get(cursor, filter);
    let at = Math.max(position, cursors.floor[cursor] ?? 0);
    while (at < end) {
      const before = at;
      if ((cursors.doneAbove[cursor] ?? 0) > 0) at = cursors.bits[cursor]?.nextClear(at) ?? at;
      if (at < (this.#slotsEnd[cursor] ?? 0) && this.decided.liveSlot(cursor, at) >= 0) at += 1;
      at = this.#passReading(cursor, filter, at);
      if (at === before) break;
    }
    at = Math.min(at, Math.max(end, position));
    if (at !== position) this.#positions.set(cursor, filter, at);
    return at;
  }

  #passReading(cursor: number, filter: number, from: number): number {
    let at = from;
    for (const reading of this.#reading.get(cursor) ?? []) {
      const { freshFrom, freshTo } = reading.taken;
      if (at < freshFrom || at >= freshTo) continue;
      reading.passedBy |= 1 << filter;
      at = freshTo;
    }
    return at;
  }

  /** Length of the run from `from`, itself unknown, that is not finished, has no slots and is not being read. */
  #unknownRun(cursor: number, from: number, to: number): number {
    const { cursors } = this.decided;
    let end = to;
    if ((cursors.doneAbove[cursor] ?? 0) > 0) end = cursors.bits[cursor]?.nextSet(from, to) ?? to;
    for (const { taken } of this.#reading.get(cursor) ?? []) {
      if (taken.freshFrom > from) end = Math.min(end, taken.freshFrom);
    }
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
