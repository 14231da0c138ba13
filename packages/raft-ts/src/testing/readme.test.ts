import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { simple } from "../core/quorum.ts";
import { DriverCluster, type Member } from "./driver-cluster.ts";
import { MemoryLog } from "./memory-log.ts";
import { count, walk } from "./readme-example.ts";

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");

test("the README's examples are these", () => {
  const examples = [...read("../../README.md").matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code = ""]) => code);
  expect(examples.length).toBe(2);
  for (const example of examples) expect(read("./readme-example.ts")).toContain(example);
});

test("the first one counts", async () => {
  expect(await count(new MemoryLog())).toBe(3);
});

test("the second one walks a group to other voters, whoever leads", async () => {
  await using cluster = new DriverCluster();
  cluster.start([1, 2], [1, 2]);
  cluster.start([3, 4]);
  await cluster.commit("before");
  const target = { voters: [2, 3, 4], revision: 1 };
  for (let done = false; !done; ) {
    await cluster.until(() => cluster.leader !== undefined);
    const { group, id } = cluster.leader as Member;
    done = (await cluster.outcome(walk(group, id, target))).value === true;
    cluster.time.advance(20);
  }
  const leader = await cluster.commit("after");
  expect(leader.machine.values).toEqual(["before", "after"]);
  expect(new Set(leader.group.configuration.configuration.incoming)).toEqual(new Set([2, 3, 4]));
  expect(leader.group.configuration.configuration).toMatchObject({ ...simple([], 1), incoming: expect.anything() });
});
