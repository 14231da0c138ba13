import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
/** Fetching and compiling a module takes this long at most, milliseconds. */
const buildMs = 300_000;

/** Programs of Go packages, by name, or why they are not to be had here. */
export type GoTools<Name extends string> =
  | { readonly paths: Readonly<Record<Name, string>> }
  | { readonly problem: string };

/** Builds programs once and keeps them in the user's cache folder. */
export async function goTools<Name extends string>(
  packages: Readonly<Record<Name, { readonly path: string; readonly version: string }>>,
): Promise<GoTools<Name>> {
  const { error, status } = spawnSync("go", ["version"], { stdio: "ignore" });
  if (error !== undefined || status !== 0) return { problem: "go is not installed" };
  try {
    const built: [string, string][] = [];
    for (const [name, { path, version }] of Object.entries<{ path: string; version: string }>(packages))
      built.push([name, await build(path, version)]);
    return { paths: Object.fromEntries(built) as Record<Name, string> };
  } catch (failure) {
    return { problem: `go cannot build its modules here: ${String(failure).replaceAll(/\s+/g, " ").slice(0, 200)}` };
  }
}

async function build(path: string, version: string): Promise<string> {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const folder = join(cache, "saturnmq", `${path}@${version}`.replaceAll(/[^\w.@-]/g, "-"));
  const program = join(folder, basename(path));
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  // Go renames the finished program into place, so another test that builds it meanwhile does no harm.
  const env = { ...process.env, GOBIN: folder, GOFLAGS: "-mod=mod" };
  await run("go", ["install", `${path}@${version}`], { env, timeout: buildMs });
  return program;
}
