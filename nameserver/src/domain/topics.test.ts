import { describe, expect, test } from "@jest/globals";
import type { ErrorCode } from "@saturnmq/kit";
import type { CreateTopic, MessageType } from "@saturnmq/wire";
import { clusterWithBroker, commit, testNowMs, topicRequest } from "../testing/cluster-state.ts";
import { requestsKept } from "./state.ts";
import { decideCreateTopic, decideDeleteTopic } from "./topics.ts";

describe("creating a topic", () => {
  test("gives it the next id and the leader's time", () => {
    const state = clusterWithBroker();
    const topic = commit(state, decideCreateTopic(state, topicRequest({ retentionMs: 60_000 }), testNowMs));
    expect(topic).toEqual({
      id: 1,
      name: "orders",
      type: "NORMAL",
      queues: 8,
      retentionMs: 60_000,
      createdAtMs: testNowMs,
    });
    expect(state.topics.get("orders")).toEqual(topic);
  });

  test.each<{ rule: string; fields: Partial<CreateTopic>; code: ErrorCode; says: string }>([
    { rule: "no blank name", fields: { name: "" }, code: "ILLEGAL_TOPIC", says: "blank" },
    { rule: "no system name", fields: { name: "%RETRY%g" }, code: "ILLEGAL_TOPIC", says: "%RETRY%" },
    { rule: "no long name", fields: { name: "x".repeat(128) }, code: "ILLEGAL_TOPIC", says: "127" },
    { rule: "at least one queue", fields: { queues: 0 }, code: "BAD_REQUEST", says: "1 to 1024 queues, not 0" },
    { rule: "at most 1024 queues", fields: { queues: 1_025 }, code: "BAD_REQUEST", says: "not 1025" },
    { rule: "whole queues", fields: { queues: 1.5 }, code: "BAD_REQUEST", says: "not 1.5" },
    { rule: "retention of a second", fields: { retentionMs: 999 }, code: "BAD_REQUEST", says: "1 second" },
    { rule: "retention of ten years", fields: { retentionMs: 1e12 }, code: "BAD_REQUEST", says: "3650 days" },
    { rule: "a request id", fields: { requestId: "" }, code: "BAD_REQUEST", says: "request id" },
    { rule: "a short request id", fields: { requestId: "x".repeat(65) }, code: "BAD_REQUEST", says: "64" },
  ])("needs $rule", ({ fields, code, says }) => {
    const state = clusterWithBroker();
    const refused = () => decideCreateTopic(state, topicRequest(fields), testNowMs);
    expect(refused).toThrow(expect.objectContaining({ code, message: expect.stringContaining(says) }));
  });

  test.each<MessageType>(["DELAY", "TRANSACTION", "PRIORITY", "MIXED"])("of type %s is not offered", (type) => {
    const state = clusterWithBroker();
    const refused = () => decideCreateTopic(state, topicRequest({ type }), testNowMs);
    expect(refused).toThrow(
      expect.objectContaining({ code: "UNIMPLEMENTED", message: expect.stringContaining(`does not offer ${type}`) }),
    );
  });

  test.each<MessageType>(["NORMAL", "FIFO"])("of type %s is offered", (type) => {
    const state = clusterWithBroker();
    expect(decideCreateTopic(state, topicRequest({ type }), testNowMs).reply.type).toBe(type);
  });

  test.each([1, 1_024])("%i queues are fine", (queues) => {
    const state = clusterWithBroker();
    expect(decideCreateTopic(state, topicRequest({ queues }), testNowMs).reply.queues).toBe(queues);
  });

  test("that exists is refused", () => {
    const state = clusterWithBroker();
    commit(state, decideCreateTopic(state, topicRequest(), testNowMs));
    const again = () => decideCreateTopic(state, topicRequest({ requestId: "r2" }), testNowMs);
    expect(again).toThrow(expect.objectContaining({ code: "ALREADY_EXISTS" }));
  });

  test("a repeated call answers as the first did and changes nothing", () => {
    const state = clusterWithBroker();
    const first = commit(state, decideCreateTopic(state, topicRequest(), testNowMs));
    const repeated = decideCreateTopic(state, topicRequest({ queues: 3 }), testNowMs + 5_000);
    expect(repeated).toEqual({ records: [], reply: first });
  });

  test("a request id cannot be used for two topics", () => {
    const state = clusterWithBroker();
    commit(state, decideCreateTopic(state, topicRequest(), testNowMs));
    const other = () => decideCreateTopic(state, topicRequest({ name: "other" }), testNowMs);
    expect(other).toThrow(expect.objectContaining({ code: "BAD_REQUEST", message: expect.stringContaining("orders") }));
  });
});

describe("deleting a topic", () => {
  test("its id is never given again", () => {
    const state = clusterWithBroker();
    commit(state, decideCreateTopic(state, topicRequest(), testNowMs));
    commit(state, decideDeleteTopic(state, { requestId: "r2", name: "orders" }));
    expect(state.topics.size).toBe(0);
    expect(commit(state, decideCreateTopic(state, topicRequest({ requestId: "r3" }), testNowMs)).id).toBe(2);
  });

  test("that does not exist is refused", () => {
    const state = clusterWithBroker();
    const refused = () => decideDeleteTopic(state, { requestId: "r", name: "orders" });
    expect(refused).toThrow(expect.objectContaining({ code: "TOPIC_NOT_FOUND" }));
  });

  test("a repeated call is done, also when a new topic has the name", () => {
    const state = clusterWithBroker();
    commit(state, decideCreateTopic(state, topicRequest(), testNowMs));
    commit(state, decideDeleteTopic(state, { requestId: "r2", name: "orders" }));
    commit(state, decideCreateTopic(state, topicRequest({ requestId: "r3" }), testNowMs));
    expect(decideDeleteTopic(state, { requestId: "r2", name: "orders" })).toEqual({ records: [], reply: undefined });
  });
});

test("only the newest request ids are kept", () => {
  const state = clusterWithBroker();
  for (let nth = 0; nth <= requestsKept; nth += 1) {
    const named = { requestId: `r${nth}`, name: `t${nth}` };
    commit(state, decideCreateTopic(state, topicRequest(named), testNowMs));
  }
  expect(state.requests.size).toBe(requestsKept);
  expect(state.requests.has("r0")).toBe(false);
  expect(state.requests.has("r1")).toBe(true);
});
