import { grown } from "./columns.ts";
import { KeyTable } from "./key-table.ts";
import { Lists } from "./lists.ts";
import { ReadyLists } from "./ready-lists.ts";

/** Most messages of one cursor that wait behind others of their lock; no more are looked at before some are finished. */
const waitingMax = 10_000;

/**
 * What is in an order, per cursor and lock: the messages that were delivered and are not finished (slots), and, by offset, those that were
 * seen and must wait behind them. A lock can be handed out when nobody has any of its slots; one receive at a time has it.
 */
export class Locks {
  readonly #rows = new KeyTable();
  #cursor = new Int32Array(16);
  #lock = new Uint32Array(16);
  /** Slots, and how many of them can be handed out. */
  #slots = new Uint32Array(16);
  #ready = new Uint32Array(16);
  #waiting = new Uint32Array(16);
  /** 1 while a receive reads it. */
  #taken = new Uint8Array(16);
  #used = 0;
  readonly #free: number[] = [];
  readonly #slotsOf = new Lists();
  /** By slot: 1 when it can be handed out. */
  #isReady = new Uint8Array(16);
  readonly #waitingOf = new Lists();
  /** By place in `#waitingOf`. */
  #offset = new Float64Array(16);
  #places = 0;
  readonly #freePlaces: number[] = [];
  /** By cursor: all that wait. */
  readonly #waitingOn = new Map<number, number>();
  readonly #deliverable = new ReadyLists();
  /** Cursors of locks that can be handed out since `awake` was asked last. */
  readonly #awake = new Set<number>();

  /** A slot is new to its lock, or cannot be handed out any more. */
  slotHeld(cursor: number, lock: number, slot: number): void {
    const row = this.#open(cursor, lock);
    if (slot >= this.#isReady.length)
      this.#isReady = grown(this.#isReady, Math.max(this.#isReady.length * 2, slot + 1));
    if (this.#slotsOf.ownerOf(slot) < 0) {
      this.#slotsOf.push(row, slot);
      this.#slots[row] = (this.#slots[row] ?? 0) + 1;
    }
    this.#setReady(row, slot, 0);
    this.#refresh(row);
  }

  slotReady(slot: number): void {
    const row = this.#slotsOf.ownerOf(slot);
    if (row < 0) return;
    this.#setReady(row, slot, 1);
    this.#refresh(row);
  }

  slotGone(slot: number): void {
    const row = this.#slotsOf.ownerOf(slot);
    if (row < 0) return;
    this.#setReady(row, slot, 0);
    this.#slotsOf.remove(slot);
    this.#slots[row] = (this.#slots[row] ?? 0) - 1;
    this.#refresh(row);
  }

  isReady(slot: number): boolean {
    return this.#isReady[slot] === 1;
  }

  /** Room for further messages of a cursor to wait. */
  room(cursor: number): number {
    return waitingMax - (this.#waitingOn.get(cursor) ?? 0);
  }

  /** Adds a message that was never delivered. Those of one lock come in the order of their offsets. */
  wait(cursor: number, lock: number, offset: number): void {
    const row = this.#open(cursor, lock);
    const place = this.#freePlaces.pop() ?? this.#places++;
    if (place >= this.#offset.length) this.#offset = grown(this.#offset, this.#offset.length * 2);
    this.#offset[place] = offset;
    this.#waitingOf.push(row, place);
    this.#waiting[row] = (this.#waiting[row] ?? 0) + 1;
    this.#waitingOn.set(cursor, (this.#waitingOn.get(cursor) ?? 0) + 1);
    this.#refresh(row);
  }

  hasFor(cursor: number, filter: number): boolean {
    return this.#deliverable.hasFor(cursor, filter);
  }

  /** Takes a lock that can be handed out and whose first message the filter may want; -1 for none. Ended by `end`. */
  take(cursor: number, filter: number): number {
    const row = this.#deliverable.shift(cursor, filter);
    if (row >= 0) this.#taken[row] = 1;
    return row;
  }

  lockOf(row: number): number {
    return this.#lock[row] ?? 0;
  }

  /** Slots of a taken lock, in no order. */
  slotsOf(row: number): number[] {
    return [...this.#slotsOf.items(row)];
  }

  /** Up to `count` offsets that wait behind the slots, in their order. */
  waitingOf(row: number, count: number, isOpen: (offset: number) => boolean): number[] {
    const offsets: number[] = [];
    for (const place of this.#waitingOf.items(row)) {
      if (offsets.length >= count) break;
      const offset = this.#offset[place] ?? 0;
      if (isOpen(offset)) offsets.push(offset);
    }
    return offsets;
  }

  /**
   * Gives a taken lock back.
   *
   * @param waits whether a message that waited still does: it has no slot and is not finished
   * @param mask filters that may want the first message now; 0: not known
   */
  end(row: number, waits: (offset: number) => boolean, mask: number): void {
    this.#taken[row] = 0;
    for (let place = this.#waitingOf.first(row); place >= 0; place = this.#waitingOf.first(row)) {
      if (waits(this.#offset[place] ?? 0)) break;
      this.#dropFirst(row);
    }
    this.#refresh(row, mask);
  }

  /** Forgets a cursor that goes or begins anew. Its slots have gone before. */
  forget(cursor: number): void {
    if (!this.#waitingOn.has(cursor)) return;
    for (let row = 0; row < this.#used; row += 1) {
      if (this.#cursor[row] !== cursor || this.#rows.get(this.#lock[row] ?? 0, cursor) !== row) continue;
      while (this.#waitingOf.first(row) >= 0) this.#dropFirst(row);
      this.#refresh(row);
    }
    this.#waitingOn.delete(cursor);
  }

  /** Forgets who wants what of the cursors for which `concerns` holds. */
  reopen(concerns: (cursor: number) => boolean): void {
    for (const cursor of this.#deliverable.classified()) if (concerns(cursor)) this.#deliverable.reopen(cursor);
  }

  /** Cursors that may have something to hand out that had nothing when this was asked last. */
  awake(): readonly number[] {
    if (this.#awake.size === 0) return [];
    const cursors = [...this.#awake];
    this.#awake.clear();
    return cursors;
  }

  #dropFirst(row: number): void {
    const place = this.#waitingOf.shift(row);
    this.#freePlaces.push(place);
    this.#waiting[row] = (this.#waiting[row] ?? 0) - 1;
    const cursor = this.#cursor[row] ?? 0;
    const left = (this.#waitingOn.get(cursor) ?? 0) - 1;
    this.#waitingOn.set(cursor, left);
  }

  #setReady(row: number, slot: number, ready: 0 | 1): void {
    if (this.#isReady[slot] === ready) return;
    this.#isReady[slot] = ready;
    this.#ready[row] = (this.#ready[row] ?? 0) + (ready === 1 ? 1 : -1);
  }

  /** Files a lock by what it has, and lets go of one that has nothing. */
  #refresh(row: number, mask = 0): void {
    const [slots, waiting, cursor] = [this.#slots[row] ?? 0, this.#waiting[row] ?? 0, this.#cursor[row] ?? 0];
    const isFree = this.#taken[row] === 0 && this.#ready[row] === slots;
    if (isFree && slots + waiting > 0) {
      if (this.#deliverable.has(row)) return;
      this.#deliverable.push(cursor, row, mask);
      this.#awake.add(cursor);
      return;
    }
    this.#deliverable.remove(row);
    if (this.#taken[row] === 1 || slots + waiting > 0) return;
    this.#rows.remove(this.#lock[row] ?? 0, cursor);
    this.#free.push(row);
  }

  #open(cursor: number, lock: number): number {
    const found = this.#rows.get(lock, cursor);
    if (found >= 0) return found;
    const row = this.#free.pop() ?? this.#used++;
    if (row >= this.#cursor.length) this.#grow();
    this.#cursor[row] = cursor;
    this.#lock[row] = lock;
    this.#slots[row] = 0;
    this.#ready[row] = 0;
    this.#waiting[row] = 0;
    this.#taken[row] = 0;
    this.#rows.add(lock, cursor, row);
    return row;
  }

  #grow(): void {
    const capacity = this.#cursor.length * 2;
    this.#cursor = grown(this.#cursor, capacity);
    this.#lock = grown(this.#lock, capacity);
    this.#slots = grown(this.#slots, capacity);
    this.#ready = grown(this.#ready, capacity);
    this.#waiting = grown(this.#waiting, capacity);
    this.#taken = grown(this.#taken, capacity);
  }
}
