import { z } from "zod";
import { conditions, observedGeneration } from "./conditions.ts";
import { deletionPolicy, immutable, int, reference, withRules } from "./fields.ts";

const brokerRef = withRules(reference("Broker"), {
  rule: "self.name == oldSelf.name",
  message: "`brokerRef` is fixed once the object exists: make an object for the other cluster",
});

/** `spec` of a `Topic`. */
export const topicSpec = z.strictObject({
  brokerRef,
  topicName: withRules(
    z
      .string()
      .max(127)
      .regex(/^[%|a-zA-Z0-9_-]*$/)
      .default("")
      .describe("Name of the topic. Empty: the name of this object. A topic that exists is adopted."),
    immutable("topicName", "make another Topic"),
  ),
  type: withRules(
    z
      .enum(["NORMAL", "FIFO", "DELAY", "TRANSACTION", "PRIORITY", "MIXED"])
      .default("NORMAL")
      .describe("Type of its messages."),
    immutable("type", "make another topic"),
  ),
  queues: withRules(int(1, 1_024).default(8).describe("Queues."), immutable("queues", "make another topic")),
  retentionSeconds: withRules(
    int(1, 2_147_483_647)
      .optional()
      .describe("How long messages are kept, seconds. Absent: as long as the brokers keep them."),
    immutable("retentionSeconds", "make another topic"),
  ),
  deletionPolicy,
});

/** `status` of a `Topic`. */
export const topicStatus = z.strictObject({
  observedGeneration,
  topicId: int(0, 2_147_483_647).optional().describe("Id of the topic, never used for another one."),
  conditions,
});

/** `spec` of a `ConsumerGroup`. */
export const consumerGroupSpec = z.strictObject({
  brokerRef,
  groupName: withRules(
    z
      .string()
      .max(120)
      .regex(/^[%|a-zA-Z0-9_-]*$/)
      .default("")
      .describe("Name of the group. Empty: the name of this object. A group that exists is adopted."),
    immutable("groupName", "make another ConsumerGroup"),
  ),
  order: withRules(
    z
      .enum(["Concurrent", "Fifo"])
      .default("Concurrent")
      .describe("Fifo: messages of one message group are delivered in order, one at a time."),
    immutable("order", "make another group"),
  ),
  maxAttempts: withRules(
    int(1, 1_000).default(17).describe("Deliveries of one message before it becomes a dead letter."),
    immutable("maxAttempts", "make another group"),
  ),
  startPosition: withRules(
    z
      .enum(["TopicAge", "Earliest", "Latest"])
      .default("TopicAge")
      .describe(
        "Where the group begins on a queue that it has never read. TopicAge: at the beginning of topics that are younger than the group, else at its own creation.",
      ),
    immutable("startPosition", "make another group, or reset this one with `saturnmq group reset`"),
  ),
  deletionPolicy,
});

/** `status` of a `ConsumerGroup`. */
export const consumerGroupStatus = z.strictObject({
  observedGeneration,
  groupId: int(0, 2_147_483_647).optional().describe("Id of the group, never used for another one."),
  conditions,
});
