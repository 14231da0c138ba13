/** A cluster as `DescribeCluster` shows it, for tests to change. */

const settings = { brokerLeaseMs: 3_000, replacementGraceMs: 300_000, moveBudget: 4, transferBudget: 4 };

export const broker = {
  ...{ id: 3, incarnation: 2, zone: "b", state: "down", address: "h:8081", peerAddress: "h:8083", draining: true },
  ...{ leadersAway: false, featureLevel: 1, replicas: 8, leads: 0, freeBytes: 1, totalBytes: 2 },
};

export const shard = {
  ...{ shard: 0, voters: [1, 2, 3], leaderHint: 1, learners: [4], outgoing: [], term: 5, revision: 7 },
  ...{ targetRevision: 9, targetVoters: [1, 2, 4], moving: true, lags: [{ broker: 2, entries: 17 }] },
};

const nameServer = { id: 1, address: "h:8082", leads: true, up: true, featureLevel: 2, part: "votes" };

export const cluster = {
  ...{ clusterId: "c", revision: 9, topics: 0, groups: 0, replicationFactor: 3, featureLevel: 1, stale: false },
  ...{
    settings,
    brokers: [broker],
    shards: [shard],
    nameServers: [nameServer],
    featureLevelReady: 1,
    nextNameServer: 2,
  },
};
