import { defined, SaturnError } from "@saturnmq/kit";
import { encodeDelivery, v2 } from "@saturnmq/wire";
import type { Delivery, ReceiveRequest } from "../../messaging.ts";
import type { ServerStreamingMethod, StreamingCall } from "../transport/service.ts";
import { streaming } from "./answer.ts";
import { Departure } from "./departure.ts";
import { durationMs, durationOf } from "./durations.ts";
import { parseFilter } from "./filter.ts";
import { groupNameOf, topicNameOf } from "./names.ts";
import { pollMs } from "./polling.ts";
import { type Renewals, renewedLeaseMs } from "./renewals.ts";
import type { Room } from "./room.ts";
import { ok, okCode, refusal, type Status } from "./status.ts";

const rpc = "ReceiveMessage";

/** Hands out messages, waiting for some: first the status, then the messages, then the time of sending. */
export function receiveMessage(room: Room, renewals: Renewals): ServerStreamingMethod {
  return streaming(
    rpc,
    room,
    v2.ReceiveMessageRequest,
    (status, call) => refuse(status, call, room),
    (request, { clientId, call }) => {
      const wanted = wantedOf(request, clientId, call, room);
      return receive({ room, renewals, call, autoRenew: request.autoRenew }, wanted);
    },
  );
}

type Receive = {
  readonly room: Room;
  readonly renewals: Renewals;
  readonly call: StreamingCall;
  readonly autoRenew: boolean;
};

/** Knows nothing of the request itself, which would stay in memory as long as the receive is held. */
async function receive({ room, renewals, call, autoRenew }: Receive, asked: Promise<ReceiveRequest>): Promise<number> {
  const wanted = await asked;
  const deliveries = await held(room, call, (departure) => room.messaging.receive(wanted, departure));
  if (deliveries.length === 0) throw new SaturnError("MESSAGE_NOT_FOUND", "no new message");
  const written = await deliver(room, call, deliveries);
  if (autoRenew) renewals.hold(wanted.clientId, wanted.topic, wanted.group, deliveries.slice(0, written));
  return okCode;
}

async function wantedOf(
  request: v2.ReceiveMessageRequest,
  clientId: string,
  call: StreamingCall,
  room: Room,
): Promise<ReceiveRequest> {
  const { limits, messaging } = room;
  const topicName = topicNameOf(request.messageQueue?.topic);
  const groupName = groupNameOf(request.group);
  const filter = parseFilter(request.filterExpression);
  const invisibleMs = invisibleOf(request, limits);
  if (request.batchSize < 1)
    throw new SaturnError("BAD_REQUEST", "batch_size is below 1: ask for at least one message");
  const topic = await messaging.topic(topicName);
  const group = await messaging.group(groupName);
  const waitMs = pollMs(durationMs(request.longPollingTimeout), call.deadlineMs - room.clock.monoMs(), limits);
  const batchSize = Math.min(request.batchSize, limits.receiveBatchMax);
  return { topic, group, filter, batchSize, invisibleMs, waitMs, clientId, attemptId: request.attemptId ?? "" };
}

/** @throws {SaturnError} `ILLEGAL_INVISIBLE_TIME` in the words that the reference server's tests look for */
function invisibleOf(request: v2.ReceiveMessageRequest, limits: Room["limits"]): number {
  if (request.autoRenew) return renewedLeaseMs;
  const invisibleMs = durationMs(request.invisibleDuration) ?? 0;
  const { invisibleMinMs: min, invisibleMaxMs: max } = limits;
  if (invisibleMs < min)
    throw new SaturnError(
      "ILLEGAL_INVISIBLE_TIME",
      `the invisibleTime is too small. min is ${String(min)} (milliseconds)`,
    );
  if (invisibleMs > max)
    throw new SaturnError(
      "ILLEGAL_INVISIBLE_TIME",
      `the invisibleTime is too large. max is ${String(max)} (milliseconds)`,
    );
  return invisibleMs;
}

/** Runs a wait that ends early when the client has gone, its connection takes leave, or the broker stops. */
async function held<T>(room: Room, call: StreamingCall, wait: (departure: Departure) => Promise<T>): Promise<T> {
  const departure = new Departure();
  const leave = (): void => {
    departure.tell();
  };
  const forget = room.stopping.onStop(leave);
  call.onGone(leave);
  call.onLeaving(leave);
  try {
    return await wait(departure);
  } finally {
    forget();
  }
}

/** Writes what was leased, and answers how many; the rest, which the client is not there for any more, is given back. */
async function deliver(room: Room, call: StreamingCall, deliveries: readonly Delivery[]): Promise<number> {
  const { language } = call.client;
  const storeHost = room.storeHost();
  let written = 0;
  try {
    call.write(okReply);
    for (; written < deliveries.length && !call.gone; written += 1) {
      const delivery = defined(deliveries[written], "delivery");
      if (!call.write(encodeDelivery(delivery, storeHost, language))) await call.drained();
    }
    call.write(timeReply(room));
  } catch (err) {
    // The status is out and says OK: only the end of the call itself can still tell.
    room.log.error({ err, rpc }, "a delivery failed on a bug");
    call.end({ code: "INTERNAL_SERVER_ERROR", message: "the broker failed; its log has the reason" });
  }
  if (written < deliveries.length) room.messaging.giveBack(deliveries.slice(written));
  return written;
}

const okReply = v2.ReceiveMessageResponse.encode({ status: ok });

function timeReply(room: Room): Uint8Array {
  return v2.ReceiveMessageResponse.encode({ deliveryTimestamp: durationOf(room.clock.wallMs()) });
}

function refuse(status: Status, call: StreamingCall, room: Room): void {
  call.write(v2.ReceiveMessageResponse.encode({ status }));
  if (status.code === emptyCode) call.write(timeReply(room));
}

const emptyCode = refusal("MESSAGE_NOT_FOUND", "").code;
