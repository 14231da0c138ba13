import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/** Writes a result twice: `path` + ".json" with every figure, `path` + ".md" as a page. Folders are made. */
export async function saveResult(path: string, result: unknown, page: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.md`, page.endsWith("\n") ? page : `${page}\n`);
  await writeFile(`${path}.json`, `${JSON.stringify(result, undefined, 2)}\n`);
}
