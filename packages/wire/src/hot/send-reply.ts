import { varintBytes, writeVarint } from "../protobuf/varint.ts";
import { SendMessageResponse, SendResultEntry } from "../rocketmq/messages.ts";

type Status = { readonly code: number; readonly message: string };

/** Field keys of `SendMessageResponse` and `SendResultEntry`. */
const key = { entries: 0x12, messageId: 0x12, transactionId: 0x1a, offset: 0x20 } as const;

/** Writes the `SendMessageResponse` of one message that was stored: what never changes is encoded once. */
export class SendReply {
  readonly #head: Buffer;
  readonly #entryHead: Buffer;

  constructor(ok: Status) {
    this.#head = SendMessageResponse.encode({ status: ok });
    this.#entryHead = SendResultEntry.encode({ status: ok });
  }

  /** Bytes that `write` needs at most, for a message id of `idBytes`. */
  bytesMax(idBytes: number): number {
    return this.#head.length + this.#entryHead.length + 2 * idBytes + 40;
  }

  /**
   * Writes the reply at `target[at...]` and answers its end. The transaction id of a plain message is its message id: the official Node client
   * wants it so.
   *
   * @param id holds the message id at `[idStart, idStart + idLength)`; not empty
   */
  write(target: Buffer, at: number, id: Uint8Array, idStart: number, idLength: number, offset: number): number {
    const idField = 1 + varintBytes(idLength) + idLength;
    const offsetField = offset === 0 ? 0 : 1 + varintBytes(offset);
    target.set(this.#head, at);
    let next = at + this.#head.length;
    target[next] = key.entries;
    next = writeVarint(target, next + 1, this.#entryHead.length + 2 * idField + offsetField);
    target.set(this.#entryHead, next);
    next += this.#entryHead.length;
    for (const field of [key.messageId, key.transactionId]) {
      target[next] = field;
      next = writeVarint(target, next + 1, idLength);
      for (let n = 0; n < idLength; n += 1) target[next + n] = id[idStart + n] ?? 0;
      next += idLength;
    }
    if (offset === 0) return next;
    target[next] = key.offset;
    return writeVarint(target, next + 1, offset);
  }
}
