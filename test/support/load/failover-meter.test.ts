import { describe, expect, test } from "@jest/globals";
import { emptyHistory } from "../check/check-history.ts";
import type { History } from "../check/history.ts";
import { failoversOf, failoverTable, type Kill, type Success, successesOf } from "./failover-meter.ts";

const kill: Kill = { member: "broker-1", atMs: 1_000, shards: [0, 1] };
const at = (shard: number, invokedMs: number, endedMs: number): Success => ({ shard, invokedMs, endedMs });

describe("the time without a leader ends with the first acknowledgement of", () => {
  test.each<{ what: string; successes: Success[]; ms: number | undefined }>([
    { what: "a send that began after the kill", successes: [at(0, 1_010, 1_700), at(0, 1_720, 1_730)], ms: 700 },
    { what: "not one that was on its way then", successes: [at(0, 990, 1_005), at(0, 1_900, 1_950)], ms: 950 },
    { what: "not one of another shard", successes: [at(1, 1_010, 1_020)], ms: undefined },
    {
      what: "the one that ends first, not the one that begins first",
      successes: [at(0, 1_001, 2_000), at(0, 1_500, 1_600)],
      ms: 600,
    },
  ])("$what", ({ successes, ms }) => {
    expect(failoversOf([{ ...kill, shards: [0] }], successes)[0]?.ms).toBe(ms);
  });
});

test("a shard that is not back before the next kill has no figure for this one", () => {
  const next = { member: "broker-2", atMs: 3_000, shards: [0] };
  const found = failoversOf([{ ...kill, shards: [0] }, next], [at(0, 3_100, 3_400)]);
  expect(found.map(({ ms }) => ms)).toEqual([undefined, 400]);
});

test("no figure is better than the gap between acknowledgements before", () => {
  const before = [at(0, 0, 100), at(0, 100, 300), at(0, 300, 350), at(0, 350, 980)];
  expect(failoversOf([kill], [...before, at(0, 1_100, 1_300)])[0]).toMatchObject({ ms: 300, resolutionMs: 630 });
});

test("the table has a line a member, one for all, and tells what never came back", () => {
  const kills = [kill, { member: "broker-2", atMs: 5_000, shards: [1] }];
  const failovers = failoversOf(kills, [at(0, 1_100, 1_600), at(1, 5_010, 6_000)]);
  expect(failoverTable(failovers, kills).split("\n").slice(2)).toEqual([
    "| broker-1 | 1 | 2 | 600 | 600 | 1 | - |",
    "| broker-2 | 1 | 1 | 1000 | 1000 | 0 | - |",
    "| all | 2 | 3 | 1000 | 1000 | 1 | - |",
  ]);
});

test("the shard of a send is that of the queue in which its message was seen", () => {
  const history: History = {
    ...emptyHistory,
    sends: [
      { producer: 0, sequence: 0, invokedMs: 1, endedMs: 2, outcome: { kind: "ok", offset: 0 } },
      { producer: 0, sequence: 1, invokedMs: 3, endedMs: 4, outcome: { kind: "info" } },
      { producer: 0, sequence: 2, invokedMs: 5, endedMs: 6, outcome: { kind: "ok", offset: 7 } },
    ],
    readings: [
      {
        reader: "one",
        reads: [{ queue: 5, offset: 0, batch: 0, content: { kind: "message", producer: 0, sequence: 0 } }],
      },
    ],
  };
  expect(successesOf(history, (queue) => queue % 3)).toEqual([{ shard: 2, invokedMs: 1, endedMs: 2 }]);
});
