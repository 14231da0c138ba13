import { v2 } from "@saturnmq/wire";
import type { UnaryMethod } from "../transport/service.ts";
import { answering } from "./answer.ts";
import { groupNameOf } from "./names.ts";
import type { Room } from "./room.ts";
import { ok } from "./status.ts";

/** Notes that a client lives. One whose settings this broker has not seen is welcome too: it may have come from another. */
export function heartbeat(room: Room): UnaryMethod {
  return answering("Heartbeat", room, v2.HeartbeatRequest, v2.HeartbeatResponse, async ({ group }) => {
    if (group !== undefined && group.name !== "") await room.messaging.group(groupNameOf(group));
    return { status: ok };
  });
}
