import { z } from "zod";

/** A node of an OpenAPI 3.0 schema, as CustomResourceDefinitions carry it. */
export type SchemaNode = { readonly [key: string]: unknown };

/**
 * A zod schema as a structural schema: what the API server takes in a CustomResourceDefinition.
 *
 * It refuses keywords that zod writes (`additionalProperties: false`, `propertyNames`, `anyOf` of types), prunes unknown keys itself, and has words
 * of its own, which our schemas carry as `x-kubernetes-...` in their metadata.
 */
export function structuralSchema(schema: z.ZodType): SchemaNode {
  return structural(z.toJSONSchema(schema, { io: "input", target: "openapi-3.0", unrepresentable: "throw" }));
}

const dropped: ReadonlySet<string> = new Set(["$schema", "id", "propertyNames"]);
/** zod writes these for every integer. They bound nothing that JSON could carry. */
const unbounded: ReadonlySet<unknown> = new Set([Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]);

function structural(node: SchemaNode): SchemaNode {
  if (node["x-kubernetes-int-or-string"] === true) return intOrString(node);
  const literals = literalsOf(node);
  if (literals !== undefined) return structural(literals);
  const entries = Object.entries(node).flatMap(([key, value]) => entryOf(node, key, value));
  return Object.fromEntries(entries);
}

function entryOf(node: SchemaNode, key: string, value: unknown): [string, unknown][] {
  if (dropped.has(key)) return [];
  if ((key === "minimum" || key === "maximum") && unbounded.has(value)) return [];
  if (key === "properties") return [[key, mapped(value as Readonly<Record<string, SchemaNode>>)]];
  if (key === "items") return [[key, structural(value as SchemaNode)]];
  if (key === "additionalProperties") return additional(node, value);
  return [[key, value]];
}

function additional(node: SchemaNode, value: unknown): [string, unknown][] {
  if (node["properties"] !== undefined || typeof value !== "object") return [];
  const inner = structural(value as SchemaNode);
  return Object.keys(inner).length === 0 ? [] : [["additionalProperties", inner]];
}

function mapped(properties: Readonly<Record<string, SchemaNode>>): SchemaNode {
  return Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, structural(value)]));
}

function intOrString({ description }: SchemaNode): SchemaNode {
  return {
    ...(description === undefined ? {} : { description }),
    anyOf: [{ type: "integer" }, { type: "string" }],
    "x-kubernetes-int-or-string": true,
  };
}

/** A union of literals is an enumeration here: alternatives of types are not structural. */
function literalsOf(node: SchemaNode): SchemaNode | undefined {
  const { anyOf, ...rest } = node as { readonly anyOf?: readonly SchemaNode[] };
  if (anyOf === undefined) return undefined;
  const values = anyOf.flatMap(({ enum: values }) => (values as unknown[] | undefined) ?? [undefined]);
  if (values.includes(undefined))
    throw new Error("alternatives of types are not structural: use literals or intOrString");
  return { ...rest, type: typeof values[0] === "number" ? "integer" : "string", enum: values };
}
