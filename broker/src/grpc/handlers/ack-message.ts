import { SaturnError } from "@saturnmq/kit";
import { v2 } from "@saturnmq/wire";
import type { FastUnaryMethod } from "../transport/service.ts";
import { acksReply } from "./acks-reply.ts";
import { answering } from "./answer.ts";
import { groupNameOf, topicNameOf } from "./names.ts";
import { PlainAcks } from "./plain-acks.ts";
import type { Renewals } from "./renewals.ts";
import type { Room } from "./room.ts";

const entriesMax = 1_024;

/** Finishes messages. */
export function ackMessage(room: Room, renewals: Renewals): FastUnaryMethod {
  const plain = new PlainAcks(room, renewals);
  const all = answering("AckMessage", room, v2.AckMessageRequest, v2.AckMessageResponse, async (request) => {
    const { entries } = request;
    if (entries.length === 0)
      throw new SaturnError("BAD_REQUEST", "the request acknowledges no message: name at least one");
    if (entries.length > entriesMax)
      throw new SaturnError(
        "BAD_REQUEST",
        `the request has ${String(entries.length)} entries: the limit is ${String(entriesMax)}`,
      );
    const topic = await room.messaging.topic(topicNameOf(request.topic));
    const group = await room.messaging.group(groupNameOf(request.group));
    const handles = await renewals.settleAll(entries.map(({ receiptHandle }) => receiptHandle));
    return acksReply(entries, await room.messaging.ack(topic, group, handles), room.log);
  });
  return {
    kind: "fastUnary",
    headers: plain.headers,
    handle: (bytes, start, length, call) => plain.handle(bytes, start, length, call),
    otherwise: (bytes, start, length, call) => all.handle(bytes, start, length, call),
  };
}
