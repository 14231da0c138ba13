import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const downloadTimeoutMs = 120_000;

/** A package of which exactly one build will do. */
export type PinnedPackage = { readonly name: string; readonly version: string; readonly sha256: string };

/** Neither the cache nor the mirror that apt asks has the pinned build: there is no network, or a newer one has replaced it. */
export class UnavailablePackageError extends Error {}

/** Where what was once downloaded or built for this project is kept. */
export function cacheFolder(): string {
  return join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "saturnmq");
}

/**
 * Downloads Debian packages by apt, which checks their signatures; with lists of our own when those of the machine, which are root's to update, lack one.
 *
 * @param packages as apt-get takes them: `nftables`, `libc6=2.36-9`
 * @param folder made when it is not there; gets a file a package
 * @returns the paths of the packages
 * @throws {Error} with apt's own words
 */
export async function downloadPackages(packages: readonly string[], folder: string): Promise<readonly string[]> {
  await mkdir(folder, { recursive: true });
  const options = { cwd: folder, timeout: downloadTimeoutMs };
  const unsandboxed = ["-o", "APT::Sandbox::User="];
  try {
    await run("apt-get", ["download", ...unsandboxed, ...packages], options);
  } catch {
    const state = await mkdtemp(join(folder, "apt-"));
    for (const name of ["lists", "archives"]) await mkdir(join(state, name, "partial"), { recursive: true });
    const own = [
      "-o",
      `Dir::State::lists=${join(state, "lists")}`,
      "-o",
      `Dir::Cache=${state}`,
      "-o",
      "Acquire::Retries=1",
    ];
    try {
      await run("apt-get", ["update", ...unsandboxed, ...own], options);
      await run("apt-get", ["download", ...unsandboxed, ...own, ...packages], options);
    } finally {
      await rm(state, { recursive: true });
    }
  }
  const names = await readdir(folder);
  return names.filter((name) => name.endsWith(".deb")).map((name) => join(folder, name));
}

/** What apt said about a failure of `downloadPackages`, in one line. */
export function aptReason(error: unknown): string {
  const { stderr, message } = error as { readonly stderr?: string; readonly message: string };
  return stderr?.split("\n").find((text) => text.startsWith("E: ")) ?? message;
}

/**
 * The folder into which a pinned package is unpacked, beside its `control` file. Kept in the cache: what is there was complete.
 *
 * @throws {UnavailablePackageError} when it cannot be had
 * @throws {Error} when it is not what was pinned
 */
export async function unpackedPackage(pinned: PinnedPackage, cache: string): Promise<string> {
  const folder = join(cache, "debian", `${pinned.name}-${pinned.sha256}`);
  if (await isThere(folder)) return folder;
  await mkdir(join(cache, "debian"), { recursive: true });
  const building = await mkdtemp(`${folder}-building-`);
  try {
    await unpack(await download(pinned, join(building, "download")), building);
    await rm(join(building, "download"), { recursive: true });
    // Somebody else may have been faster: theirs is the same.
    await rename(building, folder).catch(async (error: unknown) => {
      if (!(await isThere(folder))) throw error;
    });
  } finally {
    await rm(building, { recursive: true, force: true });
  }
  return folder;
}

async function isThere(folder: string): Promise<boolean> {
  return readdir(folder).then(
    () => true,
    () => false,
  );
}

async function download({ name, version, sha256 }: PinnedPackage, folder: string): Promise<string> {
  const [path] = await downloadPackages([`${name}=${version}`], folder).catch((error: unknown) => {
    throw new UnavailablePackageError(
      `the Debian package ${name} ${version} cannot be had: ${aptReason(error)}. ` +
        "A newer one may have replaced it: raise it in image/debian.json, with its SHA-256",
      { cause: error },
    );
  });
  if (path === undefined) throw new Error(`apt-get downloaded no ${name}`);
  const found = createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
  if (found !== sha256) throw new Error(`${name} ${version} has SHA-256 ${found}, image/debian.json pins ${sha256}`);
  return path;
}

async function unpack(deb: string, folder: string): Promise<void> {
  await run("dpkg-deb", ["--extract", deb, join(folder, "root")]);
  await run("dpkg-deb", ["--control", deb, join(folder, "control")]);
}
