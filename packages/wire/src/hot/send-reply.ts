import { varintBytes, writeVarint } from "../protobuf/varint.ts";
import { SendMessageResponse, SendResultEntry } from "../rocketmq/messages.ts";

type Status = { readonly code: number; readonly message: string };

/** Field keys of `SendMessageResponse` and `SendResultEntry`. */
const key = { entries: 0x12, messageId: 0x12, transactionId: 0x1a, offset: 0x20 } as const;

/**
 * Writes the `SendMessageResponse` of one message that was stored, each into the same bytes: what never changes is encoded once, and what is as long
 * as it was the last time, as it nearly always is, keeps its place.
 */
export class SendReply {
  /** The last reply, from 0. */
  readonly bytes: Buffer;
  readonly #headBytes: number;
  readonly #entryHead: Buffer;
  /** Of the last reply: bytes of the message id, 0 before the first, and of the offset's field. */
  #idLength = 0;
  #offsetField = 0;
  /** Where the last reply's message id begins. */
  #idAt = 0;

  /** @param idBytesMax of a message id */
  constructor(ok: Status, idBytesMax: number) {
    const head = SendMessageResponse.encode({ status: ok });
    this.#headBytes = head.length;
    this.#entryHead = SendResultEntry.encode({ status: ok });
    this.bytes = Buffer.alloc(head.length + this.#entryHead.length + 2 * idBytesMax + 40);
    this.bytes.set(head);
  }

  /**
   * Writes the reply and answers its length. The transaction id of a plain message is its message id: the official Node client wants it so.
   *
   * @param id holds the message id at `[idStart, idStart + idLength)`; not empty
   */
  write(id: Uint8Array, idStart: number, idLength: number, offset: number): number {
    const offsetField = offset === 0 ? 0 : 1 + varintBytes(offset);
    if (idLength !== this.#idLength || offsetField !== this.#offsetField) this.#layOut(idLength, offsetField);
    const { bytes } = this;
    const messageId = this.#idAt;
    const transactionId = messageId + idLength + 1 + varintBytes(idLength);
    for (let n = 0; n < idLength; n += 1) {
      const byte = id[idStart + n] as number;
      bytes[messageId + n] = byte;
      bytes[transactionId + n] = byte;
    }
    const end = transactionId + idLength;
    return offset === 0 ? end : writeVarint(bytes, end + 1, offset);
  }

  /** Writes all that does not depend on what the id and the offset are, only on their lengths. */
  #layOut(idLength: number, offsetField: number): void {
    const { bytes } = this;
    const entryHead = this.#entryHead;
    const idField = 1 + varintBytes(idLength) + idLength;
    bytes[this.#headBytes] = key.entries;
    let next = writeVarint(bytes, this.#headBytes + 1, entryHead.length + 2 * idField + offsetField);
    bytes.set(entryHead, next);
    next += entryHead.length;
    bytes[next] = key.messageId;
    this.#idAt = writeVarint(bytes, next + 1, idLength);
    next = this.#idAt + idLength;
    bytes[next] = key.transactionId;
    next = writeVarint(bytes, next + 1, idLength) + idLength;
    bytes[next] = key.offset;
    this.#idLength = idLength;
    this.#offsetField = offsetField;
  }
}
