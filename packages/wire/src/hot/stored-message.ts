import { varintBytes, writeVarint } from "../protobuf/varint.ts";
import { Encoding } from "../rocketmq/messages.ts";
import type { SendMessageScanner } from "./send-message-scanner.ts";
import type { Moment, Span, SpanList } from "./spans.ts";

/** How long a stored message is, and where its body lies, from its start. */
export class StoredLayout {
  length = 0;
  bodyStart = 0;
  bodyLength = 0;
  /** Content of its SystemProperties, bytes. */
  systemLength = 0;
}

/** Works out how the scanner's present message will be stored, for whoever is to make room for it. */
export function layOutMessage(scanner: SendMessageScanner, layout: StoredLayout): void {
  const { length } = scanner.body;
  layout.bodyLength = length;
  layout.bodyStart = headSize(scanner) + (length === 0 ? 0 : 1 + varintBytes(length));
  layout.systemLength = systemSize(scanner);
  layout.length = layout.bodyStart + length + delimited(layout.systemLength);
}

/**
 * Writes the scanner's present message in its stored form at `target[at…]`, as `layOutMessage` has laid it out.
 *
 * The stored form is a protobuf `Message`: topic, user properties, body, SystemProperties last, so that delivery appends its own fields
 * inside them (the README has a drawing). Dropped: what only a server may set (queue id and offset, store time and host, receipt handle,
 * invisible duration, attempt, digest, dead-letter origin), unknown fields. An encoding that is not told becomes IDENTITY.
 *
 * @param target has `layout.length` bytes from `at`; not the bytes being scanned
 */
export function normalizeMessage(
  scanner: SendMessageScanner,
  layout: StoredLayout,
  target: Uint8Array,
  at: number,
): void {
  let next = writeHead(scanner, target, at);
  const { body } = scanner;
  if (body.length > 0) {
    target[next] = 34;
    next = writeVarint(target, next + 1, body.length);
    target.set(scanner.bytes.subarray(body.start, body.start + body.length), next);
  }
  next += body.length;
  target[next] = 26;
  next = writeVarint(target, next + 1, layout.systemLength);
  writeSystem(scanner, target, next);
}

/** Size of a field with a one-byte key and `length` bytes behind a length. */
function delimited(length: number): number {
  return 1 + varintBytes(length) + length;
}

const textSize = (span: Span): number => (span.length === 0 ? 0 : delimited(span.length));
/** A field that is told even when it is empty. */
const optionalSize = (span: Span, keyBytes: number): number =>
  span.start < 0 ? 0 : keyBytes - 1 + delimited(span.length);

function headSize(scanner: SendMessageScanner): number {
  let size = delimited(textSize(scanner.topicNamespace) + textSize(scanner.topicName));
  const { propertyNames, propertyValues } = scanner;
  for (let index = 0; index < propertyNames.count; index += 1) {
    size += delimited(delimited(propertyNames.length(index)) + delimited(propertyValues.length(index)));
  }
  return size;
}

function writeHead(scanner: SendMessageScanner, target: Uint8Array, at: number): number {
  const { bytes, topicNamespace, topicName, propertyNames, propertyValues } = scanner;
  target[at] = 10;
  let next = writeVarint(target, at + 1, textSize(topicNamespace) + textSize(topicName));
  if (topicNamespace.length > 0) next = writeSpan(target, next, 10, bytes, topicNamespace.start, topicNamespace.length);
  if (topicName.length > 0) next = writeSpan(target, next, 18, bytes, topicName.start, topicName.length);
  for (let index = 0; index < propertyNames.count; index += 1) {
    const nameLength = propertyNames.length(index);
    const valueLength = propertyValues.length(index);
    target[next] = 18;
    next = writeVarint(target, next + 1, delimited(nameLength) + delimited(valueLength));
    next = writeSpan(target, next, 10, bytes, propertyNames.start(index), nameLength);
    next = writeSpan(target, next, 18, bytes, propertyValues.start(index), valueLength);
  }
  return next;
}

function systemSize(scanner: SendMessageScanner): number {
  return (
    optionalSize(scanner.tag, 1) +
    listSize(scanner.keys) +
    textSize(scanner.messageId) +
    numberSize(encodingOf(scanner)) +
    numberSize(scanner.messageType) +
    momentSize(scanner.born, 1) +
    textSize(scanner.bornHost) +
    momentSize(scanner.delivery, 1) +
    optionalSize(scanner.messageGroup, 2) +
    optionalSize(scanner.traceContext, 2) +
    momentSize(scanner.orphanedRecovery, 2) +
    optionalSize(scanner.liteTopic, 2) +
    (scanner.hasPriority ? 2 + signedBytes(scanner.priority) : 0)
  );
}

function writeSystem(scanner: SendMessageScanner, target: Uint8Array, at: number): number {
  const { bytes, keys } = scanner;
  let next = writeOptional(target, at, 10, bytes, scanner.tag);
  for (let index = 0; index < keys.count; index += 1) {
    next = writeSpan(target, next, 18, bytes, keys.start(index), keys.length(index));
  }
  if (scanner.messageId.length > 0) next = writeOptional(target, next, 26, bytes, scanner.messageId);
  next = writeNumber(target, next, 40, encodingOf(scanner));
  next = writeNumber(target, next, 48, scanner.messageType);
  next = writeMoment(target, next, 58, scanner.born);
  if (scanner.bornHost.length > 0) next = writeOptional(target, next, 66, bytes, scanner.bornHost);
  next = writeMoment(target, next, 90, scanner.delivery);
  next = writeOptional(target, next, 138, bytes, scanner.messageGroup);
  next = writeOptional(target, next, 146, bytes, scanner.traceContext);
  next = writeMoment(target, next, 154, scanner.orphanedRecovery);
  next = writeOptional(target, next, 170, bytes, scanner.liteTopic);
  if (!scanner.hasPriority) return next;
  return writeSigned(target, writeVarint(target, next, 176), scanner.priority);
}

const encodingOf = (scanner: SendMessageScanner): number =>
  scanner.bodyEncoding === Encoding.ENCODING_UNSPECIFIED ? Encoding.IDENTITY : scanner.bodyEncoding;

function listSize(list: SpanList): number {
  let size = 0;
  for (let index = 0; index < list.count; index += 1) size += delimited(list.length(index));
  return size;
}

/** A negative integer is written as 64 bits of two's complement: ten bytes. */
const signedBytes = (value: number): number => (value < 0 ? 10 : varintBytes(value));
const numberSize = (value: number): number => (value === 0 ? 0 : 1 + signedBytes(value));
const momentContent = (moment: Moment): number => numberSize(moment.seconds) + numberSize(moment.nanos);
const momentSize = (moment: Moment, keyBytes: number): number =>
  moment.present ? keyBytes - 1 + delimited(momentContent(moment)) : 0;

function writeSpan(
  target: Uint8Array,
  at: number,
  key: number,
  source: Uint8Array,
  start: number,
  length: number,
): number {
  const next = writeVarint(target, writeVarint(target, at, key), length);
  // Below this the fixed price of making a view is more than that of the loop (performance notes, technique 17).
  if (length > 64) target.set(source.subarray(start, start + length), next);
  else for (let index = 0; index < length; index += 1) target[next + index] = source[start + index] as number;
  return next + length;
}

function writeOptional(target: Uint8Array, at: number, key: number, source: Uint8Array, span: Span): number {
  return span.start < 0 ? at : writeSpan(target, at, key, source, span.start, span.length);
}

function writeNumber(target: Uint8Array, at: number, key: number, value: number): number {
  if (value === 0) return at;
  target[at] = key;
  return writeSigned(target, at + 1, value);
}

function writeSigned(target: Uint8Array, at: number, value: number): number {
  if (value >= 0) return writeVarint(target, at, value);
  let low = value >>> 0;
  let high = Math.floor(value / 4_294_967_296) >>> 0;
  for (let index = 0; index < 9; index += 1) {
    target[at + index] = (low & 0x7f) | 0x80;
    low = (low >>> 7) | (high << 25);
    high >>>= 7;
  }
  target[at + 9] = low & 0x7f;
  return at + 10;
}

function writeMoment(target: Uint8Array, at: number, key: number, moment: Moment): number {
  if (!moment.present) return at;
  let next = writeVarint(target, writeVarint(target, at, key), momentContent(moment));
  next = writeNumber(target, next, 8, moment.seconds);
  return writeNumber(target, next, 16, moment.nanos);
}
