import { expect, test } from "@jest/globals";
import type { ClusterView, TopicInfo } from "../metadata/ports.ts";
import { adminTopics, topicCommand } from "./admin-messages.ts";

function topic(id: number, name: string): [string, TopicInfo] {
  return [name, { id, name, type: "NORMAL", queues: 8, retentionMs: undefined, createdAtMs: 1 }];
}

test("topics are listed by name, those of dead letters with their groups only", () => {
  const topics = new Map([topic(1, "b"), topic(2, "%DLQ%billing"), topic(3, "a")]);
  expect(adminTopics({ topics } as unknown as ClusterView).map(({ name }) => name)).toEqual(["a", "b"]);
});

test("what a request leaves out is the default", () => {
  const request = {
    requestId: "r",
    name: "a",
    type: "TOPIC_TYPE_UNSPECIFIED",
    queues: 0,
  } as const;
  expect(topicCommand(request)).toEqual({ ...request, type: "NORMAL", queues: 8 });
});
