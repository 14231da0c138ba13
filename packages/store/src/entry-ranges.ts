/** Entries `from` to `to`, both included. */
export type EntryRange = { readonly from: number; readonly to: number };

/** What is left of `ranges`, which rise and do not touch, without entries `from` to `to`. */
export function without(ranges: readonly EntryRange[], from: number, to: number): readonly EntryRange[] {
  if (from > to) return ranges;
  return ranges.flatMap((range) =>
    to < range.from || from > range.to
      ? [range]
      : [
          { from: range.from, to: from - 1 },
          { from: to + 1, to: range.to },
        ].filter((part) => part.from <= part.to),
  );
}

/** The overlap of two ranges; `undefined` when there is none. */
export function overlap(a: EntryRange, b: EntryRange): EntryRange | undefined {
  const both = { from: Math.max(a.from, b.from), to: Math.min(a.to, b.to) };
  return both.from <= both.to ? both : undefined;
}
