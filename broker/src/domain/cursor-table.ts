import { copied, grown } from "./columns.ts";
import type { DoneBits } from "./done-bits.ts";
import { KeyTable } from "./key-table.ts";

const none = -1;

/** How far each group is on each queue it has begun: a row each. */
export class CursorTable {
  group = new Uint32Array(16);
  /** Row of the queue in the `QueueTable`. */
  queueRow = new Int32Array(16);
  /** The group's cursor epoch when the cursor began. */
  epoch = new Uint32Array(16);
  /** Offset at which the group began. */
  start = new Float64Array(16);
  /** First offset that is not finished. */
  floor = new Float64Array(16);
  /** Finished offsets above the floor. */
  doneAbove = new Float64Array(16);
  /** Messages given up after the maximum of attempts and still kept. */
  parked = new Float64Array(16);
  /** Messages that retention removed before they were finished. */
  expired = new Float64Array(16);
  /** Messages given up to the group's dead letters. */
  dead = new Float64Array(16);
  /** Slots (messages delivered once and not finished) of this cursor. */
  slots = new Uint32Array(16);
  /** Next cursor on the same queue; -1 for none. */
  nextOnQueue = new Int32Array(16);
  /** Which offsets above the floor are finished; made when the first is. */
  bits: (DoneBits | undefined)[] = [];
  #rows = new KeyTable();
  #used = 0;
  #free: number[] = [];

  get count(): number {
    return this.#rows.count;
  }

  /** Rows are numbered below this. */
  get end(): number {
    return this.#used;
  }

  /** The row of a group on a queue; -1 when it has not begun there. */
  find(group: number, queueRow: number): number {
    return queueRow === none ? none : this.#rows.get(group, queueRow);
  }

  /** Adds the cursor of a group on a queue, which has none yet. */
  add(group: number, queueRow: number): number {
    const row = this.#free.pop() ?? this.#used++;
    if (row >= this.group.length) this.#grow();
    this.group[row] = group;
    this.queueRow[row] = queueRow;
    this.nextOnQueue[row] = none;
    this.#rows.add(group, queueRow, row);
    return row;
  }

  /** Whether a row number below `end` is in use. */
  holds(row: number): boolean {
    return this.find(this.group[row] ?? 0, this.queueRow[row] ?? none) === row;
  }

  remove(row: number): void {
    this.#rows.remove(this.group[row] ?? 0, this.queueRow[row] ?? none);
    this.bits[row] = undefined;
    this.#free.push(row);
  }

  copy(): CursorTable {
    const twin = new CursorTable();
    twin.group = copied(this.group);
    twin.queueRow = copied(this.queueRow);
    twin.epoch = copied(this.epoch);
    twin.start = copied(this.start);
    twin.floor = copied(this.floor);
    twin.doneAbove = copied(this.doneAbove);
    twin.parked = copied(this.parked);
    twin.expired = copied(this.expired);
    twin.dead = copied(this.dead);
    twin.slots = copied(this.slots);
    twin.nextOnQueue = copied(this.nextOnQueue);
    twin.bits = this.bits.map((bits) => bits?.copy());
    twin.#rows = this.#rows.copy();
    twin.#used = this.#used;
    twin.#free = [...this.#free];
    return twin;
  }

  #grow(): void {
    const capacity = this.group.length * 2;
    this.group = grown(this.group, capacity);
    this.queueRow = grown(this.queueRow, capacity);
    this.epoch = grown(this.epoch, capacity);
    this.start = grown(this.start, capacity);
    this.floor = grown(this.floor, capacity);
    this.doneAbove = grown(this.doneAbove, capacity);
    this.parked = grown(this.parked, capacity);
    this.expired = grown(this.expired, capacity);
    this.dead = grown(this.dead, capacity);
    this.slots = grown(this.slots, capacity);
    this.nextOnQueue = grown(this.nextOnQueue, capacity);
  }
}
