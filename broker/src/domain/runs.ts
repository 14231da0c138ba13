/** Messages [offset, offset + count) of one queue. */
export type Run = { readonly offset: number; readonly count: number };

/** Adds messages to the last run if they follow it, else as a new run. */
export function extend(runs: Run[], offset: number, count: number): void {
  const last = runs.at(-1);
  if (last !== undefined && last.offset + last.count === offset) {
    runs[runs.length - 1] = { offset: last.offset, count: last.count + count };
  } else {
    runs.push({ offset, count });
  }
}
