import { SaturnError } from "@saturnmq/kit";
import { knownGroup } from "./groups.ts";
import type { AdminHandler } from "./handler.ts";
import { checkPlace } from "./peek.ts";
import { knownTopic } from "./topics.ts";

/** Finishes one message for a group. Unless it is asked for plainly it refuses, and says what it would do. */
export const skipMessage: AdminHandler<"SkipMessage"> = async (room, request) => {
  const { queue, offset, confirmed } = request;
  const topic = knownTopic(room, request.topic);
  const group = knownGroup(room, request.group);
  checkPlace(topic, queue, offset);
  const { finishedBefore, damage } = await room.messaging.skip(group, { topic, queue, offset, confirmed });
  if (!confirmed && !finishedBefore) {
    const state = damage === undefined ? "can be read and would be lost to the group" : `cannot be read (${damage})`;
    throw new SaturnError(
      "BAD_REQUEST",
      `offset ${String(offset)} of queue ${String(queue)} of topic ${topic.name} ${state}: skipping it finishes it for group ` +
        `${group.name} without a delivery and cannot be undone; confirm that this is meant (saturnmq message skip ... --yes)`,
    );
  }
  return { finishedBefore, ...(damage === undefined ? {} : { damage }) };
};
