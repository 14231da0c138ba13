import { execFile, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { access } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
/** Fetching and compiling a module takes this long at most, milliseconds. */
const buildMs = 300_000;

/** Why tools written in Go cannot be built here; undefined when they can. */
export function goProblem(): string | undefined {
  const { error, status } = spawnSync("go", ["version"], { stdio: "ignore" });
  return error !== undefined || status !== 0 ? "go is not installed" : undefined;
}

/** The program of a Go package at a version, built once and kept in the user's cache folder. Answers its path. */
export async function goTool(module: string, version: string): Promise<string> {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const folder = join(cache, "saturnmq", `${module}@${version}`.replaceAll(/[^\w.@-]/g, "-"));
  const path = join(folder, basename(module));
  const built = await access(path).then(
    () => true,
    () => false,
  );
  if (built) return path;
  mkdirSync(folder, { recursive: true });
  // Go renames the finished program into place, so another test that builds it meanwhile does no harm.
  const env = { ...process.env, GOBIN: folder, GOFLAGS: "-mod=mod" };
  await run("go", ["install", `${module}@${version}`], { env, timeout: buildMs });
  return path;
}
