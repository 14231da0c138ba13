import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import { runTool } from "../testing/run-tool.ts";

test("a fast call makes no object: only the text of a header that is in no table, and numbers larger than a word", async () => {
  const script = fileURLToPath(new URL("../testing/allocation.ts", import.meta.url));
  const { code, output } = await runTool(process.execPath, ["--expose-gc", script], 30_000);
  expect(code).toBe(0);
  expect(Number(output)).toBeGreaterThanOrEqual(0);
  // An object, closure or promise a call would add at least 100 to the 80 that are there.
  expect(Number(output)).toBeLessThan(150);
}, 40_000);
