import { describe, expect, test } from "@jest/globals";
import {
  clusterWithBroker,
  commit,
  groupRequest,
  newCluster,
  testNowMs,
  topicRequest,
} from "../testing/cluster-state.ts";
import { decodeRecord, encodeRecord } from "./codec.ts";
import { decideResetGroup } from "./group-reset.ts";
import { decideCreateGroup } from "./groups.ts";
import type { ResetGroup } from "./requests.ts";
import type { MetadataState } from "./state.ts";
import { decideCreateTopic, decideDeleteTopic } from "./topics.ts";

describe("resetting a group", () => {
  test.each<{ to: Partial<ResetGroup>; start: object }>([
    { to: { earliest: true }, start: { kind: "earliest" } },
    { to: { latest: true }, start: { kind: "time", atMs: testNowMs + 5 } },
    { to: { atMs: 77 }, start: { kind: "time", atMs: 77 } },
  ])("to $to raises its cursor epoch", ({ to, start }) => {
    const state = newCluster();
    commit(state, decideCreateGroup(state, groupRequest({ requestId: "g" }), testNowMs));
    const request = { requestId: "r", name: "g", topic: "", ...to };
    const group = commit(state, decideResetGroup(state, request, testNowMs + 5));
    expect(group).toMatchObject({ id: 1, cursorEpoch: 2, start });
    expect(state.groups.get("g")).toEqual(group);
    expect(decideResetGroup(state, request, testNowMs + 900)).toEqual({ records: [], reply: group });
    expect(commit(state, decideResetGroup(state, { ...request, requestId: "r2" }, 1)).cursorEpoch).toBe(3);
  });

  test.each<{ why: string; request: ResetGroup; code: string }>([
    {
      why: "an unknown group",
      request: { requestId: "r", name: "absent", topic: "", earliest: true },
      code: "CONSUMER_GROUP_NOT_FOUND",
    },
    {
      why: "an unknown topic",
      request: { requestId: "r", name: "g", topic: "absent", earliest: true },
      code: "TOPIC_NOT_FOUND",
    },
    { why: "no position", request: { requestId: "r", name: "g", topic: "" }, code: "BAD_REQUEST" },
    { why: "a time before 1970", request: { requestId: "r", name: "g", topic: "", atMs: -1 }, code: "BAD_REQUEST" },
  ])("$why is refused", ({ request, code }) => {
    const state = newCluster();
    commit(state, decideCreateGroup(state, groupRequest({ requestId: "g" }), testNowMs));
    expect(() => decideResetGroup(state, request, testNowMs)).toThrow(expect.objectContaining({ code }));
  });
});

describe("resetting a group on one topic", () => {
  function withTopics(): MetadataState {
    const state = clusterWithBroker();
    commit(state, decideCreateTopic(state, topicRequest({ requestId: "t1", name: "a" }), testNowMs));
    commit(state, decideCreateTopic(state, topicRequest({ requestId: "t2", name: "b" }), testNowMs));
    commit(state, decideCreateGroup(state, groupRequest({ requestId: "g" }), testNowMs));
    return state;
  }

  function reset(state: MetadataState, requestId: string, topic: string) {
    return commit(state, decideResetGroup(state, { requestId, name: "g", topic, earliest: true }, testNowMs));
  }

  const earliest = { start: { kind: "earliest" } };

  test("leaves the others alone, and each reset has an epoch of its own", () => {
    const state = withTopics();
    const [a, b] = [state.topics.get("a")?.id, state.topics.get("b")?.id];
    expect(reset(state, "r1", "a")).toMatchObject({
      cursorEpoch: 1,
      resets: [{ topic: a, cursorEpoch: 2, ...earliest }],
    });
    expect(reset(state, "r2", "b").resets).toMatchObject([{ cursorEpoch: 2 }, { topic: b, cursorEpoch: 3 }]);
    expect(reset(state, "r3", "a").resets).toMatchObject([{ topic: b }, { topic: a, cursorEpoch: 4 }]);
    const all = reset(state, "r4", "");
    expect(all).toMatchObject({ cursorEpoch: 5, ...earliest });
    expect(all).not.toHaveProperty("resets");
    expect(state.groups.get("g")).toEqual(all);
  });

  test("that is gone since then is forgotten with the next reset", () => {
    const state = withTopics();
    reset(state, "r1", "a");
    commit(state, decideDeleteTopic(state, { requestId: "d", name: "a" }));
    expect(reset(state, "r2", "b").resets).toMatchObject([{ topic: state.topics.get("b")?.id, cursorEpoch: 3 }]);
  });

  test("needs feature level 2, because older members read only resets of all topics", () => {
    const state = withTopics();
    state.featureLevel = 1;
    expect(() => reset(state, "r1", "a")).toThrow("needs feature level 2");
    const [everywhere] = decideResetGroup(state, { requestId: "r", name: "g", topic: "", latest: true }, 1).records;
    expect(encodeRecord(everywhere!)).toMatchObject({ kind: 18, version: 1 });
    state.featureLevel = 2;
    const [single] = decideResetGroup(state, { requestId: "r", name: "g", topic: "a", latest: true }, 1).records;
    const encoded = encodeRecord(single!);
    expect(encoded.version).toBe(2);
    expect(decodeRecord(encoded)).toEqual(single);
  });
});
