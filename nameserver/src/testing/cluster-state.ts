import type { CreateGroup, CreateTopic } from "@saturnmq/wire";
import { apply } from "../domain/apply.ts";
import { decideCreateCluster, decideRegister } from "../domain/brokers.ts";
import type { Decision } from "../domain/records.ts";
import { initialState, type MetadataState } from "../domain/state.ts";

/** When the clusters of the tests were made, wall clock milliseconds. */
export const testNowMs = 1_764_000_000_000;

/** Applies a decision's records and answers its reply. */
export function commit<Reply>(state: MetadataState, decision: Decision<Reply>): Reply {
  for (const record of decision.records) apply(state, record);
  return decision.reply;
}

/** The state of a cluster that has just been made: three shards, no broker. */
export function newCluster(replicationFactor = 1): MetadataState {
  const state = initialState();
  const facts = { clusterId: "cluster-a", shardCount: 3, replicationFactor, createdAtMs: testNowMs };
  commit(state, decideCreateCluster(state, facts, "00ff".repeat(16)));
  return state;
}

/** What a broker with an empty data folder says. */
export const newcomer = { brokerId: 0, incarnation: 1, clusterId: undefined, zone: "z1", address: "127.0.0.1:8081" };

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
