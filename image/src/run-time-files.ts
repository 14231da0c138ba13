import { readFile } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import type { Plugin } from "esbuild";

/** `new URL("...", import.meta.url)`: how our sources name a file that they read, or a program that they start, at run time. */
const ownFile = /new URL\("([^"]+)", import\.meta\.url\)/g;
const hashBang = /^#!.*\n/;

export type RunTimeFiles = {
  /** What an esbuild build needs so that such names hold in the bundle, all of whose files lie in one folder. */
  readonly plugin: Plugin;
  /** After the build: name in the bundle's folder to path of the file to copy there. */
  readonly copies: ReadonlyMap<string, string>;
};

/**
 * Finds the files that sources name relative to themselves, which a bundler does not see.
 *
 * @param entry path of the program itself, which may be named too: it is in the bundle under its own name
 * @param interpreter what the first line of the program will name
 * @throws from the build: a source uses `import.meta.url` in another way, or two files have one name
 */
export function runTimeFiles(entry: string, interpreter: string): RunTimeFiles {
  const copies = new Map<string, string>();
  const nameInBundle = (path: string): string => {
    const name = basename(path);
    if (path === entry) return name;
    if ((copies.get(name) ?? path) !== path)
      throw new Error(`two files named ${name}: ${String(copies.get(name))} and ${path}`);
    copies.set(name, path);
    return name;
  };
  const rewrite = (path: string, text: string): string =>
    text.replaceAll(ownFile, (_, relative: string) => {
      return `new URL("./${nameInBundle(resolve(dirname(path), relative))}", import.meta.url)`;
    });
  const plugin: Plugin = {
    name: "run-time-files",
    setup(build) {
      build.onLoad({ filter: /\.[jt]s$/ }, async ({ path }) => {
        if (path.includes("/node_modules/")) return undefined;
        const text = await readFile(path, "utf8");
        if (path === entry) return { contents: text.replace(hashBang, `#!${interpreter}\n`), loader: "js" };
        if (text.replaceAll(ownFile, "").includes("import.meta"))
          throw new Error(`${path}: only new URL("...", import.meta.url) is understood here, the path as it is`);
        return { contents: rewrite(path, text), loader: path.endsWith(".ts") ? "ts" : "js" };
      });
    },
  };
  return { plugin, copies };
}
