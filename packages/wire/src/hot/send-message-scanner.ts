import { Cursor } from "../protobuf/cursor.ts";
import { limits } from "../protobuf/message-codec.ts";
import { absentMoment, absentSpan, clearMoment, clearSpan, type Moment, type Span, SpanList } from "./spans.ts";

/**
 * Walks a `SendMessageRequest` and shows one message after the other as places in its bytes.
 *
 * Reused from request to request; nothing is allocated per message. Fields may come in any order and more than once: of a scalar the last
 * counts, sub-messages merge, lists grow (protobuf.dev, "Last One Wins"). Texts are checked to be UTF-8, because one that is not would make
 * the message undeliverable to most clients. `open`, `next` throw `WireError` on anything malformed and beyond `limits`.
 *
 * ```ts
 * scanner.open(bytes, 0, bytes.length);
 * while (scanner.next()) { … scanner.text(scanner.messageId) … }
 * ```
 *
 * Grammar: SendMessageRequest { 1: Message* }; Message { 1: Resource, 2: map entry*, 3: SystemProperties, 4: body }.
 */
export class SendMessageScanner {
  /** Place of the present message in the request, from 0; -1 before the first. */
  index = -1;
  readonly topicNamespace = absentSpan();
  readonly topicName = absentSpan();
  /** False when this message's topic differs from the first one's. */
  sharesTopic = true;
  /** Names of the user properties, and their values at the same indexes. A name may come twice: its last value counts. */
  readonly propertyNames = new SpanList();
  readonly propertyValues = new SpanList();
  readonly body = absentSpan();
  readonly tag = absentSpan();
  readonly keys = new SpanList();
  readonly messageId = absentSpan();
  /** `DigestType`; 0 when the client sent none. */
  digestType = 0;
  readonly digestChecksum = absentSpan();
  /** `Encoding`. */
  bodyEncoding = 0;
  /** `MessageType`. */
  messageType = 0;
  readonly born = absentMoment();
  readonly bornHost = absentSpan();
  queueId = 0;
  readonly delivery = absentMoment();
  readonly messageGroup = absentSpan();
  readonly traceContext = absentSpan();
  readonly orphanedRecovery = absentMoment();
  readonly liteTopic = absentSpan();
  hasPriority = false;
  priority = 0;

  readonly #cursor = new Cursor();
  readonly #firstNamespace = absentSpan();
  readonly #firstName = absentSpan();
  // Fields that only a server may set: checked like all others, then left aside.
  readonly #ignoredText = absentSpan();
  readonly #ignoredMoment = absentMoment();
  #unknownLeft = 0;

  /** The bytes that all places point into. */
  get bytes(): Buffer {
    return this.#cursor.bytes;
  }

  /** Nothing follows the present message. */
  get isLast(): boolean {
    return this.#cursor.at === this.#cursor.end;
  }

  /** Starts at the request in `bytes[start, end)`. */
  open(bytes: Uint8Array, start: number, end: number): void {
    this.#cursor.open(bytes, start, end);
    this.#cursor.place = "SendMessageRequest";
    this.#unknownLeft = limits.unknownBytes;
    this.index = -1;
    clearSpan(this.#firstNamespace);
    clearSpan(this.#firstName);
  }

  /** Lets go of the request's bytes. */
  close(): void {
    this.#cursor.close();
  }

  /** Scans the next message; false at the end of the request. */
  next(): boolean {
    const cursor = this.#cursor;
    while (cursor.at < cursor.end) {
      const start = cursor.at;
      const key = cursor.key();
      if (key === 10) {
        this.#clear();
        const outerEnd = this.#enter("Message");
        this.#message();
        cursor.end = outerEnd;
        this.#compareTopic();
        return true;
      }
      this.#skip(key, 1, start);
    }
    return false;
  }

  /** A field's text; empty when absent. */
  text(span: Span): string {
    return span.length === 0 ? "" : this.#cursor.bytes.toString("utf8", span.start, span.start + span.length);
  }

  /** An entry's text. */
  textAt(list: SpanList, index: number): string {
    const start = list.start(index);
    return this.#cursor.bytes.toString("utf8", start, start + list.length(index));
  }

  #clear(): void {
    this.index += 1;
    if (this.index === limits.entries) this.#cursor.fail(`more than ${limits.entries} messages`);
    clearSpan(this.topicNamespace);
    clearSpan(this.topicName);
    this.propertyNames.clear();
    this.propertyValues.clear();
    clearSpan(this.body);
    clearSpan(this.tag);
    this.keys.clear();
    clearSpan(this.messageId);
    this.digestType = 0;
    clearSpan(this.digestChecksum);
    this.bodyEncoding = 0;
    this.messageType = 0;
    clearMoment(this.born);
    clearSpan(this.bornHost);
    this.queueId = 0;
    clearMoment(this.delivery);
    clearSpan(this.messageGroup);
    clearSpan(this.traceContext);
    clearMoment(this.orphanedRecovery);
    clearSpan(this.liteTopic);
    this.hasPriority = false;
    this.priority = 0;
  }

  #compareTopic(): void {
    if (this.index === 0) {
      this.#firstNamespace.start = this.topicNamespace.start;
      this.#firstNamespace.length = this.topicNamespace.length;
      this.#firstName.start = this.topicName.start;
      this.#firstName.length = this.topicName.length;
      this.sharesTopic = true;
    } else {
      this.sharesTopic =
        this.#sameBytes(this.topicName, this.#firstName) && this.#sameBytes(this.topicNamespace, this.#firstNamespace);
    }
  }

  #sameBytes(one: Span, other: Span): boolean {
    if (one.length !== other.length) return false;
    const bytes = this.#cursor.bytes;
    for (let index = 0; index < one.length; index += 1) {
      if (bytes[one.start + index] !== bytes[other.start + index]) return false;
    }
    return true;
  }

  /** Enters the sub-message whose length comes next; answers the end to go back to. */
  #enter(place: string): number {
    const cursor = this.#cursor;
    const length = cursor.length();
    const outerEnd = cursor.end;
    cursor.end = cursor.at + length;
    cursor.place = place;
    return outerEnd;
  }

  /** Passes a field that a newer client knows; one that we know has come in the wrong wire type. */
  #skip(key: number, lastKnown: number, start: number): void {
    const cursor = this.#cursor;
    if (key >>> 3 <= lastKnown) cursor.fail(`field ${key >>> 3} has wire type ${key & 7}`);
    cursor.skip(key);
    this.#unknownLeft -= cursor.at - start;
    if (this.#unknownLeft < 0) cursor.fail(`more than ${limits.unknownBytes} bytes of unknown fields`);
  }

  #message(): void {
    const cursor = this.#cursor;
    const place = cursor.place;
    while (cursor.at < cursor.end) {
      const start = cursor.at;
      const key = cursor.key();
      switch (key) {
        case 10:
          this.#topic();
          break;
        case 18:
          this.#property();
          break;
        case 26: {
          const outerEnd = this.#enter("SystemProperties");
          this.#systemProperties();
          cursor.end = outerEnd;
          break;
        }
        case 34:
          this.body.length = cursor.length();
          this.body.start = cursor.at;
          cursor.at += this.body.length;
          break;
        default:
          this.#skip(key, 4, start);
      }
      cursor.place = place;
    }
  }

  #topic(): void {
    const cursor = this.#cursor;
    const outerEnd = this.#enter("Message.topic");
    while (cursor.at < cursor.end) {
      const start = cursor.at;
      const key = cursor.key();
      if (key === 10) this.#text(this.topicNamespace);
      else if (key === 18) this.#text(this.topicName);
      else this.#skip(key, 2, start);
    }
    cursor.end = outerEnd;
  }

  #property(): void {
    const cursor = this.#cursor;
    const outerEnd = this.#enter("Message.user_properties");
    let nameStart = cursor.at;
    let nameLength = 0;
    let valueStart = cursor.at;
    let valueLength = 0;
    while (cursor.at < cursor.end) {
      const key = cursor.key();
      if (key !== 10 && key !== 18) cursor.fail(`a map entry has no field ${key >>> 3} of wire type ${key & 7}`);
      const length = cursor.length();
      if (key === 10) {
        nameStart = cursor.at;
        nameLength = length;
      } else {
        valueStart = cursor.at;
        valueLength = length;
      }
      cursor.passText(length);
    }
    cursor.end = outerEnd;
    if (!this.propertyNames.add(nameStart, nameLength)) cursor.fail(`more than ${limits.entries} entries`);
    this.propertyValues.add(valueStart, valueLength);
  }

  #systemProperties(): void {
    const cursor = this.#cursor;
    while (cursor.at < cursor.end) {
      const start = cursor.at;
      const key = cursor.key();
      if (!this.#textProperty(key) && !this.#otherProperty(key)) this.#skip(key, 22, start);
    }
  }

  #textProperty(key: number): boolean {
    switch (key) {
      case 10:
        this.#text(this.tag);
        return true;
      case 18: {
        const length = this.#cursor.length();
        if (!this.keys.add(this.#cursor.at, length)) this.#cursor.fail(`more than ${limits.entries} keys`);
        this.#cursor.passText(length);
        return true;
      }
      case 26:
        this.#text(this.messageId);
        return true;
      case 66:
        this.#text(this.bornHost);
        return true;
      case 138:
        this.#text(this.messageGroup);
        return true;
      case 146:
        this.#text(this.traceContext);
        return true;
      case 170:
        this.#text(this.liteTopic);
        return true;
      case 82: // store_host
      case 98: // receipt_handle
        this.#text(this.#ignoredText);
        return true;
      default:
        return false;
    }
  }

  #otherProperty(key: number): boolean {
    const cursor = this.#cursor;
    switch (key) {
      case 34:
        this.#digest();
        return true;
      case 40:
        this.bodyEncoding = cursor.int32();
        return true;
      case 48:
        this.messageType = cursor.int32();
        return true;
      case 58:
        this.#moment(this.born);
        return true;
      case 90:
        this.#moment(this.delivery);
        return true;
      case 104:
        this.queueId = cursor.int32();
        return true;
      case 154:
        this.#moment(this.orphanedRecovery);
        return true;
      case 176:
        this.hasPriority = true;
        this.priority = cursor.int32();
        return true;
      default:
        return this.#serverProperty(key);
    }
  }

  #serverProperty(key: number): boolean {
    switch (key) {
      case 74: // store_timestamp
      case 122: // invisible_duration
        this.#moment(this.#ignoredMoment);
        return true;
      case 112: // queue_offset
        this.#cursor.int64();
        return true;
      case 128: // delivery_attempt
        this.#cursor.int32();
        return true;
      case 162:
        this.#deadLetterQueue();
        return true;
      default:
        return false;
    }
  }

  #text(span: Span): void {
    const cursor = this.#cursor;
    const length = cursor.length();
    span.start = cursor.at;
    span.length = length;
    cursor.passText(length);
  }

  #digest(): void {
    const cursor = this.#cursor;
    const outerEnd = this.#enter("SystemProperties.body_digest");
    while (cursor.at < cursor.end) {
      const start = cursor.at;
      const key = cursor.key();
      if (key === 8) this.digestType = cursor.int32();
      else if (key === 18) this.#text(this.digestChecksum);
      else this.#skip(key, 2, start);
    }
    cursor.end = outerEnd;
    cursor.place = "SystemProperties";
  }

  #moment(moment: Moment): void {
    const cursor = this.#cursor;
    const outerEnd = this.#enter("a time of SystemProperties");
    moment.present = true;
    while (cursor.at < cursor.end) {
      const start = cursor.at;
      const key = cursor.key();
      if (key === 8) moment.seconds = cursor.int64();
      else if (key === 16) moment.nanos = cursor.int32();
      else this.#skip(key, 2, start);
    }
    cursor.end = outerEnd;
    cursor.place = "SystemProperties";
  }

  #deadLetterQueue(): void {
    const cursor = this.#cursor;
    const outerEnd = this.#enter("SystemProperties.dead_letter_queue");
    while (cursor.at < cursor.end) {
      const start = cursor.at;
      const key = cursor.key();
      if (key === 10 || key === 18) this.#text(this.#ignoredText);
      else this.#skip(key, 2, start);
    }
    cursor.end = outerEnd;
    cursor.place = "SystemProperties";
  }
}
