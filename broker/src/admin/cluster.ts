import type { AdminHandler } from "./handler.ts";

export const describeCluster: AdminHandler<"DescribeCluster"> = ({ view }) => {
  const { clusterId, revision, brokers, shards, topics, groups } = view();
  return {
    clusterId,
    revision,
    brokers: [...brokers.values()].sort((a, b) => a.id - b.id),
    shards,
    topics: topics.size,
    groups: groups.size,
  };
};
