import { describe, expect, test } from "@jest/globals";
import type { ShardInfo } from "@saturnmq/wire";
import { decideHosting, type Held } from "./hosting.ts";

const self = 4;
const shard: ShardInfo = {
  ...{ shard: 0, voters: [1, 2, 3], outgoing: [], learners: [], revision: 5, leaderHint: 1, term: 2 },
  ...{ target: { revision: 5, voters: [1, 2, 3] }, firstVoters: [1, 2, 3], founders: [1, 2, 3] },
  forced: { revision: 0, survivor: 0, generation: 0 },
};
const nothing: Held = { known: false, revision: 0, generation: 0 };
const something: Held = { known: true, revision: 5, generation: 0 };
const recovered = { revision: 7, survivor: self, generation: 1 };

describe("what a broker does about a shard", () => {
  test.each<{ rule: string; info: Partial<ShardInfo>; held: Held; kind: string }>([
    {
      rule: "a founder without anything founds it",
      info: { voters: [1, 4], firstVoters: [1, 4], founders: [1, 4] },
      held: nothing,
      kind: "found",
    },
    {
      rule: "a founder that has it opens it",
      info: { voters: [1, 4], founders: [1, 4] },
      held: something,
      kind: "open",
    },
    {
      rule: "a newcomer of the target joins empty",
      info: { target: { revision: 6, voters: [1, 2, 4] } },
      held: nothing,
      kind: "open",
    },
    {
      rule: "a first voter that a target dropped since joins empty",
      info: { voters: [1, 4], firstVoters: [1, 4], founders: [1] },
      held: nothing,
      kind: "open",
    },
    { rule: "a learner opens what it has", info: { learners: [4] }, held: something, kind: "open" },
    { rule: "a voter of the old half stays", info: { outgoing: [1, 4] }, held: something, kind: "open" },
    { rule: "a stranger ignores it", info: {}, held: nothing, kind: "ignore" },
    { rule: "who is no member any more drops it", info: {}, held: something, kind: "drop" },
    {
      rule: "who is ahead of what the name server says keeps it",
      info: {},
      held: { known: true, revision: 6, generation: 0 },
      kind: "open",
    },
    {
      rule: "who is ordered to go on alone does so with what it has",
      info: { voters: [1, 2, 4], forced: recovered },
      held: something,
      kind: "force",
    },
    {
      rule: "who went on alone goes on",
      info: { voters: [4], forced: recovered, target: { revision: 7, voters: [4] } },
      held: { known: true, revision: 7, generation: 1 },
      kind: "open",
    },
    {
      rule: "who was written off keeps out, member or not",
      info: { voters: [1, 2, 4], forced: { ...recovered, survivor: 1 } },
      held: something,
      kind: "writtenOff",
    },
    {
      rule: "who went on alone before another was ordered to is written off",
      info: { voters: [4], forced: { revision: 9, survivor: 1, generation: 2 } },
      held: { known: true, revision: 7, generation: 1 },
      kind: "writtenOff",
    },
    {
      rule: "a newcomer after a recovery joins empty",
      info: { voters: [1], forced: { ...recovered, survivor: 1 }, target: { revision: 8, voters: [1, 4] } },
      held: nothing,
      kind: "open",
    },
    {
      rule: "who is to go and still votes stays",
      info: { voters: [1, 2, 4], target: { revision: 6, voters: [1, 2, 3] } },
      held: something,
      kind: "open",
    },
  ])("$rule", ({ info, held, kind }) => {
    expect(decideHosting(self, { ...shard, ...info }, held).kind).toBe(kind);
  });

  test("never founds anything that it holds, nor drops anything while it is a member", () => {
    const lists = [[], [1], [4], [1, 4]];
    for (const voters of lists)
      for (const outgoing of lists)
        for (const learners of lists)
          for (const targets of lists)
            for (const founders of lists)
              for (const known of [false, true])
                for (const revision of [0, 4, 5, 6]) {
                  const info = {
                    ...shard,
                    voters,
                    outgoing,
                    learners,
                    founders,
                    target: { revision: 5, voters: targets },
                  };
                  const { kind } = decideHosting(self, info, { known, revision, generation: 0 });
                  const member = [voters, outgoing, learners, targets].some((ids) => ids.includes(self));
                  if (known) expect(kind).not.toBe("found");
                  if (member) expect(["found", "open"]).toContain(kind);
                  if (kind === "found") expect(founders).toContain(self);
                  if (kind === "drop") expect(known && revision <= 5).toBe(true);
                }
  });
});
