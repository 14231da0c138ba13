import {
  type BrokerRegistration,
  type CreateGroup,
  type CreateTopic,
  emptyReport,
  featureLevelKnown,
  type NameServerDescription,
} from "@saturnmq/wire";
import type { Membership } from "../cluster-service.ts";
import { apply } from "../domain/apply.ts";
import { decideCreateCluster, decideHeartbeat, decideRegister, type NewCluster } from "../domain/brokers.ts";
import type { GroupNow } from "../domain/name-servers.ts";
import type { Decision } from "../domain/records.ts";
import { defaultSettings, initialState, type MetadataState } from "../domain/state.ts";

/** When the clusters of the tests were made, wall clock milliseconds. */
export const testNowMs = 1_764_000_000_000;

/** Applies a decision's records and answers its reply. */
export function commit<Reply>(state: MetadataState, decision: Decision<Reply>): Reply {
  for (const record of decision.records) apply(state, record);
  return decision.reply;
}

/** What the clusters of the tests are made of. */
export function newClusterFacts(replicationFactor = 1, shardCount = 3): NewCluster {
  const facts = { clusterId: "cluster-a", shardCount, replicationFactor, createdAtMs: testNowMs };
  return { facts, settings: defaultSettings, featureLevel: featureLevelKnown };
}

/** A name server that is alone. */
export const loneNameServer = {
  ...{ id: 1, address: "", up: true, leads: true, featureLevel: featureLevelKnown, part: "votes" },
};

/** One member that is configured as such, and a group in which everybody is up and nothing under way. */
export const nobodyElse: GroupNow = {
  configured: [{ id: 1, host: "h1", peerPort: 1, grpcPort: 2 }],
  ...{ voters: [], settled: true, up: new Set(Array.from({ length: 100 }, (_, id) => id)) },
};

/** A group that does not change. */
export function membershipOf(nameServers: readonly NameServerDescription[]): Membership {
  const voters = nameServers.map(({ id }) => id);
  const now = () => ({ configured: [], voters, settled: true, up: new Set(voters) });
  return { nameServers: () => nameServers, now };
}

/** The state of a cluster that has just been made: three shards, no broker. */
export function newCluster(replicationFactor = 1, shardCount = 3): MetadataState {
  const state = initialState();
  commit(state, decideCreateCluster(state, newClusterFacts(replicationFactor, shardCount), "00ff".repeat(16)));
  return state;
}

/** What a broker with an empty data folder says. */
export const newcomer: BrokerRegistration = {
  brokerId: 0,
  incarnation: 1,
  clusterId: undefined,
  process: "p1",
  zone: "z1",
  address: "127.0.0.1:8081",
  peerAddress: "127.0.0.1:8083",
  featureLevel: featureLevelKnown,
};

/** Registers a broker at an address of its own and has it heard once; answers its id. */
export function join(state: MetadataState, zone = "z1"): number {
  const address = `b${state.nextBrokerId}:8081`;
  const process = `p${state.nextBrokerId}`;
  const { brokerId } = commit(state, decideRegister(state, { ...newcomer, zone, address, process }));
  commit(state, decideHeartbeat(state, brokerId, 1, emptyReport));
  return brokerId;
}

/** A cluster with one broker, ready for topics. */
export function clusterWithBroker(): MetadataState {
  const state = newCluster();
  commit(state, decideRegister(state, newcomer));
  return state;
}

export function topicRequest(fields: Partial<CreateTopic> = {}): CreateTopic {
  return { requestId: "r1", name: "orders", type: "NORMAL", queues: 8, retentionMs: undefined, ...fields };
}

export function groupRequest(fields: Partial<CreateGroup> = {}): CreateGroup {
  return {
    requestId: "r1",
    name: "g",
    order: false,
    from: "default",
    maxAttempts: undefined,
    implicit: false,
    ...fields,
  };
}
