import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder, runTool } from "./peer.ts";

/**
 * Debian packages unpacked into a folder of ours, once: nothing is installed on the machine, and no service of it is started.
 *
 * @returns the folder that stands for the root
 * @throws {NotAvailable} when the machine has no apt, or the registry lacks one
 */
export async function unpackDebian(name: string, packages: readonly string[]): Promise<string> {
  const root = join(cacheFolder, name);
  if (existsSync(root)) return root;
  const partial = `${root}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  await runTool("apt-get", ["download", ...packages], { timeoutMs: 300_000, cwd: partial });
  for (const file of await readdir(partial)) {
    if (!file.endsWith(".deb")) continue;
    await runTool("dpkg-deb", ["-x", file, "."], { timeoutMs: 60_000, cwd: partial });
    await rm(join(partial, file));
  }
  await rename(partial, root);
  return root;
}

/** Where a program that was unpacked below `root` finds its shared libraries. */
export function librariesBelow(root: string): NodeJS.ProcessEnv {
  const machine = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
  return { LD_LIBRARY_PATH: join(root, "usr/lib", machine) };
}
