import type { Method, Service } from "../transport/service.ts";
import { ackMessage } from "./ack-message.ts";
import { changeInvisibleDuration } from "./change-invisible-duration.ts";
import { forwardMessage } from "./forward-message.ts";
import { heartbeat } from "./heartbeat.ts";
import { notBuilt } from "./not-built.ts";
import { notifyClientTermination } from "./notify-client-termination.ts";
import { queryAssignment } from "./query-assignment.ts";
import { queryRoute } from "./query-route.ts";
import { receiveMessage } from "./receive-message.ts";
import { Renewals } from "./renewals.ts";
import type { Room } from "./room.ts";
import { sendMessage } from "./send-message.ts";
import { telemetry } from "./telemetry.ts";

/** The calls of RocketMQ 5 clients, over a room. */
export type MessagingService = { readonly service: Service; readonly renewals: Renewals };

/** `apache.rocketmq.v2.MessagingService`. Ends what it does on its own when `room.stopping` aborts. */
export function messagingService(room: Room): MessagingService {
  const renewals = new Renewals(room);
  room.stopping.add({
    stop: () => {
      renewals.close();
    },
  });
  const methods = new Map<string, Method>([
    ["QueryRoute", queryRoute(room)],
    ["Heartbeat", heartbeat(room)],
    ["SendMessage", sendMessage(room)],
    ["QueryAssignment", queryAssignment(room)],
    ["ReceiveMessage", receiveMessage(room, renewals)],
    ["AckMessage", ackMessage(room, renewals)],
    ["ChangeInvisibleDuration", changeInvisibleDuration(room, renewals)],
    ["ForwardMessageToDeadLetterQueue", forwardMessage(room, renewals)],
    ["NotifyClientTermination", notifyClientTermination(room, renewals)],
    ["Telemetry", telemetry(room)],
    ...notBuilt(room),
  ]);
  return { service: { name: "apache.rocketmq.v2.MessagingService", methods, countsCalls: true }, renewals };
}
