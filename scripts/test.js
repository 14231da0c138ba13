// `make test`: runs jest. Files that fail while two run beside each other are run once more, alone: a machine that is busy with its other half can
// make a process miss a deadline, and only that. What passes alone is counted as passed and listed by name, since it is a defect to mend all the
// same; what fails alone, too, has failed. A run of one file, or one in which much is broken, is not repeated.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const repeatedMax = 6;
const folder = mkdtempSync(join(tmpdir(), "saturnmq-test-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
// The terminal tells jest itself; this process only waits for it.
process.on("SIGINT", () => undefined);

const first = await jest("first", process.argv.slice(2));
const broken = first.files.filter(({ failed }) => failed > 0);
process.exitCode = first.code;
if (broken.length > 0 && broken.length <= repeatedMax && first.files.length > 1 && !first.interrupted) {
  print(`${broken.length} of ${first.files.length} files failed beside others; again, alone:`);
  const names = process.argv.flatMap((argument, at, all) => (argument === "-t" ? ["-t", all[at + 1]] : []));
  const paths = broken.map(({ path }) => path);
  const second = await jest("second", [...names, "--runInBand", "--runTestsByPath", ...paths]);
  const alone = new Map(second.files.map((file) => [file.path, file]));
  const files = first.files.map((file) => alone.get(file.path) ?? file);
  for (const { path, failures } of broken)
    for (const name of failures)
      if (alone.get(path)?.failures.includes(name) === false) print(`passed alone: ${path}: ${name}`);
  print(`${sum(files, "passed")} passed, ${sum(files, "failed")} failed`);
  process.exitCode = second.code;
}

/** Runs jest to its end. Without a report jest did not get to its tests, which counts as an interruption. */
async function jest(name, args) {
  const report = join(folder, name);
  const flags = ["--experimental-vm-modules", "--disable-warning=ExperimentalWarning", "node_modules/jest/bin/jest.js"];
  const env = { ...process.env, SATURNMQ_TEST_REPORT: report };
  const child = spawn(process.execPath, [...flags, ...args], { cwd: root, env, stdio: "inherit" });
  const code = await new Promise((resolve) => child.on("close", (status) => resolve(status ?? 1)));
  try {
    return { code, ...JSON.parse(readFileSync(report, "utf8")) };
  } catch {
    return { code, files: [], interrupted: true };
  }
}

function sum(files, key) {
  return files.reduce((total, file) => total + file[key], 0);
}

function print(line) {
  process.stdout.write(`${line}\n`);
}
