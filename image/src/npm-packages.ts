import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** An npm package that is in the image, as the lock file pins it. */
export type NpmPackage = {
  readonly name: string;
  readonly version: string;
  /** SPDX expression. */
  readonly license: string;
  /** Subresource integrity of its archive: `sha512-` and base64. */
  readonly integrity: string;
  /** What its licence wants to be passed on; empty when the package has no such file. */
  readonly licenseText: string;
};

type Locked = {
  readonly packages: Readonly<
    Record<string, { readonly version?: string; readonly integrity?: string; readonly license?: string }>
  >;
};

/** @param folders of installed packages, relative to `root` @throws {Error} for one that the lock file does not pin */
export async function npmPackages(root: string, folders: readonly string[]): Promise<readonly NpmPackage[]> {
  const lock = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8")) as Locked;
  return Promise.all(
    folders.map(async (folder) => {
      const { version, integrity, license } = lock.packages[folder] ?? {};
      if (version === undefined || integrity === undefined || license === undefined)
        throw new Error(`package-lock.json says no version, integrity and licence of ${folder}`);
      const name = folder.slice(folder.lastIndexOf("node_modules/") + "node_modules/".length);
      return { name, version, license, integrity, licenseText: await licenseText(join(root, folder)) };
    }),
  );
}

async function licenseText(folder: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => /^(licen[cs]e|notice|copying)(\.|$)/i.test(name)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  return texts.map((text) => text.trim()).join("\n\n");
}
