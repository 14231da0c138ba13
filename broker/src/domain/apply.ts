import { assertNever } from "@saturnmq/kit";
import { DoneBits } from "./done-bits.ts";
import type {
  CursorStarted,
  DeadLettered,
  FilterAdded,
  Finished,
  Leased,
  MessageStored,
  ShardRecord,
  Trimmed,
} from "./shard-record.ts";
import type { ShardState } from "./shard-state.ts";
import { slotKind } from "./slot-table.ts";

/** Hears what a record changed: how the overlay keeps its schedule beside the state it decided. */
export interface StateWatcher {
  /** A live slot is new, or its deadline and sequence changed. */
  slotChanged(slot: number): void;
  /** A slot is not live any more; its row may be used again. */
  slotGone(slot: number): void;
  /** A cursor began, for the first time or anew. */
  cursorStarted(cursor: number): void;
  /** A group has other filters on a topic than before. */
  filtersChanged(group: number, topic: number): void;
}

/**
 * Applies one committed record. Runs on every replica, at replay, and on the leader when it decides; never refuses, and what it does
 * depends on nothing but the state and the record.
 */
export function apply(state: ShardState, record: ShardRecord, watcher?: StateWatcher): void {
  advanceTime(state, record.timeMs);
  switch (record.kind) {
    case "message":
      applyMessage(state, record);
      break;
    case "deadLettered":
      applyDeadLettered(state, record, watcher);
      break;
    case "leased":
    case "visibilityChanged":
      applyLeased(state, record, watcher);
      break;
    case "acked":
    case "skipped":
    case "parked":
      applyFinished(state, record, watcher);
      break;
    case "cursorStarted":
      applyCursorStarted(state, record, watcher);
      break;
    case "trimmed":
      applyTrimmed(state, record, watcher);
      break;
    case "logStartRaised":
      state.logStart = Math.max(state.logStart, record.index);
      break;
    case "topicDeleted":
      applyTopicDeleted(state, record.topic, watcher);
      break;
    case "groupDeleted":
      applyGroupDeleted(state, record.group, watcher);
      break;
    case "filterAdded":
      applyFilterAdded(state, record, watcher);
      break;
    case "filterRemoved":
      if (!state.filters.remove(record.group, record.topic, record.number)) break;
      watcher?.filtersChanged(record.group, record.topic);
      break;
    default:
      assertNever(record);
  }
}

/** Once a second of shard time, lets go of finished slots that no handle can name any more. */
function advanceTime(state: ShardState, timeMs: number): void {
  const before = state.timeMs;
  if (timeMs <= before) return;
  state.timeMs = timeMs;
  if (Math.floor(timeMs / 1_000) === Math.floor(before / 1_000) || state.finishedSlots.length === 0) return;
  state.finishedSlots = state.finishedSlots.filter((slot) => {
    const kept = (state.slots.shadow[slot] ?? 0) > timeMs;
    if (!kept) state.slots.remove(slot);
    return kept;
  });
}

function applyDeadLettered(state: ShardState, record: DeadLettered, watcher: StateWatcher | undefined): void {
  applyMessage(state, record);
  const { group, topic, queue, offset } = record.source;
  const cursor = state.cursorOf(group, topic, queue);
  if (cursor < 0 || state.isDone(cursor, offset)) return;
  state.cursors.dead[cursor] = (state.cursors.dead[cursor] ?? 0) + 1;
  applyFinished(state, { kind: "acked", timeMs: record.timeMs, ...record.source, count: 1 }, watcher);
}

function applyMessage(state: ShardState, { topic, queue, offset, storedAtMs }: Omit<MessageStored, "kind">): void {
  if (state.deletedTopics.has(topic)) return;
  const row = state.queues.open(topic, queue);
  state.queues.next[row] = offset + 1;
  if (storedAtMs > state.lastStoredAtMs) state.lastStoredAtMs = storedAtMs;
}

function applyLeased(state: ShardState, record: Leased, watcher: StateWatcher | undefined): void {
  const { slots, cursors } = state;
  const cursor = state.cursorOf(record.group, record.topic, record.queue);
  if (cursor < 0) return;
  for (let at = 0; at < record.count; at += 1) {
    const offset = record.offset + at;
    if (state.isDone(cursor, offset)) continue;
    let slot = slots.find(cursor, offset);
    if (slot < 0) {
      slot = slots.add(cursor, offset);
      cursors.slots[cursor] = (cursors.slots[cursor] ?? 0) + 1;
    }
    const replaced = Math.max(slots.deadline[slot] ?? 0, record.replacedMs);
    if (replaced > record.timeMs) slots.shadow[slot] = Math.max(slots.shadow[slot] ?? 0, replaced);
    slots.attempt[slot] = record.attempt;
    slots.deadline[slot] = record.deadlineMs;
    slots.term[slot] = record.term;
    slots.counter[slot] = record.counter + at;
    if (record.kind === "leased") {
      slots.lock[slot] = record.lock;
      slots.holder[slot] = record.holder;
    }
    watcher?.slotChanged(slot);
  }
}

function applyFinished(state: ShardState, record: Finished, watcher: StateWatcher | undefined): void {
  const cursor = state.cursorOf(record.group, record.topic, record.queue);
  if (cursor < 0) return;
  const floor = state.cursors.floor[cursor] ?? 0;
  const end = record.offset + record.count;
  if (record.kind === "parked") park(state, cursor, record);
  releaseSlots(state, cursor, Math.max(record.offset, floor), end, watcher);
  if (record.offset <= floor) raiseFloor(state, cursor, end);
  else markDone(state, cursor, record.offset, end);
}

function park(state: ShardState, cursor: number, { offset, count }: Finished): void {
  for (let at = offset; at < offset + count; at += 1) {
    if (state.isDone(cursor, at)) continue;
    state.parked.add(cursor, at);
    state.cursors.parked[cursor] = (state.cursors.parked[cursor] ?? 0) + 1;
  }
}

/** Ends the live slots of a cursor in [from, to). One whose replaced handles have not run out stays, so that they are still refused. */
function releaseSlots(state: ShardState, cursor: number, from: number, to: number, watcher?: StateWatcher): void {
  const { slots, cursors } = state;
  for (let offset = from; offset < to && (cursors.slots[cursor] ?? 0) > 0; offset += 1) {
    const slot = state.liveSlot(cursor, offset);
    if (slot < 0) continue;
    cursors.slots[cursor] = (cursors.slots[cursor] ?? 0) - 1;
    watcher?.slotGone(slot);
    if ((slots.shadow[slot] ?? 0) <= state.timeMs) {
      slots.remove(slot);
      continue;
    }
    slots.kind[slot] = slotKind.finished;
    state.finishedSlots.push(slot);
  }
}

/** Makes `to` the floor, or what follows it if that is finished already. How many below it were not finished. */
function raiseFloor(state: ShardState, cursor: number, to: number): number {
  const { cursors } = state;
  const floor = cursors.floor[cursor] ?? 0;
  if (to <= floor) return 0;
  const bits = cursors.bits[cursor];
  if (bits === undefined || cursors.doneAbove[cursor] === 0) {
    cursors.floor[cursor] = to;
    bits?.advance(to);
    return to - floor;
  }
  const passed = bits.countIn(floor, to);
  const raised = bits.nextClear(to);
  cursors.floor[cursor] = raised;
  cursors.doneAbove[cursor] = (cursors.doneAbove[cursor] ?? 0) - passed - (raised - to);
  bits.advance(raised);
  return to - floor - passed;
}

function markDone(state: ShardState, cursor: number, from: number, to: number): void {
  const { cursors } = state;
  const bits = (cursors.bits[cursor] ??= new DoneBits(cursors.floor[cursor] ?? 0));
  for (let offset = from; offset < to; offset += 1) {
    if (bits.add(offset)) cursors.doneAbove[cursor] = (cursors.doneAbove[cursor] ?? 0) + 1;
  }
}

function applyCursorStarted(state: ShardState, record: CursorStarted, watcher: StateWatcher | undefined): void {
  if (state.deletedTopics.has(record.topic) || state.deletedGroups.has(record.group)) return;
  const { cursors, queues } = state;
  const queueRow = queues.open(record.topic, record.queue);
  let cursor = cursors.find(record.group, queueRow);
  if (cursor >= 0) {
    if (record.epoch <= (cursors.epoch[cursor] ?? 0)) return;
    clearCursor(state, cursor, watcher);
  } else {
    cursor = cursors.add(record.group, queueRow);
    cursors.nextOnQueue[cursor] = queues.firstCursor[queueRow] ?? -1;
    queues.firstCursor[queueRow] = cursor;
  }
  cursors.epoch[cursor] = record.epoch;
  cursors.start[cursor] = record.offset;
  cursors.floor[cursor] = record.offset;
  cursors.doneAbove[cursor] = 0;
  cursors.parked[cursor] = 0;
  cursors.expired[cursor] = 0;
  cursors.dead[cursor] = 0;
  cursors.slots[cursor] = 0;
  watcher?.cursorStarted(cursor);
}

function applyTrimmed(state: ShardState, { topic, queue, offset }: Trimmed, watcher: StateWatcher | undefined): void {
  const { queues, cursors } = state;
  const row = queues.find(topic, queue);
  if (row < 0 || offset <= (queues.min[row] ?? 0)) return;
  queues.min[row] = offset;
  for (let cursor = queues.firstCursor[row] ?? -1; cursor >= 0; cursor = cursors.nextOnQueue[cursor] ?? -1) {
    if ((cursors.parked[cursor] ?? 0) > 0) {
      cursors.parked[cursor] = (cursors.parked[cursor] ?? 0) - state.parked.remove(cursor, offset);
    }
    if ((cursors.floor[cursor] ?? 0) >= offset) continue;
    dropSlots(state, cursor, offset, watcher);
    cursors.expired[cursor] = (cursors.expired[cursor] ?? 0) + raiseFloor(state, cursor, offset);
  }
}

function applyFilterAdded(state: ShardState, record: FilterAdded, watcher: StateWatcher | undefined): void {
  const { group, topic, number, filter } = record;
  if (state.deletedTopics.has(topic) || state.deletedGroups.has(group)) return;
  state.filters.add(group, topic, number, filter);
  watcher?.filtersChanged(group, topic);
}

function applyTopicDeleted(state: ShardState, topic: number, watcher: StateWatcher | undefined): void {
  const { queues, cursors } = state;
  state.deletedTopics.add(topic);
  state.filters.removeWhere((recorded) => recorded.topic === topic);
  for (let row = 0; row < queues.end; row += 1) {
    if (queues.topic[row] !== topic || !queues.holds(row)) continue;
    for (let cursor = queues.firstCursor[row] ?? -1; cursor >= 0; ) {
      const next = cursors.nextOnQueue[cursor] ?? -1;
      clearCursor(state, cursor, watcher);
      cursors.remove(cursor);
      cursor = next;
    }
    queues.remove(row);
  }
}

function applyGroupDeleted(state: ShardState, group: number, watcher: StateWatcher | undefined): void {
  const { cursors } = state;
  state.deletedGroups.add(group);
  state.filters.removeWhere((recorded) => recorded.group === group);
  for (let cursor = 0; cursor < cursors.end; cursor += 1) {
    if (cursors.group[cursor] !== group || !cursors.holds(cursor)) continue;
    unlink(state, cursor);
    clearCursor(state, cursor, watcher);
    cursors.remove(cursor);
  }
}

/** Takes a cursor out of its queue's chain. */
function unlink({ queues, cursors }: ShardState, cursor: number): void {
  const row = cursors.queueRow[cursor] ?? 0;
  const after = cursors.nextOnQueue[cursor] ?? -1;
  let before = queues.firstCursor[row] ?? -1;
  if (before === cursor) {
    queues.firstCursor[row] = after;
    return;
  }
  while (cursors.nextOnQueue[before] !== cursor) before = cursors.nextOnQueue[before] ?? -1;
  cursors.nextOnQueue[before] = after;
}

function clearCursor(state: ShardState, cursor: number, watcher: StateWatcher | undefined): void {
  dropSlots(state, cursor, Infinity, watcher);
  state.parked.remove(cursor, Infinity);
  state.cursors.bits[cursor] = undefined;
}

/** Removes every slot of a cursor below an offset, of either kind: their messages are gone, and so is what their handles could mean. */
function dropSlots(state: ShardState, cursor: number, below: number, watcher: StateWatcher | undefined): void {
  const { slots, cursors } = state;
  let finished = false;
  for (let slot = 0; slot < slots.end; slot += 1) {
    if (slots.cursor[slot] !== cursor || slots.kind[slot] === slotKind.free || (slots.offset[slot] ?? 0) >= below) {
      continue;
    }
    if (slots.kind[slot] === slotKind.live) {
      cursors.slots[cursor] = (cursors.slots[cursor] ?? 0) - 1;
      watcher?.slotGone(slot);
    } else {
      finished = true;
    }
    slots.remove(slot);
  }
  if (finished) state.finishedSlots = state.finishedSlots.filter((slot) => slots.kind[slot] === slotKind.finished);
}
