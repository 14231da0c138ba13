/**
 * Writes `messages.ts` (types and codecs), `schema.ts` (field table) and `service.ts` (calls) of `src/rocketmq` from `proto/apache/rocketmq/v2`, and
 * the first two, for what brokers forward to each other, of `src/forward` from `proto/saturnmq/v1/forward.proto`.
 * With `--check` it writes nothing and fails when a file is not fresh.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";

const here = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
/** What a generated file is made from. */
type Source = { readonly files: string; readonly space: string; readonly schema: string };

const rocketmq: Source = { files: "proto/apache/rocketmq/v2", space: "apache.rocketmq.v2", schema: "rocketmqSchema" };
const forward: Source = {
  files: "proto/saturnmq/v1/forward.proto",
  space: "saturnmq.v1",
  schema: "forwardSchema",
};

const headingOf = ({ files }: Source): string =>
  `// Written by scripts/generate.ts from ${files}. Change ${files.endsWith(".proto") ? "that file" : "those files"} and run \`make generate\`.\n\n`;
const scalars = new Map([
  ["string", "string"],
  ["bytes", "Uint8Array"],
  ["bool", "boolean"],
  ["int32", "number"],
  ["int64", "number"],
  ["float", "number"],
]);
/** What the contract uses of Google's well-known types. */
const wellKnown = ["Timestamp", "Duration"];

function load(file: string): protobuf.Root {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => (target.startsWith("google/") ? target : here(`proto/${target}`));
  root.loadSync(file, { alternateCommentMode: true });
  root.resolveAll();
  return root;
}

/** Messages and enums below `space`, nested ones included, in the order of the files. */
function collect(space: protobuf.NamespaceBase): (protobuf.Type | protobuf.Enum)[] {
  return space.nestedArray.flatMap((item) => {
    if (item instanceof protobuf.Enum) return [item];
    if (item instanceof protobuf.Type) return [item, ...collect(item)];
    return item instanceof protobuf.Namespace && !(item instanceof protobuf.Service) ? collect(item) : [];
  });
}

/** A nested type carries its parent's name in front. */
function nameOf(item: protobuf.ReflectionObject): string {
  return item.parent instanceof protobuf.Type ? nameOf(item.parent) + item.name : item.name;
}

function labelOf(field: protobuf.Field): string | undefined {
  if (field instanceof protobuf.MapField) {
    if (field.keyType !== "string" || field.type !== "string")
      throw new Error(`${field.fullName}: only maps of text to text`);
    return "map";
  }
  if (field.repeated) return "repeated";
  if (field.partOf === null) return undefined;
  return field.partOf.isProto3Optional ? "optional" : `oneof ${field.partOf.name}`;
}

function rowOf(field: protobuf.Field): string {
  const { resolvedType } = field;
  const type = resolvedType instanceof protobuf.Enum ? "enum" : resolvedType ? nameOf(resolvedType) : field.type;
  if (resolvedType === null && !scalars.has(type)) throw new Error(`${field.fullName}: type ${type} is not supported`);
  const label = labelOf(field);
  return JSON.stringify([field.id, field.name, type, ...(label === undefined ? [] : [label])]);
}

const byNumber = (type: protobuf.Type): protobuf.Field[] => [...type.fieldsArray].sort((a, b) => a.id - b.id);

function typeOf(field: protobuf.Field): string {
  const { resolvedType } = field;
  const scalar = scalars.get(field.type) ?? "never";
  const one =
    resolvedType instanceof protobuf.Enum
      ? `OpenEnum<${nameOf(resolvedType)}>`
      : resolvedType
        ? nameOf(resolvedType)
        : scalar;
  const label = labelOf(field);
  if (label === "map") return "ReadonlyMap<string, string>";
  if (label === "repeated") return `readonly ${one}[]`;
  return isAbsentable(field) ? `${one} | undefined` : one;
}

const isAbsentable = (field: protobuf.Field): boolean =>
  !field.repeated && !field.map && (labelOf(field) !== undefined || field.resolvedType instanceof protobuf.Type);

function sentence(item: protobuf.ReflectionObject, otherwise: string): string {
  return `/** ${(item.comment || otherwise).replaceAll(/\s+/g, " ")} */\n`;
}

function writeType(type: protobuf.Type): string {
  const name = nameOf(type);
  const fields = byNumber(type).map((field) => {
    const comment = field.comment ? sentence(field, "") : "";
    return `${comment}readonly ${field.name}${isAbsentable(field) ? "?" : ""}: ${typeOf(field)};`;
  });
  return `${sentence(type, `\`${type.fullName.slice(1)}\`.`)}export type ${name} = {\n${fields.join("\n")}\n};
export const ${name}: MessageCodec<${name}> = schema.of<${name}>("${name}");\n`;
}

function writeEnum(item: protobuf.Enum): string {
  const name = nameOf(item);
  const values = Object.entries(item.values).map(([key, value]) => `${key}: ${value},`);
  return `${sentence(item, `\`${item.fullName.slice(1)}\`.`)}export const ${name} = {\n${values.join("\n")}\n} as const;
export type ${name} = (typeof ${name})[keyof typeof ${name}];\n`;
}

const openEnum = `
/** A value of \`Enum\`, or a number that a newer peer knows and we do not: compare, never switch over all. */
export type OpenEnum<Enum extends number> = Enum | (number & Record<never, never>);
`;

function messagesText(source: Source, items: readonly (protobuf.Type | protobuf.Enum)[]): string {
  const body = items.map((item) => (item instanceof protobuf.Enum ? writeEnum(item) : writeType(item)));
  return `${headingOf(source)}import { type MessageCodec, SchemaCodec } from "../protobuf/message-codec.ts";
import { ${source.schema} } from "./schema.ts";
${items.some((item) => item instanceof protobuf.Enum) ? openEnum : ""}
const schema = new SchemaCodec(${source.schema});

${body.join("\n")}`;
}

function schemaText(source: Source, types: readonly protobuf.Type[]): string {
  const rows = types.map((type) => `${nameOf(type)}: [${byNumber(type).map(rowOf).join(", ")}],`);
  return `${headingOf(source)}import type { Schema } from "../protobuf/message-codec.ts";

/** Every message of \`${source.space}\`: number, name, type and label of each field. */
export const ${source.schema}: Schema = {\n${rows.join("\n")}\n};\n`;
}

function serviceText(service: protobuf.Service): string {
  const rows = service.methodsArray.map((method) => {
    const { name, requestType, responseType, requestStream = false, responseStream = false } = method;
    const path = `/${service.fullName.slice(1)}/${name}`;
    const doc = method.comment ? sentence(method, "") : "";
    return `${doc}${name}: { path: "${path}", request: ${requestType}, response: ${responseType}, requestStream: ${requestStream}, responseStream: ${responseStream} },`;
  });
  const names = new Set(service.methodsArray.flatMap(({ requestType, responseType }) => [requestType, responseType]));
  return `${headingOf(rocketmq)}import { ${[...names].join(", ")} } from "./messages.ts";

/** The calls of \`${service.fullName.slice(1)}\` with the codecs of both directions. */
export const messagingService = {\n${rows.join("\n")}\n} as const;\n`;
}

function format(path: string, text: string): string {
  const biome = here("../../node_modules/.bin/biome");
  const run = spawnSync(biome, ["check", "--write", "--linter-enabled=false", `--stdin-file-path=${path}`], {
    input: text,
    encoding: "utf8",
    cwd: here("../.."),
  });
  if (run.status !== 0) throw new Error(`biome refused ${path}: ${run.stderr}`);
  return run.stdout;
}

function rocketmqFiles(): readonly (readonly [string, string])[] {
  const root = load("apache/rocketmq/v2/service.proto");
  const google = wellKnown.map((name) => root.lookupType(`google.protobuf.${name}`));
  const items = [...google, ...collect(root.lookup(rocketmq.space) as protobuf.Namespace)];
  return [
    ["src/rocketmq/messages.ts", messagesText(rocketmq, items)],
    ["src/rocketmq/schema.ts", schemaText(rocketmq, typesOf(items))],
    ["src/rocketmq/service.ts", serviceText(root.lookupService(`${rocketmq.space}.MessagingService`))],
  ];
}

function forwardFiles(): readonly (readonly [string, string])[] {
  const items = collect(load("saturnmq/v1/forward.proto").lookup(forward.space) as protobuf.Namespace);
  return [
    ["src/forward/messages.ts", messagesText(forward, items)],
    ["src/forward/schema.ts", schemaText(forward, typesOf(items))],
  ];
}

function typesOf(items: readonly (protobuf.Type | protobuf.Enum)[]): protobuf.Type[] {
  return items.filter((item) => item instanceof protobuf.Type);
}

function main(): void {
  for (const [file, raw] of [...rocketmqFiles(), ...forwardFiles()]) {
    const path = here(file);
    const text = format(path, raw);
    if (!process.argv.includes("--check")) writeFileSync(path, text);
    else if (readFileSync(path, "utf8") !== text) throw new Error(`${file} is not fresh: run \`make generate\``);
  }
}

main();
