import { varintBytes, writeVarint } from "../protobuf/varint.ts";
import { AckMessageResponse, AckMessageResultEntry } from "../rocketmq/messages.ts";
import type { AckScanner } from "./ack-scanner.ts";
import type { SpanList } from "./spans.ts";

type Status = { readonly code: number; readonly message: string };

/** Field keys of `AckMessageResponse` and `AckMessageResultEntry`. */
const key = { entry: 0x12, messageId: 0x0a, handle: 0x12 } as const;

/** Writes the `AckMessageResponse` of messages that are all finished: what never changes is encoded once, the rest is the request's. */
export class AckReply {
  readonly #head: Buffer;
  readonly #entryTail: Buffer;

  constructor(ok: Status) {
    this.#head = AckMessageResponse.encode({ status: ok });
    this.#entryTail = AckMessageResultEntry.encode({ status: ok });
  }

  /** Bytes that `write` needs at most. */
  bytesMax({ count, messageIds, handles }: AckScanner): number {
    return this.#head.length + messageIds.bytes + handles.bytes + count * (this.#entryTail.length + 16);
  }

  /** Writes the reply at `target[at…]` and answers its end. */
  write(target: Uint8Array, at: number, request: AckScanner): number {
    target.set(this.#head, at);
    let next = at + this.#head.length;
    const { bytes, messageIds, handles, count } = request;
    for (let entry = 0; entry < count; entry += 1) {
      target[next] = key.entry;
      const length = fieldSize(messageIds.length(entry)) + fieldSize(handles.length(entry)) + this.#entryTail.length;
      next = writeVarint(target, next + 1, length);
      next = writeField(target, next, key.messageId, bytes, messageIds, entry);
      next = writeField(target, next, key.handle, bytes, handles, entry);
      for (let n = 0; n < this.#entryTail.length; n += 1) target[next + n] = this.#entryTail[n] ?? 0;
      next += this.#entryTail.length;
    }
    return next;
  }
}

/** An empty text is not written. */
const fieldSize = (length: number): number => (length === 0 ? 0 : 1 + varintBytes(length) + length);

function writeField(
  target: Uint8Array,
  at: number,
  field: number,
  source: Uint8Array,
  spans: SpanList,
  entry: number,
): number {
  const length = spans.length(entry);
  if (length === 0) return at;
  target[at] = field;
  const next = writeVarint(target, at + 1, length);
  const start = spans.start(entry);
  for (let n = 0; n < length; n += 1) target[next + n] = source[start + n] ?? 0;
  return next + length;
}
