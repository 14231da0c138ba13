import { copied, grown } from "./columns.ts";
import { KeyTable } from "./key-table.ts";

const none = -1;

/** The queues of a shard that hold or held a message: a row each, 36 bytes and its place in the look-up. */
export class QueueTable {
  topic = new Uint32Array(16);
  queue = new Uint32Array(16);
  /** First offset that is kept. */
  min = new Float64Array(16);
  /** Offset of the next message. */
  next = new Float64Array(16);
  /** First cursor on this queue, linked by `CursorTable.nextOnQueue`; -1 for none. */
  firstCursor = new Int32Array(16);
  #rows = new KeyTable();
  #used = 0;
  /** Rows that were removed, to be used again, last first. */
  #free: number[] = [];

  get count(): number {
    return this.#rows.count;
  }

  /** Rows are numbered below this. */
  get end(): number {
    return this.#used;
  }

  /** The row of a queue; -1 when it never held a message. */
  find(topic: number, queue: number): number {
    return this.#rows.get(topic, queue);
  }

  /** The row of a queue, made at first use. */
  open(topic: number, queue: number): number {
    const found = this.find(topic, queue);
    if (found !== none) return found;
    const row = this.#free.pop() ?? this.#used++;
    if (row >= this.topic.length) this.#grow();
    this.topic[row] = topic;
    this.queue[row] = queue;
    this.min[row] = 0;
    this.next[row] = 0;
    this.firstCursor[row] = none;
    this.#rows.add(topic, queue, row);
    return row;
  }

  /** Whether a row number below `end` is in use. */
  holds(row: number): boolean {
    return this.find(this.topic[row] ?? 0, this.queue[row] ?? 0) === row;
  }

  remove(row: number): void {
    this.#rows.remove(this.topic[row] ?? 0, this.queue[row] ?? 0);
    this.#free.push(row);
  }

  copy(): QueueTable {
    const twin = new QueueTable();
    twin.topic = copied(this.topic);
    twin.queue = copied(this.queue);
    twin.min = copied(this.min);
    twin.next = copied(this.next);
    twin.firstCursor = copied(this.firstCursor);
    twin.#rows = this.#rows.copy();
    twin.#used = this.#used;
    twin.#free = [...this.#free];
    return twin;
  }

  #grow(): void {
    const capacity = this.topic.length * 2;
    this.topic = grown(this.topic, capacity);
    this.queue = grown(this.queue, capacity);
    this.min = grown(this.min, capacity);
    this.next = grown(this.next, capacity);
    this.firstCursor = grown(this.firstCursor, capacity);
  }
}
