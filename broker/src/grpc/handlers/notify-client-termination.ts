import { v2 } from "@saturnmq/wire";
import type { UnaryMethod } from "../transport/service.ts";
import { answering } from "./answer.ts";
import type { Renewals } from "./renewals.ts";
import type { Room } from "./room.ts";
import { ok } from "./status.ts";

/** A client says goodbye: what it holds under automatic renewal is released. Unknown clients are thanked as well. */
export function notifyClientTermination(room: Room, renewals: Renewals): UnaryMethod {
  return answering(
    "NotifyClientTermination",
    room,
    v2.NotifyClientTerminationRequest,
    v2.NotifyClientTerminationResponse,
    (_request, { clientId }) => {
      room.sessions.forget(clientId);
      renewals.release(clientId);
      return { status: ok };
    },
  );
}
