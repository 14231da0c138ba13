import { crc32 } from "@saturnmq/kit/node";
import { type FrameHead, frameHeadBytes, readFrameHead } from "./frame.ts";
import { ProtocolError } from "./protocol-error.ts";

const nothing = new Uint8Array(0);
/** Room that is made for a frame at first. */
const firstBytes = 262_144;

export type FrameReaderOptions = {
  /** Longest payload that is taken. */
  readonly maxBytes: number;
  /** A whole frame. The payload belongs to the receiver; `head.covered` of its bytes are checked. */
  readonly frame: (head: FrameHead, payload: Uint8Array) => void;
};

/**
 * Cuts a stream into frames. A frame that lies within one chunk is handed out as a view of it; one that does not is copied together once.
 * Memory held goes by what has arrived, not by what is announced.
 */
export class FrameReader {
  readonly #options: FrameReaderOptions;
  readonly #headBytes = new Uint8Array(frameHeadBytes);
  /** Bytes of a head that a chunk's end cut. */
  #headLength = 0;
  /** The head of a frame whose payload has not arrived whole. */
  #head: FrameHead | undefined;
  /** What has arrived of it, and how much that is. */
  #payload: Uint8Array = nothing;
  #arrived = 0;
  #held: Uint8Array[] | undefined;
  #stopped = false;

  constructor(options: FrameReaderOptions) {
    this.#options = options;
  }

  /** Keeps what comes until `release`. */
  hold(): void {
    this.#held ??= [];
  }

  /** @throws {ProtocolError} as `push` */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const chunk of held) this.push(chunk);
  }

  /** Hands out nothing any more. */
  stop(): void {
    this.#stopped = true;
    this.#payload = nothing;
  }

  /** @throws {ProtocolError} at the first byte that cannot be part of a frame */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && !this.#stopped) {
      if (this.#held !== undefined) {
        this.#held.push(chunk.subarray(at));
        return;
      }
      at = this.#head === undefined ? this.#readHead(chunk, at) : this.#readPayload(chunk, at, this.#head);
    }
  }

  #readHead(chunk: Uint8Array, at: number): number {
    const { maxBytes } = this.#options;
    if (this.#headLength === 0 && chunk.length - at >= frameHeadBytes) {
      const head = readFrameHead(chunk, at, maxBytes);
      return this.#begin(head, chunk, at + frameHeadBytes);
    }
    const taken = Math.min(frameHeadBytes - this.#headLength, chunk.length - at);
    this.#headBytes.set(chunk.subarray(at, at + taken), this.#headLength);
    this.#headLength += taken;
    if (this.#headLength < frameHeadBytes) return at + taken;
    this.#headLength = 0;
    return this.#begin(readFrameHead(this.#headBytes, 0, maxBytes), chunk, at + taken);
  }

  #begin(head: FrameHead, chunk: Uint8Array, at: number): number {
    if (chunk.length - at < head.length) {
      this.#head = head;
      return at;
    }
    this.#deliver(head, chunk.subarray(at, at + head.length));
    return at + head.length;
  }

  #readPayload(chunk: Uint8Array, at: number, head: FrameHead): number {
    const taken = Math.min(head.length - this.#arrived, chunk.length - at);
    this.#makeRoom(this.#arrived + taken, head.length);
    this.#payload.set(chunk.subarray(at, at + taken), this.#arrived);
    this.#arrived += taken;
    if (this.#arrived === head.length) {
      const payload = this.#payload;
      this.#head = undefined;
      this.#payload = nothing;
      this.#arrived = 0;
      this.#deliver(head, payload);
    }
    return at + taken;
  }

  /** At most twice of what has arrived is held, but for small frames. */
  #makeRoom(needed: number, whole: number): void {
    if (needed <= this.#payload.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.min(whole, Math.max(firstBytes, 2 * needed)));
    grown.set(this.#payload.subarray(0, this.#arrived));
    this.#payload = grown;
  }

  #deliver(head: FrameHead, payload: Uint8Array): void {
    if (crc32(payload, 0, head.covered) !== head.check) throw new ProtocolError("the check of a frame fails");
    this.#options.frame(head, payload);
  }
}
