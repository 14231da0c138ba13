import { copied, grown } from "./columns.ts";
import { KeyTable } from "./key-table.ts";

/** What a slot is: free; a message delivered and not finished; a finished one whose replaced handles have not yet run out. */
export const slotKind = { free: 0, live: 1, finished: 2 } as const;

/** Messages that were delivered at least once and are not finished, over all cursors of a shard: a row each, about 72 bytes. */
export class SlotTable {
  kind = new Uint8Array(16);
  cursor = new Int32Array(16);
  offset = new Float64Array(16);
  /** Deliveries so far. */
  attempt = new Uint32Array(16);
  /** Shard time from which it may be delivered again: the lease's end or the next visible time. */
  deadline = new Float64Array(16);
  /** Lease sequence: the leader's term and a counter in it. */
  term = new Float64Array(16);
  counter = new Float64Array(16);
  /** What it is locked by (`lockOf`), 0 for nothing, and by whom it was asked for (`holderOf`), 0 for nobody. */
  lock = new Uint32Array(16);
  holder = new Float64Array(16);
  /** Shard time until which a replaced handle of it could still pass for valid by its own deadline; 0 for none. */
  shadow = new Float64Array(16);
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

  find(cursor: number, offset: number): number {
    return this.#rows.get(cursor, offset);
  }

  /** Adds a live slot for a message that has none. The caller fills in the lease. */
  add(cursor: number, offset: number): number {
    const row = this.#free.pop() ?? this.#used++;
    if (row >= this.kind.length) this.#grow();
    this.kind[row] = slotKind.live;
    this.cursor[row] = cursor;
    this.offset[row] = offset;
    this.attempt[row] = 0;
    this.deadline[row] = 0;
    this.shadow[row] = 0;
    this.lock[row] = 0;
    this.holder[row] = 0;
    this.#rows.add(cursor, offset, row);
    return row;
  }

  remove(row: number): void {
    this.#rows.remove(this.cursor[row] ?? 0, this.offset[row] ?? 0);
    this.kind[row] = slotKind.free;
    this.#free.push(row);
  }

  copy(): SlotTable {
    const twin = new SlotTable();
    twin.kind = copied(this.kind);
    twin.cursor = copied(this.cursor);
    twin.offset = copied(this.offset);
    twin.attempt = copied(this.attempt);
    twin.deadline = copied(this.deadline);
    twin.term = copied(this.term);
    twin.counter = copied(this.counter);
    twin.shadow = copied(this.shadow);
    twin.lock = copied(this.lock);
    twin.holder = copied(this.holder);
    twin.#rows = this.#rows.copy();
    twin.#used = this.#used;
    twin.#free = [...this.#free];
    return twin;
  }

  #grow(): void {
    const capacity = this.kind.length * 2;
    this.kind = grown(this.kind, capacity);
    this.cursor = grown(this.cursor, capacity);
    this.offset = grown(this.offset, capacity);
    this.attempt = grown(this.attempt, capacity);
    this.deadline = grown(this.deadline, capacity);
    this.term = grown(this.term, capacity);
    this.counter = grown(this.counter, capacity);
    this.shadow = grown(this.shadow, capacity);
    this.lock = grown(this.lock, capacity);
    this.holder = grown(this.holder, capacity);
  }
}
