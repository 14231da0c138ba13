import { SaturnError } from "@saturnmq/kit";
import type { Call, IncomingStream, Method, Service, StreamingCall } from "../service.ts";

/** What the handlers below saw. */
export type EchoNotes = {
  call?: Call;
  /** Tickets of `Keep` that nobody has answered. */
  tickets: number[];
  aborted: number;
  ended: number;
  left: number;
  headers: (string | undefined)[];
};

/** `test.Echo`: a method of each kind, and what tests must know of them. */
export function echoService(): { readonly service: Service; readonly notes: EchoNotes } {
  const notes: EchoNotes = { tickets: [], aborted: 0, ended: 0, left: 0, headers: [] };
  const methods = new Map<string, Method>([
    [
      "Fast",
      {
        kind: "fastUnary",
        headers: ["x-mq-client-id", "absent"],
        handle: (bytes, start, length, call) => {
          notes.headers = [call.header(0), call.header(1)];
          call.answers.answer(call.ticket, bytes, start, length);
          return true;
        },
      },
    ],
    [
      "Leave",
      {
        kind: "fastUnary",
        headers: ["x-mq-client-id"],
        handle: () => false,
        otherwise: async (bytes, start, length, call) => {
          notes.call = call;
          if (length === 0) throw new SaturnError("TOPIC_NOT_FOUND", "nothing is no topic");
          return bytes.subarray(start, start + length);
        },
      },
    ],
    [
      "Keep",
      {
        kind: "fastUnary",
        headers: [],
        handle: (_bytes, _start, _length, call) => {
          notes.tickets.push(call.ticket);
          return true;
        },
      },
    ],
    [
      "Fail",
      {
        kind: "fastUnary",
        headers: [],
        handle: () => {
          throw new SaturnError("TOO_MANY_REQUESTS", "slow down");
        },
      },
    ],
    [
      "Echo",
      {
        kind: "unary",
        handle: (bytes, start, length, call) => {
          notes.call = call;
          return Promise.resolve(bytes.subarray(start, start + length));
        },
      },
    ],
    ["Large", { kind: "unary", handle: (bytes, start) => Buffer.alloc((bytes[start] ?? 0) << 16, 7) }],
    [
      "Refuse",
      {
        kind: "unary",
        handle: () => {
          throw new SaturnError("TOPIC_NOT_FOUND", "topic é is unknown; create it");
        },
      },
    ],
    ["Bug", { kind: "unary", handle: () => Promise.reject(new TypeError("secret")) }],
    ["Wait", { kind: "unary", handle: (_bytes, _start, _length, call) => waitForAbort(call, notes) }],
    ["Count", { kind: "serverStreaming", handle: count }],
    ["Talk", { kind: "bidirectional", open: (call) => talk(call, notes) }],
  ]);
  return { service: { name: "test.Echo", methods }, notes };
}

function waitForAbort(call: Call, notes: EchoNotes): Promise<Uint8Array> {
  return new Promise((resolve) => {
    call.signal.addEventListener("abort", () => {
      notes.aborted += 1;
      resolve(Buffer.alloc(0));
    });
  });
}

/** As many replies of 200,000 bytes as the request's first octet says, counted down. */
async function count(bytes: Uint8Array, start: number, _length: number, call: StreamingCall): Promise<void> {
  const reply = Buffer.alloc(200_002);
  for (let left = bytes[start] ?? 0; left > 0; left -= 1) {
    reply.fill(left, 1, 200_001);
    const goesOn = call.writeFrom(reply, 1, 200_000);
    // What waits is no longer ours: this must not show.
    reply.fill(0xa5);
    if (!goesOn) await call.drained();
  }
}

/** Sends back each message; ends with its client, or when the connection leaves; refuses one that begins with 0. */
function talk(call: StreamingCall, notes: EchoNotes): IncomingStream {
  notes.call = call;
  call.signal.addEventListener("abort", () => (notes.aborted += 1));
  call.onLeaving(() => {
    notes.left += 1;
    call.end();
  });
  return {
    message: (bytes, start, length) => {
      if (bytes[start] === 0) throw new SaturnError("BAD_REQUEST", "zero is not welcome");
      call.write(Buffer.from(bytes.subarray(start, start + length)));
    },
    end: () => {
      notes.ended += 1;
      call.end();
    },
  };
}
