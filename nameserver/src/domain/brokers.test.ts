import { describe, expect, test } from "@jest/globals";
import { clusterWithBroker, commit, newCluster, newcomer, testNowMs } from "../testing/cluster-state.ts";
import { decideCreateCluster, decideHeartbeat, decideRegister } from "./brokers.ts";
import { initialState, viewOf } from "./state.ts";

test("a cluster is made once", () => {
  const state = newCluster();
  const other = { clusterId: "cluster-b", shardCount: 24, replicationFactor: 3, createdAtMs: testNowMs };
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
  test("gives the first one an id and all shards of an embedded cluster", () => {
    const state = newCluster();
    const reply = commit(state, decideRegister(state, newcomer));
    expect(reply).toEqual({ brokerId: 1, clusterId: "cluster-a" });
    expect(state.shards).toEqual([0, 1, 2].map((shard) => ({ shard, voters: [1], leaderHint: 1 })));
  });

  test("places shards when there are as many brokers as voters, leaders spread", () => {
    const state = newCluster(3);
    for (const address of ["a:1", "b:1"]) commit(state, decideRegister(state, { ...newcomer, address }));
    expect(state.shards).toEqual([]);
    commit(state, decideRegister(state, { ...newcomer, address: "c:1" }));
    expect(state.shards).toEqual([
      { shard: 0, voters: [1, 2, 3], leaderHint: 1 },
      { shard: 1, voters: [2, 3, 1], leaderHint: 2 },
      { shard: 2, voters: [3, 1, 2], leaderHint: 3 },
    ]);
  });

  test("a later one moves no shard", () => {
    const state = clusterWithBroker();
    const reply = commit(state, decideRegister(state, { ...newcomer, address: "127.0.0.1:9999" }));
    expect(reply.brokerId).toBe(1 + 1);
    expect(state.shards.map(({ voters }) => voters)).toEqual([[1], [1], [1]]);
  });

  test("one that ended before it kept its id gets it again", () => {
    const state = clusterWithBroker();
    expect(commit(state, decideRegister(state, newcomer)).brokerId).toBe(1);
    commit(state, decideHeartbeat(state, 1, 1));
    expect(commit(state, decideRegister(state, newcomer)).brokerId).toBe(2);
  });

  test("a restart is known by its id and raises the incarnation", () => {
    const state = clusterWithBroker();
    const again = { ...newcomer, brokerId: 1, incarnation: 2, clusterId: "cluster-a" };
    expect(commit(state, decideRegister(state, again))).toEqual({ brokerId: 1, clusterId: "cluster-a" });
    expect(viewOf(state)?.brokers.get(1)).toEqual({ id: 1, incarnation: 2, zone: "z1", state: "up" });
  });

  test.each([
    { who: "of another cluster", fields: { clusterId: "cluster-b" }, says: "cluster-b" },
    { who: "never seen", fields: { brokerId: 7, incarnation: 9 }, says: "never registered" },
    { who: "on an old copy of its disk", fields: { brokerId: 1, incarnation: 1 }, says: "old copy" },
  ])("one $who is refused", ({ fields, says }) => {
    const state = clusterWithBroker();
    const refused = () => decideRegister(state, { ...newcomer, ...fields });
    expect(refused).toThrow(expect.objectContaining({ code: "FORBIDDEN", message: expect.stringContaining(says) }));
  });

  test("before the cluster is made is refused for now", () => {
    const refused = () => decideRegister(initialState(), newcomer);
    expect(refused).toThrow(expect.objectContaining({ code: "HA_NOT_AVAILABLE" }));
  });
});

describe("a heartbeat", () => {
  test("confirms the id once", () => {
    const state = clusterWithBroker();
    expect(decideHeartbeat(state, 1, 1).records).toEqual([{ kind: "brokerConfirmed", id: 1 }]);
    commit(state, decideHeartbeat(state, 1, 1));
    expect(decideHeartbeat(state, 1, 1).records).toEqual([]);
  });

  test.each([
    { who: "an unknown broker", id: 5, incarnation: 1 },
    { who: "an earlier incarnation", id: 1, incarnation: 0 },
    { who: "an incarnation that has not registered", id: 1, incarnation: 2 },
  ])("of $who is refused", ({ id, incarnation }) => {
    const state = clusterWithBroker();
    const refused = () => decideHeartbeat(state, id, incarnation);
    expect(refused).toThrow(expect.objectContaining({ code: "FORBIDDEN" }));
  });
});
