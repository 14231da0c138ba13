export { chartSchemaText, chartValuesText } from "./api/chart-text.ts";
export { crdText } from "./api/crd.ts";
export { groupVersion, type KindDefinition, kinds } from "./api/kinds.ts";
export { reasons } from "./api/reasons.ts";
export { type SchemaNode, structuralSchema } from "./api/structural-schema.ts";
export { type OperatorConfig, operatorConfigSchema, parseOperatorConfig } from "./config.ts";
export { loadCredentials } from "./kube/credentials.ts";
export { type RunningOperator, startOperator } from "./main.ts";
