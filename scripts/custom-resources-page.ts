import {
  groupVersion,
  type KindDefinition,
  kinds,
  reasons,
  type SchemaNode,
  structuralSchema,
} from "@saturnmq/operator";

/** The reference of the custom resources, as a page of Markdown. */
export function referencePage(): string {
  return [
    "<!-- Written by scripts/custom-resources.ts from operator/src/api. Run `make generate`. -->",
    "",
    "# Custom resources",
    "",
    `All are of \`${groupVersion}\`, namespaced, and in the category \`saturnmq\`: \`kubectl get saturnmq\` lists them. The API server refuses what breaks a bound`,
    "or rule below, with a message that names the field.",
    "",
    ...kinds.flatMap(sectionOf),
    "## Conditions",
    "",
    "`True`, `False` and `Unknown` of one type never share a reason.",
    "",
    "| type | reason | meaning |",
    "|---|---|---|",
    ...Object.entries(reasons).flatMap(([type, table]) =>
      Object.entries(table).map(([reason, meaning]) => `| \`${type}\` | \`${reason}\` | ${meaning} |`),
    ),
    "",
  ].join("\n");
}

function sectionOf(definition: KindDefinition): string[] {
  const { kind, shortNames, summary, spec, status, rules } = definition;
  const schema = structuralSchema(spec);
  const all = [...rulesOf(schema, ""), ...rules.map(({ message }) => message)];
  return [
    `## ${kind}`,
    "",
    `${summary} Short name \`${shortNames.join("`, `")}\`.`,
    "",
    ...table("spec", schema),
    ...(all.length === 0 ? [] : ["Rules:", "", ...all.map((message) => `- ${message}`), ""]),
    ...table("status", structuralSchema(status)),
  ];
}

function table(of: string, schema: SchemaNode): string[] {
  return [`| ${of} | type | default | bounds | meaning |`, "|---|---|---|---|---|", ...rowsOf(schema, ""), ""];
}

function propertiesOf(schema: SchemaNode): [string, SchemaNode][] {
  return Object.entries((schema["properties"] ?? {}) as Readonly<Record<string, SchemaNode>>);
}

function rowsOf(schema: SchemaNode, prefix: string): string[] {
  const required = (schema["required"] ?? []) as readonly string[];
  return propertiesOf(schema).flatMap(([key, node]) => [
    rowOf(prefix + key, node, required.includes(key)),
    ...rowsOf(node, `${prefix}${key}.`),
  ]);
}

function rowOf(path: string, node: SchemaNode, required: boolean): string {
  const { default: preset, description = "" } = node as {
    readonly default?: string | number | boolean | object;
    readonly description?: string;
  };
  const standard = required ? "required" : typeof preset === "object" ? "" : shown(preset);
  return `| \`${path}\` | ${typeOf(node)} | ${standard} | ${boundsOf(node)} | ${description} |`;
}

function shown(value: string | number | boolean | undefined): string {
  return value === undefined || value === "" ? "" : `\`${value}\``;
}

function typeOf(node: SchemaNode): string {
  if (node["type"] === "array") return `list of ${typeOf((node["items"] ?? {}) as SchemaNode)}`;
  return node["additionalProperties"] === undefined ? ((node["type"] as string | undefined) ?? "any") : "map";
}

function boundsOf(node: SchemaNode): string {
  const {
    enum: values,
    minimum,
    maximum,
  } = node as {
    readonly enum?: readonly unknown[];
    readonly minimum?: number;
    readonly maximum?: number;
  };
  if (values !== undefined) return values.map((value) => `\`${String(value)}\``).join(", ");
  if (minimum === undefined && maximum === undefined) return "";
  return maximum === undefined ? `from ${minimum}` : `${minimum} to ${maximum}`;
}

function rulesOf(schema: SchemaNode, prefix: string): string[] {
  const own = (schema["x-kubernetes-validations"] ?? []) as readonly { readonly message: string }[];
  return [
    ...propertiesOf(schema).flatMap(([key, node]) => rulesOf(node, `${prefix}${key}.`)),
    ...own.map(({ message }) => message),
  ];
}
