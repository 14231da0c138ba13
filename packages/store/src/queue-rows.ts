import { assert } from "@saturnmq/kit";
import type { IndexRow, QueueKey } from "./ports.ts";

const firstChunkRows = 4;
const maxChunkRows = 4096;
/** Words of a chunk's head: the chunk before (0: none), the first row's number. */
const chunkHead = 2;
/** Words of a row: offset, length, tag hash. */
const rowWords = 3;

/**
 * The queue index of one unsealed segment: per queue the rows of its applied messages here, in order. All in a few typed arrays, however
 * many queues there are: a queue's rows lie in chunks of growing size, each pointing to the one before.
 */
export class QueueRows {
  readonly segment: number;
  /** Open addressing: queue number + 1 by hash of the key; 0 is free. */
  #table = new Uint32Array(64);
  #count = 0;
  /** By queue number: group, stream, partition. */
  #keys = new Uint32Array(3 * 32);
  #firstOffsets = new Float64Array(32);
  #rowCounts = new Uint32Array(32);
  /** The queue's newest chunk and how many rows it can hold. */
  #tails = new Uint32Array(32);
  #tailSizes = new Uint32Array(32);
  #pool = new Uint32Array(1024);
  /** Word 0 stays unused, so that 0 can mean "none". */
  #poolUsed = 1;
  readonly #groups = new Set<number>();

  constructor(segment: number) {
    this.segment = segment;
  }

  /** Number of the queue, or -1. */
  find(key: QueueKey): number {
    const mask = this.#table.length - 1;
    for (let slot = hashOf(key) & mask; ; slot = (slot + 1) & mask) {
      const queue = (this.#table[slot] as number) - 1;
      if (queue < 0 || this.#is(queue, key)) return queue;
    }
  }

  /** True when there is a row of one of the group's queues. */
  knows(group: number): boolean {
    return this.#groups.has(group);
  }

  firstOffset(queue: number): number {
    return this.#firstOffsets[queue] as number;
  }

  nextOffset(queue: number): number {
    return (this.#firstOffsets[queue] as number) + (this.#rowCounts[queue] as number);
  }

  /** Adds the row of `offset`. One that is there already is left alone; a gap is a bug of the caller. */
  add(key: QueueKey, offset: number, row: IndexRow): void {
    let queue = this.find(key);
    if (queue < 0) queue = this.#newQueue(key, offset);
    const next = this.nextOffset(queue);
    assert(offset <= next, `offset ${offset} leaves a gap after ${next - 1} in stream ${key.stream}/${key.partition}`);
    if (offset < next) return;
    const at = this.#rowPlace(queue, this.#rowCounts[queue] as number, true);
    this.#pool[at] = row.offset;
    this.#pool[at + 1] = row.length;
    this.#pool[at + 2] = row.tagHash;
    this.#rowCounts[queue] = (this.#rowCounts[queue] as number) + 1;
  }

  /** Appends the rows of offsets [from, to) to `rows`; all exist. */
  collect(queue: number, from: number, to: number, rows: IndexRow[]): void {
    const first = this.firstOffset(queue);
    for (let offset = from; offset < to; offset += 1) {
      const at = this.#rowPlace(queue, offset - first, false);
      rows.push({
        segment: this.segment,
        offset: this.#pool[at] as number,
        length: this.#pool[at + 1] as number,
        tagHash: this.#pool[at + 2] as number,
      });
    }
  }

  /** Word in the pool of a queue's row; with `grow` the row may be the one after the last. */
  #rowPlace(queue: number, row: number, grow: boolean): number {
    let chunk = this.#tails[queue] as number;
    if (grow && row === (this.#pool[chunk + 1] as number) + (this.#tailSizes[queue] as number))
      chunk = this.#newChunk(queue, row);
    while ((this.#pool[chunk + 1] as number) > row) chunk = this.#pool[chunk] as number;
    return chunk + chunkHead + rowWords * (row - (this.#pool[chunk + 1] as number));
  }

  #newQueue(key: QueueKey, offset: number): number {
    const queue = this.#count;
    if (queue === this.#firstOffsets.length) this.#growQueues();
    if (2 * (queue + 1) > this.#table.length) this.#growTable();
    this.#count += 1;
    this.#groups.add(key.group);
    this.#keys[3 * queue] = key.group;
    this.#keys[3 * queue + 1] = key.stream;
    this.#keys[3 * queue + 2] = key.partition;
    this.#firstOffsets[queue] = offset;
    this.#insert(queue);
    this.#tails[queue] = 0;
    this.#newChunk(queue, 0);
    return queue;
  }

  #newChunk(queue: number, firstRow: number): number {
    const before = this.#tails[queue] as number;
    const rows = before === 0 ? firstChunkRows : Math.min(maxChunkRows, 2 * (this.#tailSizes[queue] as number));
    const words = chunkHead + rowWords * rows;
    const chunk = this.#poolUsed;
    while (chunk + words > this.#pool.length) this.#pool = doubled(this.#pool);
    this.#poolUsed += words;
    this.#pool[chunk] = before;
    this.#pool[chunk + 1] = firstRow;
    this.#tails[queue] = chunk;
    this.#tailSizes[queue] = rows;
    return chunk;
  }

  #is(queue: number, key: QueueKey): boolean {
    return (
      this.#keys[3 * queue + 1] === key.stream &&
      this.#keys[3 * queue + 2] === key.partition &&
      this.#keys[3 * queue] === key.group
    );
  }

  #insert(queue: number): void {
    const mask = this.#table.length - 1;
    const key = {
      group: this.#keys[3 * queue] as number,
      stream: this.#keys[3 * queue + 1] as number,
      partition: this.#keys[3 * queue + 2] as number,
    };
    let slot = hashOf(key) & mask;
    while (this.#table[slot] !== 0) slot = (slot + 1) & mask;
    this.#table[slot] = queue + 1;
  }

  #growTable(): void {
    this.#table = new Uint32Array(2 * this.#table.length);
    for (let queue = 0; queue < this.#count; queue += 1) this.#insert(queue);
  }

  #growQueues(): void {
    this.#keys = doubled(this.#keys);
    this.#rowCounts = doubled(this.#rowCounts);
    this.#tails = doubled(this.#tails);
    this.#tailSizes = doubled(this.#tailSizes);
    const offsets = new Float64Array(2 * this.#firstOffsets.length);
    offsets.set(this.#firstOffsets);
    this.#firstOffsets = offsets;
  }
}

function hashOf({ group, stream, partition }: QueueKey): number {
  let hash =
    Math.imul(stream, 0x9e_37_79_b1) ^ Math.imul(partition + 1, 0x85_eb_ca_6b) ^ Math.imul(group + 1, 0xc2_b2_ae_35);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c_1b_3c_6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}

function doubled(array: Uint32Array): Uint32Array<ArrayBuffer> {
  const grown = new Uint32Array(2 * array.length);
  grown.set(array);
  return grown;
}
