import { type Io, print } from "./io.ts";

export const outputs = ["text", "json"] as const;
export type Output = (typeof outputs)[number];

/** What every command knows of how it was called. */
export type GlobalOptions = { readonly endpoint: string; readonly output: Output };

/** Prints a command's result: all of `value` for machines, `text` for people. */
export async function printResult(io: Io, output: Output, value: unknown, text: () => string): Promise<void> {
  await print(io.stdout, output === "json" ? `${JSON.stringify(value, null, 2)}\n` : `${text()}\n`);
}

/** A column of a table. Numbers stand right. */
export type Column<Row> = { readonly title: string; readonly of: (row: Row) => string | number };

/** Rows under titles, two blanks between columns, no trailing blanks; `empty` when there are no rows. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], empty: string): string {
  if (rows.length === 0) return empty;
  const cells = rows.map((row) => columns.map(({ of }) => of(row)));
  const widths = columns.map(({ title }, at) =>
    Math.max(title.length, ...cells.map((line) => String(line[at]).length)),
  );
  const isNumber = columns.map((_, at) => cells.every((line) => typeof line[at] === "number" || line[at] === "-"));
  const line = (values: readonly (string | number)[]): string =>
    values
      .map((value, at) => {
        const text = String(value);
        const width = widths[at] ?? 0;
        return isNumber[at] === true ? text.padStart(width) : text.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return [line(columns.map(({ title }) => title)), ...cells.map(line)].join("\n");
}

/** `name: value` lines with the values in one column. */
export function facts(pairs: readonly (readonly [name: string, value: string | number])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length)) + 1;
  return pairs.map(([name, value]) => `${`${name}:`.padEnd(width)} ${value}`).join("\n");
}

/** An amount of memory or disk: `512 B`, `1.5 KiB`, `12 GiB`. */
export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10));
  const amount = count / 1_024 ** power;
  return `${amount < 10 && power > 0 ? amount.toFixed(1) : Math.round(amount)} ${units[power]}`;
}

/** UTC to the second, `2026-01-31 12:34:56Z`. */
export function time(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19).replace("T", " ")}Z`;
}

const spans = [
  { unit: "d", ms: 86_400_000 },
  { unit: "h", ms: 3_600_000 },
  { unit: "m", ms: 60_000 },
  { unit: "s", ms: 1_000 },
] as const;

/** A span in its two largest units: `3d`, `1h 5m`, `12s`, `250ms`. */
export function span(ms: number): string {
  const first = spans.findIndex(({ ms: unitMs }) => ms >= unitMs);
  const large = spans[first];
  if (large === undefined) return `${Math.max(0, Math.round(ms))}ms`;
  const head = `${Math.floor(ms / large.ms)}${large.unit}`;
  const small = spans[first + 1];
  const rest = small === undefined ? 0 : Math.floor((ms % large.ms) / small.ms);
  return small === undefined || rest === 0 ? head : `${head} ${rest}${small.unit}`;
}
