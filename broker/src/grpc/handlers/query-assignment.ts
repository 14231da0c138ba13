import { v2 } from "@saturnmq/wire";
import type { UnaryMethod } from "../transport/service.ts";
import { accessPoint } from "./access-point.ts";
import { answering } from "./answer.ts";
import { groupNameOf, topicNameOf } from "./names.ts";
import type { Room } from "./room.ts";
import { anyQueueId, messageQueues } from "./routes.ts";
import { ok } from "./status.ts";

/** Assigns every leading broker to every consumer: each polls all of them, and they share the queues. */
export function queryAssignment(room: Room): UnaryMethod {
  return answering(
    "QueryAssignment",
    room,
    v2.QueryAssignmentRequest,
    v2.QueryAssignmentResponse,
    async (request, { call }) => {
      const topic = await room.messaging.topic(topicNameOf(request.topic));
      await room.messaging.group(groupNameOf(request.group));
      const endpoints = accessPoint(request.endpoints, call.client.authority, room.ownPort());
      const named = { resourceNamespace: request.topic?.resourceNamespace ?? "", name: topic.name };
      const queues = messageQueues(topic, named, room.messaging.leadersOf(topic), endpoints, anyQueueId);
      return { status: ok, assignments: queues.map((messageQueue) => ({ messageQueue })) };
    },
  );
}
