import { assert } from "@saturnmq/kit";
import { fieldKind, kindOfName } from "../core/field.ts";
import type { FieldList } from "../core/field-list.ts";

const printable = /^[\x20-\x7e]*$/;
const base64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** A metadata entry. Values of names that end in `-bin` are base64 of any bytes. */
export type MetadataEntry = readonly [name: string, value: string];

/** A request's fields but the pseudo-headers, as texts that last: names and values by turns, one array for all. */
export function requestMetadata(list: FieldList): readonly string[] {
  const entries: string[] = [];
  for (let row = 0; row < list.count; row += 1) {
    const kind = list.kinds[row] ?? 0;
    if (kind >= fieldKind.method && kind <= fieldKind.authority) continue;
    entries.push(list.name(row), list.value(row));
  }
  // Copied, as an array that grew has room for more.
  return entries.slice();
}

/** As `requestMetadata`, of the fields with these names. */
export function namedMetadata(list: FieldList, names: readonly string[]): readonly string[] {
  const entries = names.flatMap((name) => {
    const value = list.find(name);
    return value === undefined ? [] : [name, value];
  });
  return entries.slice();
}

/** The bytes of a `-bin` entry, with or without padding; undefined when it is not base64. Several values joined by commas: of the first. */
export function binaryValue(value: string): Buffer | undefined {
  const first = value.split(",", 1)[0]?.trim() ?? "";
  return base64.test(first) && first.length % 4 !== 1 ? Buffer.from(first, "base64") : undefined;
}

/** An entry to send. @throws {InvariantError} for a name or value that cannot travel: it is our own code that wrote it */
export function metadataEntry(name: string, value: string | Uint8Array): MetadataEntry {
  const binary = name.endsWith("-bin");
  assert(kindOfName(name) === fieldKind.regular && !name.startsWith("grpc-"), `no metadata can be called ${name}`);
  assert(binary === (typeof value !== "string"), `the metadata ${name} has a value of the wrong kind`);
  if (typeof value !== "string") return [name, Buffer.from(value).toString("base64")];
  const trimmed = value.trim();
  assert(printable.test(trimmed), `the value of the metadata ${name} is not printable ASCII`);
  return [name, trimmed];
}
