import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import protobuf from "protobufjs";
import { messagingService } from "./service.ts";

// Goal: our .proto files say what the public contract says. Method: both are reduced to one line a fact, and the lines must be equal.
const require = createRequire(import.meta.url);
const theirs = dirname(require.resolve("rocketmq-client-nodejs/package.json")) + "/proto";
const ours = fileURLToPath(new URL("../../proto", import.meta.url));

/** The contract in `folder`; `edit` may change a file's text on its way. */
function load(folder: string, edit: (text: string) => string = (text) => text): protobuf.Root {
  const root = new protobuf.Root();
  for (const name of ["timestamp", "duration"]) {
    root.addJSON(protobuf.common.get(`google/protobuf/${name}.proto`)?.nested ?? {});
  }
  for (const name of ["definition", "service"]) {
    const text = readFileSync(`${folder}/apache/rocketmq/v2/${name}.proto`, "utf8");
    protobuf.parse(edit(text), root, { keepCase: true });
  }
  root.resolveAll();
  return root;
}

function factsOf(item: protobuf.ReflectionObject): string[] {
  if (item instanceof protobuf.Enum) {
    return Object.entries(item.values).map(([name, value]) => `enum ${item.fullName}: ${name} = ${value}`);
  }
  const inner = item instanceof protobuf.Namespace ? item.nestedArray.flatMap(factsOf) : [];
  if (item instanceof protobuf.Type) return [`message ${item.fullName}`, ...item.fieldsArray.map(fieldFact), ...inner];
  if (item instanceof protobuf.Service) return [...item.methodsArray.map(methodFact), ...inner];
  return inner;
}

function fieldFact(field: protobuf.Field): string {
  const type = field.resolvedType?.fullName ?? field.type;
  const whole = field instanceof protobuf.MapField ? `map<${field.keyType}, ${type}>` : type;
  const oneof = field.partOf === null ? "-" : field.partOf.isProto3Optional ? "optional" : field.partOf.name;
  const packed = field.repeated ? `repeated packed=${field.packed}` : "singular";
  return `field ${field.fullName} = ${field.id}: ${whole}, ${packed}, ${oneof}`;
}

function methodFact(method: protobuf.Method): string {
  const streams = `${Boolean(method.requestStream)} ${Boolean(method.responseStream)}`;
  const { resolvedRequestType: request, resolvedResponseType: response } = method;
  return `rpc ${method.fullName}: ${request?.fullName} -> ${response?.fullName}, streams ${streams}`;
}

const facts = (root: protobuf.Root): string[] =>
  factsOf(root.lookup("apache.rocketmq.v2") as protobuf.Namespace).sort();

describe("apache.rocketmq.v2 is the contract that rocketmq-client-nodejs 1.0.8 carries", () => {
  const published = facts(load(theirs));

  test("message by message, field by field, value by value, call by call", () => {
    expect(published.length).toBeGreaterThan(350);
    expect(facts(load(ours))).toEqual(published);
  });

  test("a difference of one number, label, type or stream would be seen", () => {
    const edits: readonly [string, string][] = [
      ["optional string tag = 1", "string tag = 1"],
      ["int32 queue_id = 13", "int64 queue_id = 13"],
      ["bytes body = 4", "bytes body = 5"],
      ["BAD_REQUEST = 40000", "BAD_REQUEST = 40099"],
      ["returns (stream PullMessageResponse)", "returns (PullMessageResponse)"],
      ["map<string, string>", "map<string, bytes>"],
    ];
    for (const [from, to] of edits) {
      const changed = facts(load(ours, (text) => text.replace(from, to)));
      expect(changed.filter((fact) => !published.includes(fact))).toHaveLength(1);
    }
  });

  test("the table of calls lists each with its path, types and streams", () => {
    const service = load(theirs).lookupService("apache.rocketmq.v2.MessagingService");
    const listed = Object.entries(messagingService).map(([name, call]) => [
      name,
      call.path,
      call.requestStream,
      call.responseStream,
    ]);
    const wanted = service.methodsArray.map((method) => [
      method.name,
      `/apache.rocketmq.v2.MessagingService/${method.name}`,
      Boolean(method.requestStream),
      Boolean(method.responseStream),
    ]);
    expect(listed.sort()).toEqual(wanted.sort());
  });
});
