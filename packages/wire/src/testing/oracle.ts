import { fileURLToPath } from "node:url";
import fc from "fast-check";
import protobuf from "protobufjs";
import type { FieldRow } from "../protobuf/message-codec.ts";
import { rocketmqSchema } from "../rocketmq/schema.ts";

/** A decoded message without its type. */
export type Plain = Readonly<Record<string, unknown>>;

/** Our .proto files as protobufjs reads them: a second, independent implementation. */
const root = loadRoot();

function loadRoot(): protobuf.Root {
  const folder = fileURLToPath(new URL("../../proto", import.meta.url));
  const loaded = new protobuf.Root();
  loaded.resolvePath = (_origin, target) => (target.startsWith("google/") ? target : `${folder}/${target}`);
  loaded.loadSync("apache/rocketmq/v2/service.proto");
  loaded.resolveAll();
  return loaded;
}

/** The type that our schema calls `name`. */
function oracleType(name: string): protobuf.Type {
  const space = name === "Timestamp" || name === "Duration" ? "google.protobuf" : "apache.rocketmq.v2";
  return root.lookupType(`${space}.${name}`);
}

/** Bytes that protobufjs writes for a message of ours. */
export function oracleEncode(name: string, value: Plain): Uint8Array {
  const type = oracleType(name);
  return type.encode(type.fromObject(toOracle(name, value))).finish();
}

/** What protobufjs reads, written by it again. */
export function oracleRewrite(name: string, bytes: Uint8Array): Uint8Array {
  const type = oracleType(name);
  return type.encode(type.decode(bytes)).finish();
}

function toOracle(name: string, value: Plain): Record<string, unknown> {
  const entries: [string, unknown][] = [];
  for (const row of rocketmqSchema[name] ?? []) {
    const present = value[row[1]];
    if (present !== undefined) entries.push([row[1], fieldToOracle(row, present)]);
  }
  return Object.fromEntries(entries);
}

function fieldToOracle([, , type, label]: FieldRow, value: unknown): unknown {
  if (label === "map") return Object.fromEntries(value as ReadonlyMap<string, string>);
  if (!(type in rocketmqSchema)) return value;
  if (label === "repeated") return (value as readonly Plain[]).map((item) => toOracle(type, item));
  return toOracle(type, value as Plain);
}

const text = fc.string({ unit: "binary", maxLength: 40 });
const scalars: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  string: text,
  bytes: fc.uint8Array({ maxLength: 300 }),
  bool: fc.boolean(),
  int32: fc.oneof(fc.integer(), fc.integer({ min: 0, max: 300 })),
  int64: fc.oneof(fc.maxSafeInteger(), fc.integer({ min: 0, max: 300 })),
  // Zero with a sign is told by some writers and not by others: it equals the default.
  float: fc.float({ noNaN: true }).map((value) => (value === 0 ? 0 : value)),
  enum: fc.oneof(fc.integer({ min: 0, max: 6 }), fc.integer()),
};

/** Any message that our codec can answer: all keys there, absent ones `undefined`, at most one member of each oneof. */
export function anyMessage(name: string): fc.Arbitrary<Plain> {
  const rows = rocketmqSchema[name] ?? [];
  const fields = fc.record(Object.fromEntries(rows.map((row) => [row[1], anyField(row)])));
  return fc.tuple(fields, fc.nat()).map(([values, choice]) => keepOneMember(rows, values, choice));
}

function anyField([, , type, label]: FieldRow): fc.Arbitrary<unknown> {
  // protobufjs keeps maps in objects, where this name is special.
  const name = text.filter((key) => key !== "__proto__");
  if (label === "map") return fc.array(fc.tuple(name, text), { maxLength: 4 }).map((entries) => new Map(entries));
  const isMessage = type in rocketmqSchema;
  const one = isMessage ? anyMessage(type) : (scalars[type] ?? fc.constant(undefined));
  if (label === "repeated") return fc.array(one, { maxLength: 3 });
  return label !== undefined || isMessage ? fc.option(one, { nil: undefined }) : one;
}

function keepOneMember(rows: readonly FieldRow[], values: Plain, choice: number): Plain {
  const kept: Record<string, unknown> = { ...values };
  for (const oneof of new Set(rows.map((row) => row[3]).filter((label) => label?.startsWith("oneof ")))) {
    const members = rows.filter((row) => row[3] === oneof).map((row) => row[1]);
    for (const [index, member] of members.entries()) if (index !== choice % members.length) kept[member] = undefined;
  }
  return kept;
}

/** `bytes` with up to four of them changed, taken out or put in. */
export function mutated(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const edit = fc.record({ at: fc.nat(), kind: fc.constantFrom("change", "cut", "insert", "end"), byte: fc.nat(255) });
  return fc.tuple(bytes, fc.array(edit, { minLength: 1, maxLength: 4 })).map(([start, edits]) => {
    const result = [...start];
    for (const { at, kind, byte } of edits) {
      const place = at % (result.length + 1);
      if (kind === "end") result.length = place;
      else if (kind === "cut") result.splice(place, 1);
      else result.splice(place, kind === "change" ? 1 : 0, byte);
    }
    return Uint8Array.from(result);
  });
}
