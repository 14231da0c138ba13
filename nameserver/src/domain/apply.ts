import { assert, assertNever, defined } from "@saturnmq/kit";
import type { ShardInfo } from "@saturnmq/wire";
import { resetCall, resetGroup } from "./group-reset.ts";
import type { MetadataRecord } from "./records.ts";
import { placed, recovered, reported, retargeted } from "./shards.ts";
import { type Broker, type FinishedRequest, type MetadataState, requestsKept } from "./state.ts";

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
      state.settings = record.settings;
      state.featureLevel = record.featureLevel;
      return;
    case "brokerRegistered":
      registerBroker(state, record);
      return;
    case "brokerConfirmed":
      change(state, record.id, { confirmed: true });
      return;
    case "brokersDown":
      for (const id of record.ids) change(state, id, { alive: false });
      return;
    case "brokerUp":
      change(state, record.id, { alive: true });
      return;
    case "brokerDraining":
      change(state, record.id, record.draining ? { draining: true } : { draining: false, leadersAway: false });
      remember(state, record.requestId, { call: `${record.draining ? "drain" : "cancelDrain"} ${record.id}` });
      return;
    case "brokerLeadersAway":
      change(state, record.id, { leadersAway: true });
      remember(state, record.requestId, { call: `transferLeaders ${record.id}` });
      return;
    case "brokersWelcome":
      for (const id of record.ids) change(state, id, { leadersAway: false });
      return;
    case "brokerForgotten":
      change(state, record.id, { ...forgotten });
      remember(state, record.requestId, { call: `forget ${record.id}` });
      return;
    case "shardsPlaced":
      assert(state.shards.length === 0, "shards are placed once");
      state.shards = record.shards.map((placement) => placed(placement, record.revision));
      return;
    case "shardsReported":
      for (const report of record.shards) changeShard(state, report.shard, (shard) => reported(shard, report));
      return;
    case "targetsSet":
      for (const { shard: number, voters } of record.targets)
        changeShard(state, number, (shard) => retargeted(shard, voters, state.revision + 1));
      return;
    case "shardRecovered":
      changeShard(state, record.shard, (shard) => recovered(shard, record.recovery.survivor, state.revision + 1));
      remember(state, record.requestId, { call: `recoverShard ${record.shard}`, recovery: record.recovery });
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
    case "groupReset":
      applyReset(state, record);
      return;
    case "settingsChanged":
      state.settings = record.settings;
      remember(state, record.requestId, { call: "updateSettings", settings: record.settings });
      return;
    case "featureLevelRaised":
      assert(record.level >= state.featureLevel, "the feature level never falls");
      state.featureLevel = record.level;
      remember(state, record.requestId, { call: `raiseFeatureLevel ${record.level}` });
      return;
    case "nameServersChanged":
      changeNameServers(state, record);
      return;
    default:
      assertNever(record);
  }
}

/** What is left of a broker whose id is refused for ever. */
const forgotten = { removed: true, alive: false, draining: false, leadersAway: false, address: "", peerAddress: "" };

type Registered = Extract<MetadataRecord, { kind: "brokerRegistered" }>;

function registerBroker(state: MetadataState, record: Registered): void {
  const { id, incarnation, process, zone, address, peerAddress, featureLevel, confirmed } = record;
  const known = state.brokers.get(id);
  assert(known !== undefined || id === state.nextBrokerId, "broker ids are given in order");
  assert(known?.removed !== true, "a removed broker never comes back");
  state.nextBrokerId = Math.max(state.nextBrokerId, id + 1);
  const draining = known?.draining ?? false;
  const about = { id, incarnation, process, zone, address, peerAddress, featureLevel, confirmed };
  state.brokers.set(id, { ...about, draining, alive: true, leadersAway: false, removed: false });
}

function change(state: MetadataState, id: number, fields: Partial<Broker>): void {
  const broker = state.brokers.get(id);
  assert(broker !== undefined && !broker.removed, "a broker that changes is registered");
  state.brokers.set(id, { ...broker, ...fields });
}

function changeShard(state: MetadataState, number: number, next: (shard: ShardInfo) => ShardInfo): void {
  const shard = defined(state.shards[number], `shard ${number}`);
  state.shards = state.shards.with(number, next(shard));
}

type NameServersChanged = Extract<MetadataRecord, { kind: "nameServersChanged" }>;

function changeNameServers(state: MetadataState, record: NameServersChanged): void {
  const { requestId, call, members, former, highestId } = record;
  assert(highestId >= (state.nameServers?.highestId ?? 0), "ids of name servers rise");
  state.nameServers = { revision: state.revision + 1, members, former, highestId };
  remember(state, requestId, { call });
}

type Reset = Extract<MetadataRecord, { kind: "groupReset" }>;

function applyReset(state: MetadataState, { requestId, name, start, topic }: Reset): void {
  const before = defined(state.groups.get(name), `group ${name}`);
  const group = resetGroup(state, before, { start, topic });
  state.groups.set(name, group);
  remember(state, requestId, { call: resetCall(name, topic), group });
}

function remember(state: MetadataState, requestId: string, request: FinishedRequest): void {
  state.requests.set(requestId, request);
  if (state.requests.size <= requestsKept) return;
  const [oldest] = state.requests.keys();
  if (oldest !== undefined) state.requests.delete(oldest);
}
