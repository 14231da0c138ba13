export { crdOf } from "./api/crd.ts";
export { groupVersion, type KindDefinition, kinds } from "./api/kinds.ts";
export { reasons } from "./api/reasons.ts";
export { type SchemaNode, structuralSchema } from "./api/structural-schema.ts";
