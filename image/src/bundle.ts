import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { build, type Metafile } from "esbuild";
import { runTimeFiles } from "./run-time-files.ts";

export type Bundle = {
  /** All that the program needs but Node, by name in one folder. The program is `saturnmq.js`. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Folders, relative to the repository, of the npm packages that are in it. */
  readonly packages: readonly string[];
};

/** CommonJS packages ask for Node's own modules by `require`, which a module does not have. */
const requireInModules =
  'import { createRequire as bundleRequire } from "node:module"; const require = bundleRequire(import.meta.url);';

/**
 * The program as a few JavaScript files that Node runs without node_modules. What a command loads late stays a file of its own, so that a start reads
 * only what it needs; names and lines stay readable in stack traces.
 *
 * @param root the repository
 * @param interpreter path of Node where the program will lie
 */
export async function bundleProgram(root: string, interpreter: string): Promise<Bundle> {
  const entry = join(root, "cli/bin/saturnmq.js");
  const { plugin, copies } = runTimeFiles(entry, interpreter);
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    ...{ bundle: true, splitting: true, format: "esm", platform: "node", target: "node24" },
    ...{ outdir: "/", entryNames: "[name]", chunkNames: "[name]-[hash]", write: false, metafile: true },
    ...{ banner: { js: requireInModules }, legalComments: "none", charset: "utf8", logLevel: "warning" },
    plugins: [plugin],
  });
  const files = new Map(outputFiles.map(({ path, contents }) => [basename(path), contents]));
  for (const [name, path] of copies) files.set(name, await readFile(path));
  return { files, packages: packagesIn(metafile) };
}

function packagesIn({ outputs }: Metafile): readonly string[] {
  const sources = Object.values(outputs).flatMap(({ inputs }) => Object.keys(inputs));
  const folders = sources.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0] ?? []);
  return [...new Set(folders)].sort();
}
