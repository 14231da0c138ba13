import { type Cancel, SaturnError } from "@saturnmq/kit";
import { type GroupInfo, v2 } from "@saturnmq/wire";
import type { BidirectionalMethod, IncomingStream, StreamingCall } from "../transport/service.ts";
import { accessPoint } from "./access-point.ts";
import { read } from "./answer.ts";
import { parseFilter } from "./filter.ts";
import { clientHeaders, clientIdOf, groupNameOf, topicNameOf } from "./names.ts";
import type { Room } from "./room.ts";
import { mergeSettings } from "./settings.ts";
import { ok } from "./status.ts";
import type { Stoppable } from "./stopping.ts";

/**
 * The Node client asks for routes first and begins to wait for its settings only when it has them all; an answer that comes before that is
 * lost, and it waits for ever. So it gets its first answer a little late, and once more.
 */
const lateForNode = { firstMs: 50, againMs: 1_000 };
const nodeLanguage = "HTTP";
/** Of one client that are looked at. */
const subscriptionsMax = 256;

/**
 * A client's open line. Each `settings` is answered at once with the server's values merged in; every client waits for that before it starts.
 * Other commands are answers to questions that this version does not ask, or unknown, and are passed over.
 */
export function telemetry(room: Room): BidirectionalMethod {
  return { kind: "bidirectional", headers: clientHeaders, open: (call) => new OpenLine(room, call, clientIdOf(call)) };
}

/** One stream. There is one for each client, so it holds little. */
class OpenLine implements IncomingStream, Stoppable {
  readonly #room: Room;
  readonly #call: StreamingCall;
  readonly #clientId: string;
  /** Answers that come later. */
  #late: readonly Cancel[] | undefined;
  #first = true;

  constructor(room: Room, call: StreamingCall, clientId: string) {
    this.#room = room;
    this.#call = call;
    this.#clientId = clientId;
    room.sessions.streamOpened(clientId, call.client.language);
    room.stopping.add(this);
    call.onGone(() => {
      this.#close();
    });
    // The client opens another stream, on a connection that is to last.
    call.onLeaving(() => {
      this.end();
    });
  }

  message(bytes: Uint8Array, start: number, length: number): void {
    const { language } = this.#call.client;
    this.#room.sessions.seen(this.#clientId, language);
    const { settings } = read(v2.TelemetryCommand, bytes, start, length);
    if (settings === undefined) return;
    checkSettings(settings);
    const isLate = language === nodeLanguage && this.#first;
    this.#first = false;
    void this.#answer(settings, isLate);
  }

  stop(): void {
    this.end();
  }

  end(): void {
    this.#close();
    this.#call.end();
  }

  #close(): void {
    this.#room.stopping.delete(this);
    for (const cancel of this.#late ?? []) cancel();
    this.#room.sessions.streamClosed(this.#clientId);
  }

  async #answer(settings: v2.Settings, isLate: boolean): Promise<void> {
    try {
      const reply = await answer(this.#room, this.#call, settings);
      if (isLate) this.#late = Object.values(lateForNode).map((delayMs) => this.#later(delayMs, reply));
      else this.#call.write(reply);
    } catch (err) {
      this.#room.log.error({ err, rpc: "Telemetry" }, "settings were not answered");
      this.#call.end({ code: "INTERNAL_SERVER_ERROR", message: "the broker failed; its log has the reason" });
    }
  }

  #later(delayMs: number, reply: Uint8Array): Cancel {
    return this.#room.timers.after(delayMs, () => {
      this.#call.write(reply);
    });
  }
}

/** @throws {SaturnError} `BAD_REQUEST`, which ends the stream */
function checkSettings(settings: v2.Settings): void {
  if (settings.publishing === undefined && settings.subscription === undefined)
    throw new SaturnError(
      "BAD_REQUEST",
      "the settings have neither publishing nor subscription: say what the client is",
    );
  if (settings.subscription?.group !== undefined) groupNameOf(settings.subscription.group);
}

async function answer(room: Room, call: StreamingCall, settings: v2.Settings): Promise<Uint8Array> {
  const { language, authority } = call.client;
  const group = settings.subscription === undefined ? undefined : await groupOf(room, settings.subscription);
  if (settings.subscription !== undefined && group !== undefined)
    await subscribe(room, clientIdOf(call), group, settings.subscription);
  const endpoints = accessPoint(settings.accessPoint, authority, room.ownPort());
  const merged = mergeSettings(settings, { language, limits: room.limits, group, endpoints });
  return v2.TelemetryCommand.encode({ status: ok, settings: merged });
}

/**
 * Has what the consumer will ask for kept for it from now on, before it is told that it may start. What stands in the way does not keep it from
 * starting: its receives will tell.
 */
async function subscribe(room: Room, clientId: string, group: GroupInfo, asked: v2.Subscription): Promise<void> {
  const outcomes = await Promise.allSettled(
    asked.subscriptions.slice(0, subscriptionsMax).map(async ({ topic: named, expression }) => {
      const filter = parseFilter(expression);
      const topic = await room.messaging.topic(topicNameOf(named));
      await room.messaging.subscribe({ topic, group, filter, clientId });
    }),
  );
  for (const outcome of outcomes) {
    if (outcome.status === "rejected" && !(outcome.reason instanceof SaturnError)) throw outcome.reason;
  }
}

/** The group, made at its first use. Without the name server the client still starts, with the defaults. */
async function groupOf(room: Room, { group }: v2.Subscription): Promise<GroupInfo | undefined> {
  if (group === undefined) return undefined;
  try {
    return await room.messaging.group(groupNameOf(group));
  } catch (err) {
    if (!(err instanceof SaturnError)) throw err;
    room.log.warn({ err, group: group.name }, "settings were answered without their group");
    return undefined;
  }
}
