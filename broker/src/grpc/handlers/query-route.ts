import { v2 } from "@saturnmq/wire";
import type { UnaryMethod } from "../transport/service.ts";
import { accessPoint } from "./access-point.ts";
import { answering } from "./answer.ts";
import { topicNameOf } from "./names.ts";
import type { Room } from "./room.ts";
import { messageQueues, routeQueueId } from "./routes.ts";
import { ok } from "./status.ts";

/** Tells where a topic is. Unknown topics fail with `TOPIC_NOT_FOUND`; none is ever created here. */
export function queryRoute(room: Room): UnaryMethod {
  return answering("QueryRoute", room, v2.QueryRouteRequest, v2.QueryRouteResponse, async (request, { call }) => {
    const topic = await room.messaging.topic(topicNameOf(request.topic));
    const endpoints = accessPoint(request.endpoints, call.client.authority, room.ownPort());
    const named = { resourceNamespace: request.topic?.resourceNamespace ?? "", name: topic.name };
    return {
      status: ok,
      messageQueues: messageQueues(topic, named, room.messaging.leadersOf(topic), endpoints, routeQueueId),
    };
  });
}
