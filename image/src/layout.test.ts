import { expect, test } from "@jest/globals";
import { layoutOf } from "./layout.ts";
import { file, type TreeEntry } from "./tree.ts";

const layers = [
  { comment: "one", entries: [file("a", "1")] },
  { comment: "two", entries: [file("b", "2")] },
];

function layout(name: string) {
  return layoutOf({
    ...{ name, tag: "1", architecture: "amd64", created: "1970-01-01T00:00:00Z", layers },
    config: { Entrypoint: ["/a"] },
  });
}

function jsonOf(files: readonly TreeEntry[], path: string): unknown {
  const found = files.find((entry) => entry.path === path);
  return found?.kind === "file" ? JSON.parse(Buffer.from(found.bytes).toString()) : undefined;
}

test.each([
  ["saturnmq", "docker.io/library/saturnmq:1"],
  ["somebody/saturnmq", "docker.io/somebody/saturnmq:1"],
  ["registry.example/saturnmq", "registry.example/saturnmq:1"],
  ["registry:5000/saturnmq", "registry:5000/saturnmq:1"],
  ["localhost/saturnmq", "localhost/saturnmq:1"],
])("%s is %s to containerd", (name, full) => {
  expect(jsonOf(layout(name).files, "index.json")).toMatchObject({
    manifests: [{ annotations: { "io.containerd.image.name": full } }],
  });
});

test("Docker's manifest names the same blobs, lowest layer first", () => {
  const { files, digest } = layout("saturnmq");
  const manifest = jsonOf(files, `blobs/${digest.replace(":", "/")}`) as {
    readonly config: { readonly digest: string };
    readonly layers: readonly { readonly digest: string }[];
  };
  const path = (blob: { readonly digest: string }): string => `blobs/${blob.digest.replace(":", "/")}`;
  expect(manifest.layers).toHaveLength(2);
  expect(jsonOf(files, "manifest.json")).toEqual([
    { Config: path(manifest.config), RepoTags: ["saturnmq:1"], Layers: manifest.layers.map(path) },
  ]);
});
