import { Document, Pair, Scalar, YAMLMap } from "yaml";
import { z } from "zod";
import { chartValues } from "./chart-values.ts";

type Node = {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly [keyword: string]: unknown;
};

function schema(): Node {
  return z.toJSONSchema(chartValues, { target: "draft-7", io: "input" }) as Node;
}

/** The chart's values.schema.json. */
export function chartSchemaText(): string {
  const root = schema();
  // Helm hands `global` to every chart.
  const properties = { ...root.properties, global: { type: "object" } };
  return `${JSON.stringify({ ...root, properties }, null, 2)}\n`;
}

/** The chart's values.yaml: every value with its default, and what it is. */
export function chartValuesText(): string {
  return new Document(mapOf(schema())).toString({ lineWidth: 0, flowCollectionPadding: false });
}

function mapOf({ properties = {} }: Node): YAMLMap {
  const map = new YAMLMap();
  for (const [name, node] of Object.entries(properties)) {
    const key = new Scalar(name);
    if (node.description !== undefined) key.commentBefore = ` ${node.description}`;
    const value = node.properties === undefined ? new Document(node.default).contents : mapOf(node);
    map.items.push(new Pair(key, value));
  }
  return map;
}
