import { SaturnError } from "@saturnmq/kit";
import { v2 } from "@saturnmq/wire";
import type { UnaryMethod } from "../transport/service.ts";
import { answering } from "./answer.ts";
import { groupNameOf, topicNameOf } from "./names.ts";
import type { Renewals } from "./renewals.ts";
import type { Room } from "./room.ts";
import { multipleResultsCode, ok, type Status, statusOf } from "./status.ts";

const rpc = "AckMessage";
const entriesMax = 1_024;

/** Finishes messages. Clients look at the top status only: it is the entries' own when they all agree, else `MULTIPLE_RESULTS`. */
export function ackMessage(room: Room, renewals: Renewals): UnaryMethod {
  return answering(rpc, room, v2.AckMessageRequest, v2.AckMessageResponse, async (request) => {
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
    const outcomes = await room.messaging.ack(topic, group, handles);
    const statuses = outcomes.map((error) => (error === undefined ? ok : statusOf(error, rpc, room.log)));
    return {
      status: combined(statuses),
      entries: entries.map(({ messageId, receiptHandle }, at) => ({
        messageId,
        receiptHandle,
        status: statuses[at] ?? ok,
      })),
    };
  });
}

function combined(statuses: readonly Status[]): Status {
  const first = statuses[0] ?? ok;
  if (statuses.every(({ code }) => code === first.code)) return first;
  return { code: multipleResultsCode, message: "MULTIPLE_RESULTS: the entries differ, look at each" };
}
