import { crc32 } from "@saturnmq/kit/node";
import { layOutMessage, normalizeMessage, SendMessageScanner, StoredLayout } from "@saturnmq/wire";
import type { LoneMessage } from "../../messaging.ts";
import { messageTypeNumber } from "./message-types.ts";

/** The present message of a scanner, on its way from the request's bytes to where it is stored. One for all requests. */
export class ScannedMessage implements LoneMessage {
  readonly scanner = new SendMessageScanner();
  readonly #layout = new StoredLayout();
  bodyCrc = 0;

  get tagLength(): number {
    return this.scanner.tag.length;
  }

  get length(): number {
    return this.#layout.length;
  }

  get bodyStart(): number {
    return this.#layout.bodyStart;
  }

  get bodyLength(): number {
    return this.#layout.bodyLength;
  }

  /** Takes up the scanner's message, which is a NORMAL one. Good until the scanner goes on. */
  take(): void {
    const { scanner } = this;
    scanner.messageType = messageTypeNumber("NORMAL");
    layOutMessage(scanner, this.#layout);
    this.bodyCrc = crc32(scanner.bytes, scanner.body.start, scanner.body.length);
  }

  write(target: Uint8Array, at: number): void {
    const { bytes, tag } = this.scanner;
    for (let n = 0; n < tag.length; n += 1) target[at + n] = bytes[tag.start + n] ?? 0;
    normalizeMessage(this.scanner, this.#layout, target, at + tag.length);
  }
}
