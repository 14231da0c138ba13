import { type ErrorCode, errorTable, SaturnError } from "@saturnmq/kit";
import type { forward, StartPosition } from "@saturnmq/wire";
import type { Interest, LogEntry } from "../cluster/ports.ts";
import { everything, type Filter } from "../domain/filter.ts";
import { type AckOutcome, NotLedError, type QueueProgress } from "../led-shards.ts";
import type { Delivery, OutgoingMessage } from "../messaging.ts";

/** The words of `saturnmq.v1` forwards for what brokers ask of each other: nothing but translation, both ways. */

type Words<T> = { readonly [Key in keyof T]?: T[Key] | undefined };

/** @throws {SaturnError} `UNIMPLEMENTED` for a language of filters that this version does not know */
export function filterOf(words: forward.ForwardFilter | undefined): Filter {
  const { kind, expression } = words ?? everything;
  if (kind === "tag") return { kind, expression };
  throw new SaturnError(
    "UNIMPLEMENTED",
    `a newer broker asks with a ${kind} filter, which this one does not know: update it`,
  );
}

export function startWords(start: StartPosition): Words<forward.ForwardStart> {
  return { kind: start.kind, atMs: start.kind === "time" ? start.atMs : 0 };
}

/** @throws {SaturnError} `UNIMPLEMENTED` for a kind of start that this version does not know */
export function startOf({ kind, atMs }: forward.ForwardStart): StartPosition {
  if (kind === "time") return { kind, atMs };
  if (kind === "earliest") return { kind };
  throw new SaturnError(
    "UNIMPLEMENTED",
    `a newer broker asks about a start ${kind}, which this one does not know: update it`,
  );
}

export function interestWords({ topic, group, filter }: Interest, arming: number): Words<forward.WaitingFor> {
  return { topic, group, filter, arming };
}

export function interestOf(words: forward.WaitingFor): Interest {
  return { topic: words.topic, group: words.group, filter: filterOf(words.filter) };
}

export function messageWords(message: OutgoingMessage): Words<forward.ForwardMessage> {
  const { bytes, start, length, bodyStart, bodyLength, bodyCrc, tag, messageId, messageGroup } = message;
  return {
    message: bytes.subarray(start, start + length),
    bodyStart,
    bodyLength,
    bodyCrc,
    tag,
    messageId,
    messageGroup,
  };
}

/** @throws {SaturnError} `BAD_REQUEST` if the body does not lie inside the message */
export function outgoingOf(words: forward.ForwardMessage): OutgoingMessage {
  const { message: bytes, bodyStart, bodyLength, bodyCrc, tag, messageId, messageGroup } = words;
  if (bodyStart < 0 || bodyLength < 0 || bodyStart + bodyLength > bytes.length)
    throw new SaturnError("BAD_REQUEST", "a forwarded message's body lies outside of the message");
  const body = { bodyStart, bodyLength, bodyCrc: bodyCrc >>> 0 };
  return { bytes, start: 0, length: bytes.length, ...body, tag, messageId, messageGroup };
}

export function deliveryWords(delivery: Delivery): Words<forward.ForwardDelivery> {
  return delivery;
}

export function deliveryOf(words: forward.ForwardDelivery): Delivery {
  return { ...words, bodyCrc: words.bodyCrc >>> 0 };
}

export function progressWords({ topic, status }: QueueProgress): Words<forward.ForwardProgress> {
  return { topic, ...status };
}

export function progressOf({ topic, ...status }: forward.ForwardProgress): QueueProgress {
  const { oldestUnackedAtMs, startOffset, ...numbers } = status;
  return { topic, status: { ...numbers, oldestUnackedAtMs, startOffset } };
}

export function entryWords({ index, term, kind, payload, writtenMs }: LogEntry): Words<forward.ForwardEntry> {
  const { bytes, start, length, crc } = payload;
  return {
    index,
    term,
    configuration: kind === "configuration",
    payload: bytes.subarray(start, start + length),
    crc,
    writtenMs,
  };
}

export function entryOf({ index, term, configuration, payload, crc, writtenMs }: forward.ForwardEntry): LogEntry {
  const range = { bytes: payload, start: 0, length: payload.length, crc: crc >>> 0 };
  return { index, term, kind: configuration ? "configuration" : "data", payload: range, writtenMs };
}

/** What a call came to that was refused. Bugs are told without their details: the log of whoever has them knows more. */
export function refusalWords(error: unknown): Words<forward.ForwardRefusal> {
  if (error instanceof NotLedError) return { code: "TOO_MANY_REQUESTS", message: error.message, notDone: true };
  if (error instanceof SaturnError) return { code: error.code, message: error.message, notDone: false };
  return { code: "INTERNAL_ERROR", message: "the broker that leads the shard failed; its log has the reason" };
}

/** @param shard that was asked for, named by a refusal that proves that nothing was done */
export function errorOf({ code, message, notDone }: forward.ForwardRefusal, shard: number): NotLedError | SaturnError {
  if (notDone) return new NotLedError(shard);
  // A newer version's code: what it means is in the message.
  return new SaturnError(code in errorTable ? (code as ErrorCode) : "INTERNAL_ERROR", message);
}

export function ackWords(outcome: AckOutcome): Words<forward.ForwardOutcome> {
  if (outcome === undefined) return {};
  return {
    refusal: refusalWords(outcome) as forward.ForwardRefusal,
    shard: outcome instanceof NotLedError ? outcome.shard : 0,
  };
}

export function ackOutcomeOf({ refusal, shard }: forward.ForwardOutcome): AckOutcome {
  return refusal && errorOf(refusal, shard);
}
