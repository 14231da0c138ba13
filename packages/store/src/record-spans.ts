import type { RecordPosition } from "./ports.ts";

/** More is not read at once. */
const spanBytesMax = 512 * 1024;
/** Bytes between two records that are read along: so many cost less than one more read. */
const gapBytesMax = 32 * 1024;

/** A stretch of a segment that holds records, and which: `members` are their places in the list that was asked for. */
export type RecordSpan = {
  readonly segment: number;
  readonly from: number;
  readonly to: number;
  readonly members: readonly number[];
};

/**
 * Stretches to be read for the records of a list that `members` names. Records of one queue lie behind each other, with those of other queues between
 * them: neighbours share a stretch.
 */
export function recordSpans(positions: readonly RecordPosition[], members: readonly number[]): readonly RecordSpan[] {
  const spans: (RecordSpan & { to: number; readonly members: number[] })[] = [];
  for (const member of members) {
    const { segment, offset, length } = positions[member] as RecordPosition;
    const last = spans.at(-1);
    const gap = last?.segment === segment ? offset - last.to : Number.NaN;
    if (last !== undefined && gap >= 0 && gap <= gapBytesMax && offset + length - last.from <= spanBytesMax) {
      last.to = offset + length;
      last.members.push(member);
    } else spans.push({ segment, from: offset, to: offset + length, members: [member] });
  }
  return spans;
}
