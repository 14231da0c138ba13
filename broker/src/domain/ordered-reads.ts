import { filtersMax } from "./filter-table.ts";
import { KeyTable } from "./key-table.ts";
import { Lists } from "./lists.ts";
import { Locks } from "./locks.ts";
import { extend, type Run } from "./runs.ts";
import { ScanPositions } from "./scan-positions.ts";
import type { ShardState } from "./shard-state.ts";

/** The one scan of a cursor in an ordered group's hands: it looks with all filters at once. */
const scanOfAll = filtersMax;

/** The first messages of a lock, in their order, that somebody reads: nobody else gets any of that lock until it is ended. */
export type LockTaken = {
  readonly cursor: number;
  readonly row: number;
  readonly lock: number;
  readonly offsets: readonly number[];
};

/** Offsets [offset, offset + count) that end where a scan goes on. */
export type Scan = { readonly cursor: number; readonly runs: readonly Run[]; readonly to: number };

/**
 * How ordered groups read, beside the overlay of a term (design 7, "FIFO"): one holder per cursor and lock, others flow. New messages are
 * scanned in the order of their offsets, one scan of a cursor at a time, and wait in their locks.
 */
export class OrderedReads {
  readonly #decided: ShardState;
  readonly #locks = new Locks();
  readonly #positions = new ScanPositions();
  readonly #scanning = new Set<number>();
  /** Messages whose bytes are not what was written: they are passed. By cursor. */
  readonly #unreadable = new Map<number, Set<number>>();
  /** Slots by cursor and holder. */
  readonly #holderRows = new KeyTable();
  readonly #heldSlots = new Lists();
  #holderOfRow: { readonly cursor: number; readonly holder: number }[] = [];
  readonly #freeRows: number[] = [];

  constructor(decided: ShardState) {
    this.#decided = decided;
  }

  slotChanged(slot: number): void {
    const { slots } = this.#decided;
    const [cursor, lock] = [slots.cursor[slot] ?? 0, slots.lock[slot] ?? 0];
    if (lock === 0) return;
    this.#locks.slotHeld(cursor, lock, slot);
    this.#unhold(slot);
    this.#hold(cursor, slots.holder[slot] ?? 0, slot);
  }

  /** A slot can be handed out. False for one that is in no order. */
  slotReady(slot: number): boolean {
    if ((this.#decided.slots.lock[slot] ?? 0) === 0) return false;
    this.#locks.slotReady(slot);
    return true;
  }

  slotGone(slot: number): void {
    this.#locks.slotGone(slot);
    this.#unhold(slot);
  }

  cursorStarted(cursor: number): void {
    this.#locks.forget(cursor);
    this.#positions.forgetOne(cursor, scanOfAll);
    this.#scanning.delete(cursor);
    this.#unreadable.delete(cursor);
  }

  filtersChanged(concerns: (cursor: number) => boolean): void {
    this.#locks.reopen(concerns);
  }

  /** Whether `take` or `scan` would find something. */
  hasReady(state: ShardState, cursor: number, filter: number): boolean {
    return this.#locks.hasFor(cursor, filter) || this.#next(state, cursor) < state.nextOf(cursor);
  }

  /** Takes up to `count` messages of one lock that nobody holds. The caller leases the first ones or none, and calls `end`. */
  take(cursor: number, filter: number, count: number): LockTaken | undefined {
    const row = this.#locks.take(cursor, filter);
    if (row < 0) return undefined;
    const { slots } = this.#decided;
    const delivered = this.#locks
      .slotsOf(row)
      .map((slot) => slots.offset[slot] ?? 0)
      .filter((offset) => !this.#isUnreadable(cursor, offset))
      .sort((a, b) => a - b)
      .slice(0, count);
    const waiting = this.#locks.waitingOf(row, count - delivered.length, (offset) => this.#waits(cursor, offset));
    return { cursor, row, lock: this.#locks.lockOf(row), offsets: [...delivered, ...waiting] };
  }

  /** @param mask filters that may want the first message that is left, if the taker does not; 0: not known */
  end({ cursor, row }: LockTaken, mask: number): void {
    this.#locks.end(row, (offset) => this.#waits(cursor, offset), mask);
  }

  /** Messages of a cursor that were not seen yet, up to `count`; `undefined` for none, or when no more may wait. Ended by `scanned`. */
  scan(state: ShardState, cursor: number, count: number): Scan | undefined {
    const end = state.nextOf(cursor);
    const from = this.#next(state, cursor);
    if (from >= end) return undefined;
    this.#scanning.add(cursor);
    const to = Math.min(end, from + Math.min(count, this.#locks.room(cursor)));
    const runs: Run[] = [];
    for (let at = from; at < to; at += 1) {
      if (!this.#waits(cursor, at)) continue;
      extend(runs, at, 1);
    }
    return { cursor, runs, to };
  }

  /**
   * Ends a scan: what is still open now waits in its lock.
   *
   * @param lockOf `undefined` for a message that cannot be read: it is passed. The whole: the scan failed, and is begun anew
   */
  scanned({ cursor, runs, to }: Scan, lockOf: ((offset: number) => number | undefined) | undefined): void {
    if (!this.#scanning.delete(cursor) || lockOf === undefined) return;
    for (const { offset: from, count } of runs) {
      for (let offset = from; offset < from + count; offset += 1) {
        if (!this.#waits(cursor, offset)) continue;
        const lock = lockOf(offset);
        if (lock === undefined) this.pass(cursor, offset);
        else this.#locks.wait(cursor, lock, offset);
      }
    }
    this.#positions.set(cursor, scanOfAll, to);
  }

  /** Passes a message that cannot be read, until the cursor ends or begins anew. */
  pass(cursor: number, offset: number): void {
    const passed = this.#unreadable.get(cursor);
    if (passed === undefined) this.#unreadable.set(cursor, new Set([offset]));
    else passed.add(offset);
    const slot = this.#decided.liveSlot(cursor, offset);
    if (slot >= 0) this.#locks.slotGone(slot);
  }

  /** Offsets of the messages that are leased to this holder now, ascending. */
  heldBy(cursor: number, holder: number): number[] {
    const row = holder === 0 ? -1 : this.#holderRows.get(cursor, holder);
    if (row < 0) return [];
    const { slots } = this.#decided;
    const offsets: number[] = [];
    for (const slot of this.#heldSlots.items(row)) {
      if (!this.#locks.isReady(slot)) offsets.push(slots.offset[slot] ?? 0);
    }
    return offsets.sort((a, b) => a - b);
  }

  /** Cursors that may have something to hand out that had nothing when this was asked last. */
  awake(): readonly number[] {
    return this.#locks.awake();
  }

  /** Where the scan goes on; the end while another one runs, or when no more may wait. */
  #next(state: ShardState, cursor: number): number {
    const end = state.nextOf(cursor);
    if (this.#scanning.has(cursor) || this.#locks.room(cursor) <= 0) return end;
    return Math.max(this.#positions.get(cursor, scanOfAll), this.#decided.cursors.floor[cursor] ?? 0);
  }

  #waits(cursor: number, offset: number): boolean {
    const { bits } = this.#decided.cursors;
    if (offset < (this.#decided.cursors.floor[cursor] ?? 0) || bits[cursor]?.has(offset) === true) return false;
    return this.#decided.liveSlot(cursor, offset) < 0 && !this.#isUnreadable(cursor, offset);
  }

  #isUnreadable(cursor: number, offset: number): boolean {
    return this.#unreadable.get(cursor)?.has(offset) ?? false;
  }

  #hold(cursor: number, holder: number, slot: number): void {
    if (holder === 0) return;
    let row = this.#holderRows.get(cursor, holder);
    if (row < 0) {
      row = this.#freeRows.pop() ?? this.#holderOfRow.length;
      this.#holderOfRow[row] = { cursor, holder };
      this.#holderRows.add(cursor, holder, row);
    }
    this.#heldSlots.push(row, slot);
  }

  #unhold(slot: number): void {
    const row = this.#heldSlots.ownerOf(slot);
    const of = row < 0 ? undefined : this.#holderOfRow[row];
    if (of === undefined) return;
    this.#heldSlots.remove(slot);
    if (this.#heldSlots.first(row) >= 0) return;
    this.#holderRows.remove(of.cursor, of.holder);
    this.#freeRows.push(row);
  }
}
