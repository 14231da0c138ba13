import { isDeadLetterTopic } from "@saturnmq/kit";
import type { TopicInfo } from "@saturnmq/wire";
import { type v2 } from "@saturnmq/wire";
import { type Endpoints } from "./access-point.ts";
import { acceptedTypeNumbers } from "./message-types.ts";
import type { Resource } from "./names.ts";

/** Numbers of `Permission`. */
const readOnly = 2;
const readWrite = 4;
/** `Broker.id` of one that leads; several clients drop all others. */
const leaderId = 0;

/** Queue id in a route: the Node client drops every other. */
export const routeQueueId = 0;
/** Queue id in an assignment: "any queue of this broker", as the reference server says it. */
export const anyQueueId = -1;

/**
 * What a client sees of a topic: one queue a broker that leads any of its queues, always in the same order. Which queue a message goes to
 * and comes from is the broker's business.
 */
export function messageQueues(
  topic: TopicInfo,
  named: Resource,
  brokers: readonly number[],
  endpoints: Endpoints,
  queueId: number,
): v2.MessageQueue[] {
  return brokers.map((broker) => ({
    topic: { resourceNamespace: named.resourceNamespace, name: topic.name },
    id: queueId,
    permission: isDeadLetterTopic(topic.name) ? readOnly : readWrite,
    broker: { name: `broker-${String(broker)}`, id: leaderId, endpoints },
    acceptMessageTypes: [...acceptedTypeNumbers(topic.type)],
  }));
}
