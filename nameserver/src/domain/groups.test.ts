import { describe, expect, test } from "@jest/globals";
import type { ErrorCode } from "@saturnmq/kit";
import type { CreateGroup } from "@saturnmq/wire";
import { clusterWithBroker, commit, groupRequest, testNowMs } from "../testing/cluster-state.ts";
import { decideCreateGroup, decideDeleteGroup } from "./groups.ts";
import { decideDeleteTopic } from "./topics.ts";

describe("creating a consumer group", () => {
  test.each<{ from: CreateGroup["from"]; start: object }>([
    { from: "default", start: { kind: "default" } },
    { from: "earliest", start: { kind: "earliest" } },
    { from: "latest", start: { kind: "time", atMs: testNowMs } },
  ])("settles where it starts: $from", ({ from, start }) => {
    const state = clusterWithBroker();
    const group = commit(state, decideCreateGroup(state, groupRequest({ from }), testNowMs));
    expect(group).toEqual({
      id: 1,
      name: "g",
      order: false,
      start,
      maxAttempts: 17,
      cursorEpoch: 1,
      createdAtMs: testNowMs,
    });
    expect(state.groups.get("g")).toEqual(group);
  });

  test("comes and goes with the topic of its dead letters, a queue for each shard", () => {
    const state = clusterWithBroker();
    commit(state, decideCreateGroup(state, groupRequest(), testNowMs));
    const topic = state.topics.get("%DLQ%g");
    expect(topic).toMatchObject({ id: 1, type: "NORMAL", queues: state.cluster!.shardCount });
    const refused = () => decideDeleteTopic(state, { requestId: "d", name: "%DLQ%g" });
    expect(refused).toThrow(expect.objectContaining({ code: "FORBIDDEN" }));
    commit(state, decideDeleteGroup(state, { requestId: "d", name: "g" }));
    expect([state.groups.size, state.topics.size]).toEqual([0, 0]);
    expect(decideDeleteGroup(state, { requestId: "d", name: "g" }).records).toEqual([]);
  });

  test("made by a version without dead letters is deleted all the same", () => {
    const state = clusterWithBroker();
    commit(state, decideCreateGroup(state, groupRequest(), testNowMs));
    state.topics.delete("%DLQ%g");
    commit(state, decideDeleteGroup(state, { requestId: "d", name: "g" }));
    expect(state.groups.size).toBe(0);
  });

  test("may be ordered", () => {
    const state = clusterWithBroker();
    expect(commit(state, decideCreateGroup(state, groupRequest({ order: true }), testNowMs)).order).toBe(true);
  });

  test.each<{ rule: string; fields: Partial<CreateGroup>; code: ErrorCode; says: string }>([
    { rule: "a name", fields: { name: " " }, code: "ILLEGAL_CONSUMER_GROUP", says: "blank" },
    { rule: "no system name", fields: { name: "CID_RMQ_SYS_A" }, code: "ILLEGAL_CONSUMER_GROUP", says: "system" },
    { rule: "a short name", fields: { name: "x".repeat(121) }, code: "ILLEGAL_CONSUMER_GROUP", says: "120" },
    { rule: "one attempt", fields: { maxAttempts: 0 }, code: "BAD_REQUEST", says: "1 to 1000, not 0" },
    { rule: "few attempts", fields: { maxAttempts: 1_001 }, code: "BAD_REQUEST", says: "not 1001" },
    { rule: "whole attempts", fields: { maxAttempts: 2.5 }, code: "BAD_REQUEST", says: "not 2.5" },
  ])("needs $rule", ({ fields, code, says }) => {
    const state = clusterWithBroker();
    for (const implicit of [false, true]) {
      const refused = () => decideCreateGroup(state, groupRequest({ ...fields, implicit }), testNowMs);
      expect(refused).toThrow(expect.objectContaining({ code, message: expect.stringContaining(says) }));
    }
  });

  test("that exists is refused, but answers a first use", () => {
    const state = clusterWithBroker();
    const group = commit(state, decideCreateGroup(state, groupRequest({ from: "earliest" }), testNowMs));
    const again = () => decideCreateGroup(state, groupRequest({ requestId: "r2" }), testNowMs);
    expect(again).toThrow(expect.objectContaining({ code: "ALREADY_EXISTS" }));
    const used = decideCreateGroup(state, groupRequest({ requestId: "r3", implicit: true }), testNowMs + 1);
    expect(used).toEqual({ records: [], reply: group });
  });

  test("a repeated call answers as the first did, with the start of the first", () => {
    const state = clusterWithBroker();
    const first = commit(state, decideCreateGroup(state, groupRequest({ from: "latest" }), testNowMs));
    const repeated = decideCreateGroup(state, groupRequest({ from: "latest" }), testNowMs + 9_000);
    expect(repeated).toEqual({ records: [], reply: first });
  });
});

describe("deleting a consumer group", () => {
  test("its id is never given again", () => {
    const state = clusterWithBroker();
    commit(state, decideCreateGroup(state, groupRequest(), testNowMs));
    commit(state, decideDeleteGroup(state, { requestId: "r2", name: "g" }));
    expect(state.groups.size).toBe(0);
    expect(commit(state, decideCreateGroup(state, groupRequest({ requestId: "r3" }), testNowMs)).id).toBe(2);
  });

  test("that does not exist is refused; repeated, it is done", () => {
    const state = clusterWithBroker();
    const refused = () => decideDeleteGroup(state, { requestId: "r2", name: "g" });
    expect(refused).toThrow(expect.objectContaining({ code: "CONSUMER_GROUP_NOT_FOUND" }));
    commit(state, decideCreateGroup(state, groupRequest(), testNowMs));
    commit(state, decideDeleteGroup(state, { requestId: "r2", name: "g" }));
    expect(decideDeleteGroup(state, { requestId: "r2", name: "g" }).records).toEqual([]);
  });
});
