import { SaturnError } from "@saturnmq/kit";
import type { Filter } from "./filter.ts";
import { filtersMax, type RecordedFilter } from "./filter-table.ts";
import type { Reader } from "./leases.ts";
import type { Left, Overlay } from "./overlay.ts";
import { extend, type Run } from "./runs.ts";
import type { FilterAdded, FilterRemoved, Finished } from "./shard-record.ts";

/** Shard time after its last use from which a filter may be removed (design 7). */
export const filterKeptMs = 600_000;

/**
 * Adds a filter to those of a group on a topic; `undefined` when that is decided already.
 *
 * @throws {SaturnError} `ILLEGAL_FILTER_EXPRESSION` when the group has as many as it may
 */
export function decideFilterAdd(
  { decided }: Overlay,
  { group, topic }: { readonly group: number; readonly topic: number },
  filter: Filter,
  nowMs: number,
): FilterAdded | undefined {
  if (decided.deletedTopics.has(topic) || decided.deletedGroups.has(group)) return undefined;
  if (decided.filters.find(group, topic, filter) !== undefined) return undefined;
  const used = new Set(decided.filters.of(group, topic).map(({ number }) => number));
  let number = 0;
  while (used.has(number)) number += 1;
  if (number < filtersMax) return { kind: "filterAdded", timeMs: nowMs, group, topic, number, filter };
  throw new SaturnError(
    "ILLEGAL_FILTER_EXPRESSION",
    `the consumer group reads this topic with ${filtersMax} different filters already, which is the limit: ` +
      "give its consumers the same filter, or groups of their own; one that nobody uses is forgotten after 10 minutes",
  );
}

/** Removes a filter that was last used, or whose clients were last there, long enough ago. @param usedAtMs shard time */
export function decideFilterRemove(
  { decided }: Overlay,
  { group, topic, number, filter }: RecordedFilter,
  usedAtMs: number,
  nowMs: number,
): FilterRemoved | undefined {
  if (nowMs < usedAtMs + filterKeptMs) return undefined;
  if (decided.filters.find(group, topic, filter)?.number !== number) return undefined;
  return { kind: "filterRemoved", timeMs: nowMs, group, topic, number };
}

/** A message that a filter does not want: what the index knows of it, and its tag if it was read. */
export type Unwanted = { readonly offset: number; readonly tagHash: number; readonly tag: string | undefined };

/**
 * Finishes those taken messages that no filter of the group wants.
 *
 * @param unwanted by ascending offset, not wanted by the filter of number `filter`
 * @returns the records, and what is left for other filters
 */
export function decideSkip(
  { decided }: Overlay,
  { group, topic, queue }: Reader,
  filter: number,
  unwanted: readonly Unwanted[],
  nowMs: number,
): { readonly records: readonly Finished[]; readonly left: readonly Left[] } {
  const others = decided.filters.of(group, topic).filter(({ number }) => number !== filter);
  const skipped: Run[] = [];
  const left: Left[] = [];
  for (const message of unwanted) {
    const mask = wantedBy(others, message);
    const last = left.at(-1);
    if (mask === 0) extend(skipped, message.offset, 1);
    else if (last?.mask === mask && last.offset + last.count === message.offset)
      left[left.length - 1] = { ...last, count: last.count + 1 };
    else left.push({ offset: message.offset, count: 1, mask });
  }
  const place = { timeMs: nowMs, group, topic, queue };
  return { records: skipped.map((run) => ({ kind: "skipped", ...place, ...run })), left };
}

/** Finishes one message for a group, whatever it is; `undefined` when that is decided already. */
export function decideSkipOne(
  { decided }: Overlay,
  { group, topic, queue, offset }: Omit<Reader, "cursor"> & { readonly offset: number },
  nowMs: number,
): Finished | undefined {
  const cursor = decided.cursorOf(group, topic, queue);
  if (cursor < 0 || decided.isDone(cursor, offset)) return undefined;
  return { kind: "skipped", timeMs: nowMs, group, topic, queue, offset, count: 1 };
}

/** A bit for each filter that may want the message. */
function wantedBy(filters: readonly RecordedFilter[], { tagHash, tag }: Unwanted): number {
  let mask = 0;
  for (const { number, test } of filters) {
    if (tag === undefined ? test.mayWant(tagHash) : test.wants({ tag })) mask |= 1 << number;
  }
  return mask;
}
