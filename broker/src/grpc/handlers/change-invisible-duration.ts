import { SaturnError } from "@saturnmq/kit";
import { v2 } from "@saturnmq/wire";
import type { UnaryMethod } from "../transport/service.ts";
import { answering } from "./answer.ts";
import { durationMs } from "./durations.ts";
import { groupNameOf, topicNameOf } from "./names.ts";
import type { Renewals } from "./renewals.ts";
import type { Room } from "./room.ts";
import { ok } from "./status.ts";

/** Moves the end of a delivery's invisible time and answers the handle that replaces the old one. 0 makes the message visible at once. */
export function changeInvisibleDuration(room: Room, renewals: Renewals): UnaryMethod {
  return answering(
    "ChangeInvisibleDuration",
    room,
    v2.ChangeInvisibleDurationRequest,
    v2.ChangeInvisibleDurationResponse,
    async (request) => {
      const invisibleMs = durationMs(request.invisibleDuration) ?? 0;
      checkInvisible(invisibleMs, room.limits.invisibleMaxMs);
      const topic = await room.messaging.topic(topicNameOf(request.topic));
      const group = await room.messaging.group(groupNameOf(request.group));
      const handle = await renewals.settle(request.receiptHandle);
      return { status: ok, receiptHandle: await room.messaging.changeInvisible(topic, group, handle, invisibleMs) };
    },
  );
}

function checkInvisible(invisibleMs: number, maxMs: number): void {
  if (invisibleMs < 0)
    throw new SaturnError(
      "ILLEGAL_INVISIBLE_TIME",
      "the invisibleTime is too small. min is 0: give 0 to make the message visible at once",
    );
  if (invisibleMs > maxMs)
    throw new SaturnError(
      "ILLEGAL_INVISIBLE_TIME",
      `the invisibleTime is too large. max is ${String(maxMs)} (milliseconds)`,
    );
}
