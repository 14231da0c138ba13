/** A file, folder or symbolic link of an image. `path` is relative to the root, without a slash at either end. */
export type TreeEntry = TreeFolder | TreeFile | TreeLink;

/** `owner` is both user and group; absent: root. */
export type TreeFolder = {
  readonly kind: "folder";
  readonly path: string;
  readonly mode: number;
  readonly owner?: number;
};
export type TreeFile = {
  readonly kind: "file";
  readonly path: string;
  readonly mode: number;
  readonly bytes: Uint8Array;
};
/** `target` is what the link says, relative to its own folder. */
export type TreeLink = { readonly kind: "link"; readonly path: string; readonly target: string };

export function folder(path: string, mode = 0o755, owner = 0): TreeFolder {
  return { kind: "folder", path, mode, owner };
}

export function file(path: string, content: string | Uint8Array, mode = 0o644): TreeFile {
  return { kind: "file", path, mode, bytes: typeof content === "string" ? Buffer.from(content) : content };
}

export function link(path: string, target: string): TreeLink {
  return { kind: "link", path, target };
}

/** The entries with every folder above them that they do not name themselves, each once, folders before what is in them. */
export function withFolders(entries: readonly TreeEntry[]): readonly TreeEntry[] {
  const byPath = new Map<string, TreeEntry>();
  for (const { path } of entries) for (const above of foldersAbove(path)) byPath.set(above, folder(above));
  for (const entry of entries) byPath.set(entry.path, entry);
  return [...byPath.values()].sort((one, other) => (one.path < other.path ? -1 : 1));
}

function foldersAbove(path: string): readonly string[] {
  const names = path.split("/").slice(0, -1);
  return names.map((_, at) => names.slice(0, at + 1).join("/"));
}
