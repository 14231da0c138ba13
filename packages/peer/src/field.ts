import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";

/** How one value is written and read. `bytes`: the fewest it takes. */
export type Field<T> = {
  readonly bytes: number;
  write(into: ByteWriter, value: T): void;
  read(from: ByteReader): T;
};

export const u16: Field<number> = {
  bytes: 2,
  write: (into, value) => into.u16(value),
  read: (from) => from.u16(),
};

export const u53: Field<number> = {
  bytes: 8,
  write: (into, value) => into.u53(value),
  read: (from) => from.u53(),
};

export const bool: Field<boolean> = {
  bytes: 1,
  write: (into, value) => into.u8(value ? 1 : 0),
  read: (from) => from.bool(),
};

export const text: Field<string> = {
  bytes: 2,
  write: (into, value) => into.text(value),
  read: (from) => from.text(),
};

/** Bytes behind their length in four bytes. What is read is a view. */
export const blob: Field<Uint8Array> = {
  bytes: 4,
  write: (into, value) => {
    into.u32(value.length);
    into.bytes(value);
  },
  read: (from) => from.bytes(from.u32()),
};

/** A field for each property, in this order. The types demand that none is forgotten. */
export type FieldsOf<T> = { readonly [Key in keyof T]-?: Field<T[Key]> };

/** A value that has just these properties. */
export function record<T extends object>(fields: FieldsOf<T>): Field<T> {
  const entries = Object.entries<Field<unknown>>(fields);
  return {
    bytes: entries.reduce((sum, [, field]) => sum + field.bytes, 0),
    write: (into, value) => {
      for (const [name, field] of entries) field.write(into, (value as Record<string, unknown>)[name]);
    },
    read: (from) => {
      const value: Record<string, unknown> = {};
      for (const [name, field] of entries) value[name] = field.read(from);
      return value as T;
    },
  };
}

/** A list behind its length. */
export function list<T>(item: Field<T>): Field<readonly T[]> {
  return {
    bytes: 4,
    write: (into, value) => {
      into.u32(value.length);
      for (const each of value) item.write(into, each);
    },
    read: (from) => {
      const items: T[] = [];
      for (let left = from.count(item.bytes); left > 0; left -= 1) items.push(item.read(from));
      return items;
    },
  };
}
