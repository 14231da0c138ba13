import { expect, test } from "@jest/globals";
import { decodeCheckpoint, encodeCheckpoint } from "./checkpoint.ts";
import { tagFilter } from "./filter.ts";
import { ShardState } from "./shard-state.ts";
import { dump } from "./testing/dump.ts";
import { ShardBench, topic } from "./testing/shard-bench.ts";

// Recorded from the program that wrote version 1: two queues, a group with two leases, an acknowledged message above its floor and a
// parked one, a deleted topic, a raised log start.
const versionOne =
  "AAAAAAAA8D8AAAAAAMCSQAAAgFb+vHhCAAAAAAAAKEAAAAAAAAAAQAAAAAAAAABAAAAAAAAAAEAAAAAAAADwPwAAAAAAAPA/AAAAAAAAAAAAAAAAAAAcQAAAAAAAABxAAAAAAAAAAAAAAAAAAADwPwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAYQAAAAAAAAABAAAAAAAAAFEAAAAAAAAAUQAAAAAAAAAAAAAAAAAAA8D8AAAAAAADwPwAAAAAAAPA/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAPA/AAAAAAAA8D8AAAAAAAAAAAAAAAAAAAAAAAAAAAAA8D8AAAAAAAAAAAAAAAAAAABAAAAAAAAA8D8AAAAAAAAAAAAAAAAAAAAAAAAAAAAA8D8AAAAAAAAIQAAAAAAAAPA/AAAAAAAA8D8AAAAAAECfQAAAAAAAQJ9AAAAAAAAA8D8AAAAAAADwPwAAAAAAAABAAAAAAAAAEEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA8D8AAAAAAADwPwAAAAAAAPA/AAAAAAAAAAAAAAAAAMBYQA==";

test("a checkpoint of version 1 is read as it was meant", () => {
  expect(dump(decodeCheckpoint(Buffer.from(versionOne, "base64")))).toEqual({
    head: [1_200, 1_700_000_000_000, 12],
    queues: ["7/0: 0 to 6", "7/1: 0 to 2"],
    cursors: ["5/7/0@1 0 1 1,0,0,2,0 [2]", "5/7/1@1 0 1 0,1,0,0,0 []"],
    slots: ["5/7/0 1 1 1 2000 1 2 0 0 0", "5/7/0 3 1 1 2000 1 4 0 0 0"],
    parked: ["5/7/0 ", "5/7/1 0"],
    filters: [],
    deleted: [[99], []],
  });
});

test("filters come back with their numbers and every character", () => {
  const bench = new ShardBench(1);
  bench.send(0, 1);
  for (const tags of [["red"], ["später", "後で", "🪐"], ["blue", "red"]]) bench.addFilter(5, tagFilter(tags));
  bench.addFilter(6);
  bench.commit();
  bench.stage({ kind: "filterRemoved", timeMs: bench.nowMs, group: 5, topic, number: 0 });
  bench.commit();
  const restored = decodeCheckpoint(Buffer.concat(encodeCheckpoint(bench.state)));
  expect(dump(restored)).toEqual(dump(bench.state));
  expect([...restored.filters.all()].map(({ group, number, filter }) => [group, number, filter.expression])).toEqual([
    [5, 1, "später||後で||🪐"],
    [5, 2, "blue||red"],
    [6, 0, "*"],
  ]);
});

test("a checkpoint of a newer program is refused with the version that it needs", () => {
  const [head, ...rest] = encodeCheckpoint(new ShardState());
  new Float64Array(head!.buffer)[0] = 99;
  expect(() => decodeCheckpoint(Buffer.concat([head!, ...rest]))).toThrow("start a release that knows version 99");
});
