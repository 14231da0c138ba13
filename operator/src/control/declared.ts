import type { AdminGroup, AdminTopic } from "@saturnmq/wire";
import { consumerGroupSpec, topicSpec } from "../api/topic.ts";
import { type CustomResource, specOf } from "./control.ts";
import type { Declared } from "./declared-controller.ts";

const topicOf = (resource: CustomResource) => specOf(topicSpec, resource);
const groupOf = (resource: CustomResource) => specOf(consumerGroupSpec, resource);
const nameOr = (name: string, { metadata }: CustomResource): string => (name === "" ? metadata.name : name);

/** Topics: made, and compared. Type, queues and retention of one that exists cannot be changed. */
export const topics: Declared<AdminTopic> = {
  kind: "Topic",
  wanted: (resource) => {
    const { topicName, brokerRef, deletionPolicy } = topicOf(resource);
    return { name: nameOr(topicName, resource), broker: brokerRef.name, deletionPolicy };
  },
  list: async (admin) => (await admin.call("ListTopics", {})).topics,
  create: (admin, resource, requestId) => {
    const { topicName, type, queues, retentionSeconds } = topicOf(resource);
    const retention = retentionSeconds === undefined ? {} : { retentionMs: retentionSeconds * 1_000 };
    return admin.call("CreateTopic", { requestId, name: nameOr(topicName, resource), type, queues, ...retention });
  },
  remove: (admin, name, requestId) => admin.call("DeleteTopic", { requestId, name }),
  drift: (topic, resource) => {
    const { type, queues, retentionSeconds } = topicOf(resource);
    return differences([
      ["type", topic.type, type],
      ["queues", topic.queues, queues],
      ["retentionSeconds", seconds(topic.retentionMs), retentionSeconds],
    ]);
  },
  statusOf: ({ id }) => ({ topicId: id }),
};

const starts = { TopicAge: "FROM_UNSPECIFIED", Earliest: "EARLIEST", Latest: "LATEST" } as const;

/** Consumer groups: made, and compared. */
export const consumerGroups: Declared<AdminGroup> = {
  kind: "ConsumerGroup",
  wanted: (resource) => {
    const { groupName, brokerRef, deletionPolicy } = groupOf(resource);
    return { name: nameOr(groupName, resource), broker: brokerRef.name, deletionPolicy };
  },
  list: async (admin) => (await admin.call("ListGroups", {})).groups,
  create: (admin, resource, requestId) => {
    const { groupName, order, startPosition, maxAttempts } = groupOf(resource);
    const name = nameOr(groupName, resource);
    return admin.call("CreateGroup", {
      requestId,
      name,
      order: order === "Fifo",
      from: starts[startPosition],
      maxAttempts,
    });
  },
  remove: (admin, name, requestId) => admin.call("DeleteGroup", { requestId, name }),
  drift: (group, resource) => {
    const { order, maxAttempts } = groupOf(resource);
    return differences([
      ["order", group.order ? "Fifo" : "Concurrent", order],
      ["maxAttempts", group.maxAttempts, maxAttempts],
    ]);
  },
  statusOf: ({ id }) => ({ groupId: id }),
};

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1_000;
}

type Value = string | number | undefined;

function differences(fields: readonly (readonly [string, Value, Value])[]): string {
  return fields
    .filter(([, found, wanted]) => found !== wanted)
    .map(([field, found, wanted]) => `${field} is ${found ?? "not set"} in the cluster, ${wanted ?? "not set"} here`)
    .join("; ");
}
