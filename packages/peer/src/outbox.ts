import { type FrameKind, frameHeadBytes, writeFrameHead } from "./frame.ts";

/** Small frames share buffers of this size, so that neighbours leave as one piece. */
const arenaBytes = 65_536;
/** A frame above this gets a buffer of its own: it would waste too much of the shared one. */
const ownBufferFrom = 16_384;

/** Part of a frame's payload. */
export type Piece = { readonly bytes: Uint8Array; readonly start: number; readonly length: number };

export type OutgoingFrame = {
  readonly kind: FrameKind;
  readonly call: number;
  /** The covered part. Copied. */
  readonly body: Uint8Array;
  /** What follows it uncovered. Copied. */
  readonly pieces?: readonly Piece[];
};

/** A frame that waits for its turn. `left`: it was given to the connection, so the peer may have it. */
export type QueuedFrame = {
  readonly kind: FrameKind;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  left: boolean;
  dropped: boolean;
};

/** Frames that wait for the connection, oldest first. Frames are encoded when they are added. */
export class Outbox {
  #arena: Uint8Array = new Uint8Array(0);
  #arenaUsed = 0;
  #queue: QueuedFrame[] = [];
  /** Frames before this one in the queue have gone. */
  #first = 0;
  #bytes = 0;

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  add({ kind, call, body, pieces = [] }: OutgoingFrame): QueuedFrame {
    let length = body.length;
    for (const piece of pieces) length += piece.length;
    const { bytes, start } = this.#reserve(frameHeadBytes + length);
    let at = start + frameHeadBytes;
    bytes.set(body, at);
    at += body.length;
    for (const piece of pieces) {
      bytes.set(piece.bytes.subarray(piece.start, piece.start + piece.length), at);
      at += piece.length;
    }
    writeFrameHead(bytes, start, { kind, call, length, covered: body.length });
    const frame: QueuedFrame = { kind, bytes, start, end: at, left: false, dropped: false };
    this.#queue.push(frame);
    this.#bytes += at - start;
    return frame;
  }

  /** Takes frames of about `maxBytes` out, at least one if any waits, as few pieces as can be. */
  take(maxBytes: number): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    let run: { readonly bytes: Uint8Array; readonly start: number; end: number } | undefined;
    let taken = 0;
    for (let frame = this.#shift(); frame !== undefined; frame = this.#shift()) {
      frame.left = true;
      if (run !== undefined && run.bytes === frame.bytes && run.end === frame.start) run.end = frame.end;
      else {
        if (run !== undefined) pieces.push(run.bytes.subarray(run.start, run.end));
        run = { bytes: frame.bytes, start: frame.start, end: frame.end };
      }
      taken += frame.end - frame.start;
      if (taken >= maxBytes) break;
    }
    if (run !== undefined) pieces.push(run.bytes.subarray(run.start, run.end));
    return pieces;
  }

  /** Takes a frame back. False when it has left already. */
  withdraw(frame: QueuedFrame): boolean {
    if (frame.left) return false;
    if (!frame.dropped) {
      frame.dropped = true;
      this.#bytes -= frame.end - frame.start;
    }
    return true;
  }

  /** Drops the oldest frames until at most `maxBytes` wait; how many of them were messages. */
  dropOldest(maxBytes: number): number {
    let count = 0;
    while (this.#bytes > maxBytes) {
      const frame = this.#shift();
      if (frame === undefined) break;
      frame.dropped = true;
      if (frame.kind === "message") count += 1;
    }
    return count;
  }

  #shift(): QueuedFrame | undefined {
    while (this.#first < this.#queue.length) {
      const frame = this.#queue[this.#first] as QueuedFrame;
      this.#first += 1;
      if (frame.dropped) continue;
      this.#bytes -= frame.end - frame.start;
      this.#compact();
      return frame;
    }
    this.#compact();
    return undefined;
  }

  /** Lets go of frames that have gone, at a cost that is spread over them. */
  #compact(): void {
    if (this.#first === this.#queue.length) this.#queue = [];
    else if (this.#first > 1_024 && this.#first * 2 > this.#queue.length) this.#queue = this.#queue.slice(this.#first);
    else return;
    this.#first = 0;
  }

  #reserve(length: number): { readonly bytes: Uint8Array; readonly start: number } {
    if (length > ownBufferFrom) return { bytes: Buffer.allocUnsafeSlow(length), start: 0 };
    // Written bytes are the connection's: a full arena is left behind, never used again.
    if (this.#arenaUsed + length > this.#arena.length) {
      this.#arena = Buffer.allocUnsafeSlow(arenaBytes);
      this.#arenaUsed = 0;
    }
    const start = this.#arenaUsed;
    this.#arenaUsed += length;
    return { bytes: this.#arena, start };
  }
}
