import { WireError } from "../wire-error.ts";
import { Cursor, wireType } from "./cursor.ts";
import { Writer } from "./writer.ts";

/** Type of a field: `string`, `bytes`, `bool`, `int32`, `int64`, `float`, `enum`, or the name of a message of the same schema. */
export type FieldType = string;

/**
 * A field: number, name, type, label. No label: a scalar that is there with its default when absent, or a message.
 * `oneof …`: at most one of the fields with the same label is set. `map`: text to text, the type column is that of the values.
 */
export type FieldRow = readonly [number: number, name: string, type: FieldType, label?: FieldLabel];

export type FieldLabel = "optional" | "repeated" | "map" | `oneof ${string}`;

/** Messages by name. Written by `scripts/generate.ts` from the .proto files. */
export type Schema = Readonly<Record<string, readonly FieldRow[]>>;

/** What `encode` takes for a `T`: whatever is left out has its default. */
export type Init<T> = T extends Uint8Array | ReadonlyMap<string, string> | readonly (infer Item)[]
  ? T extends readonly unknown[]
    ? readonly Init<Item>[]
    : T
  : T extends object
    ? { readonly [Key in keyof T]?: Init<T[Key]> | undefined }
    : T;

/** Reads and writes one type of message. */
export type MessageCodec<T> = {
  /**
   * The message in `bytes[start, end)`. Byte fields are views of `bytes`, not copies.
   *
   * Fields that are not known are passed over. Memory taken is at most a small multiple of the range (see `limits`).
   *
   * @throws {WireError} what is malformed or beyond a limit, and where
   */
  decode(bytes: Uint8Array, start?: number, end?: number): T;
  /**
   * The message's bytes, fields in the order of their numbers.
   *
   * @throws {WireError} on a value that its field cannot hold, or two members of one oneof
   */
  encode(value: Init<T>): Buffer;
};

/** Bounds of one `decode` call, against input made to be large in memory. */
export const limits = {
  /** Messages within messages. */
  depth: 32,
  /** Messages of one repeated field, or entries of one map. */
  entries: 1_024,
  /** Texts or numbers of one repeated field. */
  scalars: 4_096,
  /** Messages, texts in lists and map entries made in one call: this many, and one more for each `bytesPerEntry` of input. */
  entriesFree: 4_096,
  bytesPerEntry: 64,
  /** Bytes of fields that are not known. */
  unknownBytes: 16_384,
} as const;

type Values = Record<string, unknown>;

type Field = {
  readonly number: number;
  readonly name: string;
  readonly type: FieldType;
  readonly label: FieldLabel | undefined;
  readonly isMessage: boolean;
  readonly initial: unknown;
  readonly path: string;
  /** Names of the other members of its oneof. */
  readonly rivals: readonly string[];
};

type Plan = {
  readonly name: string;
  readonly fields: readonly Field[];
  readonly byNumber: readonly (Field | undefined)[];
};

const noItems: readonly never[] = Object.freeze([]);
const noBytes = new Uint8Array(0);
const noEntries: ReadonlyMap<string, string> = new Map();

/** Codecs of `schema`'s messages, each prepared when it is first used. */
export class SchemaCodec {
  readonly #schema: Schema;
  readonly #plans = new Map<string, Plan>();
  readonly #cursor = new Cursor();
  readonly #writer = new Writer();
  #entriesLeft = 0;
  #unknownLeft = 0;

  constructor(schema: Schema) {
    this.#schema = schema;
  }

  /** The codec of the message `name`; `T` is its generated type. */
  of<T>(name: string): MessageCodec<T> {
    return {
      decode: (bytes, start = 0, end = bytes.length) => this.#decode(name, bytes, start, end) as T,
      encode: (value) => this.#encode(name, value as Values),
    };
  }

  #decode(name: string, bytes: Uint8Array, start: number, end: number): Values {
    const cursor = this.#cursor;
    cursor.place = name;
    cursor.open(bytes, start, end);
    this.#entriesLeft = limits.entriesFree + Math.floor((end - start) / limits.bytesPerEntry);
    this.#unknownLeft = limits.unknownBytes;
    try {
      return this.#readMessage(this.#plan(name), undefined, 1);
    } finally {
      cursor.close();
    }
  }

  #encode(name: string, value: Values): Buffer {
    try {
      this.#writeFields(this.#plan(name), value);
      return this.#writer.finish();
    } catch (error) {
      this.#writer.reset();
      throw error;
    }
  }

  #plan(name: string): Plan {
    const known = this.#plans.get(name);
    if (known !== undefined) return known;
    const rows = this.#schema[name];
    if (rows === undefined) throw new WireError(`there is no message named ${name}`);
    const fields = rows.map((row) => this.#field(name, rows, row));
    const byNumber: (Field | undefined)[] = [];
    for (const field of fields) byNumber[field.number] = field;
    const plan = { name, fields, byNumber };
    this.#plans.set(name, plan);
    return plan;
  }

  #field(message: string, rows: readonly FieldRow[], [number, name, type, label]: FieldRow): Field {
    const isMessage = type in this.#schema;
    const inOneof = label?.startsWith("oneof ") ?? false;
    const rivals = inOneof ? rows.filter((row) => row[3] === label && row[1] !== name).map((row) => row[1]) : noItems;
    const initial = initialValue(type, label, isMessage);
    return { number, name, type, label, isMessage, initial, path: `${message}.${name}`, rivals };
  }

  /** Reads up to the cursor's end, into `merged` when the message was begun before. */
  #readMessage(plan: Plan, merged: Values | undefined, depth: number): Values {
    const cursor = this.#cursor;
    if (depth > limits.depth) cursor.fail(`messages are nested more than ${limits.depth} deep`);
    const values = merged ?? this.#begin(plan);
    while (cursor.at < cursor.end) {
      const start = cursor.at;
      const key = cursor.key();
      const field = plan.byNumber[key >>> 3];
      if (field === undefined) {
        cursor.skip(key);
        this.#unknownLeft -= cursor.at - start;
        if (this.#unknownLeft < 0) cursor.fail(`more than ${limits.unknownBytes} bytes of unknown fields`);
      } else {
        cursor.place = field.path;
        this.#readField(field, key & 7, values, depth);
        for (const rival of field.rivals) values[rival] = undefined;
      }
    }
    return values;
  }

  #begin(plan: Plan): Values {
    this.#countEntry();
    const values: Values = {};
    for (const field of plan.fields) values[field.name] = field.initial;
    return values;
  }

  #countEntry(): void {
    this.#entriesLeft -= 1;
    if (this.#entriesLeft < 0) this.#cursor.fail("too many entries for a message of this size");
  }

  #readField(field: Field, wire: number, values: Values, depth: number): void {
    if (field.label === "map") this.#readEntry(field, wire, values);
    else if (field.label === "repeated") this.#readItems(field, wire, values, depth);
    else if (field.isMessage) {
      values[field.name] = this.#readNested(field, wire, values[field.name] as Values | undefined, depth);
    } else values[field.name] = this.#readScalar(field, wire);
  }

  #readNested(field: Field, wire: number, merged: Values | undefined, depth: number): Values {
    const cursor = this.#cursor;
    if (wire !== wireType.bytes) cursor.fail(`wire type ${wire} does not hold a ${field.type}`);
    const length = cursor.length();
    const outerEnd = cursor.end;
    cursor.end = cursor.at + length;
    const values = this.#readMessage(this.#plan(field.type), merged, depth + 1);
    cursor.end = outerEnd;
    return values;
  }

  #readItems(field: Field, wire: number, values: Values, depth: number): void {
    const items = (values[field.name] === noItems ? [] : values[field.name]) as unknown[];
    values[field.name] = items;
    if (field.isMessage) items.push(this.#readNested(field, wire, undefined, depth));
    else if (wire === wireType.bytes && isPackable(field.type)) this.#readPacked(field, items);
    else {
      this.#countEntry();
      items.push(this.#readScalar(field, wire));
    }
    this.#checkEntries(items.length, field.isMessage ? limits.entries : limits.scalars);
  }

  #readPacked(field: Field, items: unknown[]): void {
    const cursor = this.#cursor;
    const length = cursor.length();
    const outerEnd = cursor.end;
    cursor.end = cursor.at + length;
    while (cursor.at < cursor.end) {
      this.#checkEntries(items.length + 1, limits.scalars);
      items.push(this.#readScalar(field, wireTypeOf(field.type)));
    }
    cursor.end = outerEnd;
  }

  #readEntry(field: Field, wire: number, values: Values): void {
    const cursor = this.#cursor;
    if (wire !== wireType.bytes) cursor.fail(`wire type ${wire} does not hold a map entry`);
    const map = (values[field.name] === noEntries ? new Map() : values[field.name]) as Map<string, string>;
    values[field.name] = map;
    const length = cursor.length();
    const outerEnd = cursor.end;
    cursor.end = cursor.at + length;
    let name = "";
    let value = "";
    while (cursor.at < cursor.end) {
      const key = cursor.key();
      if (key === ((1 << 3) | wireType.bytes)) name = cursor.text();
      else if (key === ((2 << 3) | wireType.bytes)) value = cursor.text();
      else cursor.fail(`a map entry has no field ${key >>> 3} of wire type ${key & 7}`);
    }
    cursor.end = outerEnd;
    this.#countEntry();
    map.set(name, value);
    this.#checkEntries(map.size, limits.entries);
  }

  #checkEntries(count: number, bound: number): void {
    if (count > bound) this.#cursor.fail(`more than ${bound} entries`);
  }

  #readScalar(field: Field, wire: number): unknown {
    const cursor = this.#cursor;
    if (wire !== wireTypeOf(field.type)) cursor.fail(`wire type ${wire} does not hold a ${field.type}`);
    switch (field.type) {
      case "string":
        return cursor.text();
      case "bytes": {
        const length = cursor.length();
        cursor.at += length;
        return cursor.bytes.subarray(cursor.at - length, cursor.at);
      }
      case "bool":
        return cursor.bool();
      case "int64":
        return cursor.int64();
      case "float":
        return cursor.float();
      default:
        return cursor.int32();
    }
  }

  #writeFields(plan: Plan, values: Values): void {
    for (const field of plan.fields) {
      const value = values[field.name];
      if (value === undefined) continue;
      for (const rival of field.rivals) {
        if (values[rival] !== undefined) throw new WireError(`${field.path} and ${rival} exclude each other`);
      }
      if (field.label === "map") this.#writeMap(field, value);
      else if (field.label === "repeated") this.#writeItems(field, value);
      else if (field.isMessage) this.#writeNested(field, value);
      else if (field.label !== undefined || !isDefault(value)) this.#writeScalar(field, value);
    }
  }

  #writeMap(field: Field, value: unknown): void {
    if (!(value instanceof Map)) refuse(field, "a Map", value);
    for (const [name, text] of value as ReadonlyMap<unknown, unknown>) {
      this.#writer.varint((field.number << 3) | wireType.bytes);
      const mark = this.#writer.open();
      this.#writer.varint((1 << 3) | wireType.bytes);
      this.#writeValue(field, name);
      this.#writer.varint((2 << 3) | wireType.bytes);
      this.#writeValue(field, text);
      this.#writer.close(mark);
    }
  }

  #writeItems(field: Field, value: unknown): void {
    if (!Array.isArray(value)) refuse(field, "an array", value);
    const items: readonly unknown[] = value;
    if (items.length === 0) return;
    if (!isPackable(field.type)) {
      for (const item of items) {
        if (field.isMessage) this.#writeNested(field, item);
        else this.#writeScalar(field, item);
      }
      return;
    }
    this.#writer.varint((field.number << 3) | wireType.bytes);
    const mark = this.#writer.open();
    for (const item of items) this.#writeValue(field, item);
    this.#writer.close(mark);
  }

  #writeNested(field: Field, value: unknown): void {
    if (typeof value !== "object" || value === null) refuse(field, "an object", value);
    this.#writer.varint((field.number << 3) | wireType.bytes);
    const mark = this.#writer.open();
    this.#writeFields(this.#plan(field.type), value as Values);
    this.#writer.close(mark);
  }

  #writeScalar(field: Field, value: unknown): void {
    this.#writer.varint((field.number << 3) | wireTypeOf(field.type));
    this.#writeValue(field, value);
  }

  #writeValue(field: Field, value: unknown): void {
    const writer = this.#writer;
    switch (field.type) {
      case "string":
        if (typeof value !== "string") refuse(field, "a string", value);
        return writer.text(value);
      case "bytes":
        if (!(value instanceof Uint8Array)) refuse(field, "a Uint8Array", value);
        return writer.bytes(value);
      case "bool":
        if (typeof value !== "boolean") refuse(field, "a boolean", value);
        return writer.varint(value ? 1 : 0);
      case "float":
        if (typeof value !== "number") refuse(field, "a number", value);
        return writer.float(value);
      case "int64":
        if (typeof value !== "number" || !Number.isSafeInteger(value)) refuse(field, "a safe integer", value);
        return writer.varint(value);
      default:
        if (typeof value !== "number" || (value | 0) !== value) refuse(field, "a 32-bit integer", value);
        return writer.varint(value);
    }
  }
}

function initialValue(type: FieldType, label: FieldLabel | undefined, isMessage: boolean): unknown {
  if (label === "repeated") return noItems;
  if (label === "map") return noEntries;
  if (label !== undefined || isMessage) return undefined;
  switch (type) {
    case "string":
      return "";
    case "bytes":
      return noBytes;
    case "bool":
      return false;
    default:
      return 0;
  }
}

function wireTypeOf(type: FieldType): number {
  switch (type) {
    case "string":
    case "bytes":
      return wireType.bytes;
    case "float":
      return wireType.fixed32;
    default:
      return wireType.varint;
  }
}

function isPackable(type: FieldType): boolean {
  return type === "bool" || type === "int32" || type === "int64" || type === "float" || type === "enum";
}

function isDefault(value: unknown): boolean {
  return Object.is(value, 0) || value === "" || value === false || (value instanceof Uint8Array && value.length === 0);
}

function refuse(field: Field, wanted: string, value: unknown): never {
  throw new WireError(`${field.path} takes ${wanted}, not ${typeof value === "number" ? value : typeof value}`);
}
