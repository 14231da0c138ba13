import { SaturnError } from "@saturnmq/kit";
import { DoneBits } from "./done-bits.ts";
import { filterLanguageOf, filterLanguages } from "./filter.ts";
import type { RecordedFilter } from "./filter-table.ts";
import { ShardState } from "./shard-state.ts";
import { slotKind } from "./slot-table.ts";

/*
 * A shard's state without message bodies. Little-endian, the sender's word order; the store adds length and check.
 *
 *   f64 × 8   version (4), timeMs, lastStoredAtMs, logStart, queues Q, cursors C, slots S, parked P
 *   f64 × 2   deleted topics T, deleted groups G
 *   f64 × 1   filters F                                      (from version 2 on)
 *   f64 × Q   topic | queue | min | next                     (columns, one after the other)
 *   f64 × C   group | queue's place in the columns above | epoch | start | floor | expired | finished runs above the floor
 *   f64 × 2 × all finished runs: first offset, count
 *   f64 × C   messages given up to the dead letters          (from version 4 on)
 *   f64 × S   cursor's place | offset | attempt | deadline | term | counter | shadow | kind
 *   f64 × S   lock | holder                                  (from version 3 on)
 *   f64 × P   cursor's place | offset
 *   f64 × T   ids, f64 × G ids
 *   f64 × F   group | topic | number | language | characters  (from version 2 on)
 *   f64 × all characters of the filters' expressions: UTF-16 code units
 *
 * Everything is an integer below 2^53, so one column type serves all.
 */
const version = 4;
/** Fields before the columns, by version. */
const headFields: Readonly<Record<number, number>> = { 1: 10, 2: 11, 3: 11, 4: 11 };

/** A copy of the state, to be written while the state goes on changing. */
export function encodeCheckpoint(state: ShardState): Uint8Array[] {
  const queueRows = rowsOf(state.queues);
  const cursorRows = rowsOf(state.cursors);
  const slotRows: number[] = [];
  for (let slot = 0; slot < state.slots.end; slot += 1) {
    if (state.slots.kind[slot] !== slotKind.free) slotRows.push(slot);
  }
  const queuePlace = placesOf(queueRows, state.queues.end);
  const cursorPlace = placesOf(cursorRows, state.cursors.end);
  const { runs, counts } = finishedRuns(state, cursorRows);
  const { queues, cursors, slots, parked } = state;
  const head = [version, state.timeMs, state.lastStoredAtMs, state.logStart, queueRows.length, cursorRows.length];
  const parts = [
    Float64Array.from([...head, slotRows.length, parked.count, state.deletedTopics.size, state.deletedGroups.size]),
    Float64Array.of(state.filters.count),
    ...[queues.topic, queues.queue, queues.min, queues.next].map((column) => picked(column, queueRows)),
    picked(cursors.group, cursorRows),
    Float64Array.from(cursorRows, (row) => queuePlace[cursors.queueRow[row] ?? 0] ?? 0),
    ...[cursors.epoch, cursors.start, cursors.floor, cursors.expired].map((column) => picked(column, cursorRows)),
    Float64Array.from(counts),
    Float64Array.from(runs),
    picked(cursors.dead, cursorRows),
    Float64Array.from(slotRows, (row) => cursorPlace[slots.cursor[row] ?? 0] ?? 0),
    ...[slots.offset, slots.attempt, slots.deadline, slots.term, slots.counter, slots.shadow, slots.kind].map(
      (column) => picked(column, slotRows),
    ),
    ...[slots.lock, slots.holder].map((column) => picked(column, slotRows)),
    Float64Array.from({ length: parked.count }, (_, at) => cursorPlace[parked.cursor[at] ?? 0] ?? 0),
    parked.offset.slice(0, parked.count),
    Float64Array.from(state.deletedTopics),
    Float64Array.from(state.deletedGroups),
    ...filterColumns([...state.filters.all()]),
  ];
  return parts.filter((part) => part.length > 0).map((part) => new Uint8Array(part.buffer, 0, part.byteLength));
}

/**
 * The state that was encoded; row numbers may differ.
 *
 * @throws {SaturnError} `INTERNAL_ERROR` naming the version, if a newer program wrote it
 */
export function decodeCheckpoint(bytes: Uint8Array): ShardState {
  // A copy of its own: a Buffer's `slice` would be a view of a larger, unaligned one.
  const values = new Float64Array(new Uint8Array(bytes).buffer);
  const [found, timeMs = 0, lastStoredAtMs = 0, logStart = 1, q = 0, c = 0, s = 0, p = 0, t = 0, g = 0] = values;
  const headLength = headFields[found ?? 0];
  if (headLength === undefined) {
    throw newer(`version ${found}`, `1 to ${version}`);
  }
  const f = found === 1 ? 0 : (values[10] ?? 0);
  let at = headLength;
  const column = (length: number): Float64Array => values.subarray(at, (at += length));
  const state = new ShardState();
  Object.assign(state, { timeMs, lastStoredAtMs, logStart });
  const queueRows = decodeQueues(state, [column(q), column(q), column(q), column(q)]);
  const cursorColumns = [column(c), column(c), column(c), column(c), column(c), column(c), column(c)] as const;
  const runCount = cursorColumns[6].reduce((sum, count) => sum + count, 0);
  const cursorRows = decodeCursors(state, queueRows, cursorColumns, column(2 * runCount));
  if ((found ?? 0) >= 4) {
    column(c).forEach((dead, place) => {
      state.cursors.dead[cursorRows[place] ?? 0] = dead;
    });
  }
  const slotColumns = Array.from({ length: 8 }, () => column(s)) as unknown as Columns<8>;
  const none = new Float64Array(s);
  const [locks, holders] = (found ?? 0) < 3 ? [none, none] : [column(s), column(s)];
  decodeSlots(state, cursorRows, slotColumns, locks, holders);
  const [parkedCursors, parkedOffsets] = [column(p), column(p)];
  for (let row = 0; row < p; row += 1) {
    const cursor = cursorRows[parkedCursors[row] ?? 0] ?? 0;
    state.parked.add(cursor, parkedOffsets[row] ?? 0);
    state.cursors.parked[cursor] = (state.cursors.parked[cursor] ?? 0) + 1;
  }
  for (const topic of column(t)) state.deletedTopics.add(topic);
  for (const group of column(g)) state.deletedGroups.add(group);
  const filterFields = [column(f), column(f), column(f), column(f), column(f)] as const;
  decodeFilters(state, filterFields, column(filterFields[4].reduce((sum, count) => sum + count, 0)));
  return state;
}

function newer(what: string, known: string): SaturnError {
  return new SaturnError(
    "INTERNAL_ERROR",
    `a checkpoint has ${what}, this program knows ${known}: start a release that knows ${what}`,
  );
}

function filterColumns(filters: readonly RecordedFilter[]): Float64Array<ArrayBuffer>[] {
  const text = filters.map(({ filter }) => filter.expression).join("");
  return [
    Float64Array.from(filters, ({ group }) => group),
    Float64Array.from(filters, ({ topic }) => topic),
    Float64Array.from(filters, ({ number }) => number),
    Float64Array.from(filters, ({ filter }) => filterLanguages[filter.kind]),
    Float64Array.from(filters, ({ filter }) => filter.expression.length),
    Float64Array.from({ length: text.length }, (_, at) => text.charCodeAt(at)),
  ];
}

type Columns<N extends 4 | 5 | 7 | 8> = N extends 4
  ? readonly [Float64Array, Float64Array, Float64Array, Float64Array]
  : N extends 5
    ? readonly [...Columns<4>, Float64Array]
    : N extends 7
      ? readonly [...Columns<4>, Float64Array, Float64Array, Float64Array]
      : readonly [...Columns<4>, ...Columns<4>];

function decodeFilters(
  { filters }: ShardState,
  [groups, topics, numbers, languages, lengths]: Columns<5>,
  characters: Float64Array,
): void {
  let from = 0;
  for (let at = 0; at < groups.length; at += 1) {
    const kind = filterLanguageOf(languages[at] ?? 0);
    if (kind === undefined) throw newer(`a filter in language ${languages[at]}`, "1");
    const to = from + (lengths[at] ?? 0);
    const expression = Array.from(characters.subarray(from, to), (unit) => String.fromCharCode(unit)).join("");
    filters.add(groups[at] ?? 0, topics[at] ?? 0, numbers[at] ?? 0, { kind, expression });
    from = to;
  }
}

function decodeQueues({ queues }: ShardState, [topics, numbers, mins, nexts]: Columns<4>): number[] {
  return Array.from(topics, (topic, at) => {
    const row = queues.open(topic, numbers[at] ?? 0);
    queues.min[row] = mins[at] ?? 0;
    queues.next[row] = nexts[at] ?? 0;
    return row;
  });
}

function decodeCursors(
  { cursors, queues }: ShardState,
  queueRows: readonly number[],
  [groups, places, epochs, starts, floors, expired, runCounts]: Columns<7>,
  runs: Float64Array,
): number[] {
  let at = 0;
  return Array.from(groups, (group, place) => {
    const queueRow = queueRows[places[place] ?? 0] ?? 0;
    const row = cursors.add(group, queueRow);
    cursors.nextOnQueue[row] = queues.firstCursor[queueRow] ?? -1;
    queues.firstCursor[queueRow] = row;
    cursors.epoch[row] = epochs[place] ?? 0;
    cursors.start[row] = starts[place] ?? 0;
    cursors.floor[row] = floors[place] ?? 0;
    cursors.expired[row] = expired[place] ?? 0;
    const end = at + 2 * (runCounts[place] ?? 0);
    if (at === end) return row;
    const bits = new DoneBits(floors[place] ?? 0);
    cursors.bits[row] = bits;
    for (; at < end; at += 2) {
      const [from, count] = [runs[at] ?? 0, runs[at + 1] ?? 0];
      for (let offset = from; offset < from + count; offset += 1) bits.add(offset);
      cursors.doneAbove[row] = (cursors.doneAbove[row] ?? 0) + count;
    }
    return row;
  });
}

function decodeSlots(
  state: ShardState,
  cursorRows: readonly number[],
  [places, offsets, attempts, deadlines, terms, counters, shadows, kinds]: Columns<8>,
  locks: Float64Array,
  holders: Float64Array,
): void {
  const { slots, cursors } = state;
  for (let at = 0; at < places.length; at += 1) {
    const cursor = cursorRows[places[at] ?? 0] ?? 0;
    const slot = slots.add(cursor, offsets[at] ?? 0);
    slots.attempt[slot] = attempts[at] ?? 0;
    slots.deadline[slot] = deadlines[at] ?? 0;
    slots.term[slot] = terms[at] ?? 0;
    slots.counter[slot] = counters[at] ?? 0;
    slots.shadow[slot] = shadows[at] ?? 0;
    slots.kind[slot] = kinds[at] ?? 0;
    slots.lock[slot] = locks[at] ?? 0;
    slots.holder[slot] = holders[at] ?? 0;
    if (kinds[at] === slotKind.live) cursors.slots[cursor] = (cursors.slots[cursor] ?? 0) + 1;
    else state.finishedSlots.push(slot);
  }
}

function rowsOf(table: { readonly end: number; holds(row: number): boolean }): number[] {
  const rows: number[] = [];
  for (let row = 0; row < table.end; row += 1) if (table.holds(row)) rows.push(row);
  return rows;
}

/** By row: its place among `rows`. */
function placesOf(rows: readonly number[], end: number): Int32Array {
  const places = new Int32Array(end);
  rows.forEach((row, place) => {
    places[row] = place;
  });
  return places;
}

function picked(column: ArrayLike<number>, rows: readonly number[]): Float64Array<ArrayBuffer> {
  return Float64Array.from(rows, (row) => column[row] ?? 0);
}

function finishedRuns({ cursors }: ShardState, rows: readonly number[]): { runs: number[]; counts: number[] } {
  const runs: number[] = [];
  const counts = rows.map((row) => {
    const bits = cursors.bits[row];
    if (bits === undefined || (cursors.doneAbove[row] ?? 0) === 0) return 0;
    let count = 0;
    for (let at = bits.nextSet(cursors.floor[row] ?? 0, bits.end); at < bits.end; count += 1) {
      const to = bits.nextClear(at);
      runs.push(at, to - at);
      at = bits.nextSet(to, bits.end);
    }
    return count;
  });
  return { runs, counts };
}
