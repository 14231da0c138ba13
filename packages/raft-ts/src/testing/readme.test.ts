import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { MemoryLog } from "./memory-log.ts";
import { count } from "./readme-example.ts";

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");

test("the README's example is this one", () => {
  const example = /```ts\n([\s\S]*?)```/.exec(read("../../README.md"))?.[1] ?? "";
  expect(example).not.toBe("");
  expect(read("./readme-example.ts")).toContain(example);
});

test("and it runs", async () => {
  expect(await count(new MemoryLog())).toBe(3);
});
