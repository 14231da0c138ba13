import { assert, type Connection, type ConnectionHandler, defined, type NetError } from "@saturnmq/kit";
import type { Turn } from "raft-ts";
import type { FrameHead } from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import { decodeGreeting, encodeGreeting, type Greeting, greetingBytesMax } from "./greeting.ts";
import { Outbox, type OutgoingFrame, type QueuedFrame } from "./outbox.ts";
import { ProtocolError } from "./protocol-error.ts";

/** One write takes about this much, so that what waits behind it can still be dropped or withdrawn. */
const writeBytes = 262_144;

export type ChannelEnd =
  | { readonly kind: "ended"; readonly error: NetError | undefined }
  /** Bytes that no correct peer sends. The connection is closed already. */
  | { readonly kind: "broken"; readonly error: ProtocolError };

/** Whom a channel tells; replaced as the connection comes along. */
export type ChannelOwner = {
  readonly opened?: () => void;
  /** The other side's first words. Called once; frames may follow right behind. */
  readonly greeting?: (greeting: Greeting) => void;
  /** @throws {ProtocolError} for a frame that makes no sense */
  readonly frame?: (head: FrameHead, payload: Uint8Array) => void;
  /** Before frames leave, when not too many wait: the owner may add some. */
  readonly filling?: () => void;
  /** The last call, unless the owner closed the channel itself. */
  readonly ended: (end: ChannelEnd) => void;
};

export type ChannelOptions = {
  readonly turn: Turn;
  readonly frameBytesMax: number;
  readonly owner: ChannelOwner;
};

/** One connection: a greeting each way, then frames. What is sent in one turn leaves in one write at its end. */
export class Channel implements ConnectionHandler {
  owner: ChannelOwner;
  readonly outbox = new Outbox();
  readonly #turn: Turn;
  readonly #reader: FrameReader;
  #connection: Connection | undefined;
  /** What came of the greeting so far; `undefined` once it is read. */
  #greeting: Uint8Array | undefined = new Uint8Array(0);
  #flushing = false;
  #waiting = false;
  #closed = false;
  #ended = false;
  #heard = true;
  #silentProbes = 0;
  /** Something was written since `takeSaid` was asked. */
  #said = false;

  constructor({ turn, frameBytesMax, owner }: ChannelOptions) {
    this.owner = owner;
    this.#turn = turn;
    this.#reader = new FrameReader({ maxBytes: frameBytesMax, frame: (head, payload) => this.#frame(head, payload) });
  }

  /** Gives it the connection that it is told about. */
  attach(connection: Connection): void {
    assert(this.#connection === undefined, "a channel has one connection");
    this.#connection = connection;
  }

  get remote(): string {
    return this.#connection?.remote ?? "";
  }

  /** Bytes that have not left this process. */
  get pendingBytes(): number {
    return this.outbox.bytes + (this.#connection?.pendingBytes ?? 0);
  }

  /** Whole probe times, one after the other, in which nothing came. */
  get silentProbes(): number {
    return this.#silentProbes;
  }

  /** Says its greeting, at once. */
  greet(greeting: Greeting): void {
    this.#live.write([encodeGreeting(greeting)]);
  }

  /** Says why not, and closes. */
  refuse(greeting: Greeting): void {
    this.greet(greeting);
    this.#closed = true;
    this.#reader.stop();
    this.#live.end();
  }

  send(frame: OutgoingFrame): QueuedFrame {
    const queued = this.outbox.add(frame);
    this.flushSoon();
    return queued;
  }

  /** Keeps frames back until `release`. */
  hold(): void {
    this.#reader.hold();
    this.#live.pause();
  }

  release(): void {
    this.#live.resume();
    this.#guard(() => {
      this.#reader.release();
    });
  }

  flushSoon(): void {
    if (this.#flushing || this.#waiting || this.#closed) return;
    this.#flushing = true;
    this.#turn.soon(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  /** One probe time is over: counts silence. */
  countSilence(): void {
    this.#silentProbes = this.#heard ? 0 : this.#silentProbes + 1;
    this.#heard = false;
  }

  /** Whether anything was written since this was asked before. */
  takeSaid(): boolean {
    const said = this.#said;
    this.#said = false;
    return said;
  }

  /** Closes at once and tells nobody. */
  close(): void {
    this.#closed = true;
    this.#reader.stop();
    this.#connection?.destroy();
  }

  opened(): void {
    if (!this.#closed) this.owner.opened?.();
  }

  data(chunk: Uint8Array): void {
    if (this.#closed) return;
    this.#heard = true;
    this.#guard(() => {
      const rest = this.#greeting === undefined ? chunk : this.#readGreeting(chunk, this.#greeting);
      if (rest !== undefined) this.#reader.push(rest);
    });
  }

  drained(): void {
    this.#waiting = false;
    this.#flush();
  }

  closed(error?: NetError): void {
    this.#end({ kind: "ended", error });
  }

  get #live(): Connection {
    return defined(this.#connection, "the channel's connection");
  }

  #flush(): void {
    while (!this.#waiting && !this.#closed) {
      if (this.outbox.bytes < writeBytes) this.owner.filling?.();
      if (this.outbox.bytes === 0) return;
      this.#said = true;
      this.#waiting = !this.#live.write(this.outbox.take(writeBytes));
    }
  }

  /** What follows the greeting in this chunk; `undefined` when it is not whole yet. */
  #readGreeting(chunk: Uint8Array, before: Uint8Array): Uint8Array | undefined {
    const bytes = before.length === 0 ? chunk : Buffer.concat([before, chunk.subarray(0, greetingBytesMax)]);
    const read = decodeGreeting(bytes);
    if (read === undefined) {
      this.#greeting = bytes;
      return undefined;
    }
    this.#greeting = undefined;
    const rest = chunk.subarray(read.length - before.length);
    this.owner.greeting?.(read.greeting);
    return rest;
  }

  #frame(head: FrameHead, payload: Uint8Array): void {
    if (this.owner.frame === undefined) throw new ProtocolError("a frame came before the link was made");
    this.owner.frame(head, payload);
  }

  /** Only what the peer is to blame for is caught: any other error is a bug of this process, which ends by it. */
  #guard(read: () => void): void {
    try {
      read();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (this.#closed) return;
      this.close();
      this.#end({ kind: "broken", error });
    }
  }

  #end(end: ChannelEnd): void {
    if (this.#ended || (this.#closed && end.kind === "ended")) return;
    this.#ended = true;
    this.#closed = true;
    this.#reader.stop();
    this.owner.ended(end);
  }
}
