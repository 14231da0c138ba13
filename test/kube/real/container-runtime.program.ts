// Unpacks containerd, runc, the CNI plugins and a static busybox of Debian into `runtime` beside the control plane's programs, once; installs nothing. Argument:
// the folder of those programs. A program of its own because where pods run there is no network to download by.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { downloadPackages } from "@saturnmq/image/debian";

const packages = ["containerd", "runc", "containernetworking-plugins", "libseccomp2", "busybox-static"];

async function unpack(binaries: string, folder: string): Promise<void> {
  const building = await mkdtemp(join(binaries, "runtime-building-"));
  try {
    const debs = await downloadPackages(packages, join(building, "debs"));
    for (const deb of debs) await promisify(execFile)("dpkg-deb", ["--extract", deb, join(building, "root")]);
    await rename(join(building, "root"), folder);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

const [, , binaries = ""] = process.argv;
const folder = join(binaries, "runtime");
if (!existsSync(folder)) await unpack(binaries, folder);
// The scripts start what lies beside them.
const containerd = join(binaries, "containerd");
if (!existsSync(containerd)) await symlink("runtime/usr/bin/containerd", containerd);
