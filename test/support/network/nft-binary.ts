import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { aptReason, cacheFolder, downloadPackages } from "@saturnmq/image/debian";

const run = promisify(execFile);

/** How to run `nft`. */
export type NftBinary = { readonly program: string; readonly env: Readonly<Record<string, string>> };

/** Debian's packages of `nft` and of the libraries that it alone needs; a C library is there anyway. */
const packages = [
  ...["nftables", "libnftables1", "libnftnl11", "libmnl0", "libxtables12", "libjansson4"],
  ...["libgmp10", "libedit2", "libtinfo6", "libbsd0", "libmd0"],
];
/** Raise it when the folder's layout or the list changes. */
const layout = 1;
const stampFile = "versions";

/**
 * `nft` of this machine, or else unpacked from its Debian packages into the user's cache folder, once. Nothing is installed and no root is
 * needed. A text says why there is none.
 */
export async function findNft(cache: string = cacheFolder()): Promise<NftBinary | string> {
  const path = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
  const installed: NftBinary = { program: "nft", env: { PATH: path } };
  if (await works(installed)) return installed;
  return unpackedNft(cache).catch(
    (error: unknown) => `nft is not installed, and its Debian packages cannot be had: ${aptReason(error)}`,
  );
}

/** As `findNft`, without looking for an installed one. @throws {Error} when it cannot be had */
export async function unpackedNft(cache: string): Promise<NftBinary> {
  const { stdout } = await run("dpkg", ["--print-architecture"]);
  const release = /^VERSION_CODENAME=(.*)$/m.exec(await readFile("/etc/os-release", "utf8"))?.[1] ?? "unknown";
  const folder = join(cache, `nft-${layout}-${release}-${stdout.trim()}`);
  const isThere = await readFile(join(folder, stampFile)).catch(() => undefined);
  if (isThere === undefined) await unpack(cache, folder);
  const nft = await within(folder);
  if (!(await works(nft)))
    throw new Error(`the one unpacked in ${folder} does not run: remove that folder to try again`);
  return nft;
}

async function within(folder: string): Promise<NftBinary> {
  const { stdout } = await run("find", [folder, "-name", "libnftables.so.1", "-printf", "%h"]);
  return { program: join(folder, "usr/sbin/nft"), env: { LD_LIBRARY_PATH: stdout } };
}

/** Makes `folder` complete or not at all: what is half unpacked has another name. */
async function unpack(cache: string, folder: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  const building = await mkdtemp(`${folder}-building-`);
  try {
    const debs = await downloadPackages(packages, join(building, "apt"));
    for (const deb of debs) await run("dpkg", ["-x", deb, building]);
    await rm(join(building, "apt"), { recursive: true });
    await writeFile(join(building, stampFile), debs.map((deb) => `${deb.split("/").at(-1)}\n`).join(""));
    await rename(building, folder).catch(async (error: unknown) => {
      // Somebody else was faster.
      if ((await readFile(join(folder, stampFile)).catch(() => undefined)) === undefined) throw error;
    });
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

async function works({ program, env }: NftBinary): Promise<boolean> {
  return run(program, ["--version"], { env: { ...process.env, ...env } }).then(
    () => true,
    () => false,
  );
}
