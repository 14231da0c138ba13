import { assert, assertNever } from "@saturnmq/kit";
import type { MetadataRecord } from "./records.ts";
import { type FinishedRequest, type MetadataState, requestsKept } from "./state.ts";

/**
 * Folds one committed record into the state. Never refuses: what may be was settled when the record was decided.
 *
 * @throws {InvariantError} if the record cannot follow from this state: a bug or a damaged log, and the process must end
 */
export function apply(state: MetadataState, record: MetadataRecord): void {
  fold(state, record);
  state.revision += 1;
}

function fold(state: MetadataState, record: MetadataRecord): void {
  switch (record.kind) {
    case "clusterCreated":
      assert(state.cluster === undefined, "a cluster is created once");
      state.cluster = record.cluster;
      state.handleKeys = [record.handleKey];
      return;
    case "brokerRegistered":
      registerBroker(state, record);
      return;
    case "brokerConfirmed":
      confirmBroker(state, record.id);
      return;
    case "shardsPlaced":
      state.shards = record.shards;
      return;
    case "topicCreated":
      assert(!state.topics.has(record.topic.name), "a created topic is new");
      assert(record.topic.id === state.nextTopicId, "topic ids are given in order");
      state.topics.set(record.topic.name, record.topic);
      state.nextTopicId += 1;
      remember(state, record.requestId, { call: `createTopic ${record.topic.name}`, topic: record.topic });
      return;
    case "topicDeleted":
      assert(state.topics.delete(record.name), "a deleted topic was there");
      remember(state, record.requestId, { call: `deleteTopic ${record.name}` });
      return;
    case "groupCreated":
      assert(!state.groups.has(record.group.name), "a created group is new");
      assert(record.group.id === state.nextGroupId, "group ids are given in order");
      state.groups.set(record.group.name, record.group);
      state.nextGroupId += 1;
      remember(state, record.requestId, { call: `createGroup ${record.group.name}`, group: record.group });
      return;
    case "groupDeleted":
      assert(state.groups.delete(record.name), "a deleted group was there");
      remember(state, record.requestId, { call: `deleteGroup ${record.name}` });
      return;
    default:
      assertNever(record);
  }
}

type Registered = Extract<MetadataRecord, { kind: "brokerRegistered" }>;

function registerBroker(state: MetadataState, { id, incarnation, zone, address, confirmed }: Registered): void {
  assert(id < state.nextBrokerId ? state.brokers.has(id) : id === state.nextBrokerId, "broker ids are given in order");
  state.nextBrokerId = Math.max(state.nextBrokerId, id + 1);
  state.brokers.set(id, { id, incarnation, zone, address, confirmed, state: "up" });
}

function confirmBroker(state: MetadataState, id: number): void {
  const broker = state.brokers.get(id);
  assert(broker !== undefined, "a confirmed broker is registered");
  state.brokers.set(id, { ...broker, confirmed: true });
}

function remember(state: MetadataState, requestId: string, request: FinishedRequest): void {
  state.requests.set(requestId, request);
  if (state.requests.size <= requestsKept) return;
  const [oldest] = state.requests.keys();
  if (oldest !== undefined) state.requests.delete(oldest);
}
