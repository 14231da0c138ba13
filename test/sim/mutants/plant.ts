import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import { type Mutant, mutants } from "./mutants.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/**
 * Lets this process load the product with one fault in it. What ships has no switch for that: the text of one file is changed on its way in.
 *
 * @throws {RangeError} for an unknown name, or when the text that is to be changed is not there exactly once
 */
export function plantMutant(name: string): void {
  const mutant = mutants.find((one) => one.name === name);
  if (mutant === undefined) throw new RangeError(`there is no mutant "${name}"`);
  checkFits(mutant);
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context);
      if (!url.startsWith("file:") || fileURLToPath(url) !== root + mutant.file) return loaded;
      return { ...loaded, source: mutated(mutant, textOf(loaded.source)) };
    },
  });
}

/** @throws {RangeError} when the code has moved away under the mutant */
export function checkFits(mutant: Mutant): void {
  mutated(mutant, readFileSync(root + mutant.file, "utf8"));
}

function mutated({ name, file, from, to }: Mutant, source: string): string {
  const parts = source.split(from);
  if (parts.length !== 2)
    throw new RangeError(`mutant "${name}": ${file} has its text ${parts.length - 1} times, not once`);
  return parts.join(to);
}

function textOf(source: unknown): string {
  if (typeof source === "string") return source;
  if (source instanceof Uint8Array) return new TextDecoder().decode(source);
  throw new TypeError("a module has no source");
}
