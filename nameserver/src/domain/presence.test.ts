import { describe, expect, test } from "@jest/globals";
import { emptyReport } from "@saturnmq/wire";
import { commit, join, newCluster, newcomer } from "../testing/cluster-state.ts";
import { decideTransferLeaders } from "./broker-verbs.ts";
import { decideDown, decideHeartbeat, decideRegister } from "./brokers.ts";
import { Presence } from "./presence.ts";
import type { MetadataState } from "./state.ts";

/** Default lease and grace time, milliseconds. */
const leaseMs = 3_000;
const graceMs = 300_000;

function led(): { state: MetadataState; presence: Presence } {
  const state = newCluster(3);
  for (const zone of ["a", "b", "c"]) join(state, zone);
  const presence = new Presence();
  presence.begin(state, 1_000);
  return { state, presence };
}

function conditions(presence: Presence, state: MetadataState, nowMs: number): readonly string[] {
  return presence.world(state, nowMs).members.map(({ condition }) => condition);
}

describe("leases", () => {
  test("a new leader grants everyone a full one", () => {
    const { state, presence } = led();
    expect(presence.expired(state, 1_000 + leaseMs - 1).size).toBe(0);
    expect([...presence.expired(state, 1_000 + leaseMs)]).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
    ]);
  });

  test("a heartbeat renews one, and only its own", () => {
    const { state, presence } = led();
    presence.heard(2, 1, emptyReport, state, 2_000);
    expect([...presence.expired(state, 4_500).keys()]).toEqual([1, 3]);
    expect([...presence.expired(state, 5_000).keys()]).toEqual([1, 2, 3]);
  });

  test("a registration begins a new one", () => {
    const { state, presence } = led();
    commit(
      state,
      decideRegister(state, { ...newcomer, brokerId: 2, incarnation: 2, clusterId: "cluster-a", process: "q" }),
    );
    presence.follow(state, 3_999);
    expect([...presence.expired(state, 4_000).keys()]).toEqual([1, 3]);
    expect(presence.expired(state, 6_999).get(2)).toBe(2);
  });

  test("what is down already does not end again", () => {
    const { state, presence } = led();
    commit(state, decideDown(state, presence.expired(state, 4_000)));
    expect(presence.expired(state, 9_000).size).toBe(0);
  });
});

describe("the grace time", () => {
  test("makes a dead one of one that is down, and a new leader begins it anew", () => {
    const { state, presence } = led();
    commit(state, decideDown(state, new Map([[3, 1]])));
    presence.follow(state, 10_000);
    expect(conditions(presence, state, 10_000 + graceMs - 1)).toEqual(["up", "up", "down"]);
    expect(conditions(presence, state, 10_000 + graceMs)).toEqual(["up", "up", "dead"]);
    const next = new Presence();
    next.begin(state, 200_000);
    expect(conditions(next, state, 200_000 + graceMs - 1)).toEqual(["up", "up", "down"]);
    expect(conditions(next, state, 200_000 + graceMs)).toEqual(["up", "up", "dead"]);
  });

  test("ends when the broker is heard again", () => {
    const { state, presence } = led();
    commit(state, decideDown(state, new Map([[3, 1]])));
    presence.follow(state, 10_000);
    commit(state, { records: [{ kind: "brokerUp", id: 3 }], reply: undefined });
    presence.follow(state, 20_000);
    commit(state, decideDown(state, new Map([[3, 1]])));
    presence.follow(state, 200_000);
    expect(conditions(presence, state, 200_000 + graceMs - 1)).toEqual(["up", "up", "down"]);
  });
});

test("a broker that was to lead nothing and never restarted leads again after ten minutes", () => {
  const { state, presence } = led();
  commit(state, decideTransferLeaders(state, { requestId: "r", broker: 2 }));
  presence.follow(state, 5_000);
  expect(presence.overdueAway(5_000 + 599_999)).toEqual([]);
  expect(presence.overdueAway(5_000 + 600_000)).toEqual([2]);
});

test("one that has not shown that it kept its id is given nothing", () => {
  const { state, presence } = led();
  commit(state, decideRegister(state, { ...newcomer, process: "new" }));
  presence.follow(state, 2_000);
  expect(presence.world(state, 2_000).members.map(({ id }) => id)).toEqual([1, 2, 3]);
});

describe("who is fit to lead", () => {
  const replica = {
    ...{ shard: 0, term: 1, leads: true, lastIndex: 5_000, lastTerm: 1, commitIndex: 5_000 },
    ...{ voters: [1, 2, 3], outgoing: [], learners: [], revision: 1 },
  };

  test.each([
    { what: "nobody, while the leader has not told", progress: undefined, lagging: [1, 2, 3] },
    { what: "those that are as far", progress: [0, 0], lagging: [] },
    { what: "not those that are far behind", progress: [1_001, 1_000], lagging: [0] },
  ])("$what", ({ progress, lagging }) => {
    const { state, presence } = led();
    const leader = state.shards[0]?.leaderHint ?? 0;
    const others = [1, 2, 3].filter((id) => id !== leader);
    if (progress !== undefined) {
      const told = others.map((broker, nth) => ({ broker, match: 5_000 - (progress[nth] ?? 0) }));
      const report = { ...emptyReport, replicas: [{ ...replica, progress: told }] };
      commit(state, decideHeartbeat(state, leader, 1, report));
      presence.heard(leader, 1, report, state, 1_000);
    }
    const expected = progress === undefined ? lagging : lagging.map((nth) => others[nth]);
    expect([...(presence.world(state, 1_000).lagging.get(0) ?? [])].sort()).toEqual(expected);
  });
});
