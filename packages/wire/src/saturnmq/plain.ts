import { SaturnError } from "@saturnmq/kit";

/** A message as `decodeMessage` gives it: whatever a peer may have written is in there. */
export type Plain = Readonly<Record<string, unknown>>;

/** A whole number, 0 to 2^53 - 1. @throws {SaturnError} `BAD_REQUEST` */
export function whole(at: Plain, field: string): number {
  const value = at[field];
  if (isWhole(value)) return value;
  throw unusable(field, value);
}

export function optionalWhole(at: Plain, field: string): number | undefined {
  return at[field] === undefined || at[field] === null ? undefined : whole(at, field);
}

export function text(at: Plain, field: string): string {
  const value = at[field];
  if (typeof value === "string") return value;
  throw unusable(field, value);
}

export function optionalText(at: Plain, field: string): string | undefined {
  return at[field] === undefined || at[field] === null ? undefined : text(at, field);
}

export function flag(at: Plain, field: string): boolean {
  return at[field] === true;
}

/** One of the words that are known. A newer peer's others are refused. */
export function oneOf<const Word extends string>(at: Plain, field: string, words: readonly Word[]): Word {
  const value = at[field];
  const word = words.find((candidate) => candidate === value);
  if (word !== undefined) return word;
  throw unusable(field, value);
}

export function numbers(at: Plain, field: string): readonly number[] {
  const values = array(at, field);
  if (values.every(isWhole)) return values;
  throw unusable(field, values);
}

export function texts(at: Plain, field: string): readonly string[] {
  const values = array(at, field);
  if (values.every((value): value is string => typeof value === "string")) return values;
  throw unusable(field, values);
}

/** Copies: what they are decoded from may be overwritten. */
export function bytesList(at: Plain, field: string): readonly Uint8Array[] {
  const values = array(at, field);
  if (values.every((value) => value instanceof Uint8Array)) return values.map((value) => new Uint8Array(value));
  throw unusable(field, values);
}

/** A sub-message; `undefined` when it is absent. */
export function plain(at: Plain, field: string): Plain | undefined {
  const value = at[field];
  return typeof value === "object" && value !== null ? (value as Plain) : undefined;
}

export function list(at: Plain, field: string): readonly Plain[] {
  return array(at, field).map((value) => {
    if (typeof value === "object" && value !== null) return value as Plain;
    throw unusable(field, value);
  });
}

function array(at: Plain, field: string): readonly unknown[] {
  const value = at[field];
  if (value === undefined) return [];
  if (Array.isArray(value)) return value as readonly unknown[];
  throw unusable(field, value);
}

function isWhole(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function unusable(field: string, value: unknown): SaturnError {
  return new SaturnError(
    "BAD_REQUEST",
    `${field} cannot be ${(JSON.stringify(value) as string | undefined)?.slice(0, 80) ?? "absent"}`,
  );
}
