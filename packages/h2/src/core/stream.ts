import { assert, defined } from "@saturnmq/kit";
import type { HeaderField } from "./hpack-encoder.ts";

/** A message on its way out that windows hold up: five bytes of prefix, then `bytes[start, start + length)`. Nobody changes these bytes. */
export type Outgoing = {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
  /** Bytes in front: a gRPC prefix, or none. */
  readonly prefixBytes: 0 | 5;
  /** Bytes sent, of prefix and message. */
  sent: number;
};

/**
 * One stream (RFC 9113, 5.1), with what its user knows of it. Records are used again: a stream that has ended is another stream later, and its
 * `generation` tells which.
 */
export class Stream<User> {
  /** Place in the pool. */
  readonly slot: number;
  readonly user: User;
  generation = 0;
  /** Between its first frame and its last. */
  open = false;
  id = 0;
  /** The peer has ended its half. */
  remoteEnded = false;
  /** We have ended ours, or will once the queue is sent. */
  localEnded = false;
  headersSent = false;
  /** DATA that we may send. */
  sendWindow = 0;
  /** DATA received and not yet granted again. */
  receivedBytes = 0;
  /** What `content-length` has not seen yet; -1: there is none. */
  contentLeft = -1;
  queue: Outgoing[] = noQueue;
  queuedBytes = 0;
  /** Sent after the queue. */
  trailers: readonly HeaderField[] | undefined;
  /** It is on its connection's list of streams that wait. */
  waiting = false;

  constructor(slot: number, makeUser: (stream: Stream<User>) => User) {
    this.slot = slot;
    this.user = makeUser(this);
  }
}

const noQueue: Outgoing[] = [];
Object.freeze(noQueue);
const slotsMax = 2 ** 20;
/** So many uses of a slot have tickets of their own: at 100,000 a second, those of a day. */
const generations = 2 ** 33;

/** The streams of all connections of a server. */
export class StreamPool<User> {
  readonly #makeUser: (stream: Stream<User>) => User;
  readonly #freed: (user: User) => void;
  readonly #streams: Stream<User>[] = [];
  readonly #free: number[] = [];

  /** @param freed told of each stream that has ended, to let go of what it held */
  constructor(makeUser: (stream: Stream<User>) => User, freed: (user: User) => void) {
    this.#makeUser = makeUser;
    this.#freed = freed;
  }

  /** Streams open now. */
  get open(): number {
    return this.#streams.length - this.#free.length;
  }

  /** A stream for use, or none when over a million are open. */
  take(id: number, sendWindow: number): Stream<User> | undefined {
    const stream = this.#next();
    if (stream === undefined) return undefined;
    stream.open = true;
    stream.id = id;
    stream.remoteEnded = false;
    stream.localEnded = false;
    stream.headersSent = false;
    stream.sendWindow = sendWindow;
    stream.receivedBytes = 0;
    stream.contentLeft = -1;
    return stream;
  }

  /** Takes back a stream that has ended. Tickets of it are void from now on. */
  give(stream: Stream<User>): void {
    assert(stream.open, "a stream is given back twice");
    stream.open = false;
    stream.generation = (stream.generation + 1) % generations;
    stream.queue = noQueue;
    stream.queuedBytes = 0;
    stream.trailers = undefined;
    this.#free.push(stream.slot);
    this.#freed(stream.user);
  }

  /** A number that names this stream as long as it lasts, and nothing afterwards. */
  ticket(stream: Stream<User>): number {
    return stream.generation * slotsMax + stream.slot;
  }

  /** The stream of a ticket, unless it has ended. */
  byTicket(ticket: number): Stream<User> | undefined {
    const generation = Math.floor(ticket / slotsMax);
    const stream = this.#streams[ticket - generation * slotsMax];
    return stream?.open === true && stream.generation === generation ? stream : undefined;
  }

  bySlot(slot: number): Stream<User> {
    return defined(this.#streams[slot], "stream of a slot");
  }

  #next(): Stream<User> | undefined {
    const slot = this.#free.pop();
    if (slot !== undefined) return this.#streams[slot];
    if (this.#streams.length === slotsMax) return undefined;
    const stream = new Stream(this.#streams.length, this.#makeUser);
    this.#streams.push(stream);
    return stream;
  }
}

/** Puts what waits at the end of a stream's queue. */
export function enqueue<User>(stream: Stream<User>, outgoing: Outgoing): void {
  if (stream.queue === noQueue) stream.queue = [];
  stream.queue.push(outgoing);
}
