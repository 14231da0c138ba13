import { assertNever } from "@saturnmq/kit";
import { type RecordSink, recordAt, recordHeadBytes } from "@saturnmq/store/record";
import { type Filter, filterLanguageOf, filterLanguages } from "./filter.ts";
import type { ControlRecord, DeadLettered, MessageStored, ShardRecord } from "./shard-record.ts";

/*
 * Payloads, after the head of @saturnmq/store record.ts. Little-endian; every one begins with f64 timeMs (shard time). Version 1 of each, if none is said:
 *
 *  1 message            8 f64 storedAtMs  16 u32 tag length  20 tag (UTF-8), then the stored protobuf Message. The head says queue and offset.
 *             version 2, one of a message group: 8 f64 storedAtMs  16 u32 tag length  20 u32 lock  24 tag, then the message
 *  2 leased             8 u32 group  12 u32 topic  16 u32 queue  20 u32 count  24 f64 offset  32 u32 attempt  36 f64 deadlineMs
 *                       44 f64 term  52 f64 counter  60 f64 replacedMs
 *             version 2, one in an order: and 68 u32 lock  72 f64 holder
 *  3 visibilityChanged  as leased
 *  4 acked              8 u32 group  12 u32 topic  16 u32 queue  20 u32 count  24 f64 offset
 *  5 skipped            as acked
 *  6 parked             as acked
 *  7 cursorStarted      8 u32 group  12 u32 topic  16 u32 queue  20 u32 epoch  24 f64 offset
 *  8 trimmed            8 u32 topic  12 u32 queue  16 f64 offset
 *  9 logStartRaised     8 f64 index
 * 10 topicDeleted       8 u32 topic
 * 11 groupDeleted       8 u32 group
 * 12 filterAdded        8 u32 group  12 u32 topic  16 u32 number  20 u32 language (1: tags)  24 expression (UTF-8) to the end
 * 13 filterRemoved      8 u32 group  12 u32 topic  16 u32 number
 * 14 deadLettered       8 f64 storedAtMs  16 u32 tag length  20 u32 group  24 u32 topic  28 u32 queue  32 f64 offset, where it was;
 *                       40 tag, then the message. The head says where it is now.
 */
const kinds = [
  undefined,
  "message",
  "leased",
  "visibilityChanged",
  "acked",
  "skipped",
  "parked",
  "cursorStarted",
  "trimmed",
  "logStartRaised",
  "topicDeleted",
  "groupDeleted",
  "filterAdded",
  "filterRemoved",
  "deadLettered",
] as const satisfies readonly (ShardRecord["kind"] | undefined)[];
const numberOf = Object.fromEntries(kinds.map((kind, at) => [kind, at])) as Record<ShardRecord["kind"], number>;
const version = 1;
/** Version of a message or lease that is in an order. */
const orderedVersion = 2;
const newest: Readonly<Record<string, number>> = { message: orderedVersion, leased: orderedVersion };
const messageHeadBytes = 20;
const orderedHeadBytes = 24;
const deadLetterHeadBytes = 40;
const filterHeadBytes = 24;
const utf8 = { encoder: new TextEncoder(), decoder: new TextDecoder("utf-8", { fatal: true }) };

/** A record of a newer program. The process must stop: its state would silently differ from other replicas'. */
export class UnknownRecordError extends Error {
  override readonly name = "UnknownRecordError";

  constructor(kind: number, found: number, detail = "") {
    super(
      `the log holds a record of kind ${kind} version ${found}${detail}, which this program does not know ` +
        `(it knows kinds 1 to ${kinds.length - 1}, version ${newest[kinds[kind] ?? ""] ?? version}): start a release that knows kind ${kind} version ${found}`,
    );
  }
}

/** A message on its way into a batch. `bytes[start, start + length)` is its stored form, the body a range of that from `start`. */
export type MessageBytes = {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
  readonly bodyStart: number;
  readonly bodyLength: number;
  readonly bodyCrc: number;
};

/** What the head of a message's record says of the message. */
export type MessageShape = Omit<MessageBytes, "bytes" | "start">;

/** Adds a message record. @param tag UTF-8, empty for none @param lock what it is in an order by (`lockOf`), 0 for nothing */
export function writeMessage(
  sink: RecordSink,
  place: Omit<MessageStored, "kind">,
  message: MessageBytes,
  tag: Uint8Array,
  tagHash: number,
  lock = 0,
): void {
  const at = addMessage(sink, place, message, tag.length, lock);
  sink.bytes.set(tag, at);
  sink.bytes.set(message.bytes.subarray(message.start, message.start + message.length), at + tag.length);
  sink.setMessage(place.topic, place.queue, place.offset, tagHash);
}

/**
 * Adds the record of a message that the caller writes itself: answers where in `sink.bytes` its tag is to go, and behind that its bytes. The
 * caller then tells the sink its place, with the tag's hash (`setMessage`).
 */
export function addMessage(
  sink: RecordSink,
  place: Omit<MessageStored, "kind">,
  message: MessageShape,
  tagLength: number,
  lock = 0,
): number {
  const headBytes = lock === 0 ? messageHeadBytes : orderedHeadBytes;
  const prefix = headBytes + tagLength;
  const at = sink.add(numberOf.message, lock === 0 ? version : orderedVersion, prefix + message.length);
  const { view } = sink;
  view.setFloat64(at, place.timeMs, true);
  view.setFloat64(at + 8, place.storedAtMs, true);
  view.setUint32(at + 16, tagLength, true);
  if (lock !== 0) view.setUint32(at + 20, lock, true);
  sink.setBody(prefix + message.bodyStart, message.bodyLength, message.bodyCrc);
  return at + headBytes;
}

/** Adds the record of a message that is given up. @param tag UTF-8, empty for none */
export function writeDeadLetter(
  sink: RecordSink,
  { timeMs, storedAtMs, topic, queue, offset, source }: DeadLettered,
  message: MessageBytes,
  tag: Uint8Array,
  tagHash: number,
): void {
  const prefix = deadLetterHeadBytes + tag.length;
  const at = sink.add(numberOf.deadLettered, version, prefix + message.length);
  const { bytes, view } = sink;
  view.setFloat64(at, timeMs, true);
  view.setFloat64(at + 8, storedAtMs, true);
  view.setUint32(at + 16, tag.length, true);
  view.setUint32(at + 20, source.group, true);
  view.setUint32(at + 24, source.topic, true);
  view.setUint32(at + 28, source.queue, true);
  view.setFloat64(at + 32, source.offset, true);
  bytes.set(tag, at + deadLetterHeadBytes);
  bytes.set(message.bytes.subarray(message.start, message.start + message.length), at + prefix);
  sink.setBody(prefix + message.bodyStart, message.bodyLength, message.bodyCrc);
  sink.setMessage(topic, queue, offset, tagHash);
}

/** Length of a message record, at most. */
export function messageBytes(messageLength: number, tagLength: number): number {
  return recordHeadBytes + deadLetterHeadBytes + tagLength + messageLength;
}

/** Length of any other record. */
export function recordBytes(record: ControlRecord): number {
  return recordHeadBytes + payloadBytes(record);
}

/** Adds any other record. */
export function writeRecord(sink: RecordSink, record: ControlRecord): void {
  const at = sink.add(numberOf[record.kind], isOrdered(record) ? orderedVersion : version, payloadBytes(record));
  const { view } = sink;
  view.setFloat64(at, record.timeMs, true);
  switch (record.kind) {
    case "leased":
    case "visibilityChanged":
      view.setUint32(at + 8, record.group, true);
      view.setUint32(at + 12, record.topic, true);
      view.setUint32(at + 16, record.queue, true);
      view.setUint32(at + 20, record.count, true);
      view.setFloat64(at + 24, record.offset, true);
      view.setUint32(at + 32, record.attempt, true);
      view.setFloat64(at + 36, record.deadlineMs, true);
      view.setFloat64(at + 44, record.term, true);
      view.setFloat64(at + 52, record.counter, true);
      view.setFloat64(at + 60, record.replacedMs, true);
      if (!isOrdered(record)) break;
      view.setUint32(at + 68, record.lock, true);
      view.setFloat64(at + 72, record.holder, true);
      break;
    case "acked":
    case "skipped":
    case "parked":
      view.setUint32(at + 8, record.group, true);
      view.setUint32(at + 12, record.topic, true);
      view.setUint32(at + 16, record.queue, true);
      view.setUint32(at + 20, record.count, true);
      view.setFloat64(at + 24, record.offset, true);
      break;
    case "cursorStarted":
      view.setUint32(at + 8, record.group, true);
      view.setUint32(at + 12, record.topic, true);
      view.setUint32(at + 16, record.queue, true);
      view.setUint32(at + 20, record.epoch, true);
      view.setFloat64(at + 24, record.offset, true);
      break;
    case "trimmed":
      view.setUint32(at + 8, record.topic, true);
      view.setUint32(at + 12, record.queue, true);
      view.setFloat64(at + 16, record.offset, true);
      break;
    case "logStartRaised":
      view.setFloat64(at + 8, record.index, true);
      break;
    case "topicDeleted":
      view.setUint32(at + 8, record.topic, true);
      break;
    case "groupDeleted":
      view.setUint32(at + 8, record.group, true);
      break;
    case "filterAdded":
      view.setUint32(at + 8, record.group, true);
      view.setUint32(at + 12, record.topic, true);
      view.setUint32(at + 16, record.number, true);
      view.setUint32(at + 20, filterLanguages[record.filter.kind], true);
      utf8.encoder.encodeInto(record.filter.expression, sink.bytes.subarray(at + filterHeadBytes));
      break;
    case "filterRemoved":
      view.setUint32(at + 8, record.group, true);
      view.setUint32(at + 12, record.topic, true);
      view.setUint32(at + 16, record.number, true);
      break;
    default:
      assertNever(record);
  }
}

function isOrdered(record: ControlRecord): boolean {
  return record.kind === "leased" && record.lock !== 0;
}

function payloadBytes(record: ControlRecord): number {
  switch (record.kind) {
    case "leased":
    case "visibilityChanged":
      return isOrdered(record) ? 80 : 68;
    case "acked":
    case "skipped":
    case "parked":
    case "cursorStarted":
      return 32;
    case "trimmed":
      return 24;
    case "logStartRaised":
      return 16;
    case "topicDeleted":
    case "groupDeleted":
      return 12;
    case "filterAdded":
      return filterHeadBytes + utf8.encoder.encode(record.filter.expression).length;
    case "filterRemoved":
      return 20;
    default:
      return assertNever(record);
  }
}

/**
 * The record at `at`, where its head begins.
 *
 * @throws {UnknownRecordError} if a newer program wrote it
 */
export function readRecord(view: DataView, at: number): ShardRecord {
  const kindNumber = view.getUint16(at + recordAt.kind, true);
  const found = view.getUint8(at + recordAt.version);
  const kind = kinds[kindNumber];
  if (kind === undefined || found < version || found > (newest[kind] ?? version))
    throw new UnknownRecordError(kindNumber, found);
  const from = at + recordHeadBytes;
  const timeMs = view.getFloat64(from, true);
  switch (kind) {
    case "message":
      return {
        kind,
        timeMs,
        topic: view.getUint32(at + recordAt.stream, true),
        queue: view.getUint32(at + recordAt.partition, true),
        offset: offsetOf(view, at),
        storedAtMs: view.getFloat64(from + 8, true),
      };
    case "deadLettered":
      return {
        kind,
        timeMs,
        topic: view.getUint32(at + recordAt.stream, true),
        queue: view.getUint32(at + recordAt.partition, true),
        offset: offsetOf(view, at),
        storedAtMs: view.getFloat64(from + 8, true),
        source: {
          group: view.getUint32(from + 20, true),
          topic: view.getUint32(from + 24, true),
          queue: view.getUint32(from + 28, true),
          offset: view.getFloat64(from + 32, true),
        },
      };
    case "leased":
    case "visibilityChanged":
      return {
        kind,
        timeMs,
        group: view.getUint32(from + 8, true),
        topic: view.getUint32(from + 12, true),
        queue: view.getUint32(from + 16, true),
        count: view.getUint32(from + 20, true),
        offset: view.getFloat64(from + 24, true),
        attempt: view.getUint32(from + 32, true),
        deadlineMs: view.getFloat64(from + 36, true),
        term: view.getFloat64(from + 44, true),
        counter: view.getFloat64(from + 52, true),
        replacedMs: view.getFloat64(from + 60, true),
        lock: found === orderedVersion ? view.getUint32(from + 68, true) : 0,
        holder: found === orderedVersion ? view.getFloat64(from + 72, true) : 0,
      };
    case "acked":
    case "skipped":
    case "parked":
      return {
        kind,
        timeMs,
        group: view.getUint32(from + 8, true),
        topic: view.getUint32(from + 12, true),
        queue: view.getUint32(from + 16, true),
        count: view.getUint32(from + 20, true),
        offset: view.getFloat64(from + 24, true),
      };
    case "cursorStarted":
      return {
        kind,
        timeMs,
        group: view.getUint32(from + 8, true),
        topic: view.getUint32(from + 12, true),
        queue: view.getUint32(from + 16, true),
        epoch: view.getUint32(from + 20, true),
        offset: view.getFloat64(from + 24, true),
      };
    case "trimmed":
      return {
        kind,
        timeMs,
        topic: view.getUint32(from + 8, true),
        queue: view.getUint32(from + 12, true),
        offset: view.getFloat64(from + 16, true),
      };
    case "logStartRaised":
      return { kind, timeMs, index: view.getFloat64(from + 8, true) };
    case "topicDeleted":
      return { kind, timeMs, topic: view.getUint32(from + 8, true) };
    case "groupDeleted":
      return { kind, timeMs, group: view.getUint32(from + 8, true) };
    case "filterAdded":
      return {
        kind,
        timeMs,
        group: view.getUint32(from + 8, true),
        topic: view.getUint32(from + 12, true),
        number: view.getUint32(from + 16, true),
        filter: {
          kind: filterLanguage(view.getUint32(from + 20, true), found),
          expression: textOf(view, from + filterHeadBytes, at + view.getUint32(at + recordAt.length, true)),
        },
      };
    case "filterRemoved":
      return {
        kind,
        timeMs,
        group: view.getUint32(from + 8, true),
        topic: view.getUint32(from + 12, true),
        number: view.getUint32(from + 16, true),
      };
    default:
      return assertNever(kind);
  }
}

/** @throws {UnknownRecordError} for the language of a newer program */
function filterLanguage(number: number, found: number): Filter["kind"] {
  const language = filterLanguageOf(number);
  if (language === undefined) throw new UnknownRecordError(numberOf.filterAdded, found, ` in language ${number}`);
  return language;
}

function textOf(view: DataView, from: number, to: number): string {
  return utf8.decoder.decode(new Uint8Array(view.buffer, view.byteOffset + from, to - from));
}

function offsetOf(view: DataView, at: number): number {
  return view.getUint32(at + recordAt.offset + 4, true) * 4_294_967_296 + view.getUint32(at + recordAt.offset, true);
}

/** A stored message inside its record: places are from the record's start. */
export type StoredMessage = {
  readonly storedAtMs: number;
  readonly bodyCrc: number;
  /** What it is in an order by, 0 for nothing. */
  readonly lock: number;
  readonly tagStart: number;
  readonly tagLength: number;
  readonly messageStart: number;
  readonly messageEnd: number;
};

/** Where the parts of a message record lie. `record` begins with its head. */
export function messageParts(record: Uint8Array): StoredMessage {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const found = view.getUint8(recordAt.version);
  const kind = view.getUint16(recordAt.kind, true);
  const dead = kind === numberOf.deadLettered && found === version;
  const ordered = kind === numberOf.message && found === orderedVersion;
  if (!dead && !ordered && (kind !== numberOf.message || found !== version)) throw new UnknownRecordError(kind, found);
  const tagLength = view.getUint32(recordHeadBytes + 16, true);
  const headBytes = dead ? deadLetterHeadBytes : ordered ? orderedHeadBytes : messageHeadBytes;
  const tagStart = recordHeadBytes + headBytes;
  return {
    storedAtMs: view.getFloat64(recordHeadBytes + 8, true),
    bodyCrc: view.getUint32(recordAt.bodyCrc, true),
    lock: ordered ? view.getUint32(recordHeadBytes + 20, true) : 0,
    tagStart,
    tagLength,
    messageStart: tagStart + tagLength,
    messageEnd: view.getUint32(recordAt.length, true),
  };
}
