import { assert } from "@saturnmq/kit";
import type { GroupId, Payload, Position } from "raft-ts";
import { getU64, viewOf } from "./bytes.ts";
import type { IndexRow, QueueKey } from "./ports.ts";
import { recordAt, recordFlags, walkRecords } from "./record.ts";

type Queue = { readonly group: GroupId; readonly rows: Map<number, IndexRow>; next: number; gap: boolean };

/** The queue index of a `MemoryLogStore`. */
export class MemoryQueues {
  readonly #queues = new Map<string, Queue>();

  /** Adds the row of a queue's next message. One that is there already is left alone; a gap is a bug of the caller. */
  add(key: QueueKey, offset: number, row: IndexRow): void {
    const queue = this.#queue(key, offset);
    assert(
      offset <= queue.next || queue.gap,
      `offset ${offset} leaves a gap after ${queue.next - 1} in stream ${key.stream}/${key.partition}`,
    );
    queue.gap = false;
    if (!queue.rows.has(offset)) queue.rows.set(offset, row);
    queue.next = Math.max(queue.next, offset + 1);
  }

  /** Adds the messages of an entry. @param anywhere at any offset, instead of what is there */
  addAll(group: GroupId, payload: Payload, position: Position, anywhere: boolean): void {
    const view = viewOf(payload.bytes);
    walkRecords(payload, (at, length) => {
      if ((view.getUint8(at + recordAt.flags) & recordFlags.message) === 0) return;
      const stream = view.getUint32(at + recordAt.stream, true);
      const key = { group, stream, partition: view.getUint32(at + recordAt.partition, true) };
      const offset = getU64(view, at + recordAt.offset);
      const place = { segment: position.segment, offset: position.offset + at - payload.start, length };
      const row = { ...place, tagHash: view.getUint32(at + recordAt.tagHash, true) };
      if (!anywhere) {
        this.add(key, offset, row);
        return;
      }
      const queue = this.#queue(key, offset);
      queue.rows.set(offset, row);
      queue.next = Math.max(queue.next, offset + 1);
    });
  }

  /** The next message of each of the group's queues may leave a gap: the log was restarted behind one. */
  allowGaps(group: GroupId): void {
    for (const queue of this.#queues.values()) if (queue.group === group) queue.gap = true;
  }

  lookup(key: QueueKey, from: number, count: number): readonly IndexRow[] {
    const rows = this.#queues.get(nameOf(key))?.rows;
    if (rows === undefined) return [];
    const first = rows.has(from)
      ? from
      : [...rows.keys()].reduce((min, at) => (at >= from && at < min ? at : min), Infinity);
    const found: IndexRow[] = [];
    for (let offset = first; offset < from + count; offset += 1) {
      const row = rows.get(offset);
      if (row === undefined) break;
      found.push(row);
    }
    return found;
  }

  /** Forgets what lies in a segment. */
  forget(segment: number): void {
    for (const { rows } of this.#queues.values())
      for (const [offset, row] of rows) if (row.segment === segment) rows.delete(offset);
  }

  #queue(key: QueueKey, offset: number): Queue {
    const name = nameOf(key);
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = { group: key.group, rows: new Map(), next: offset, gap: false };
      this.#queues.set(name, queue);
    }
    return queue;
  }
}

function nameOf(key: QueueKey): string {
  return `${key.group}/${key.stream}/${key.partition}`;
}
