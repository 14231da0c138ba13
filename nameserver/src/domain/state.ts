import { hostAndPort } from "@saturnmq/kit";
import type {
  BrokerInfo,
  ClusterSettings,
  ClusterView,
  GroupInfo,
  ShardInfo,
  ShardRecovery,
  TopicInfo,
} from "@saturnmq/wire";
import { bytesOfHex } from "./hex.ts";

/** What was settled when the cluster was made and never changes. */
export type ClusterFacts = {
  readonly clusterId: string;
  readonly shardCount: number;
  /** Voters a shard, each on another broker. */
  readonly replicationFactor: number;
  readonly createdAtMs: number;
};

/** A broker that has ever registered. */
export type Broker = {
  readonly id: number;
  readonly incarnation: number;
  /** What the process drew at its start. */
  readonly process: string;
  readonly zone: string;
  readonly address: string;
  readonly peerAddress: string;
  readonly featureLevel: number;
  /** It has shown that it kept the id it was given. One that has not holds no shard. */
  readonly confirmed: boolean;
  /** Its lease runs, as far as was decided. */
  readonly alive: boolean;
  readonly draining: boolean;
  readonly leadersAway: boolean;
  readonly removed: boolean;
};

/** Where a name server is reached. */
export type NameServer = {
  readonly id: number;
  readonly host: string;
  readonly peerPort: number;
  readonly grpcPort: number;
};

/** A member of the name server group. */
export type NameServerMember = NameServer & {
  /** What its process drew when it took its place with an empty folder; `founder` of a first member; empty: it has not come yet. */
  readonly process: string;
};

/** The name server group as it was last changed. */
export type NameServerGroup = {
  /** Of the change: targets of Raft's configuration bear it. */
  readonly revision: number;
  /** In the order in which they were added. */
  readonly members: readonly NameServerMember[];
  /** The last that were removed: the group may not have let them go yet. */
  readonly former: readonly NameServer[];
  /** Ids rise, and none is given twice. */
  readonly highestId: number;
};

/** What a request id did: a repeated call is answered from here. `call` is its verb and subject. */
export type FinishedRequest = {
  readonly call: string;
  readonly topic?: TopicInfo;
  readonly group?: GroupInfo;
  readonly settings?: ClusterSettings;
  readonly recovery?: ShardRecovery;
};

/** What a cluster starts with when its configuration does not say otherwise. */
export const defaultSettings: ClusterSettings = {
  brokerLeaseMs: 3_000,
  replacementGraceMs: 300_000,
  moveBudget: 4,
  transferBudget: 4,
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
  settings: ClusterSettings;
  /** 0 before the cluster is made. */
  featureLevel: number;
  /** Receipt handle keys, hexadecimal, newest first. */
  handleKeys: readonly string[];
  /** By number; empty before they are placed. */
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
  /** `undefined`: never changed, so those count that each member is configured with. */
  nameServers: NameServerGroup | undefined;
};

/** The state before the first record. */
export function initialState(): MetadataState {
  return {
    revision: 0,
    cluster: undefined,
    settings: defaultSettings,
    featureLevel: 0,
    handleKeys: [],
    shards: [],
    brokers: new Map(),
    topics: new Map(),
    groups: new Map(),
    nextTopicId: 1,
    nextGroupId: 1,
    nextBrokerId: 1,
    requests: new Map(),
    nameServers: undefined,
  };
}

/** A copy for watchers that later records leave alone; `undefined` before the cluster is made. */
export function viewOf(state: MetadataState): ClusterView | undefined {
  if (state.cluster === undefined) return undefined;
  const { clusterId, shardCount, replicationFactor } = state.cluster;
  return {
    ...{ clusterId, shardCount, replicationFactor },
    ...{ revision: state.revision, featureLevel: state.featureLevel, settings: state.settings, shards: state.shards },
    topics: new Map(state.topics),
    groups: new Map(state.groups),
    brokers: new Map([...state.brokers].map(([id, broker]) => [id, brokerInfo(broker)])),
    handleKeys: state.handleKeys.map((key) => bytesOfHex(key)),
    nameServers: (state.nameServers?.members ?? []).map(({ host, grpcPort }) => hostAndPort(host, grpcPort)),
  };
}

/** A broker as others see it. */
export function brokerInfo(broker: Broker): BrokerInfo {
  const { id, incarnation, zone, address, peerAddress, draining, leadersAway, featureLevel } = broker;
  const state = conditionOf(broker);
  return { id, incarnation, zone, state, address, peerAddress, draining, leadersAway, featureLevel };
}

function conditionOf({ removed, alive, draining }: Broker): BrokerInfo["state"] {
  if (removed) return "removed";
  if (!alive) return "down";
  return draining ? "draining" : "up";
}
