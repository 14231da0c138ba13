import { stringify } from "yaml";
import { apiGroup, apiVersion, type KindDefinition } from "./kinds.ts";
import { type SchemaNode, structuralSchema } from "./structural-schema.ts";

/** The CustomResourceDefinition of a kind, as it is given to the API server. */
export function crdOf(definition: KindDefinition, annotations?: Readonly<Record<string, string>>): SchemaNode {
  const { kind, plural, shortNames } = definition;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: `${plural}.${apiGroup}`,
      labels: { "app.kubernetes.io/part-of": "saturnmq" },
      ...(annotations === undefined ? {} : { annotations }),
    },
    spec: {
      group: apiGroup,
      scope: "Namespaced",
      names: {
        ...{ kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
        ...{ shortNames, categories: ["saturnmq"] },
      },
      versions: [versionOf(definition)],
    },
  };
}

/** The definition as a YAML document. */
export function crdText(definition: KindDefinition, annotations?: Readonly<Record<string, string>>): string {
  return stringify(crdOf(definition, annotations), { lineWidth: 0, aliasDuplicateObjects: false });
}

function versionOf(definition: KindDefinition): SchemaNode {
  const { columns, scale, selectableFields } = definition;
  return {
    ...{ name: apiVersion, served: true, storage: true },
    additionalPrinterColumns: columns.map(({ priority = 0, ...rest }) =>
      priority === 0 ? rest : { ...rest, priority },
    ),
    ...(selectableFields.length === 0 ? {} : { selectableFields: selectableFields.map((jsonPath) => ({ jsonPath })) }),
    subresources: { status: {}, ...(scale ? { scale: scalePaths } : {}) },
    schema: { openAPIV3Schema: rootSchema(definition) },
  };
}

const scalePaths = {
  specReplicasPath: ".spec.replicas",
  statusReplicasPath: ".status.replicas",
  labelSelectorPath: ".status.selector",
};

function rootSchema({ kind, summary, spec, status, rules, nameBytesMax }: KindDefinition): SchemaNode {
  return {
    type: "object",
    description: summary,
    required: ["spec"],
    properties: {
      apiVersion: { type: "string", description: "Version of this kind." },
      kind: { type: "string", description: "This kind." },
      metadata: { type: "object" },
      spec: withFurtherRules(structuralSchema(spec), rules),
      status: { ...structuralSchema(status), description: "What the operator found. Written by it alone." },
    },
    ...(nameBytesMax < 253 ? { "x-kubernetes-validations": [nameRule(kind, nameBytesMax)] } : {}),
  };
}

/** Names of pods and Services begin with the object's: a longer one would not fit a DNS label. */
function nameRule(kind: string, most: number): SchemaNode {
  return {
    rule: `self.metadata.name.size() <= ${most} && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')`,
    message: `\`metadata.name\` of a ${kind} must begin with a letter, have no dots and at most ${most} characters: names of pods and Services are made of it`,
  };
}

function withFurtherRules(schema: SchemaNode, rules: KindDefinition["rules"]): SchemaNode {
  const key = "x-kubernetes-validations";
  const all = [...((schema[key] as KindDefinition["rules"] | undefined) ?? []), ...rules];
  const described = { ...schema, description: "What is wanted." };
  return all.length === 0 ? described : { ...described, [key]: all };
}
