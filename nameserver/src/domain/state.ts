import type { BrokerInfo, ClusterView, GroupInfo, ShardInfo, TopicInfo } from "@saturnmq/wire";
import { bytesOfHex } from "./hex.ts";

/** What was settled when the cluster was made and never changes. */
export type ClusterFacts = {
  readonly clusterId: string;
  readonly shardCount: number;
  /** Voters a shard, each on another broker. */
  readonly replicationFactor: number;
  readonly createdAtMs: number;
};

/** A broker that has ever registered. `confirmed`: it has shown that it kept the id it was given. */
export type Broker = BrokerInfo & { readonly address: string; readonly confirmed: boolean };

/** What a request id did: a repeated call is answered from here. `call` is its verb and subject. */
export type FinishedRequest = {
  readonly call: string;
  readonly topic?: TopicInfo;
  readonly group?: GroupInfo;
};

/** How many request ids are remembered, newest kept. A client repeats a call within seconds, not after so many others. */
export const requestsKept = 4_096;

/**
 * Everything the name server replicates. Changed by `apply` alone, one committed record after another, so that each replica and each restart
 * arrives at the same state.
 */
export type MetadataState = {
  /** Number of records applied so far. */
  revision: number;
  cluster: ClusterFacts | undefined;
  /** Receipt handle keys, hexadecimal, newest first. */
  handleKeys: readonly string[];
  shards: readonly ShardInfo[];
  readonly brokers: Map<number, Broker>;
  readonly topics: Map<string, TopicInfo>;
  readonly groups: Map<string, GroupInfo>;
  /** Ids are given in order and never again, whatever is deleted. */
  nextTopicId: number;
  nextGroupId: number;
  nextBrokerId: number;
  /** Oldest first. */
  readonly requests: Map<string, FinishedRequest>;
};

/** The state before the first record. */
export function initialState(): MetadataState {
  return {
    revision: 0,
    cluster: undefined,
    handleKeys: [],
    shards: [],
    brokers: new Map(),
    topics: new Map(),
    groups: new Map(),
    nextTopicId: 1,
    nextGroupId: 1,
    nextBrokerId: 1,
    requests: new Map(),
  };
}

/** A copy for watchers that later records leave alone; `undefined` before the cluster is made. */
export function viewOf(state: MetadataState): ClusterView | undefined {
  if (state.cluster === undefined) return undefined;
  const brokers = [...state.brokers.values()].map(({ id, incarnation, zone, state: condition }) => {
    return [id, { id, incarnation, zone, state: condition }] as const;
  });
  return {
    revision: state.revision,
    clusterId: state.cluster.clusterId,
    shardCount: state.cluster.shardCount,
    topics: new Map(state.topics),
    groups: new Map(state.groups),
    shards: state.shards,
    brokers: new Map(brokers),
    handleKeys: state.handleKeys.map((key) => bytesOfHex(key)),
  };
}
