import { Cursor } from "../protobuf/cursor.ts";
import { absentSpan, clearSpan, type Span, SpanList } from "./spans.ts";

/** Field keys: of `AckMessageRequest`, `Resource` and `AckMessageEntry`. */
const key = {
  group: 0x0a,
  topic: 0x12,
  entry: 0x1a,
  namespace: 0x0a,
  name: 0x12,
  messageId: 0x0a,
  handle: 0x12,
} as const;

/**
 * Shows a plain `AckMessageRequest` as places in its bytes: every name, message id and receipt handle once, nothing else. Reused from request to
 * request; nothing is allocated per entry.
 */
export class AckScanner {
  readonly groupName = absentSpan();
  readonly topicName = absentSpan();
  /** Of the entries, in order. */
  readonly messageIds = new SpanList();
  readonly handles = new SpanList();
  readonly #cursor = new Cursor();

  /** The bytes that all places point into. */
  get bytes(): Buffer {
    return this.#cursor.bytes;
  }

  get count(): number {
    return this.handles.count;
  }

  handleStart(at: number): number {
    return this.handles.start(at);
  }

  handleLength(at: number): number {
    return this.handles.length(at);
  }

  /**
   * Scans the request in `bytes[start, end)`. False: it is no plain one (it has unknown fields, a field twice, none of a name, too many entries), and
   * the places mean nothing.
   *
   * @throws {WireError} on anything malformed
   */
  open(bytes: Uint8Array, start: number, end: number): boolean {
    const cursor = this.#cursor;
    cursor.open(bytes, start, end);
    cursor.place = "AckMessageRequest";
    clearSpan(this.groupName);
    clearSpan(this.topicName);
    this.messageIds.clear();
    this.handles.clear();
    while (cursor.at < cursor.end) {
      const field = cursor.key();
      const length = field === key.group || field === key.topic || field === key.entry ? cursor.length() : -1;
      if (length < 0 || !this.#within(field, cursor.at + length)) return false;
    }
    return this.groupName.start >= 0 && this.topicName.start >= 0;
  }

  /** Lets go of the request's bytes. */
  close(): void {
    this.#cursor.close();
  }

  /** Scans the sub-message of a field, up to `end`. */
  #within(field: number, end: number): boolean {
    const cursor = this.#cursor;
    const outerEnd = cursor.end;
    cursor.end = end;
    const plain =
      field === key.entry ? this.#entry() : this.#resource(field === key.group ? this.groupName : this.topicName);
    cursor.end = outerEnd;
    return plain;
  }

  #resource(name: Span): boolean {
    const cursor = this.#cursor;
    if (name.start >= 0) return false;
    while (cursor.at < cursor.end) {
      const field = cursor.key();
      if (field !== key.namespace && field !== key.name) return false;
      const length = cursor.length();
      if (field === key.name) {
        name.start = cursor.at;
        name.length = length;
      }
      cursor.passText(length);
    }
    return name.start >= 0;
  }

  /** An id, if there is one, and behind it a handle: the order in which every client writes them. */
  #entry(): boolean {
    const cursor = this.#cursor;
    if (cursor.at === cursor.end) return false;
    let field = cursor.key();
    if (field === key.messageId) {
      const length = cursor.length();
      if (!this.messageIds.add(cursor.at, length)) return false;
      cursor.passText(length);
      if (cursor.at === cursor.end) return false;
      field = cursor.key();
    } else if (!this.messageIds.add(cursor.at, 0)) return false;
    if (field !== key.handle) return false;
    const length = cursor.length();
    this.handles.add(cursor.at, length);
    cursor.passText(length);
    return cursor.at === cursor.end;
  }
}
