import { describe, expect, test } from "@jest/globals";
import { brokerConfigSchema } from "@saturnmq/broker";
import { nameServerConfigSchema } from "@saturnmq/nameserver";
import { kinds, type SchemaNode, structuralSchema } from "@saturnmq/operator";
import { z } from "zod";

/** Leaves of a JSON schema with their bounds, by path. */
function leaves(schema: SchemaNode, prefix = ""): Map<string, SchemaNode> {
  const found = new Map<string, SchemaNode>();
  for (const [key, node] of Object.entries((schema["properties"] ?? {}) as Record<string, SchemaNode>)) {
    if (node["properties"] === undefined) found.set(prefix + key, node);
    else for (const [path, leaf] of leaves(node, `${prefix}${key}.`)) found.set(path, leaf);
  }
  return found;
}

describe("settings of a spec are settings of the process", () => {
  const field = (index: number, name: string): SchemaNode =>
    (structuralSchema(kinds[index]!.spec)["properties"] as Record<string, SchemaNode>)[name]!;
  const cases = [
    {
      what: "Broker.configuration",
      ours: field(1, "configuration"),
      theirs: leaves(z.toJSONSchema(brokerConfigSchema, { io: "input" })),
    },
    {
      what: "NameServer.settings",
      ours: field(0, "settings"),
      theirs: leaves(z.toJSONSchema(nameServerConfigSchema.shape.settings, { io: "input" })),
    },
  ];

  test.each(cases)("$what: the same keys, within the same bounds", ({ ours, theirs }) => {
    const checked = [...leaves(ours)];
    expect(checked.length).toBeGreaterThan(3);
    for (const [path, node] of checked) {
      const process = theirs.get(path);
      expect({ path, known: process !== undefined }).toEqual({ path, known: true });
      const { minimum, maximum = Number.MAX_SAFE_INTEGER } = process as { minimum: number; maximum?: number };
      expect({
        path,
        least: Number(node["minimum"]) >= minimum,
        most: Number(node["maximum"] ?? 0) <= maximum,
      }).toEqual({ path, least: true, most: true });
    }
  });
});
