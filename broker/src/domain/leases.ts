import { defined, SaturnError } from "@saturnmq/kit";
import type { Overlay } from "./overlay.ts";
import { type Handles, type ReceiptHandle, refusedHandle } from "./receipt-handle.ts";
import type { Run } from "./runs.ts";
import type { CursorStarted, Finished, Leased } from "./shard-record.ts";
import type { ShardState } from "./shard-state.ts";

/** Who receives: a group on one queue of a topic. `cursor` is its row. */
export type Reader = {
  readonly cursor: number;
  readonly group: number;
  readonly topic: number;
  readonly queue: number;
};

/** A message of a group that is to be given up. */
export type GivenUp = Omit<Reader, "cursor"> & { readonly offset: number };

/** The order that leased messages are in (`lockOf`), and who asked for them (`holderOf`). */
export type Order = { readonly lock: number; readonly holder: number };

const noOrder: Order = { lock: 0, holder: 0 };

/**
 * Leases taken messages. One record a run of neighbours with the same attempt; those that were finished or changed meanwhile are left
 * out.
 */
export function decideLease(
  overlay: Overlay,
  { cursor, group, topic, queue }: Reader,
  runs: readonly Run[],
  nowMs: number,
  invisibleMs: number,
  { lock, holder }: Order = noOrder,
): Leased[] {
  const records: Leased[] = [];
  const { term } = overlay;
  const { slots } = overlay.decided;
  const lease = (offset: number, count: number, attempt: number): void => {
    const deadlineMs = nowMs + invisibleMs;
    const counter = overlay.nextCounter(count);
    const place = { group, topic, queue, offset, count };
    const sequence = { deadlineMs, term, counter, attempt, replacedMs: 0 };
    records.push({ kind: "leased", timeMs: nowMs, ...place, ...sequence, lock, holder });
  };
  for (const run of runs) {
    let from = run.offset;
    let attempt = 0;
    for (let offset = run.offset; offset <= run.offset + run.count; offset += 1) {
      const open = offset < run.offset + run.count && overlay.isTaken(cursor, offset);
      const slot = open ? overlay.decided.liveSlot(cursor, offset) : -1;
      const next = open ? (slot < 0 ? 0 : (slots.attempt[slot] ?? 0)) + 1 : 0;
      if (next === attempt) continue;
      if (attempt > 0) lease(from, offset - from, attempt);
      from = offset;
      attempt = next;
    }
  }
  return records;
}

/**
 * Finishes the message of a handle. `undefined`: it is finished already, which is as good.
 *
 * @throws {SaturnError} `INVALID_RECEIPT_HANDLE` if the handle is not the one of the message's present lease
 */
export function decideAck(
  state: ShardState,
  overlay: Overlay,
  handle: ReceiptHandle,
  nowMs: number,
): Finished | undefined {
  return checkHandle(state, overlay, handle, nowMs) === "done" ? undefined : finished(handle, nowMs);
}

function finished({ group, topic, queue, offset }: ReceiptHandle, nowMs: number): Finished & { count: number } {
  return { kind: "acked", timeMs: nowMs, group, topic, queue, offset, count: 1 };
}

/** What became of the handles of one call: why some are no good, at their places, `noRefusals` if all are; and the records that finish the others. */
export type Acks = { readonly records: readonly Finished[]; readonly refusals: Refusals };

export type Refusals = readonly (SaturnError | undefined)[];

/** No handle is refused. */
export const noRefusals: Refusals = [];

/**
 * Finishes the messages of handles as `decideAck` does one after the other; neighbours share a record. The records are taken into the overlay here, since
 * a handle that comes twice must find its message finished.
 */
export function decideAcks(state: ShardState, overlay: Overlay, handles: Handles, nowMs: number): Acks {
  const records: Finished[] = [];
  let refusals: (SaturnError | undefined)[] | undefined;
  let run: (Finished & { count: number }) | undefined;
  for (let at = 0; at < handles.length; at += 1) {
    const handle = defined(handles.at(at), "a handle of an acknowledgement");
    if (run !== undefined && !follows(run, handle)) {
      endRun(overlay, run, records);
      run = undefined;
    }
    try {
      if (checkHandle(state, overlay, handle, nowMs) === "done") continue;
      if (run === undefined) run = finished(handle, nowMs);
      else run.count += 1;
    } catch (error) {
      if (!(error instanceof SaturnError)) throw error;
      refusals ??= [];
      refusals[at] = error;
    }
  }
  if (run !== undefined) endRun(overlay, run, records);
  return { records, refusals: refusals ?? noRefusals };
}

function follows({ group, topic, queue, offset, count }: Finished, handle: ReceiptHandle): boolean {
  return handle.offset === offset + count && handle.queue === queue && handle.topic === topic && handle.group === group;
}

function endRun(overlay: Overlay, run: Finished, records: Finished[]): void {
  overlay.add(run);
  records.push(run);
}

/**
 * Moves the end of a lease to `invisibleMs` from now. The record's sequence makes the new handle; the old one is dead with it.
 *
 * @throws {SaturnError} `INVALID_RECEIPT_HANDLE`
 */
export function decideVisibility(
  state: ShardState,
  overlay: Overlay,
  handle: ReceiptHandle,
  nowMs: number,
  invisibleMs: number,
): Leased {
  return change(state, overlay, handle, nowMs, { deadlineMs: nowMs + invisibleMs, attempt: handle.attempt });
}

/**
 * Gives a message back whose delivery never reached a client: visible at once, the attempt not counted.
 *
 * @throws {SaturnError} `INVALID_RECEIPT_HANDLE` if the lease has ended by itself
 */
export function decideGiveBack(state: ShardState, overlay: Overlay, handle: ReceiptHandle, nowMs: number): Leased {
  return change(state, overlay, handle, nowMs, { deadlineMs: nowMs, attempt: handle.attempt - 1 });
}

/**
 * Leases a message anew to the one who holds it and asks by the same attempt: its answer was lost. The attempt does not count; the old handle
 * is dead. `undefined` when the message is not leased any more.
 */
export function decideAgain(
  overlay: Overlay,
  { cursor, group, topic, queue }: Reader,
  offset: number,
  nowMs: number,
  invisibleMs: number,
): Leased | undefined {
  const { decided, term } = overlay;
  const slot = decided.liveSlot(cursor, offset);
  const replacedMs = decided.slots.deadline[slot] ?? 0;
  if (slot < 0 || replacedMs <= nowMs) return undefined;
  const lease = { deadlineMs: nowMs + invisibleMs, term, counter: overlay.nextCounter(), replacedMs };
  const place = { timeMs: nowMs, group, topic, queue, offset, count: 1 };
  return { kind: "visibilityChanged", ...place, ...lease, attempt: decided.slots.attempt[slot] ?? 1, ...noOrder };
}

function change(
  state: ShardState,
  overlay: Overlay,
  handle: ReceiptHandle,
  nowMs: number,
  to: { readonly deadlineMs: number; readonly attempt: number },
): Leased {
  if (checkHandle(state, overlay, handle, nowMs) === "done") {
    throw refusedHandle("is of a message that is finished already");
  }
  const { group, topic, queue, offset } = handle;
  const sequence = { term: overlay.term, counter: overlay.nextCounter(), replacedMs: handle.deadlineMs };
  return {
    kind: "visibilityChanged",
    timeMs: nowMs,
    group,
    topic,
    queue,
    offset,
    count: 1,
    ...to,
    ...sequence,
    ...noOrder,
  };
}

/** Whether the handle holds its message's lease, or its message is finished. */
export function checkHandle(
  state: ShardState,
  overlay: Overlay,
  handle: ReceiptHandle,
  nowMs: number,
): "holds" | "done" {
  const { decided } = overlay;
  if (decided.deletedTopics.has(handle.topic)) throw refusedHandle("is of a deleted topic");
  if (decided.deletedGroups.has(handle.group)) throw refusedHandle("is of a deleted consumer group");
  const cursor = decided.cursorOf(handle.group, handle.topic, handle.queue);
  if (cursor < 0 || handle.offset >= state.nextOf(cursor)) throw refusedHandle("names a message that does not exist");
  if (handle.epoch !== decided.cursors.epoch[cursor]) throw refusedHandle("is older than the group's last reset");
  if (handle.deadlineMs <= nowMs) throw refusedHandle("is expired");
  if (handle.offset < decided.minOf(cursor)) throw refusedHandle("is of a message that is no longer kept");
  const slot = decided.slots.find(cursor, handle.offset);
  const order = slot < 0 ? undefined : compareSequence(decided, slot, handle);
  if (order !== undefined && order > 0) throw refusedHandle("was replaced by a newer one");
  if (decided.isDone(cursor, handle.offset)) return "done";
  // A lease that the state does not know was given by an earlier leader and its record lost; the deadline above still bounds it.
  if ((order === undefined || order < 0) && handle.term >= overlay.term) throw refusedHandle("is not valid any more");
  return "holds";
}

/** Positive when the slot's lease is newer than the handle's. */
function compareSequence({ slots }: ShardState, slot: number, { term, counter }: ReceiptHandle): number {
  return (slots.term[slot] ?? 0) - term || (slots.counter[slot] ?? 0) - counter;
}

/** What became of leases that ended. */
export type Expiry = {
  /** Messages given up, to be recorded. */
  readonly parked: readonly Finished[];
  /** Messages to be given up to their groups' dead letters: nobody gets them any more in this term, unless they are `Overlay.postpone`d. */
  readonly exhausted: readonly GivenUp[];
  /** Cursors that have messages ready now, once each. */
  readonly ready: ReadonlySet<number>;
};

/**
 * Ends the leases whose time has come: a message that has used up its group's attempts is given up, any other one is ready again. The
 * records are taken into the overlay here, since one lease's end must not be seen twice.
 *
 * @param maxAttemptsOf by group id; `undefined` for a group that is not known (any more): its messages wait
 * @param keepsDeadLetters by group id; without dead letters a message is parked
 */
export function decideExpiry(
  state: ShardState,
  overlay: Overlay,
  nowMs: number,
  maxAttemptsOf: (group: number) => number | undefined,
  keepsDeadLetters: (group: number) => boolean = () => false,
): Expiry {
  const due: number[] = [];
  overlay.advance(state, nowMs, (slot) => due.push(slot));
  const parked: Finished[] = [];
  const exhausted: GivenUp[] = [];
  const ready = new Set<number>();
  const { slots, cursors, queues } = overlay.decided;
  for (const slot of due) {
    const cursor = slots.cursor[slot] ?? 0;
    const group = cursors.group[cursor] ?? 0;
    if ((slots.attempt[slot] ?? 0) < (maxAttemptsOf(group) ?? Infinity)) {
      overlay.makeReady(slot);
      ready.add(cursor);
      continue;
    }
    const row = cursors.queueRow[cursor] ?? 0;
    const [topic, queue, offset] = [queues.topic[row] ?? 0, queues.queue[row] ?? 0, slots.offset[slot] ?? 0];
    if (keepsDeadLetters(group)) {
      exhausted.push({ group, topic, queue, offset });
      continue;
    }
    const record: Finished = { kind: "parked", timeMs: nowMs, group, topic, queue, offset, count: 1 };
    overlay.add(record);
    parked.push(record);
  }
  return { parked, exhausted, ready };
}

/** Begins a group on a queue that holds messages; `undefined` when it has begun there in this epoch. */
export function decideStart(
  overlay: Overlay,
  place: { readonly group: number; readonly topic: number; readonly queue: number; readonly epoch: number },
  offset: number,
  nowMs: number,
): CursorStarted | undefined {
  const { decided } = overlay;
  const row = decided.queues.find(place.topic, place.queue);
  if (row < 0 || decided.deletedGroups.has(place.group)) return undefined;
  const cursor = decided.cursors.find(place.group, row);
  if (cursor >= 0 && (decided.cursors.epoch[cursor] ?? 0) >= place.epoch) return undefined;
  const kept = Math.min(Math.max(offset, decided.queues.min[row] ?? 0), decided.queues.next[row] ?? 0);
  return { kind: "cursorStarted", timeMs: nowMs, ...place, offset: kept };
}
