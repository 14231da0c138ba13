import { defined, SaturnError } from "@saturnmq/kit";
import { DeliveryWriter, type GroupInfo, type TopicInfo, v2 } from "@saturnmq/wire";
import type { Delivery, Hold, ReceiveRequest, Receiver } from "../../messaging.ts";
import type { ServerStreamingMethod, StreamingCall } from "../transport/service.ts";
import { callerOf, read } from "./answer.ts";
import { durationMs, durationOf } from "./durations.ts";
import { parseFilter } from "./filter.ts";
import { clientHeaders, groupNameOf, topicNameOf } from "./names.ts";
import { pollMs } from "./polling.ts";
import { type Renewals, renewedLeaseMs } from "./renewals.ts";
import type { Room } from "./room.ts";
import { ok, okCode, refusal, type Status, statusOf } from "./status.ts";
import type { Stoppable } from "./stopping.ts";

const rpc = "ReceiveMessage";

/** Hands out messages, waiting for some: first the status, then the messages, then the time of sending. */
export function receiveMessage(room: Room, renewals: Renewals): ServerStreamingMethod {
  return {
    kind: "serverStreaming",
    headers: clientHeaders,
    handle: (bytes, start, length, call) => {
      const receive = new Receive(room, renewals, call);
      try {
        begin(receive, read(v2.ReceiveMessageRequest, bytes, start, length), call, room);
      } catch (error) {
        receive.refused(error);
      }
      return "later";
    },
  };
}

/** @throws {SaturnError} for what breaks a rule and can be seen at once */
function begin(receive: Receive, request: v2.ReceiveMessageRequest, call: StreamingCall, room: Room): void {
  const { autoRenew } = request;
  const wanted = wantedOf(request, callerOf(call, room).clientId, call, room);
  if (wanted instanceof Promise)
    wanted
      .then((found) => {
        receive.begin(found, autoRenew);
      })
      .catch((error: unknown) => {
        receive.refused(error);
      });
  else receive.begin(wanted, autoRenew);
}

/** One receive, from its request to its end. Many thousands wait at once: it keeps nothing of the request but what it asks for. */
class Receive implements Receiver, Stoppable {
  readonly #room: Room;
  readonly #renewals: Renewals;
  readonly #call: StreamingCall;
  readonly #startedMs: number;
  /** Set when the server renews what is leased: for whom. */
  #renewed: ReceiveRequest | undefined;
  #hold: Hold | undefined;
  #left = false;
  #ended = false;

  constructor(room: Room, renewals: Renewals, call: StreamingCall) {
    this.#room = room;
    this.#renewals = renewals;
    this.#call = call;
    this.#startedMs = room.clock.monoMs();
  }

  /** Waits until there is something, the client has gone, its connection takes leave, or the broker stops. */
  begin(request: ReceiveRequest, isRenewed: boolean): void {
    if (isRenewed) this.#renewed = request;
    const leave = (): void => {
      this.stop();
    };
    this.#room.stopping.add(this);
    this.#call.onGone(leave);
    this.#call.onLeaving(leave);
    if (this.#left) {
      this.received([]);
      return;
    }
    const hold = this.#room.messaging.hold(request, this);
    if (!this.#ended) this.#hold = hold;
  }

  stop(): void {
    this.#left = true;
    this.#hold?.leave();
  }

  received(deliveries: readonly Delivery[]): void {
    this.#end();
    if (deliveries.length === 0) this.#tell(nothingNew);
    else void this.#hand(deliveries);
  }

  refused(error: unknown): void {
    this.#end();
    this.#tell(statusOf(error, rpc, this.#room.log));
  }

  #end(): void {
    this.#ended = true;
    this.#hold = undefined;
    this.#room.stopping.delete(this);
  }

  async #hand(deliveries: readonly Delivery[]): Promise<void> {
    try {
      const written = await deliver(this.#room, this.#call, deliveries);
      const request = this.#renewed;
      if (request !== undefined)
        this.#renewals.hold(request.clientId, request.topic, request.group, deliveries.slice(0, written));
      this.#close(okCode);
    } catch (error) {
      this.refused(error);
    }
  }

  #tell(status: Status): void {
    this.#call.write(status === nothingNew ? emptyReply : v2.ReceiveMessageResponse.encode({ status }));
    if (status.code === nothingNew.code) this.#call.write(timeReply(this.#room));
    this.#close(status.code);
  }

  #close(code: number): void {
    this.#room.observe(rpc, code, this.#room.clock.monoMs() - this.#startedMs);
    this.#call.end();
  }
}

/** What a request asks for; at once if its topic and group are known. @throws {SaturnError} for what breaks a rule */
function wantedOf(
  request: v2.ReceiveMessageRequest,
  clientId: string,
  call: StreamingCall,
  room: Room,
): ReceiveRequest | Promise<ReceiveRequest> {
  const { limits, messaging } = room;
  const topicName = topicNameOf(request.messageQueue?.topic);
  const groupName = groupNameOf(request.group);
  const filter = parseFilter(request.filterExpression);
  const invisibleMs = invisibleOf(request, limits);
  if (request.batchSize < 1)
    throw new SaturnError("BAD_REQUEST", "batch_size is below 1: ask for at least one message");
  const batchSize = Math.min(request.batchSize, limits.receiveBatchMax);
  const { longPollingTimeout, attemptId = "" } = request;
  const asked = (topic: TopicInfo, group: GroupInfo): ReceiveRequest => {
    const waitMs = pollMs(durationMs(longPollingTimeout), call.deadlineMs - room.clock.monoMs(), limits);
    return { topic, group, filter, batchSize, invisibleMs, waitMs, clientId, attemptId };
  };
  const [topic, group] = [messaging.knownTopic(topicName), messaging.knownGroup(groupName)];
  if (topic !== undefined && group !== undefined) return asked(topic, group);
  return messaging.topic(topicName).then(async (found) => asked(found, await messaging.group(groupName)));
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

/** Writes what was leased, and answers how many; the rest, which the client is not there for any more, is given back. */
async function deliver(room: Room, call: StreamingCall, deliveries: readonly Delivery[]): Promise<number> {
  const { language } = call.client;
  const storeHost = room.storeHost();
  let written = 0;
  try {
    call.write(okReply);
    for (; written < deliveries.length && !call.gone; written += 1) {
      writer.write(defined(deliveries[written], "delivery"), storeHost, language);
      if (!call.writeFrom(writer.bytes, writer.start, writer.end - writer.start)) await call.drained();
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

/** What it holds goes out in the turn in which it was written: one does for all. */
const writer = new DeliveryWriter();
const nothingNew = refusal("MESSAGE_NOT_FOUND", "no new message");
const okReply = v2.ReceiveMessageResponse.encode({ status: ok });
const emptyReply = v2.ReceiveMessageResponse.encode({ status: nothingNew });

function timeReply(room: Room): Uint8Array {
  return v2.ReceiveMessageResponse.encode({ deliveryTimestamp: durationOf(room.clock.wallMs()) });
}
