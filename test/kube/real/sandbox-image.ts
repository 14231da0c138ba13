import { readFile, writeFile } from "node:fs/promises";
import { layoutOf } from "@saturnmq/image/layout";
import { tarOf } from "@saturnmq/image/tar";
import { file } from "@saturnmq/image/tree";

/** Writes the image of the process that holds a pod's namespaces open, and its name. @param busybox path of a static one */
export async function writeSandboxImage(busybox: string, tar: string): Promise<string> {
  const [name, tag] = ["localhost/sandbox", "1"];
  const entries = [file("bin/busybox", await readFile(busybox), 0o755)];
  const { files } = layoutOf({
    ...{ name, tag, architecture: "amd64", created: "1970-01-01T00:00:00Z" },
    config: { Entrypoint: ["/bin/busybox", "sleep", "2147483647"] },
    layers: [{ comment: "busybox", entries }],
  });
  await writeFile(tar, tarOf(files));
  return `${name}:${tag}`;
}
