// Dependencies are pinned exactly, and the lock file names no registry: it must install from any mirror.
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const readJson = (path) => JSON.parse(readFileSync(`${root}${path}`, "utf8"));
const kinds = ["dependencies", "devDependencies", "optionalDependencies"];

function workspaceFolders() {
  return readJson("package.json").workspaces.flatMap((pattern) =>
    pattern.endsWith("/*")
      ? readdirSync(`${root}${pattern.slice(0, -2)}`).map((name) => `${pattern.slice(0, -2)}/${name}`)
      : [pattern],
  );
}

function looseVersions(folder) {
  const manifest = readJson(`${folder}/package.json`);
  return kinds.flatMap((kind) =>
    Object.entries(manifest[kind] ?? {})
      .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
      .map(([name, version]) => `${folder}/package.json: ${name} is "${version}", pin one exact version`),
  );
}

function namedHosts() {
  return Object.entries(readJson("package-lock.json").packages)
    .filter(([, { resolved }]) => /^[a-z+]+:\/\//.test(resolved ?? ""))
    .map(
      ([path, { resolved }]) =>
        `package-lock.json: ${path} is resolved from ${resolved}, reinstall with the .npmrc here`,
    );
}

const problems = [...[".", ...workspaceFolders()].flatMap(looseVersions), ...namedHosts()];
for (const problem of problems) process.stdout.write(`${problem}\n`);
process.exitCode = problems.length === 0 ? 0 : 1;
