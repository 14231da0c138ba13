import { v2 } from "@saturnmq/wire";
import type { UnaryMethod } from "../transport/service.ts";
import { answering } from "./answer.ts";
import { groupNameOf, topicNameOf } from "./names.ts";
import type { Renewals } from "./renewals.ts";
import type { Room } from "./room.ts";
import { ok } from "./status.ts";

/** Gives a message up that its consumer cannot handle: it goes to the group's dead letters. */
export function forwardMessage(room: Room, renewals: Renewals): UnaryMethod {
  return answering(
    "ForwardMessageToDeadLetterQueue",
    room,
    v2.ForwardMessageToDeadLetterQueueRequest,
    v2.ForwardMessageToDeadLetterQueueResponse,
    async (request) => {
      const topic = await room.messaging.topic(topicNameOf(request.topic));
      const group = await room.messaging.group(groupNameOf(request.group));
      await room.messaging.forwardToDeadLetters(topic, group, await renewals.settle(request.receiptHandle));
      return { status: ok };
    },
  );
}
