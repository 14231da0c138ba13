import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));
const frozen = fileURLToPath(new URL("previous.tar.gz", import.meta.url));

/** The feature level that the frozen program knows. */
export const previousLevel = 1;

/** The program before the present feature level (`scripts/freeze-version.js`), in a folder of its own with the dependencies of today. */
export class PreviousBuild implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async unpack(): Promise<PreviousBuild> {
    const folder = await mkdtemp(join(tmpdir(), "saturnmq-previous-"));
    await promisify(execFile)("tar", ["-xzf", frozen, "-C", folder]);
    await linkDependencies(folder);
    return new PreviousBuild(folder);
  }

  /** Its `saturnmq` command. */
  get program(): string {
    return this.path("cli/bin/saturnmq.js");
  }

  /** A file of it. */
  path(inside: string): string {
    return join(this.#folder, inside);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Third-party packages are those of this checkout (fastify is one for its sake alone); its own are the frozen ones. */
async function linkDependencies(folder: string): Promise<void> {
  const modules = join(folder, "node_modules");
  await mkdir(join(modules, "@saturnmq"), { recursive: true });
  for (const name of await readdir(join(root, "node_modules"))) {
    if (name === "@saturnmq" || name === "raft-ts") continue;
    await symlink(join(root, "node_modules", name), join(modules, name));
  }
  for (const name of await readdir(join(folder, "packages"))) {
    const target = name === "raft-ts" ? join(modules, name) : join(modules, "@saturnmq", name);
    await symlink(join(folder, "packages", name), target);
  }
  for (const name of ["broker", "nameserver", "cli"])
    await symlink(join(folder, name), join(modules, "@saturnmq", name));
}
