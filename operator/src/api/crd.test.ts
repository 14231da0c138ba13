import { describe, expect, test } from "@jest/globals";
import { z } from "zod";
import { crdOf } from "./crd.ts";
import { kinds } from "./kinds.ts";
import { reasons } from "./reasons.ts";
import { type SchemaNode, structuralSchema } from "./structural-schema.ts";

type Place = { readonly path: string; readonly node: SchemaNode };

function* nodesOf(node: SchemaNode, path: string): Generator<Place> {
  yield { path, node };
  for (const [key, inner] of Object.entries((node["properties"] ?? {}) as Record<string, SchemaNode>))
    yield* nodesOf(inner, `${path}.${key}`);
  if (node["items"] !== undefined) yield* nodesOf(node["items"] as SchemaNode, `${path}[]`);
  if (node["additionalProperties"] !== undefined)
    yield* nodesOf(node["additionalProperties"] as SchemaNode, `${path}{}`);
}

const places = kinds.flatMap(({ kind, spec, status }) => [
  ...nodesOf(structuralSchema(spec), `${kind}.spec`),
  ...nodesOf(structuralSchema(status), `${kind}.status`),
]);
const isSpec = ({ path }: Place): boolean => path.includes(".spec");
const passedOn = ({ node }: Place): boolean => node["x-kubernetes-preserve-unknown-fields"] === true;

function broken(rule: (place: Place) => boolean): string[] {
  return places.filter((place) => !rule(place)).map(({ path }) => path);
}

describe("schemas of custom resources (apiextensions.k8s.io/v1, structural schemas)", () => {
  test("there are fields to look at", () => {
    expect(places.length).toBeGreaterThan(150);
  });

  test("no keyword that a structural schema refuses", () => {
    const refused = ["$ref", "definitions", "patternProperties", "const", "oneOf", "allOf", "propertyNames", "$schema"];
    expect(broken(({ node }) => !refused.some((key) => key in node))).toEqual([]);
    expect(broken(({ node }) => !(node["properties"] !== undefined && "additionalProperties" in node))).toEqual([]);
  });

  test("every node has a type, unless it is integer or text", () => {
    expect(broken(({ node }) => "type" in node || node["x-kubernetes-int-or-string"] === true)).toEqual([]);
  });

  test("every text, list and map is bounded, so that rules stay cheap", () => {
    const text = (node: SchemaNode): boolean =>
      node["type"] !== "string" || ["maxLength", "enum", "format"].some((key) => key in node);
    expect(broken(({ node }) => text(node))).toEqual([]);
    expect(broken(({ node }) => node["type"] !== "array" || "maxItems" in node)).toEqual([]);
    expect(broken(({ node }) => !("additionalProperties" in node) || "maxProperties" in node)).toEqual([]);
  });

  test("every list says how it is merged", () => {
    expect(broken(({ node }) => node["type"] !== "array" || "x-kubernetes-list-type" in node)).toEqual([]);
  });

  test("every number in a spec is bounded and has a format", () => {
    const bounded = ({ node }: Place): boolean =>
      "enum" in node || ("minimum" in node && ("maximum" in node || node["format"] === "int64"));
    expect(broken((place) => !isSpec(place) || place.node["type"] !== "integer" || bounded(place))).toEqual([]);
    expect(broken(({ node }) => node["type"] !== "number")).toEqual([]);
  });

  test("every field of a spec is described", () => {
    const inner = ({ path }: Place): boolean => /\[\]$|\{\}$/.test(path) || path.endsWith(".spec");
    expect(broken((place) => !isSpec(place) || inner(place) || passedOn(place) || "description" in place.node)).toEqual(
      [],
    );
  });

  test("a required field has no default, and the other way round", () => {
    const wrong = places.flatMap(({ path, node }) =>
      ((node["required"] ?? []) as string[])
        .filter((key) => "default" in ((node["properties"] as Record<string, SchemaNode>)[key] ?? {}))
        .map((key) => `${path}.${key}`),
    );
    expect(wrong).toEqual([]);
  });

  test("alternatives of types are refused when a schema is made", () => {
    expect(() => structuralSchema(z.object({ a: z.union([z.string(), z.int()]) }))).toThrow(/not structural/);
  });
});

describe("definitions", () => {
  test("a Broker can be scaled: its paths are in its schemas", () => {
    const [version] = (crdOf(kinds[1]!)["spec"] as { versions: SchemaNode[] }).versions;
    const { scale } = version!["subresources"] as { scale: Record<string, string> };
    for (const path of Object.values(scale)) expect(places.map((place) => place.path)).toContain(`Broker${path}`);
  });

  test.each(kinds)("$kind: columns and selectable fields exist", ({ kind, columns, selectableFields }) => {
    const plain = [...columns.map(({ jsonPath }) => jsonPath), ...selectableFields].filter(
      (path) => !/\[|metadata/.test(path),
    );
    for (const path of plain) expect(places.map((place) => place.path)).toContain(`${kind}${path}`);
    const types = columns.flatMap(({ jsonPath }) => /@\.type=="(\w+)"/.exec(jsonPath)?.[1] ?? []);
    for (const type of types) expect(Object.keys(reasons)).toContain(type);
  });
});
