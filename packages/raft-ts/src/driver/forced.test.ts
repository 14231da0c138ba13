import { describe, expect, test } from "@jest/globals";
import { firstTermOf, generationOf } from "../core/generation.ts";
import { simple } from "../core/quorum.ts";
import { DriverCluster, type Member } from "../testing/driver-cluster.ts";
import { RecordingMachine } from "../testing/recording-machine.ts";
import type { Group, GroupOptions } from "./api.ts";

const group = 7;
const forced = (self: number, generation = 1) => ({ voters: [self], revision: 4, generation });

/** Three voters that have committed "first", of which only one, not the leader, goes on. */
async function survivor() {
  const cluster = new DriverCluster();
  cluster.start([1, 2, 3], [1, 2, 3]);
  const leader = await cluster.commit("first");
  const [one, other] = [...cluster.members.values()].filter((member) => member !== leader) as [Member, Member];
  await cluster.until(() => one.group.appliedIndex === 2);
  const machine = new RecordingMachine();
  const reopen = async (options: Partial<GroupOptions> = {}): Promise<Group> => {
    await one.driver.close();
    return one.driver.open({ group, self: one.id, machine, appliedIndex: 0, forced: forced(one.id), ...options });
  };
  return { cluster, leader, one, other, machine, reopen };
}

describe("A configuration that is forced", () => {
  test("lets a replica go on alone, with all that its log holds, in a generation of its own", async () => {
    const { cluster, machine, reopen } = await survivor();
    cluster.passes = () => false;
    const alone = await reopen();
    await cluster.until(() => alone.serving);
    expect(generationOf(alone.term)).toBe(1);
    expect(alone.configuration).toEqual({ index: 3, configuration: simple([alone.leader], 4) });
    expect(machine.calls).toContain("apply 2/1 first");
    machine.staged.push("after");
    alone.wake();
    await cluster.until(() => machine.calls.includes(`apply 5/${alone.term} after`));
    await cluster[Symbol.asyncDispose]();
  });

  test("is neither obeyed by those who were written off, nor do they lead who goes on", async () => {
    const { cluster, leader, one, reopen } = await survivor();
    const alone = await reopen();
    await cluster.until(() => alone.serving);
    const { term } = alone;
    // The majority of before is all there: what was said of it was wrong.
    await cluster.until(() => leader.group.serving);
    await cluster.turn();
    cluster.time.advance(3_000);
    await cluster.turn();
    expect({ term: alone.term, leader: alone.leader }).toEqual({ term, leader: one.id });
    expect(generationOf(leader.group.term)).toBe(0);
    expect(cluster.fatal).toEqual([]);
    await cluster[Symbol.asyncDispose]();
  });

  test("is joined by a replica that holds nothing", async () => {
    const { cluster, leader, one, other, reopen } = await survivor();
    const gone = [leader.id, other.id];
    cluster.passes = (from, to) => !gone.includes(from) && !gone.includes(to);
    const alone = await reopen();
    await cluster.until(() => alone.serving);
    cluster.start([4]);
    const change = { kind: "simple", changes: [{ kind: "addVoter", replica: 4 }], revision: 5 } as const;
    expect((await cluster.outcome(alone.changeConfiguration(change))).error).toBeUndefined();
    await cluster.until(() => cluster.member(4).machine.values.includes("first"));
    expect(cluster.member(4).group.leader).toBe(one.id);
    await cluster[Symbol.asyncDispose]();
  });

  test("is forced once: the same order means nothing to who has obeyed it", async () => {
    const { cluster, one, reopen } = await survivor();
    cluster.passes = () => false;
    const before = await reopen();
    await cluster.until(() => before.serving);
    const { lastIndex } = one.log.view(group);
    const again = await reopen();
    expect(one.log.view(group).lastIndex).toBe(lastIndex);
    await cluster.until(() => again.serving);
    expect(generationOf(again.term)).toBe(1);
    const next = await reopen({ forced: forced(one.id, 2) });
    expect(next.term).toBe(firstTermOf(2));
    await cluster[Symbol.asyncDispose]();
  });

  test.each([
    { what: "without the replica itself", voters: [9], generation: 1 },
    { what: "in the generation in which every group begins", voters: [2], generation: 0 },
    { what: "beyond the terms that there are", voters: [2], generation: 8_192 },
  ])("$what is refused", async ({ voters, generation }) => {
    const { cluster, one } = await survivor();
    await one.driver.close();
    const self = voters.includes(2) ? 2 : one.id;
    const options = { group, self, machine: new RecordingMachine(), appliedIndex: 0 };
    const order = { voters, revision: 4, generation };
    expect(() => one.driver.open({ ...options, forced: order })).toThrow(/can be forced/);
    await cluster[Symbol.asyncDispose]();
  });
});
