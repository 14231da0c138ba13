import { defined } from "@saturnmq/kit";
import { type HeaderField, HpackEncoder, standardHead, standardTrailers } from "./hpack-encoder.ts";
import type { Limits } from "./limits.ts";
import { copyBytes, type Output, putFrameHead, putUint32 } from "./output.ts";
import { flag, frameBytesAtStart, frameHeadBytes, frameType, windowAtStart, windowMax } from "./protocol.ts";
import { enqueue, type Outgoing, type Stream } from "./stream.ts";

const grpcPrefixBytes = 5;
/** In the place of trailers: an empty DATA frame ends the stream. */
const noTrailers: readonly HeaderField[] = [];

/** What a sender tells of its streams. */
export interface SenderUser<User> {
  /** END_STREAM is written: our half is over. */
  sent(stream: Stream<User>): void;
  /** The queue, which had something, is empty. */
  drained(stream: Stream<User>): void;
  /** More waits than the limits allow. */
  overflowed(): void;
}

/** The sending half of a connection: frames, both levels of flow control, and the queues of streams that have to wait. */
export class Sender<User> {
  readonly encoder = new HpackEncoder();
  /** DATA that the connection may still send. */
  window = windowAtStart;
  /** What each new stream may send. */
  streamWindow = windowAtStart;
  /** Bytes that the socket has taken and not yet given to the system. */
  writingBytes = 0;
  /** Bytes in queues of streams. */
  queuedBytes = 0;
  /** HEADERS and DATA frames written, ever. */
  frames = 0;
  /** DATA bytes written, ever. */
  dataBytes = 0;
  readonly #output: Output;
  readonly #limits: Limits;
  readonly #user: SenderUser<User>;
  /** Streams with a queue, in the order of their turns. */
  #waiting: Stream<User>[] = [];

  constructor(output: Output, limits: Limits, user: SenderUser<User>) {
    this.#output = output;
    this.#limits = limits;
    this.#user = user;
  }

  /** Bytes beyond the queues that the peer has not taken. */
  get unsentBytes(): number {
    return this.#output.length + this.writingBytes;
  }

  get congested(): boolean {
    return this.unsentBytes > this.#limits.outputMarkBytes;
  }

  /**
   * Writes a whole gRPC answer that went well, headers, one message and trailers, when nothing holds it up. False: something does, and nothing was
   * written.
   */
  answer(stream: Stream<User>, bytes: Uint8Array, start: number, length: number): boolean {
    const payload = length + grpcPrefixBytes;
    if (payload > frameBytesAtStart || payload > stream.sendWindow || payload > this.window) return false;
    if (stream.headersSent || this.congested) return false;
    const head = this.encoder.head();
    const trailers = this.encoder.trailers();
    const size = 3 * frameHeadBytes + head.length + payload + trailers.length;
    let at = this.#output.reserve(size);
    const out = this.#output.bytes;
    at = this.#block(out, at, head, flag.endHeaders, stream.id);
    putFrameHead(out, at, payload, frameType.data, 0, stream.id);
    at += frameHeadBytes;
    out[at] = 0;
    putUint32(out, at + 1, length);
    copyBytes(bytes, start, start + length, out, at + grpcPrefixBytes);
    this.#block(out, at + payload, trailers, flag.endHeaders | flag.endStream, stream.id);
    this.#sentData(stream, payload);
    this.frames += 2;
    stream.headersSent = true;
    this.#ended(stream);
    return true;
  }

  /** HEADERS that begin an answer; with `ends`, the whole of it. */
  headers(stream: Stream<User>, fields: readonly HeaderField[], ends = false): void {
    stream.headersSent = true;
    const block = fields === standardHead ? this.encoder.head() : this.encoder.encode(fields);
    this.#headerFrames(stream.id, block, ends);
    if (ends) this.#ended(stream);
  }

  /**
   * DATA: a message, behind a gRPC prefix or none. What windows or a slow reader hold up waits in the stream's queue.
   *
   * @param owned nobody changes the bytes later; else what waits is copied
   */
  message(
    stream: Stream<User>,
    bytes: Uint8Array,
    start: number,
    length: number,
    prefixBytes: 0 | 5,
    owned: boolean,
  ): void {
    const outgoing: Outgoing = { bytes, start, length, prefixBytes, sent: 0 };
    if (stream.queue.length === 0 && this.#send(stream, outgoing)) return;
    const kept = owned
      ? outgoing
      : { ...outgoing, bytes: Buffer.from(bytes.subarray(start, start + length)), start: 0 };
    enqueue(stream, kept);
    const waits = length + prefixBytes - outgoing.sent;
    stream.queuedBytes += waits;
    this.queuedBytes += waits;
    this.#wait(stream);
    if (this.queuedBytes + this.unsentBytes > this.#limits.unsentBytesMax) this.#user.overflowed();
  }

  /** HEADERS that end an answer, behind whatever of it waits. */
  trailers(stream: Stream<User>, fields: readonly HeaderField[]): void {
    if (stream.queue.length > 0) {
      stream.localEnded = true;
      stream.trailers = fields;
      return;
    }
    const block = fields === standardTrailers ? this.encoder.trailers() : this.encoder.encode(fields);
    this.#headerFrames(stream.id, block, true);
    this.#ended(stream);
  }

  /** Ends an answer that has no trailers, behind whatever of it waits. */
  endWithData(stream: Stream<User>): void {
    if (stream.queue.length > 0) {
      stream.localEnded = true;
      stream.trailers = noTrailers;
      return;
    }
    this.small(frameType.data, flag.endStream, stream.id, 0);
    this.#ended(stream);
  }

  /** The peer granted the connection more. False: more than a window can hold. */
  grant(bytes: number): boolean {
    this.window += bytes;
    return this.window <= windowMax;
  }

  /** Sends what windows and the socket allow, a frame of each stream in turn. */
  pump(): void {
    let idle = 0;
    while (idle < this.#waiting.length && this.window > 0 && !this.congested) {
      const stream = defined(this.#waiting.shift(), "waiting stream");
      if (!stream.waiting) continue;
      const before = stream.queuedBytes;
      stream.waiting = false;
      this.#sendNext(stream);
      idle = stream.queuedBytes < before ? 0 : idle + 1;
      if (stream.queuedBytes > 0) this.#wait(stream);
    }
  }

  /** Forgets what a stream had to say. */
  dropQueue(stream: Stream<User>): void {
    this.queuedBytes -= stream.queuedBytes;
    stream.queuedBytes = 0;
    if (!stream.waiting) return;
    stream.waiting = false;
    this.#waiting = this.#waiting.filter((other) => other !== stream);
  }

  /** A frame of at most a few bytes: `first` and `second` are 32-bit numbers of its payload, as many as `length` says. */
  small(type: number, flags: number, stream: number, length: 0 | 4 | 8, first = 0, second = 0): void {
    const at = this.#output.reserve(frameHeadBytes + length);
    const out = this.#output.bytes;
    putFrameHead(out, at, length, type, flags, stream);
    if (length >= 4) putUint32(out, at + frameHeadBytes, first);
    if (length === 8) putUint32(out, at + frameHeadBytes + 4, second);
  }

  /** A frame of any kind with a payload of at most 16 KiB. */
  frame(type: number, flags: number, stream: number, payload: Uint8Array): void {
    const at = this.#output.reserve(frameHeadBytes + payload.length);
    const out = this.#output.bytes;
    putFrameHead(out, at, payload.length, type, flags, stream);
    copyBytes(payload, 0, payload.length, out, at + frameHeadBytes);
  }

  /** Sends one frame of the stream's queue, and what follows when that was the last. */
  #sendNext(stream: Stream<User>): void {
    const outgoing = defined(stream.queue[0], "queued message");
    const before = outgoing.sent;
    const done = this.#sendFrame(stream, outgoing);
    const sent = outgoing.sent - before;
    stream.queuedBytes -= sent;
    this.queuedBytes -= sent;
    if (!done) return;
    stream.queue.shift();
    if (stream.queue.length > 0) return;
    if (stream.trailers === undefined) this.#user.drained(stream);
    else if (stream.trailers === noTrailers) this.endWithData(stream);
    else this.trailers(stream, stream.trailers);
  }

  /** Sends frames until the message is out (true) or something holds it up. */
  #send(stream: Stream<User>, outgoing: Outgoing): boolean {
    for (;;) {
      const before = outgoing.sent;
      if (this.#sendFrame(stream, outgoing)) return true;
      if (outgoing.sent === before) return false;
    }
  }

  /** Sends one DATA frame if anything may go. True: the message is out. */
  #sendFrame(stream: Stream<User>, outgoing: Outgoing): boolean {
    const { prefixBytes, start } = outgoing;
    const total = prefixBytes + outgoing.length;
    if (this.congested) return false;
    const size = Math.min(total - outgoing.sent, stream.sendWindow, this.window, frameBytesAtStart);
    if (size <= 0) return total === 0;
    const at = this.#output.reserve(frameHeadBytes + size);
    const out = this.#output.bytes;
    putFrameHead(out, at, size, frameType.data, 0, stream.id);
    let to = at + frameHeadBytes;
    const until = outgoing.sent + size;
    for (; outgoing.sent < Math.min(prefixBytes, until); outgoing.sent += 1)
      out[to++] = outgoing.sent === 0 ? 0 : outgoing.length >>> (8 * (4 - outgoing.sent));
    copyBytes(outgoing.bytes, start + outgoing.sent - prefixBytes, start + until - prefixBytes, out, to);
    outgoing.sent = until;
    this.#sentData(stream, size);
    return until === total;
  }

  #sentData(stream: Stream<User>, size: number): void {
    stream.sendWindow -= size;
    this.window -= size;
    this.dataBytes += size;
    this.frames += 1;
  }

  #headerFrames(id: number, block: Uint8Array, ends: boolean): void {
    let from = 0;
    let type: number = frameType.headers;
    do {
      const size = Math.min(block.length - from, frameBytesAtStart);
      const last = from + size === block.length;
      const flags = (last ? flag.endHeaders : 0) | (ends && from === 0 ? flag.endStream : 0);
      this.frame(type, flags, id, from === 0 && last ? block : block.subarray(from, from + size));
      from += size;
      type = frameType.continuation;
    } while (from < block.length);
    this.frames += 1;
  }

  #block(out: Buffer, at: number, block: Buffer, flags: number, id: number): number {
    putFrameHead(out, at, block.length, frameType.headers, flags, id);
    copyBytes(block, 0, block.length, out, at + frameHeadBytes);
    return at + frameHeadBytes + block.length;
  }

  #wait(stream: Stream<User>): void {
    if (stream.waiting) return;
    stream.waiting = true;
    this.#waiting.push(stream);
  }

  #ended(stream: Stream<User>): void {
    stream.localEnded = true;
    stream.trailers = undefined;
    this.#user.sent(stream);
  }
}
