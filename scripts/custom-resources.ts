// Writes crds/*.yaml, the chart's definitions and values, and docs/custom-resources.md from the schemas in operator/src/api. With `--check` it writes nothing and
// fails when they are stale.
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { chartSchemaText, chartValuesText, crdText, kinds } from "@saturnmq/operator";
import { referencePage } from "./custom-resources-page.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const note = "# Written by scripts/custom-resources.ts from operator/src/api. Run `make generate`.\n";

const files = [
  ...kinds.map((definition) => ({ path: `crds/${definition.plural}.yaml`, text: note + crdText(definition) })),
  // Helm must not take a definition away with a release: every object of its kind would go with it.
  ...kinds.map((definition) => ({
    path: `helm/saturnmq/files/crds/${definition.plural}.yaml`,
    text: note + crdText(definition, { "helm.sh/resource-policy": "keep" }),
  })),
  { path: "helm/saturnmq/values.yaml", text: note + chartValuesText() },
  { path: "helm/saturnmq/values.schema.json", text: chartSchemaText() },
  { path: "docs/custom-resources.md", text: referencePage() },
];

function present(path: string): string {
  try {
    return readFileSync(root + path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

if (process.argv.includes("--check")) {
  const stale = files.filter(({ path, text }) => present(path) !== text);
  for (const { path } of stale) console.error(`${path} is not what operator/src/api says: run \`make generate\``);
  process.exitCode = stale.length === 0 ? 0 : 1;
} else {
  for (const { path, text } of files) writeFileSync(root + path, text);
}
