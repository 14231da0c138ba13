import { isDeadLetterTopic } from "@saturnmq/kit";
import type { AdminMethods, NameServerDescription } from "@saturnmq/wire";
import { heldBy } from "./broker-verbs.ts";
import { clusterOf } from "./brokers.ts";
import { readyLevel } from "./feature-level.ts";
import type { Presence } from "./presence.ts";
import { isMoving } from "./shards.ts";
import { brokerInfo, type MetadataState } from "./state.ts";

type Description = Omit<AdminMethods["DescribeCluster"]["reply"], "nextNameServer">;

/** The cluster as an operator wants to see it. */
export function describeCluster(
  state: MetadataState,
  presence: Presence,
  nameServers: readonly NameServerDescription[],
): Description {
  const { clusterId, replicationFactor } = clusterOf(state);
  const { revision, featureLevel, settings, topics, groups } = state;
  return {
    ...{ clusterId, revision, replicationFactor, featureLevel, settings },
    ...{
      topics: [...topics.keys()].filter((name) => !isDeadLetterTopic(name)).length,
      groups: groups.size,
      stale: false,
    },
    ...{ nameServers, featureLevelReady: readyLevel(state, nameServers) },
    brokers: [...state.brokers.values()].map((broker) => ({
      ...brokerInfo(broker),
      replicas: heldBy(state, broker.id).length,
      leads: broker.alive ? state.shards.filter(({ leaderHint }) => leaderHint === broker.id).length : 0,
      freeBytes: presence.report(broker.id)?.freeBytes ?? 0,
      totalBytes: presence.report(broker.id)?.totalBytes ?? 0,
    })),
    shards: state.shards.map((shard) => {
      const { voters, outgoing, learners, leaderHint, term, target } = shard;
      return {
        ...{ shard: shard.shard, voters, outgoing, learners, leaderHint, term, revision: shard.revision },
        ...{ targetRevision: target.revision, targetVoters: target.voters, moving: isMoving(shard) },
        lags: presence.lags(state, shard.shard),
      };
    }),
  };
}
