import { SaturnError, topicNameProblem } from "@saturnmq/kit";
import { crc32 } from "@saturnmq/kit/node";
import { layOutMessage, normalizeMessage, SendMessageScanner, StoredLayout, v2, WireError } from "@saturnmq/wire";
import type { OutgoingMessage, SendOutcome } from "../../messaging.ts";
import type { FastUnaryMethod } from "../transport/service.ts";
import { answering } from "./answer.ts";
import { LoneSends } from "./lone-sends.ts";
import { checkMessageType, type MessageTypeName, messageTypeNumber } from "./message-types.ts";
import type { Room } from "./room.ts";
import { ok } from "./status.ts";
import { validateMessage } from "./validate-message.ts";

/** A request that keeps every rule that can be checked without its topic. */
type Incoming = {
  readonly topicName: string;
  readonly messages: readonly OutgoingMessage[];
  readonly types: ReadonlySet<MessageTypeName>;
};

/** Stores the messages of one topic. One that breaks a rule refuses them all, before anything is stored. */
export function sendMessage(room: Room): FastUnaryMethod {
  const scanner = new SendMessageScanner();
  const layout = new StoredLayout();
  const request = {
    decode: (bytes: Uint8Array, start: number, end: number) => readRequest(scanner, layout, room, bytes, start, end),
  };
  const lone = new LoneSends(room);
  const all = answering("SendMessage", room, request, v2.SendMessageResponse, async (incoming, { call }) => {
    const topic = await room.messaging.topic(incoming.topicName);
    for (const type of incoming.types) checkMessageType(topic, type);
    const outcomes = await room.messaging.send(topic, incoming.messages, call.deadlineMs);
    return { status: ok, entries: outcomes.map((outcome, at) => entryOf(incoming.messages[at], outcome)) };
  });
  return {
    kind: "fastUnary",
    headers: lone.headers,
    handle: (bytes, start, length, call) => lone.handle(bytes, start, length, call),
    otherwise: (bytes, start, length, call) => all.handle(bytes, start, length, call),
  };
}

/** Checks all messages and brings them to the stored form. Bytes that are no send request are called corrupted, as the reference server does. */
function readRequest(
  scanner: SendMessageScanner,
  layout: StoredLayout,
  room: Room,
  bytes: Uint8Array,
  start: number,
  end: number,
): Incoming {
  const messages: OutgoingMessage[] = [];
  const types = new Set<MessageTypeName>();
  let topicName: string | undefined;
  try {
    scanner.open(bytes, start, end);
    while (scanner.next()) {
      topicName ??= topicOf(scanner);
      if (!scanner.sharesTopic)
        throw corrupted("the messages of one request are of different topics: send each topic's apart");
      const type = validateMessage(scanner, room.limits, room.clock);
      types.add(type);
      scanner.messageType = messageTypeNumber(type);
      messages.push(storedForm(scanner, layout));
    }
  } catch (error) {
    throw error instanceof WireError ? corrupted(`the request cannot be read: ${error.message}`, error) : error;
  } finally {
    scanner.close();
  }
  if (topicName === undefined) throw corrupted("the request has no message: send at least one");
  return { topicName, messages, types };
}

function topicOf(scanner: SendMessageScanner): string {
  const name = scanner.text(scanner.topicName);
  const problem = topicNameProblem(name);
  if (problem !== undefined) throw new SaturnError("ILLEGAL_TOPIC", problem);
  return name;
}

function storedForm(scanner: SendMessageScanner, layout: StoredLayout): OutgoingMessage {
  layOutMessage(scanner, layout);
  const bytes = Buffer.allocUnsafe(layout.length);
  normalizeMessage(scanner, layout, bytes, 0);
  const { length, bodyStart, bodyLength } = layout;
  const tag = scanner.text(scanner.tag);
  return {
    bytes,
    start: 0,
    length,
    bodyStart,
    bodyLength,
    bodyCrc: crc32(bytes, bodyStart, bodyLength),
    tag: tag === "" ? undefined : tag,
    messageId: scanner.text(scanner.messageId),
    messageGroup: scanner.messageGroup.start < 0 ? undefined : scanner.text(scanner.messageGroup),
  };
}

function entryOf(message: OutgoingMessage | undefined, outcome: SendOutcome): v2.SendResultEntry {
  const messageId = message?.messageId ?? "";
  // The official Node client wants the transaction id of a plain message to be its message id.
  return { status: ok, messageId, transactionId: messageId, offset: outcome.offset, recallHandle: "" };
}

function corrupted(message: string, cause?: unknown): SaturnError {
  return new SaturnError("MESSAGE_CORRUPTED", message, { cause });
}
