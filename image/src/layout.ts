import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { tarOf } from "./tar.ts";
import { file, type TreeEntry } from "./tree.ts";

/** How processes of the image run: the OCI image specification's `config` of an image, v1.1. */
export type RunConfig = {
  readonly User?: string;
  readonly Entrypoint: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Env?: readonly string[];
  readonly WorkingDir?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Volumes?: Readonly<Record<string, object>>;
  readonly Labels?: Readonly<Record<string, string>>;
};

export type ImagePlan = {
  /** Name in a registry, without a tag: `saturnmq`. */
  readonly name: string;
  readonly tag: string;
  /** As Go and so images call it: `amd64`. */
  readonly architecture: string;
  /** RFC 3339. */
  readonly created: string;
  readonly config: RunConfig;
  /** Lowest first. */
  readonly layers: readonly Layer[];
};

export type Layer = { readonly comment: string; readonly entries: readonly TreeEntry[] };

/** A layout in the words of the OCI image specification, as files below a folder. */
export type ImageLayout = { readonly files: readonly TreeEntry[]; readonly digest: string };

type Descriptor = { readonly mediaType: string; readonly digest: string; readonly size: number };

const mediaType = (name: string): string => `application/vnd.oci.image.${name}`;

/**
 * An OCI image layout of one image, which `docker load` takes too: it has Docker's `manifest.json` beside. Its bytes, and so its digests, follow from the plan
 * and from the zlib of the Node that runs this.
 */
export function layoutOf(plan: ImagePlan): ImageLayout {
  const blobs = new Map<string, Uint8Array>();
  const blob = (type: string, bytes: Uint8Array): Descriptor => {
    const hex = sha256(bytes);
    blobs.set(hex, bytes);
    return { mediaType: mediaType(type), digest: `sha256:${hex}`, size: bytes.length };
  };
  const layers = plan.layers.map(({ comment, entries }) => {
    const tar = tarOf(entries);
    return { comment, diffId: `sha256:${sha256(tar)}`, blob: blob("layer.v1.tar+gzip", gzipSync(tar)) };
  });
  const config = blob("config.v1+json", encode(configOf(plan, layers)));
  const manifest = blob(
    "manifest.v1+json",
    encode({
      ...{ schemaVersion: 2, mediaType: mediaType("manifest.v1+json"), config },
      ...{ layers: layers.map((layer) => layer.blob), annotations: plan.config.Labels },
    }),
  );
  const files = [
    ...[...blobs].map(([hex, bytes]) => file(`blobs/sha256/${hex}`, bytes)),
    file("oci-layout", encode({ imageLayoutVersion: "1.0.0" })),
    file("index.json", encode(indexOf(plan, manifest))),
    file(
      "manifest.json",
      encode(
        dockerManifest(
          plan,
          config,
          layers.map((layer) => layer.blob),
        ),
      ),
    ),
  ];
  return { files, digest: manifest.digest };
}

function configOf(
  { architecture, created, config }: ImagePlan,
  layers: readonly { readonly comment: string; readonly diffId: string }[],
): object {
  return {
    ...{ created, architecture, os: "linux", config },
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ comment }) => ({ created, created_by: "make image", comment })),
  };
}

/** containerd takes the name from an annotation of its own. */
function indexOf({ name, tag, architecture }: ImagePlan, manifest: Descriptor): object {
  const annotations = {
    "io.containerd.image.name": `${fullName(name)}:${tag}`,
    "org.opencontainers.image.ref.name": tag,
  };
  return {
    ...{ schemaVersion: 2, mediaType: mediaType("index.v1+json") },
    manifests: [{ ...manifest, platform: { architecture, os: "linux" }, annotations }],
  };
}

/** What a name without a registry means to those who run images. */
function fullName(name: string): string {
  if (name.includes("/") && /[.:]|^localhost$/.test(name.split("/")[0] ?? "")) return name;
  return name.includes("/") ? `docker.io/${name}` : `docker.io/library/${name}`;
}

function dockerManifest({ name, tag }: ImagePlan, config: Descriptor, layers: readonly Descriptor[]): object {
  const path = ({ digest }: Descriptor): string => `blobs/${digest.replace(":", "/")}`;
  return [{ Config: path(config), RepoTags: [`${name}:${tag}`], Layers: layers.map(path) }];
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function encode(document: object): Buffer {
  return Buffer.from(JSON.stringify(document));
}
