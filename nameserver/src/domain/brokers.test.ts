import { describe, expect, test } from "@jest/globals";
import { emptyReport } from "@saturnmq/wire";
import { clusterWithBroker, commit, join, newCluster, newClusterFacts, newcomer } from "../testing/cluster-state.ts";
import { decideCreateCluster, decideDown, decideHeartbeat, decideRegister } from "./brokers.ts";
import { initialState, viewOf } from "./state.ts";

test("a cluster is made once", () => {
  const state = newCluster();
  const { facts, ...rest } = newClusterFacts(3, 24);
  const other = { facts: { ...facts, clusterId: "cluster-b" }, ...rest };
  const { records, reply } = decideCreateCluster(state, other, "11".repeat(32));
  expect(records).toEqual([]);
  expect(reply.clusterId).toBe("cluster-a");
});

test("nothing is shown before the cluster is made; then with the key's bytes", () => {
  expect(viewOf(initialState())).toBeUndefined();
  const key = viewOf(newCluster())?.handleKeys[0];
  expect(key).toHaveLength(32);
  expect(key?.subarray(0, 2)).toEqual(Uint8Array.of(0x00, 0xff));
});

describe("registering a broker", () => {
  test("gives the first one an id", () => {
    const state = newCluster();
    const reply = commit(state, decideRegister(state, newcomer));
    expect(reply).toEqual({ brokerId: 1, clusterId: "cluster-a" });
    expect(state.shards).toEqual([]);
  });

  test("a later one moves no shard", () => {
    const state = newCluster();
    join(state);
    const reply = commit(state, decideRegister(state, { ...newcomer, process: "p2", address: "127.0.0.1:9999" }));
    expect(reply.brokerId).toBe(1 + 1);
    expect(state.shards.map(({ voters }) => voters)).toEqual([[1], [1], [1]]);
  });

  test("one that ended before it kept its id gets it again", () => {
    const state = clusterWithBroker();
    expect(commit(state, decideRegister(state, { ...newcomer, process: "p2" })).brokerId).toBe(1);
    commit(state, decideHeartbeat(state, 1, 1, emptyReport));
    expect(commit(state, decideRegister(state, { ...newcomer, process: "p3" })).brokerId).toBe(2);
  });

  test("a call that is repeated because its answer was lost is answered again, and changes nothing", () => {
    const state = newCluster();
    const first = commit(state, decideRegister(state, newcomer));
    expect(decideRegister(state, newcomer)).toEqual({ records: [], reply: first });
    const again = { ...newcomer, brokerId: 1, incarnation: 2, clusterId: "cluster-a", process: "p2" };
    commit(state, decideRegister(state, again));
    expect(decideRegister(state, again)).toEqual({ records: [], reply: first });
    // Two processes on copies of one disk come to the same incarnation; what they drew tells them apart.
    expect(() => decideRegister(state, { ...again, process: "p3" })).toThrow("another process runs on it");
  });

  test("a restart is known by its id and raises the incarnation", () => {
    const state = clusterWithBroker();
    const again = { ...newcomer, brokerId: 1, incarnation: 2, clusterId: "cluster-a" };
    expect(commit(state, decideRegister(state, again))).toEqual({ brokerId: 1, clusterId: "cluster-a" });
    expect(viewOf(state)?.brokers.get(1)).toMatchObject({ id: 1, incarnation: 2, zone: "z1", state: "up" });
  });

  test.each([
    { who: "of another cluster", fields: { clusterId: "cluster-b" }, says: "cluster-b" },
    { who: "never seen", fields: { brokerId: 7, incarnation: 9 }, says: "never registered" },
    { who: "on an old copy of its disk", fields: { brokerId: 1, incarnation: 1 }, says: "old copy" },
    { who: "that is too old for the cluster", fields: { featureLevel: 0 }, says: "newer version" },
  ])("one $who is refused", ({ fields, says }) => {
    const state = clusterWithBroker();
    const refused = () => decideRegister(state, { ...newcomer, process: "p9", ...fields });
    expect(refused).toThrow(expect.objectContaining({ code: "FORBIDDEN", message: expect.stringContaining(says) }));
  });

  test("before the cluster is made is refused for now", () => {
    const refused = () => decideRegister(initialState(), newcomer);
    expect(refused).toThrow(expect.objectContaining({ code: "HA_NOT_AVAILABLE" }));
  });
});

describe("a heartbeat", () => {
  test("confirms the id once, and then the shards of an embedded cluster are placed", () => {
    const state = clusterWithBroker();
    const kinds = decideHeartbeat(state, 1, 1, emptyReport).records.map(({ kind }) => kind);
    expect(kinds).toEqual(["brokerConfirmed", "shardsPlaced"]);
    commit(state, decideHeartbeat(state, 1, 1, emptyReport));
    expect(state.shards).toMatchObject(
      [0, 1, 2].map((shard) => ({ shard, voters: [1], leaderHint: 1, founders: [1] })),
    );
    expect(decideHeartbeat(state, 1, 1, emptyReport).records).toEqual([]);
  });

  test("places shards when as many brokers as voters have been heard, leaders spread", () => {
    const state = newCluster(3);
    join(state, "a");
    join(state, "b");
    expect(state.shards).toEqual([]);
    join(state, "c");
    expect(state.shards.map(({ target }) => target.voters)).toEqual([
      [1, 2, 3],
      [1, 2, 3],
      [1, 2, 3],
    ]);
    expect(state.shards.map(({ leaderHint }) => leaderHint).sort()).toEqual([1, 2, 3]);
  });

  test("of a broker that was given up brings it back", () => {
    const state = newCluster();
    join(state);
    commit(state, decideDown(state, new Map([[1, 1]])));
    expect(viewOf(state)?.brokers.get(1)?.state).toBe("down");
    commit(state, decideHeartbeat(state, 1, 1, emptyReport));
    expect(viewOf(state)?.brokers.get(1)?.state).toBe("up");
  });

  test.each([
    { who: "an unknown broker", id: 5, incarnation: 1 },
    { who: "an earlier incarnation", id: 1, incarnation: 0 },
    { who: "an incarnation that has not registered", id: 1, incarnation: 2 },
  ])("of $who is refused", ({ id, incarnation }) => {
    const state = clusterWithBroker();
    const refused = () => decideHeartbeat(state, id, incarnation, emptyReport);
    expect(refused).toThrow(expect.objectContaining({ code: "FORBIDDEN" }));
  });
});

describe("a lease that ended", () => {
  test("takes a broker down once, and not another incarnation of it", () => {
    const state = newCluster();
    join(state);
    expect(decideDown(state, new Map([[1, 2]])).records).toEqual([]);
    expect(decideDown(state, new Map([[1, 1]])).records).toEqual([{ kind: "brokersDown", ids: [1] }]);
    commit(state, decideDown(state, new Map([[1, 1]])));
    expect(decideDown(state, new Map([[1, 1]])).records).toEqual([]);
  });

  test("registering again brings it up, still draining", () => {
    const state = newCluster();
    join(state);
    join(state);
    commit(state, { records: [{ kind: "brokerDraining", requestId: "r", id: 1, draining: true }], reply: undefined });
    commit(state, decideDown(state, new Map([[1, 1]])));
    const again = { ...newcomer, brokerId: 1, incarnation: 2, clusterId: "cluster-a" };
    commit(state, decideRegister(state, again));
    expect(viewOf(state)?.brokers.get(1)).toMatchObject({ state: "draining", incarnation: 2, leadersAway: false });
  });
});
