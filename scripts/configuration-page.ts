// Writes docs/configuration.md from the schemas that the processes check themselves with. With `--check` it writes nothing and fails when stale.
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { brokerConfigSchema } from "@saturnmq/broker";
import { nameServerConfigSchema } from "@saturnmq/nameserver";
import { operatorConfigSchema } from "@saturnmq/operator";

/** The part of JSON Schema that our configurations use. */
type Schema = {
  readonly type?: string;
  readonly description?: string;
  readonly default?: string | number | boolean | readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
};

const path = fileURLToPath(new URL("../docs/configuration.md", import.meta.url));

function rowsOf(schema: Schema, prefix = ""): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, value]) =>
    value.properties === undefined ? [rowOf(prefix + key, value)] : rowsOf(value, `${prefix}${key}.`),
  );
}

function rowOf(key: string, { description = "", default: preset, minimum, maximum }: Schema): string {
  const variable = `SATURNMQ_${key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).replaceAll(".", "_")}`.toUpperCase();
  return `| \`${key}\` | \`${variable}\` | ${shown(preset)} | ${boundsOf(minimum, maximum)} | ${description} |`;
}

function shown(value: Schema["default"]): string {
  if (value === "" || value === undefined) return "";
  return typeof value === "number"
    ? value.toLocaleString("en-US", { useGrouping: value >= 10_000 })
    : `\`${typeof value === "object" ? JSON.stringify(value) : String(value)}\``;
}

function boundsOf(minimum: number | undefined, maximum: number | undefined): string {
  const most = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (minimum === undefined || minimum === Number.MIN_SAFE_INTEGER)
    return most === undefined ? "" : `to ${shown(most)}`;
  return most === undefined ? `from ${shown(minimum)}` : `${shown(minimum)} to ${shown(most)}`;
}

function section(
  title: string,
  schema: typeof brokerConfigSchema | typeof nameServerConfigSchema | typeof operatorConfigSchema,
): string {
  const heading = ["| key | environment | default | bounds | meaning |", "|---|---|---|---|---|"];
  return [`## ${title}`, "", ...heading, ...rowsOf(schema.toJSONSchema({ io: "input" }) as Schema), ""].join("\n");
}

const page = [
  "<!-- Written by scripts/configuration-page.ts from the schemas in the code. Run `make generate`. -->",
  "",
  "# Configuration",
  "",
  "Every key can be given as an environment variable. `saturnmq dev` takes the common ones as options too (`saturnmq dev --help`); an option wins.",
  "A wrong value ends the start with a message that names the key and what it must be.",
  "",
  section("Broker", brokerConfigSchema),
  section("Name server", nameServerConfigSchema),
  section("Operator", operatorConfigSchema),
].join("\n");

if (process.argv.includes("--check")) {
  const fresh = readFileSync(path, "utf8") === page;
  if (!fresh) console.error("docs/configuration.md is not what the schemas say: run `make generate`");
  process.exitCode = fresh ? 0 : 1;
} else {
  writeFileSync(path, page);
}
