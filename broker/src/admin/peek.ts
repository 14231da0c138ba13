import { SaturnError } from "@saturnmq/kit";
import { type AdminMethods, type MessageType, type TopicInfo, v2 } from "@saturnmq/wire";
import type { AdminHandler } from "./handler.ts";
import { knownTopic } from "./topics.ts";

type Reply = AdminMethods["PeekMessage"]["reply"];

export const peekMessage: AdminHandler<"PeekMessage"> = async (room, { topic: name, queue, offset }) => {
  const topic = knownTopic(room, name);
  checkPlace(topic, queue, offset);
  const { message, bodyCrc, storedAtMs } = await room.messaging.peek(topic, queue, offset);
  const { body, userProperties, systemProperties } = v2.Message.decode(message);
  return {
    topic: name,
    queue,
    offset,
    messageId: systemProperties?.messageId ?? "",
    keys: systemProperties?.keys ?? [],
    properties: Object.fromEntries(userProperties),
    body,
    storedAtMs,
    bornHost: systemProperties?.bornHost ?? "",
    bodyCrc,
    type: typeName(systemProperties?.messageType),
    bodyEncoding: systemProperties?.bodyEncoding === v2.Encoding.GZIP ? "GZIP" : "IDENTITY",
    ...optionalParts(systemProperties),
  };
};

/** @throws {SaturnError} `NOT_FOUND`, `OFFSET_NOT_FOUND` for places that no topic of this shape has */
export function checkPlace({ name, queues }: TopicInfo, queue: number, offset: number): void {
  if (queue >= queues)
    throw new SaturnError("NOT_FOUND", `topic ${name} has queues 0 to ${String(queues - 1)}, not ${String(queue)}`);
  if (offset < 0) throw new SaturnError("OFFSET_NOT_FOUND", `offsets begin at 0: ${String(offset)} cannot exist`);
}

function optionalParts(properties: v2.SystemProperties | undefined): Pick<Reply, "tag" | "bornAtMs"> {
  const { tag, bornTimestamp } = properties ?? {};
  return {
    ...(tag === undefined ? {} : { tag }),
    ...(bornTimestamp === undefined
      ? {}
      : { bornAtMs: bornTimestamp.seconds * 1_000 + Math.floor(bornTimestamp.nanos / 1_000_000) }),
  };
}

const typeNames: ReadonlyMap<number, MessageType> = new Map([
  [v2.MessageType.NORMAL, "NORMAL"],
  [v2.MessageType.FIFO, "FIFO"],
  [v2.MessageType.DELAY, "DELAY"],
  [v2.MessageType.TRANSACTION, "TRANSACTION"],
  [v2.MessageType.PRIORITY, "PRIORITY"],
]);

function typeName(type: number | undefined): Reply["type"] {
  return typeNames.get(type ?? 0) ?? "TOPIC_TYPE_UNSPECIFIED";
}
