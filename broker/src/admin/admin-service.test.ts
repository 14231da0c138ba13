import { describe, expect, test } from "@jest/globals";
import { defined, SaturnError } from "@saturnmq/kit";
import {
  type AdminMethod,
  type BrokerInfo,
  type ClusterView,
  type CreateGroup,
  type CreateTopic,
  type GroupInfo,
  loadAdminDefinition,
  type MetadataService,
  type TopicInfo,
  v2,
} from "@saturnmq/wire";
import type { Messaging } from "../messaging.ts";
import { placedShard, testSettings } from "../testing/cluster-view.ts";
import { adminService } from "./admin-service.ts";

const topic: TopicInfo = { id: 1, name: "orders", type: "NORMAL", queues: 2, retentionMs: 60_000, createdAtMs: 5 };
const group: GroupInfo = {
  id: 1,
  name: "billing",
  order: false,
  start: { kind: "time", atMs: 77 },
  maxAttempts: 17,
  cursorEpoch: 1,
  createdAtMs: 6,
};
const broker: BrokerInfo = {
  ...{ id: 1, incarnation: 4, zone: "z", state: "up", address: "a:1", peerAddress: "", featureLevel: 1 },
  ...{ draining: false, leadersAway: false },
};
const view: ClusterView = {
  revision: 9,
  clusterId: "c1",
  shardCount: 3,
  topics: new Map([
    ["zebra", { ...topic, id: 2, name: "zebra", retentionMs: undefined }],
    [topic.name, topic],
  ]),
  groups: new Map([[group.name, group]]),
  ...{ replicationFactor: 1, featureLevel: 1, settings: testSettings },
  shards: [placedShard(0)],
  brokers: new Map([[1, broker]]),
  handleKeys: [],
  nameServers: [],
};

/** The service over recorded calls, as a client of the wire sees it. */
function fixture({ messaging, watched = view }: { messaging?: Partial<Messaging>; watched?: ClusterView | null } = {}) {
  const asked: unknown[] = [];
  const metadata: Partial<MetadataService> = {
    watch: (changed) => {
      if (watched !== null) changed(watched);
    },
    createTopic: async (request: CreateTopic) => {
      asked.push(request);
      return topic;
    },
    createGroup: async (request: CreateGroup) => {
      asked.push(request);
      return group;
    },
    deleteTopic: async (request) => {
      asked.push(request);
    },
    administer: async (method, request) => {
      asked.push({ method, request });
      if (method !== "DescribeCluster") return {};
      throw new SaturnError("HA_NOT_AVAILABLE", "no name server leads");
    },
    deleteGroup: async () => {
      throw new SaturnError("CONSUMER_GROUP_NOT_FOUND", "no such group");
    },
  };
  const rooms = { messaging: messaging as Messaging, metadata: metadata as MetadataService };
  const service = adminService(rooms, new AbortController().signal);
  const call = async (method: AdminMethod, request: object): Promise<unknown> => {
    const definition = (await loadAdminDefinition())["saturnmq.v1.Admin"] as Record<string, Definition>;
    const { requestSerialize, responseDeserialize } = defined(definition[method], method);
    // The transport hands out a range of a larger buffer.
    const bytes = Buffer.concat([Buffer.from([255]), requestSerialize(request), Buffer.from([255])]);
    const reply = await defined(service.methods.get(method), method).handle(bytes, 1, bytes.length - 2);
    return responseDeserialize(Buffer.from(reply));
  };
  return { asked, call, service };
}
type Definition = { requestSerialize(value: object): Buffer; responseDeserialize(bytes: Buffer): unknown };

describe("saturnmq.v1.Admin on a broker", () => {
  test("offers every method of the interface", async () => {
    const definition = defined((await loadAdminDefinition())["saturnmq.v1.Admin"], "the interface");
    expect([...fixture().service.methods.keys()].sort()).toEqual(Object.keys(definition).sort());
  });

  test("creates a topic with the defaults filled in", async () => {
    const { asked, call } = fixture();
    expect(await call("CreateTopic", { requestId: "r", name: "orders" })).toEqual(topic);
    expect(asked).toEqual([{ requestId: "r", name: "orders", type: "NORMAL", queues: 8, retentionMs: undefined }]);
  });

  test("passes on what a topic was asked to be", async () => {
    const { asked, call } = fixture();
    const wanted = { requestId: "r", name: "orders", type: "FIFO", queues: 3, retentionMs: 90_000 };
    await call("CreateTopic", wanted);
    expect(asked).toEqual([wanted]);
  });

  test("creates a group where it was asked to begin", async () => {
    const { asked, call } = fixture();
    const created = await call("CreateGroup", { requestId: "r", name: "billing", from: "LATEST", maxAttempts: 3 });
    expect(created).toEqual({
      id: 1,
      name: "billing",
      order: false,
      start: { atMs: 77 },
      maxAttempts: 17,
      createdAtMs: 6,
    });
    expect(asked).toEqual([
      { requestId: "r", name: "billing", order: false, from: "latest", maxAttempts: 3, implicit: false },
    ]);
  });

  test("lists topics and groups by name", async () => {
    const { call } = fixture();
    expect(await call("ListTopics", {})).toMatchObject({ topics: [{ name: "orders" }, { name: "zebra" }] });
    expect(await call("ListGroups", {})).toMatchObject({ groups: [{ name: "billing" }] });
  });

  test("describes a topic's queues", async () => {
    const queues = [{ queue: 0, shard: 2, minOffset: 5, nextOffset: 9 }];
    const { call } = fixture({ messaging: { describeTopic: async () => queues } });
    expect(await call("DescribeTopic", { name: "orders" })).toEqual({ topic, queues });
  });

  test("describes a group's progress, absent facts absent", async () => {
    const begun = {
      queue: 0,
      floor: 3,
      nextOffset: 9,
      lag: 5,
      inFlight: 2,
      parked: 1,
      deadLettered: 4,
      expired: 3,
      oldestUnackedAtMs: 88,
      startOffset: 1,
    };
    const fresh = { queue: 1, floor: 0, nextOffset: 0, lag: 0, inFlight: 0, parked: 0, deadLettered: 0, expired: 0 };
    const queues = [begun, { ...fresh, oldestUnackedAtMs: undefined, startOffset: undefined }];
    const { call } = fixture({ messaging: { describeGroup: async () => [{ topic: "orders", queues }] } });
    expect(await call("DescribeGroup", { name: "billing" })).toMatchObject({
      group: { name: "billing" },
      topics: [{ topic: "orders", queues: [begun, fresh] }],
    });
  });

  test("shows a message by its place", async () => {
    const message = v2.Message.encode({
      topic: { name: "orders" },
      body: Buffer.from("hello"),
      userProperties: new Map([["colour", "red"]]),
      systemProperties: {
        messageId: "01AB",
        tag: "t",
        keys: ["k1", "k2"],
        messageType: v2.MessageType.NORMAL,
        bodyEncoding: v2.Encoding.IDENTITY,
        bornTimestamp: { seconds: 12, nanos: 345_678_901 },
        bornHost: "h",
      },
    });
    const { call } = fixture({ messaging: { peek: async () => ({ message, bodyCrc: 1, storedAtMs: 99, offset: 4 }) } });
    expect(await call("PeekMessage", { topic: "orders", queue: 1, offset: 4 })).toEqual({
      topic: "orders",
      queue: 1,
      offset: 4,
      messageId: "01AB",
      tag: "t",
      keys: ["k1", "k2"],
      properties: { colour: "red" },
      body: Buffer.from("hello"),
      storedAtMs: 99,
      bornAtMs: 12_345,
      bornHost: "h",
      bodyCrc: 1,
      type: "NORMAL",
      bodyEncoding: "IDENTITY",
    });
  });

  test("skips a message only when asked plainly, and says what it is about", async () => {
    const asked: unknown[] = [];
    const skip = async (_group: unknown, request: { confirmed: boolean }) => {
      asked.push(request.confirmed);
      return { finishedBefore: false, damage: "segment 3 is corrupt" };
    };
    const { call } = fixture({ messaging: { skip } });
    const place = { topic: "orders", group: "billing", queue: 1, offset: 4 };
    await expect(call("SkipMessage", place)).rejects.toMatchObject({
      code: "BAD_REQUEST",
      message: expect.stringMatching(
        /offset 4 of queue 1 of topic orders cannot be read \(segment 3.*group billing.*--yes/,
      ),
    });
    const done = { finishedBefore: false, damage: "segment 3 is corrupt" };
    expect(await call("SkipMessage", { ...place, confirmed: true })).toEqual(done);
    expect(asked).toEqual([false, true]);
  });

  test("describes the cluster as last watched while no name server leads", async () => {
    expect(await fixture().call("DescribeCluster", {})).toMatchObject({
      ...{ clusterId: "c1", revision: 9, topics: 2, groups: 1, replicationFactor: 1, stale: true },
      brokers: [{ id: 1, incarnation: 4, zone: "z", state: "up", replicas: 1, leads: 1 }],
      shards: [{ shard: 0, voters: [1], leaderHint: 1, targetVoters: [1], moving: false, lags: [] }],
    });
  });

  test("passes verbs about the cluster on as they came", async () => {
    const { asked, call } = fixture();
    await call("DrainBroker", { requestId: "r", broker: 7 });
    expect(asked).toEqual([{ method: "DrainBroker", request: { requestId: "r", broker: 7 } }]);
  });

  test.each<{ method: AdminMethod; request: object; code: string }>([
    { method: "DescribeTopic", request: { name: "absent" }, code: "TOPIC_NOT_FOUND" },
    { method: "DescribeGroup", request: { name: "absent" }, code: "CONSUMER_GROUP_NOT_FOUND" },
    // The cluster of this test stands on level 1.
    { method: "DescribeGroup", request: { name: "billing", latest: true }, code: "FAILED_PRECONDITION" },
    { method: "DeleteGroup", request: { requestId: "r", name: "absent" }, code: "CONSUMER_GROUP_NOT_FOUND" },
    { method: "PeekMessage", request: { topic: "absent" }, code: "TOPIC_NOT_FOUND" },
    { method: "PeekMessage", request: { topic: "orders", queue: 2 }, code: "NOT_FOUND" },
    { method: "PeekMessage", request: { topic: "orders", offset: -1 }, code: "OFFSET_NOT_FOUND" },
    { method: "SkipMessage", request: { topic: "absent", group: "billing" }, code: "TOPIC_NOT_FOUND" },
    { method: "SkipMessage", request: { topic: "orders", group: "absent" }, code: "CONSUMER_GROUP_NOT_FOUND" },
    { method: "SkipMessage", request: { topic: "orders", group: "billing", queue: 2 }, code: "NOT_FOUND" },
    { method: "SkipMessage", request: { topic: "orders", group: "billing", offset: -1 }, code: "OFFSET_NOT_FOUND" },
  ])("$method $request is refused with $code", async ({ method, request, code }) => {
    await expect(fixture().call(method, request)).rejects.toMatchObject({ code });
  });

  test("says that it waits for a name server before it has heard from one", async () => {
    await expect(fixture({ watched: null }).call("ListTopics", {})).rejects.toMatchObject({ code: "HA_NOT_AVAILABLE" });
  });

  test("refuses bytes that are no request", async () => {
    const method = defined(fixture().service.methods.get("DescribeTopic"), "the method");
    await expect(method.handle(new Uint8Array([10, 200, 97]), 0, 3)).rejects.toMatchObject({ code: "BAD_REQUEST" });
  });
});
