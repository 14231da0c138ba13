import type { ShardState } from "./shard-state.ts";
import { slotKind } from "./slot-table.ts";

/** How far a group is on one queue, from committed state. */
export type GroupProgress = {
  readonly queue: number;
  readonly topic: number;
  /** First offset not finished, and the queue's next one. */
  readonly floor: number;
  readonly nextOffset: number;
  /** Messages not finished, those leased among them. */
  readonly lag: number;
  /** Messages leased or hidden until a later time. */
  readonly inFlight: number;
  readonly parked: number;
  /** Messages given up to the group's dead letters. */
  readonly deadLettered: number;
  /** Messages that retention removed before they were finished. */
  readonly expired: number;
  readonly startOffset: number;
};

/**
 * The progress of a group on the queues of this shard that it has begun.
 *
 * @param counts whether a cursor on a topic that began in this epoch of the group is told of
 */
export function groupProgress(
  state: ShardState,
  group: number,
  nowMs: number,
  counts: (topic: number, epoch: number) => boolean,
): GroupProgress[] {
  const { cursors, queues } = state;
  const progress: GroupProgress[] = [];
  for (let cursor = 0; cursor < cursors.end; cursor += 1) {
    if (cursors.group[cursor] !== group || !cursors.holds(cursor)) continue;
    const row = cursors.queueRow[cursor] ?? 0;
    if (!counts(queues.topic[row] ?? 0, cursors.epoch[cursor] ?? 0)) continue;
    progress.push({
      topic: queues.topic[row] ?? 0,
      queue: queues.queue[row] ?? 0,
      floor: cursors.floor[cursor] ?? 0,
      nextOffset: queues.next[row] ?? 0,
      lag: lagOf(state, cursor),
      inFlight: inFlight(state, cursor, nowMs),
      parked: cursors.parked[cursor] ?? 0,
      deadLettered: cursors.dead[cursor] ?? 0,
      expired: cursors.expired[cursor] ?? 0,
      startOffset: cursors.start[cursor] ?? 0,
    });
  }
  return progress;
}

/** Messages of this shard that groups which have begun on their queues have not finished, each once for every group. */
export function unreadMessages(state: ShardState): number {
  let unread = 0;
  for (let cursor = 0; cursor < state.cursors.end; cursor += 1)
    if (state.cursors.holds(cursor)) unread += lagOf(state, cursor);
  return unread;
}

function lagOf({ cursors, queues }: ShardState, cursor: number): number {
  const nextOffset = queues.next[cursors.queueRow[cursor] ?? 0] ?? 0;
  return Math.max(0, nextOffset - (cursors.floor[cursor] ?? 0) - (cursors.doneAbove[cursor] ?? 0));
}

function inFlight({ slots, cursors }: ShardState, cursor: number, nowMs: number): number {
  let left = cursors.slots[cursor] ?? 0;
  let count = 0;
  for (let slot = 0; slot < slots.end && left > 0; slot += 1) {
    if (slots.kind[slot] !== slotKind.live || slots.cursor[slot] !== cursor) continue;
    left -= 1;
    if ((slots.deadline[slot] ?? 0) > nowMs) count += 1;
  }
  return count;
}
