import { CursorTable } from "./cursor-table.ts";
import { FilterTable } from "./filter-table.ts";
import { ParkedList } from "./parked-list.ts";
import { QueueTable } from "./queue-table.ts";
import { SlotTable, slotKind } from "./slot-table.ts";

/**
 * What the records of one shard add up to, message bytes left out. Changed by `apply` only. Two replicas that applied the same records
 * hold the same state, row numbers included.
 */
export class ShardState {
  /** Shard time of the last record, milliseconds. */
  timeMs = 0;
  /** Store time of the last message, milliseconds since the Unix epoch. */
  lastStoredAtMs = 0;
  /** First index of the shard's log that is still needed. */
  logStart = 1;
  queues = new QueueTable();
  cursors = new CursorTable();
  slots = new SlotTable();
  parked = new ParkedList();
  filters = new FilterTable();
  /** Slots of kind `finished`. */
  finishedSlots: number[] = [];
  /** Ids are never reused, so what is here stays deleted. */
  deletedTopics = new Set<number>();
  deletedGroups = new Set<number>();

  /** The cursor row of a group on a queue; -1 when it has not begun there. */
  cursorOf(group: number, topic: number, queue: number): number {
    return this.cursors.find(group, this.queues.find(topic, queue));
  }

  /** First offset of the cursor's queue that is kept. */
  minOf(cursor: number): number {
    return this.queues.min[this.cursors.queueRow[cursor] ?? 0] ?? 0;
  }

  /** Next offset of the cursor's queue. */
  nextOf(cursor: number): number {
    return this.queues.next[this.cursors.queueRow[cursor] ?? 0] ?? 0;
  }

  /** Whether the group has finished the message. */
  isDone(cursor: number, offset: number): boolean {
    return offset < (this.cursors.floor[cursor] ?? 0) || (this.cursors.bits[cursor]?.has(offset) ?? false);
  }

  /** The live slot of a message; -1 when it has none. */
  liveSlot(cursor: number, offset: number): number {
    const slot = this.slots.find(cursor, offset);
    return slot >= 0 && this.slots.kind[slot] === slotKind.live ? slot : -1;
  }

  /** The same state, row numbers included, that shares nothing with this one. */
  copy(): ShardState {
    const twin = new ShardState();
    twin.timeMs = this.timeMs;
    twin.lastStoredAtMs = this.lastStoredAtMs;
    twin.logStart = this.logStart;
    twin.queues = this.queues.copy();
    twin.cursors = this.cursors.copy();
    twin.slots = this.slots.copy();
    twin.parked = this.parked.copy();
    twin.filters = this.filters.copy();
    twin.finishedSlots = [...this.finishedSlots];
    twin.deletedTopics = new Set(this.deletedTopics);
    twin.deletedGroups = new Set(this.deletedGroups);
    return twin;
  }
}
