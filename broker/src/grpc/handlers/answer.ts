import { SaturnError } from "@saturnmq/kit";
import { WireError } from "@saturnmq/wire";
import type { Call, ServerStreamingMethod, StreamingCall, UnaryMethod } from "../transport/service.ts";
import { clientHeaders, clientIdOf } from "./names.ts";
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

/**
 * A streaming method whose failures travel in a reply's `status`. `handle` answers the code that it has told; what it throws before its first
 * reply is told by `refuse`.
 */
export function streaming<Request>(
  rpc: string,
  room: Room,
  request: Decoder<Request>,
  refuse: (status: Status, call: StreamingCall) => void,
  handle: (request: Request, caller: Caller & { readonly call: StreamingCall }) => Promise<number>,
): ServerStreamingMethod {
  // What waits must not keep the request's bytes, and what was read with them: no function that lasts may be made where they are known.
  const begin = (bytes: Uint8Array, start: number, length: number, call: StreamingCall): Promise<number> => {
    try {
      return handle(read(request, bytes, start, length), { clientId: callerOf(call, room).clientId, call });
    } catch (error) {
      return Promise.reject(error as Error);
    }
  };
  const end = (call: StreamingCall, outcome: Promise<number>): Promise<void> =>
    told(rpc, room, outcome, (status) => {
      refuse(status, call);
    });
  return {
    kind: "serverStreaming",
    headers: clientHeaders,
    handle: (bytes, start, length, call) => end(call, begin(bytes, start, length, call)),
  };
}

/** Books how a streaming call ended; a failure is told by `refuse`. */
async function told(
  rpc: string,
  room: Room,
  outcome: Promise<number>,
  refuse: (status: Status) => void,
): Promise<void> {
  const startedMs = room.clock.monoMs();
  let code: number;
  try {
    code = await outcome;
  } catch (error) {
    const status = statusOf(error, rpc, room.log);
    code = status.code;
    refuse(status);
  }
  room.observe(rpc, code, room.clock.monoMs() - startedMs);
}

/** Checks who calls and notes the sign of life. @throws {SaturnError} `CLIENT_ID_REQUIRED` */
function callerOf(call: Call, room: Room): Caller {
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
