import { SaturnError } from "@saturnmq/kit";
import { type MessageCodec, v2 } from "@saturnmq/wire";
import type { Method, UnaryMethod } from "../transport/service.ts";
import { answering, callerOf, read } from "./answer.ts";
import type { Room } from "./room.ts";
import { statusOf } from "./status.ts";

type AnyReply = {
  encode(reply: { readonly status?: { readonly code: number; readonly message: string } }): Uint8Array;
};

/** Calls of the contract that this version does not serve. Each says so, and what it is about. */
export function notBuilt(room: Room): ReadonlyMap<string, Method> {
  const unary = (rpc: string, what: string, request: MessageCodec<unknown>, reply: AnyReply): [string, UnaryMethod] => [
    rpc,
    answering(rpc, room, request, reply, () => refuse(rpc, what)),
  ];
  return new Map<string, Method>([
    unary("EndTransaction", "transactions", v2.EndTransactionRequest, v2.EndTransactionResponse),
    unary("RecallMessage", "delayed messages", v2.RecallMessageRequest, v2.RecallMessageResponse),
    unary("SyncLiteSubscription", "lite topics", v2.SyncLiteSubscriptionRequest, v2.SyncLiteSubscriptionResponse),
    unary("UpdateOffset", "reading by offset", v2.UpdateOffsetRequest, v2.UpdateOffsetResponse),
    unary("GetOffset", "reading by offset", v2.GetOffsetRequest, v2.GetOffsetResponse),
    unary("QueryOffset", "reading by offset", v2.QueryOffsetRequest, v2.QueryOffsetResponse),
    ["PullMessage", pullMessage(room)],
  ]);
}

function pullMessage(room: Room): Method {
  const rpc = "PullMessage";
  return {
    kind: "serverStreaming",
    handle: (bytes, start, length, call) => {
      const startedMs = room.clock.monoMs();
      try {
        read(v2.PullMessageRequest, bytes, start, length);
        callerOf(call, room);
        refuse(rpc, "reading by offset");
      } catch (error) {
        const status = statusOf(error, rpc, room.log);
        call.write(v2.PullMessageResponse.encode({ status }));
        room.observe(rpc, status.code, room.clock.monoMs() - startedMs);
      }
    },
  };
}

function refuse(rpc: string, what: string): never {
  throw new SaturnError("UNIMPLEMENTED", `${rpc} is not supported by this version: it has no ${what}`);
}
