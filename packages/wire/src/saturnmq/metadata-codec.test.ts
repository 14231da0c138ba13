import { describe, expect, test } from "@jest/globals";
import { SaturnError } from "@saturnmq/kit";
import fc from "fast-check";
import type {
  BrokerInfo,
  ClusterSettings,
  ClusterView,
  GroupInfo,
  ShardInfo,
  TopicInfo,
  ViewDelta,
} from "../metadata/ports.ts";
import { loadMetadataCodecs, type MetadataCall, type MetadataCalls } from "./metadata-codec.ts";

const codecs = loadMetadataCodecs();
const calls = Object.keys(codecs) as MetadataCall[];

const whole = fc.nat({ max: 2 ** 32 - 1 });
const large = fc.maxSafeNat();
const name = fc.string({ maxLength: 12 });
const ids = fc.array(whole, { maxLength: 5 });
const maybe = <T>(some: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(some, { nil: undefined });

const settings: fc.Arbitrary<ClusterSettings> = fc.record({
  brokerLeaseMs: large,
  replacementGraceMs: large,
  moveBudget: whole,
  transferBudget: whole,
});
const topic: fc.Arbitrary<TopicInfo> = fc.record({
  id: whole,
  name,
  type: fc.constantFrom("NORMAL", "FIFO", "DELAY", "TRANSACTION", "PRIORITY", "MIXED"),
  queues: whole,
  retentionMs: maybe(large),
  createdAtMs: large,
});
const start = fc.oneof(
  fc.constantFrom({ kind: "default" } as const, { kind: "earliest" } as const),
  large.map((atMs) => ({ kind: "time", atMs }) as const),
);
const resets = fc.array(fc.record({ topic: whole, start, cursorEpoch: whole }), { minLength: 1, maxLength: 3 });
const groupFields = { id: whole, name, order: fc.boolean(), start, maxAttempts: whole, cursorEpoch: whole };
const group: fc.Arbitrary<GroupInfo> = fc.oneof(
  fc.record({ ...groupFields, createdAtMs: large }),
  fc.record({ ...groupFields, createdAtMs: large, resets }),
);
const shard: fc.Arbitrary<ShardInfo> = fc.record({
  shard: whole,
  voters: ids,
  outgoing: ids,
  learners: ids,
  revision: large,
  leaderHint: whole,
  term: large,
  target: fc.record({ revision: large, voters: ids }),
  firstVoters: ids,
  founders: ids,
  forced: fc.record({ revision: large, survivor: whole, generation: whole }),
});
const broker: fc.Arbitrary<BrokerInfo> = fc.record({
  id: whole,
  incarnation: large,
  zone: name,
  state: fc.constantFrom("up", "draining", "down", "removed"),
  address: name,
  peerAddress: name,
  draining: fc.boolean(),
  leadersAway: fc.boolean(),
  featureLevel: whole,
});
const mapOf = <K, V>(rows: fc.Arbitrary<V>, keyOf: (row: V) => K): fc.Arbitrary<Map<K, V>> =>
  fc.array(rows, { maxLength: 4 }).map((list) => new Map(list.map((row) => [keyOf(row), row])));
const view: fc.Arbitrary<ClusterView> = fc.record({
  revision: large,
  clusterId: name,
  shardCount: whole,
  replicationFactor: whole,
  featureLevel: whole,
  settings,
  topics: mapOf(topic, (row) => row.name),
  groups: mapOf(group, (row) => row.name),
  shards: fc.array(shard, { maxLength: 4 }),
  brokers: mapOf(broker, (row) => row.id),
  handleKeys: fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { minLength: 1, maxLength: 2 }),
  nameServers: fc.array(name, { maxLength: 3 }),
});
const delta: fc.Arbitrary<ViewDelta> = fc.record({
  fromRevision: large,
  revision: large,
  topics: fc.array(topic, { maxLength: 3 }),
  topicsGone: fc.array(name, { maxLength: 3 }),
  groups: fc.array(group, { maxLength: 3 }),
  groupsGone: fc.array(name, { maxLength: 3 }),
  shards: fc.array(shard, { maxLength: 3 }),
  brokers: fc.array(broker, { maxLength: 3 }),
  featureLevel: maybe(whole),
  settings: maybe(settings),
  nameServers: maybe(fc.array(name, { maxLength: 3 })),
});
const replica = fc.record({
  shard: whole,
  term: large,
  leads: fc.boolean(),
  lastIndex: large,
  lastTerm: large,
  commitIndex: large,
  voters: ids,
  outgoing: ids,
  learners: ids,
  revision: large,
  progress: fc.array(fc.record({ broker: whole, match: large }), { maxLength: 3 }),
});
const deletion = fc.record({ requestId: name, name });
const done = fc.constant({});

const values: { [Call in MetadataCall]: { [Side in "request" | "reply"]: fc.Arbitrary<MetadataCalls[Call][Side]> } } = {
  Register: {
    request: fc.record({
      ...{ brokerId: whole, incarnation: large, clusterId: maybe(name), zone: name, address: name, peerAddress: name },
      ...{ featureLevel: whole, process: name },
    }),
    reply: fc.record({ brokerId: whole, clusterId: name }),
  },
  Heartbeat: {
    request: fc.record({
      ...{ sequence: whole, brokerId: whole, incarnation: large },
      report: fc.record({ freeBytes: large, totalBytes: large, replicas: fc.array(replica, { maxLength: 3 }) }),
    }),
    reply: fc.record({
      sequence: whole,
      transfers: fc.array(fc.record({ shard: whole, to: whole }), { maxLength: 3 }),
    }),
  },
  Watch: {
    request: fc.record({ clusterId: maybe(name), revision: large }),
    reply: fc.oneof(
      view.map((seen) => ({ kind: "view", view: seen }) as const),
      delta.map((seen) => ({ kind: "delta", delta: seen }) as const),
    ),
  },
  CreateTopic: {
    request: fc.record({
      ...{ requestId: name, name, queues: whole, retentionMs: maybe(large) },
      type: fc.constantFrom("NORMAL", "FIFO", "DELAY", "TRANSACTION", "PRIORITY", "MIXED"),
    }),
    reply: topic,
  },
  DeleteTopic: { request: deletion, reply: done },
  CreateGroup: {
    request: fc.record({
      ...{ requestId: name, name, order: fc.boolean(), maxAttempts: maybe(whole), implicit: fc.boolean() },
      from: fc.constantFrom("default", "earliest", "latest"),
    }),
    reply: group,
  },
  DeleteGroup: { request: deletion, reply: done },
  Introduce: {
    request: fc.record({ member: whole, members: name }),
    reply: fc.record({ state: fc.constantFrom("empty", "prepared", "formed", "otherMembers"), clusterId: name }),
  },
  Join: {
    request: fc.record({ member: whole, process: name }),
    reply: fc.record({ clusterId: name, term: large }),
  },
};

/** The codec of any call, its types forgotten. */
type AnyCodec = {
  encodeRequest(value: unknown): Uint8Array;
  decodeRequest(bytes: Uint8Array): unknown;
  encodeReply(value: unknown): Uint8Array;
  decodeReply(bytes: Uint8Array): unknown;
};

function survives(call: MetadataCall): void {
  const codec = codecs[call] as AnyCodec;
  fc.assert(
    fc.property(values[call].request as fc.Arbitrary<unknown>, (request) => {
      expect(codec.decodeRequest(codec.encodeRequest(request))).toEqual(request);
    }),
  );
  fc.assert(
    fc.property(values[call].reply as fc.Arbitrary<unknown>, (reply) => {
      expect(codec.decodeReply(codec.encodeReply(reply))).toEqual(reply);
    }),
  );
}

describe("saturnmq.v1.Metadata", () => {
  test.each(calls)("requests and replies of %s survive", (call) => survives(call));

  test.each(calls)("no bytes make %s do more than raise a clear error", (call) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        for (const read of [codecs[call].decodeRequest, codecs[call].decodeReply]) {
          try {
            read(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(SaturnError);
          }
        }
      }),
    );
  });

  test("a text that is cut off is refused, in a buffer too", () => {
    const whole = Buffer.from(codecs.DeleteTopic.encodeRequest({ requestId: "r", name: "orders" }));
    expect(codecs.DeleteTopic.decodeRequest(whole)).toEqual({ requestId: "r", name: "orders" });
    expect(() => codecs.DeleteTopic.decodeRequest(whole.subarray(0, -1))).toThrow("the bytes are no Deletion");
  });

  test("a word that is not known is refused, and a number that cannot be", () => {
    const { CreateTopic, Heartbeat } = codecs;
    const request = { requestId: "r", name: "n", type: "ODD" as "FIFO", queues: 1, retentionMs: undefined };
    expect(() => CreateTopic.decodeRequest(CreateTopic.encodeRequest(request))).toThrow('type cannot be "ODD"');
    const report = { freeBytes: -1, totalBytes: 0, replicas: [] };
    const beat = { sequence: 1, brokerId: 1, incarnation: 1, report };
    expect(() => Heartbeat.decodeRequest(Heartbeat.encodeRequest(beat))).toThrow("freeBytes cannot be -1");
  });
});
