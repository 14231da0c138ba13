import { isDeadLetterTopic, SaturnError } from "@saturnmq/kit";
import type { AdminTopic, TopicInfo } from "@saturnmq/wire";
import type { AdminHandler, AdminRoom } from "./handler.ts";

const queuesDefault = 8;

export const createTopic: AdminHandler<"CreateTopic"> = async ({ metadata }, request) => {
  const { requestId, name, type, queues, retentionMs } = request;
  const topic = await metadata.createTopic({
    requestId,
    name,
    type: type === "TOPIC_TYPE_UNSPECIFIED" ? "NORMAL" : type,
    queues: queues === 0 ? queuesDefault : queues,
    retentionMs,
  });
  return topicMessage(topic);
};

export const listTopics: AdminHandler<"ListTopics"> = ({ view }) => {
  // Those of dead letters come and go with their groups, and are shown with them.
  const made = [...view().topics.values()].filter(({ name }) => !isDeadLetterTopic(name));
  return { topics: made.sort(byName).map(topicMessage) };
};

export const describeTopic: AdminHandler<"DescribeTopic"> = async (room, { name }) => {
  const topic = knownTopic(room, name);
  const queues = await room.messaging.describeTopic(topic);
  return { topic: topicMessage(topic), queues };
};

export const deleteTopic: AdminHandler<"DeleteTopic"> = async ({ metadata }, { requestId, name }) => {
  await metadata.deleteTopic({ requestId, name });
  return {};
};

/** @throws {SaturnError} `TOPIC_NOT_FOUND` */
export function knownTopic({ view }: AdminRoom, name: string): TopicInfo {
  const topic = view().topics.get(name);
  if (topic !== undefined) return topic;
  throw new SaturnError("TOPIC_NOT_FOUND", `topic ${JSON.stringify(name)} does not exist`);
}

/** Orders by name, as code units compare: the same on every machine. */
export function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}

function topicMessage({ id, name, type, queues, retentionMs, createdAtMs }: TopicInfo): AdminTopic {
  return { id, name, type, queues, createdAtMs, ...(retentionMs === undefined ? {} : { retentionMs }) };
}
