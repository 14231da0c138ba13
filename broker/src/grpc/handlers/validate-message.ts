import { type Clock, SaturnError } from "@saturnmq/kit";
import { momentMs, type SendMessageScanner, type Span, type SpanList } from "@saturnmq/wire";
import { type MessageTypeName, messageTypeName } from "./message-types.ts";

export type MessageLimits = {
  /** Bytes. */
  readonly bodyBytesMax: number;
  readonly propertiesMax: number;
  /** User properties, tag and keys together. */
  readonly propertiesBytesMax: number;
};

const groupBytesMax = 63;
const delayMaxMs = 40 * 24 * 3_600_000;
const orphanedRecoveryMaxMs = 3_600_000;
/** `Encoding.GZIP`, the highest known. */
const encodingMax = 2;

/** Property names that RocketMQ servers keep for themselves. */
const reservedNames: ReadonlySet<string> = new Set([
  ...["KEYS", "TAGS", "WAIT", "DELAY", "RETRY_TOPIC", "REAL_TOPIC", "REAL_QID", "TRAN_MSG", "PGROUP", "MIN_OFFSET"],
  ...["MAX_OFFSET", "BUYER_ID", "ORIGIN_MESSAGE_ID", "TRANSFER_FLAG", "CORRECTION_FLAG", "MQ2_FLAG", "RECONSUME_TIME"],
  ...["MSG_REGION", "TRACE_ON", "UNIQ_KEY", "EXTEND_UNIQ_INFO", "MAX_RECONSUME_TIMES", "CONSUME_START_TIME"],
  ...["POP_CK", "POP_CK_OFFSET", "1ST_POP_TIME", "SHARDING_KEY", "TIMER_DELAY_LEVEL", "TIMER_DELAY_SEC"],
  ...["TIMER_DELAY_MS", "TIMER_DELIVER_MS", "TIMER_OUT_MS", "TIMER_ENQUEUE_MS", "TIMER_DEQUEUE_MS"],
  ...["TIMER_ROLL_TIMES", "TIMER_DEL_UNIQKEY", "INSTANCE_ID", "CORRELATION_ID", "REPLY_TO_CLIENT"],
  ...["PUSH_REPLY_TIME", "CLUSTER", "MSG_TYPE", "DLQ_ORIGIN_TOPIC", "DLQ_ORIGIN_MESSAGE_ID"],
]);
const reservedBytesMax = Math.max(...[...reservedNames].map((name) => name.length));

/**
 * Checks the scanner's present message and tells its type: the one it names, or, when it names none, the one its fields make it.
 *
 * @param clock read only for a message with a time of delivery
 * @throws {SaturnError} with the code of the first rule broken (contract 2.13)
 */
export function validateMessage(
  scanner: SendMessageScanner,
  limits: MessageLimits,
  clock: Pick<Clock, "wallMs">,
): MessageTypeName {
  checkBody(scanner, limits.bodyBytesMax);
  if (scanner.tag.length > 0) checkTag(scanner);
  checkKeys(scanner);
  checkGroup(scanner);
  checkProperties(scanner, limits);
  if (isBlank(scanner.bytes, scanner.messageId.start, scanner.messageId.length))
    throw new SaturnError("ILLEGAL_MESSAGE_ID", "the message id is blank: give each message one");
  checkTimes(scanner, clock);
  return typeOf(scanner);
}

/** A message group makes a message FIFO, whatever it says of itself; without one it cannot be. */
function typeOf(scanner: SendMessageScanner): MessageTypeName {
  const implied = impliedType(scanner);
  const named = messageTypeName(scanner.messageType) ?? implied;
  if (named === "FIFO" && implied !== "FIFO")
    throw new SaturnError("ILLEGAL_MESSAGE_GROUP", "a FIFO message has no message group: give it one");
  return named === "NORMAL" && implied === "FIFO" ? implied : named;
}

function checkBody({ body, bodyEncoding }: SendMessageScanner, max: number): void {
  if (body.length === 0) throw new SaturnError("MESSAGE_BODY_EMPTY", "the message has no body: send at least one byte");
  if (body.length > max)
    throw new SaturnError("MESSAGE_BODY_TOO_LARGE", `the message body has ${body.length} bytes: the limit is ${max}`);
  if (bodyEncoding < 0 || bodyEncoding > encodingMax)
    throw new SaturnError("BAD_REQUEST", `body encoding ${bodyEncoding} is unknown: use IDENTITY or GZIP`);
}

function checkTag(scanner: SendMessageScanner): void {
  const { bytes, tag } = scanner;
  const { start, length } = tag;
  if (!hasControl(bytes, start, length) && !hasBar(bytes, start, length) && isTrimmed(scanner, tag)) return;
  throw new SaturnError(
    "ILLEGAL_MESSAGE_TAG",
    `tag ${JSON.stringify(scanner.text(tag))} is not allowed: no blanks around it, no | and no control characters`,
  );
}

function checkKeys({ bytes, keys }: SendMessageScanner): void {
  for (let at = 0; at < keys.count; at += 1) {
    if (isBlank(bytes, keys.start(at), keys.length(at)) || hasControl(bytes, keys.start(at), keys.length(at)))
      throw new SaturnError(
        "ILLEGAL_MESSAGE_KEY",
        `message key ${at} is blank or has a control character: give it visible characters only`,
      );
  }
}

function checkGroup({ bytes, messageGroup }: SendMessageScanner): void {
  if (!isPresent(messageGroup)) return;
  const { start, length } = messageGroup;
  if (isBlank(bytes, start, length) || hasControl(bytes, start, length))
    throw new SaturnError("ILLEGAL_MESSAGE_GROUP", "the message group is blank or has a control character");
  if (length > groupBytesMax)
    throw new SaturnError(
      "ILLEGAL_MESSAGE_GROUP",
      `the message group has ${length} bytes: the limit is ${groupBytesMax}`,
    );
}

function checkProperties(scanner: SendMessageScanner, limits: MessageLimits): void {
  const { bytes, propertyNames: names, propertyValues: values, tag, keys } = scanner;
  if (names.count > limits.propertiesMax)
    throw tooLarge(`the message has ${names.count} user properties: the limit is ${limits.propertiesMax}`);
  const total = names.bytes + values.bytes + keys.bytes + tag.length;
  if (total > limits.propertiesBytesMax)
    throw tooLarge(`properties, tag and keys have ${total} bytes: the limit is ${limits.propertiesBytesMax}`);
  for (let at = 0; at < names.count; at += 1) {
    checkReserved(scanner, names, at);
    if (hasControl(bytes, names.start(at), names.length(at)) || hasControl(bytes, values.start(at), values.length(at)))
      throw new SaturnError(
        "ILLEGAL_MESSAGE_PROPERTY_KEY",
        `property ${JSON.stringify(scanner.textAt(names, at))} has a control character in its name or value`,
      );
  }
}

function checkReserved(scanner: SendMessageScanner, names: SpanList, at: number): void {
  // Reserved names are short, and none begins with a small letter: most names need no text.
  const first = scanner.bytes[names.start(at)] ?? 0;
  if (first > 0x5a || names.length(at) > reservedBytesMax) return;
  const name = scanner.textAt(names, at);
  if (reservedNames.has(name))
    throw new SaturnError(
      "ILLEGAL_MESSAGE_PROPERTY_KEY",
      `property name ${name} is kept for the system: choose another`,
    );
}

function tooLarge(message: string): SaturnError {
  return new SaturnError("MESSAGE_PROPERTIES_TOO_LARGE", message);
}

function checkTimes({ delivery, orphanedRecovery }: SendMessageScanner, clock: Pick<Clock, "wallMs">): void {
  if (delivery.present && momentMs(delivery) > clock.wallMs() + delayMaxMs)
    throw new SaturnError("ILLEGAL_DELIVERY_TIME", "the delivery time is too far away: the limit is 40 days from now");
  if (orphanedRecovery.present && momentMs(orphanedRecovery) > orphanedRecoveryMaxMs)
    throw new SaturnError("BAD_REQUEST", "the orphaned transaction's recovery duration is above 3600 s");
}

function impliedType({ messageGroup, delivery, liteTopic, hasPriority }: SendMessageScanner): MessageTypeName {
  if (isPresent(messageGroup)) return "FIFO";
  if (delivery.present) return "DELAY";
  if (isPresent(liteTopic)) return "LITE";
  return hasPriority ? "PRIORITY" : "NORMAL";
}

function isPresent(span: Span): boolean {
  return span.start >= 0;
}

/** No blanks around it. Only a text with other than ASCII letters at its ends has to be made to know. */
function isTrimmed(scanner: SendMessageScanner, span: Span): boolean {
  const first = scanner.bytes[span.start] ?? 0;
  const last = scanner.bytes[span.start + span.length - 1] ?? 0;
  if (first < 0x80 && last < 0x80) return first > 0x20 && last > 0x20;
  const text = scanner.text(span);
  return text.trim() === text;
}

function hasBar(bytes: Uint8Array, start: number, length: number): boolean {
  for (let at = start; at < start + length; at += 1) if (bytes[at] === 0x7c) return true;
  return false;
}

/** Nothing but ASCII blanks. */
function isBlank(bytes: Uint8Array, start: number, length: number): boolean {
  for (let at = start; at < start + length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte !== 0x20 && (byte < 0x09 || byte > 0x0d)) return false;
  }
  return true;
}

/** ISO control characters in UTF-8: below U+0020, and U+007F to U+009F. */
function hasControl(bytes: Uint8Array, start: number, length: number): boolean {
  for (let at = start; at < start + length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte < 0x20 || byte === 0x7f) return true;
    if (byte === 0xc2 && (bytes[at + 1] ?? 0) < 0xa0) return true;
  }
  return false;
}
