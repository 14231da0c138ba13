// `make generate`: the pages here and the generator of every package that has one. With `--check` none writes, and a file that is not fresh is a failure.
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const ofPackages = globSync("{packages/*,broker,nameserver,cli}/scripts/generate.ts", { cwd: root }).sort();
const generators = [...ofPackages, "scripts/configuration-page.ts", "scripts/custom-resources.ts"];
const failed = generators.filter((path) => {
  const { status } = spawnSync(process.execPath, [path, ...process.argv.slice(2)], { cwd: root, stdio: "inherit" });
  return status !== 0;
});
for (const path of failed) console.error(`${path} failed`);
process.exitCode = failed.length === 0 ? 0 : 1;
