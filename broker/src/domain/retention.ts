/** A segment of the log: how large it is, when it was written last, and which entries of which shards it holds. Not `sealed`: it is written still. */
export type Segment = {
  readonly segment: number;
  readonly bytes: number;
  readonly sealed: boolean;
  /** Wall clock, milliseconds. */
  readonly lastWriteMs: number;
  /** By shard. */
  readonly ranges: ReadonlyMap<number, { readonly from: number; readonly to: number }>;
};

/** What is kept at least: everything younger than `oldestMs` (wall clock, milliseconds), if it is not more than `bytes` above what may stay. */
export type Kept = { readonly oldestMs: number; readonly excessBytes: number };

/** What a shard loses: its entries up to `end`, which are all that it has in `segments`. */
export type Dropped = { readonly end: number; readonly segments: ReadonlySet<number> };

/**
 * What must go, by shard: segments from the oldest on while they are too old or too many. A shard ends between two segments, never within one: what was
 * filled in beside the log may lie in the midst of a segment's entries, and goes with it.
 *
 * @param segments oldest first
 */
export function decideDropped(segments: readonly Segment[], { oldestMs, excessBytes }: Kept): Map<number, Dropped> {
  let excess = excessBytes;
  const ends = new Map<number, number>();
  for (const { bytes, sealed, lastWriteMs, ranges } of segments) {
    if (!sealed || (excess <= 0 && lastWriteMs >= oldestMs)) break;
    excess -= bytes;
    for (const [shard, { to }] of ranges) ends.set(shard, Math.max(to, ends.get(shard) ?? 0));
  }
  const dropped = new Map<number, Dropped>();
  for (const [shard, wanted] of ends) {
    const end = lastBetween(segments, shard, wanted);
    const inside = segments.filter(({ ranges }) => (ranges.get(shard)?.to ?? Infinity) <= end);
    if (inside.length > 0) dropped.set(shard, { end, segments: new Set(inside.map(({ segment }) => segment)) });
  }
  return dropped;
}

/** The last index up to `wanted` that no segment has entries of the shard on both sides of. */
function lastBetween(segments: readonly Segment[], shard: number, wanted: number): number {
  const ranges = segments.flatMap((segment) => segment.ranges.get(shard) ?? []).sort((a, b) => b.to - a.to);
  return ranges.reduce((end, { from, to }) => (from <= end && to > end ? from - 1 : end), wanted);
}
