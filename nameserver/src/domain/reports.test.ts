import { describe, expect, test } from "@jest/globals";
import { emptyReport, type ReplicaReport } from "@saturnmq/wire";
import { commit, join, newCluster } from "../testing/cluster-state.ts";
import { decideHeartbeat } from "./brokers.ts";
import { isMoving } from "./shards.ts";
import type { MetadataState } from "./state.ts";

function cluster(): MetadataState {
  const state = newCluster(3);
  for (const zone of ["a", "b", "c", "a"]) join(state, zone);
  return state;
}

const telling: ReplicaReport = {
  ...{ shard: 0, term: 4, leads: true, lastIndex: 9, lastTerm: 4, commitIndex: 9 },
  ...{ voters: [1, 2, 3], outgoing: [], learners: [], revision: 99, progress: [] },
};

function told(state: MetadataState, broker: number, fields: Partial<ReplicaReport>): readonly string[] {
  const report = { ...emptyReport, replicas: [{ ...telling, ...fields }] };
  const decision = decideHeartbeat(state, broker, 1, report);
  commit(state, decision);
  return decision.records.map(({ kind }) => kind);
}

describe("what a leader tells", () => {
  test.each<{ what: string; by: number; fields: Partial<ReplicaReport>; news: boolean }>([
    { what: "the same again", by: 2, fields: {}, news: false },
    { what: "its members in another order", by: 2, fields: { voters: [3, 1, 2] }, news: false },
    { what: "more entries", by: 2, fields: { lastIndex: 50, commitIndex: 50 }, news: false },
    { what: "a learner", by: 2, fields: { learners: [4] }, news: true },
    { what: "a joint configuration", by: 2, fields: { voters: [1, 2, 4], outgoing: [1, 2, 3] }, news: true },
    { what: "another revision", by: 2, fields: { revision: 100 }, news: true },
    { what: "another leader of a newer term", by: 3, fields: { term: 5 }, news: true },
    { what: "a leader of an older term", by: 3, fields: { term: 3 }, news: false },
    { what: "a second leader of the same term", by: 3, fields: {}, news: false },
    { what: "a follower", by: 3, fields: { leads: false, term: 5 }, news: false },
  ])("$what: news $news", ({ by, fields, news }) => {
    const state = cluster();
    expect(told(state, 2, {})).toEqual(["shardsReported"]);
    expect(told(state, by, fields)).toEqual(news ? ["shardsReported"] : []);
  });

  test("becomes what is known of the shard", () => {
    const state = cluster();
    told(state, 2, { voters: [1, 2, 4], outgoing: [1, 2, 3], learners: [] });
    expect(state.shards[0]).toMatchObject({
      leaderHint: 2,
      term: 4,
      voters: [1, 2, 4],
      outgoing: [1, 2, 3],
      revision: 99,
    });
    expect(isMoving(state.shards[0]!)).toBe(true);
  });

  test.each<{ what: string; fields: Partial<ReplicaReport>; says: string }>([
    { what: "a shard that is not", fields: { shard: 3 }, says: "reports shard 3" },
    {
      what: "a member that never registered",
      fields: { voters: [1, 2, 77] },
      says: "member 77, which never registered",
    },
    { what: "members without end", fields: { learners: Array(70).fill(1) }, says: "73 members" },
  ])("$what is refused", ({ fields, says }) => {
    expect(() => told(cluster(), 2, fields)).toThrow(
      expect.objectContaining({ code: "BAD_REQUEST", message: expect.stringContaining(says) }),
    );
  });

  test("more replicas than shards are refused", () => {
    const report = { ...emptyReport, replicas: Array<ReplicaReport>(4).fill(telling) };
    expect(() => decideHeartbeat(cluster(), 2, 1, report)).toThrow("4 replicas");
  });
});

test("whom a target drops is no founder any more, also when it comes back", () => {
  const state = cluster();
  const set = (voters: readonly number[]): void => {
    commit(state, { records: [{ kind: "targetsSet", targets: [{ shard: 0, voters }] }], reply: undefined });
  };
  set([1, 2, 4]);
  expect(state.shards[0]).toMatchObject({ founders: expect.not.arrayContaining([3]), target: { voters: [1, 2, 4] } });
  set([1, 2, 3]);
  expect(state.shards[0]?.founders).not.toContain(3);
  expect(state.shards[0]?.firstVoters).toHaveLength(3);
});
