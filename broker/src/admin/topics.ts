import { SaturnError } from "@saturnmq/kit";
import { adminTopic, adminTopics, type TopicInfo, topicCommand } from "@saturnmq/wire";
import type { AdminHandler, AdminRoom } from "./handler.ts";

export const createTopic: AdminHandler<"CreateTopic"> = async ({ metadata }, request) =>
  adminTopic(await metadata.createTopic(topicCommand(request)));

export const listTopics: AdminHandler<"ListTopics"> = ({ view }) => ({ topics: adminTopics(view()) });

export const describeTopic: AdminHandler<"DescribeTopic"> = async (room, { name }) => {
  const topic = knownTopic(room, name);
  const queues = await room.messaging.describeTopic(topic);
  return { topic: adminTopic(topic), queues };
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
