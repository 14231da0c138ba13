import { isDeadLetterTopic, SaturnError } from "@saturnmq/kit";
import type { AdminMethods, ClusterMethod, ClusterView } from "@saturnmq/wire";
import type { AdminHandler } from "./handler.ts";

/** Passes a call on to the name servers, as it came. */
export function passedOn<Method extends ClusterMethod>(method: Method): AdminHandler<Method> {
  return ({ metadata }, request) => metadata.administer(method, request);
}

/** What the name servers say; while none leads, what was watched last. */
export const describeCluster: AdminHandler<"DescribeCluster"> = async ({ metadata, view }, request) => {
  try {
    return await metadata.administer("DescribeCluster", request);
  } catch (error) {
    if (!(error instanceof SaturnError) || error.code !== "HA_NOT_AVAILABLE") throw error;
    return lastSeen(view());
  }
};

function lastSeen(view: ClusterView): AdminMethods["DescribeCluster"]["reply"] {
  const { clusterId, revision, replicationFactor, featureLevel, settings, brokers, shards, topics, groups } = view;
  return {
    ...{ clusterId, revision, replicationFactor, featureLevel, settings, stale: true },
    ...{ nameServers: [], nextNameServer: 0, featureLevelReady: featureLevel },
    ...{ topics: [...topics.keys()].filter((name) => !isDeadLetterTopic(name)).length, groups: groups.size },
    brokers: [...brokers.values()]
      .sort((a, b) => a.id - b.id)
      .map((broker) => ({
        ...broker,
        replicas: shards.filter(({ voters }) => voters.includes(broker.id)).length,
        leads: shards.filter(({ leaderHint }) => leaderHint === broker.id).length,
        ...{ freeBytes: 0, totalBytes: 0 },
      })),
    shards: shards.map(({ shard, voters, outgoing, learners, leaderHint, term, revision: walkedTo, target }) => ({
      ...{ shard, voters, outgoing, learners, leaderHint, term, revision: walkedTo },
      ...{ targetRevision: target.revision, targetVoters: target.voters },
      ...{ moving: walkedTo !== target.revision, lags: [] },
    })),
  };
}
