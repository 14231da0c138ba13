import { SaturnError } from "@saturnmq/kit";
import { WireError } from "@saturnmq/wire";
import type { Call, UnaryMethod } from "../transport/service.ts";
import { clientIdOf } from "./names.ts";
import type { Room } from "./room.ts";
import { okCode, type Status, statusOf } from "./status.ts";

/** Reads a request from `bytes[start, end)`. */
export type Decoder<Request> = { decode(bytes: Uint8Array, start: number, end: number): Request };
/** Writes a reply. */
export type Encoder<Reply> = { encode(reply: Reply): Uint8Array };

/** Who asks. */
export type Caller = { readonly clientId: string; readonly call: Call };

type WithStatus = { readonly status?: Status | undefined };

/**
 * A unary method whose failures travel in the reply's `status`, with gRPC status OK: what `handle` throws becomes a reply that holds a
 * status only.
 */
export function answering<Request, Reply extends WithStatus>(
  rpc: string,
  room: Room,
  request: Decoder<Request>,
  reply: Encoder<Reply>,
  handle: (request: Request, caller: Caller) => Promise<Reply> | Reply,
): UnaryMethod {
  return {
    kind: "unary",
    handle: async (bytes, start, length, call) => {
      const startedMs = room.clock.monoMs();
      const answer = await attempt(rpc, room, () => handle(read(request, bytes, start, length), callerOf(call, room)));
      room.observe(rpc, answer.status?.code ?? okCode, room.clock.monoMs() - startedMs);
      return reply.encode(answer as Reply);
    },
  };
}

async function attempt<Reply extends WithStatus>(
  rpc: string,
  room: Room,
  handle: () => Promise<Reply> | Reply,
): Promise<Reply | { readonly status: Status }> {
  try {
    return await handle();
  } catch (error) {
    return { status: statusOf(error, rpc, room.log) };
  }
}

/** Checks who calls and notes the sign of life. @throws {SaturnError} `CLIENT_ID_REQUIRED` */
export function callerOf(call: Call, room: Room): Caller {
  const clientId = clientIdOf(call);
  room.sessions.seen(clientId, call.client.language);
  return { clientId, call };
}

/** @throws {SaturnError} `BAD_REQUEST` for bytes that are no such message */
export function read<Request>(decoder: Decoder<Request>, bytes: Uint8Array, start: number, length: number): Request {
  try {
    return decoder.decode(bytes, start, start + length);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw new SaturnError("BAD_REQUEST", `the request cannot be read: ${error.message}`, { cause: error });
  }
}
