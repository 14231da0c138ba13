import type { Logger } from "@saturnmq/kit";
import type { PeerMessage, ReplicaId } from "raft-ts";
import { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import type { Channel, ChannelEnd } from "./channel.ts";
import type { Deadlines } from "./deadlines.ts";
import type { FrameHead } from "./frame.ts";
import type { PeerLimits } from "./limits.ts";
import { decodeMessage, encodeMessage, isBulk } from "./message-codec.ts";
import { OutgoingCalls } from "./outgoing-calls.ts";
import type { CallOptions, PeerCounters, PeerIdentity, PeerLinksOptions } from "./ports.ts";
import { ProtocolError } from "./protocol-error.ts";
import { ServedCalls } from "./served-calls.ts";
import { decodeDigest, decodeState, encodeDigest, encodeState } from "./state-frame.ts";
import { StateReceiver } from "./state-receiver.ts";
import { StateSender, type StateSource } from "./state-sender.ts";

/** Why a link ended. */
export type LinkEnd =
  | ChannelEnd
  | { readonly kind: "silent" }
  | { readonly kind: "replaced" }
  | { readonly kind: "closed" };

/** What a link needs from the process. */
export type LinkHost = Pick<PeerLinksOptions, "receive" | "handle" | "peerState"> & {
  readonly limits: PeerLimits;
  readonly deadlines: Deadlines;
  readonly counters: PeerCounters;
  readonly logger: Logger;
  /** For the covered part of messages; used within one call. */
  readonly scratch: ByteWriter;
};

export type LinkOptions = {
  readonly identity: PeerIdentity;
  readonly boot: number;
  readonly version: number;
  readonly control: Channel;
  readonly bulk: Channel;
  readonly published: StateSource;
  readonly host: LinkHost;
  /** One of the connections ended: the link has to. */
  readonly ended: (end: LinkEnd) => void;
};

const noBytes = new Uint8Array(0);

/** Both connections with one life of a peer, from the end of their greetings on. They live and die together. */
export class Link {
  readonly identity: PeerIdentity;
  readonly boot: number;
  readonly version: number;
  readonly #control: Channel;
  readonly #bulk: Channel;
  readonly #host: LinkHost;
  readonly #calls: OutgoingCalls;
  readonly #served: ServedCalls;
  readonly #stateOut: StateSender;
  readonly #stateIn: StateReceiver;

  constructor(options: LinkOptions) {
    const { identity, control, bulk, host } = options;
    const { limits, deadlines, counters, logger, handle } = host;
    const { callsMax, callBytesMax } = limits;
    this.identity = identity;
    this.boot = options.boot;
    this.version = options.version;
    this.#control = control;
    this.#bulk = bulk;
    this.#host = host;
    const queuedBytesMax = limits.callsQueuedBytes;
    this.#calls = new OutgoingCalls({ channel: bulk, deadlines, callsMax, callBytesMax, queuedBytesMax });
    const served = { from: identity.id, channel: bulk, handle, callsMax, callBytesMax, queuedBytesMax };
    this.#served = new ServedCalls({ ...served, counters, logger });
    this.#stateOut = new StateSender(options.published);
    // While a whole table replaces an old one, entries of both are held.
    this.#stateIn = new StateReceiver(2 * limits.stateBytesMax, (key, value) => {
      host.peerState(identity.id, key, value);
    });
    this.#own(options.ended);
  }

  get id(): ReplicaId {
    return this.identity.id;
  }

  /** Nothing came for some time, though something should have. */
  get quiet(): boolean {
    return this.#control.silentProbes > 0;
  }

  /** From here on frames are handed out. */
  start(): void {
    this.#bulk.flushSoon();
    this.#control.release();
    this.#bulk.release();
  }

  /** @throws {RangeError} if the message is too large for a frame */
  send(message: PeerMessage): void {
    const { scratch, limits, counters } = this.#host;
    scratch.reset();
    const pieces = encodeMessage(message, scratch);
    let length = scratch.length;
    for (const piece of pieces) length += piece.length;
    if (length > limits.messageBytesMax)
      throw new RangeError(`a message of ${length} bytes cannot be sent: the bound is ${limits.messageBytesMax}`);
    const channel = isBulk(message) ? this.#bulk : this.#control;
    channel.send({ kind: "message", call: 0, body: scratch.written(), pieces });
    counters.messagesDropped += this.#control.outbox.dropOldest(limits.messagesQueuedBytes);
  }

  call(request: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    return this.#calls.call(request, options);
  }

  /** An entry of what is published may have changed for this peer. */
  publish(key: string): void {
    this.#stateOut.touch(key);
    this.#bulk.flushSoon();
  }

  /** One probe time is over. */
  probe(): LinkEnd | undefined {
    const { silentProbesMax, bulkQueuedBytes } = this.#host.limits;
    for (const channel of [this.#control, this.#bulk]) {
      channel.countSilence();
      if (channel.silentProbes >= silentProbesMax) return { kind: "silent" };
    }
    if (this.#bulk.pendingBytes > bulkQueuedBytes)
      return { kind: "broken", error: new ProtocolError(`the peer lets ${this.#bulk.pendingBytes} bytes wait`) };
    // Whatever was written since the last time is a sign of life as well.
    if (!this.#control.takeSaid()) this.#control.send({ kind: "probe", call: 0, body: noBytes });
    this.#bulk.send({ kind: "probe", call: 0, body: encodeDigest(this.#stateOut.digest) });
    return undefined;
  }

  /** Closes both connections; calls and soft state of the peer end with them. */
  close(): void {
    this.#control.close();
    this.#bulk.close();
    this.#calls.end();
    this.#served.end();
    this.#stateIn.clear();
  }

  #own(ended: (end: LinkEnd) => void): void {
    this.#control.owner = { frame: (head, payload) => this.#controlFrame(head, payload), ended };
    this.#bulk.owner = {
      frame: (head, payload) => this.#bulkFrame(head, payload),
      filling: () => {
        const frame = this.#stateOut.next();
        if (frame !== undefined) this.#bulk.outbox.add({ kind: "state", call: 0, body: encodeState(frame) });
      },
      ended,
    };
  }

  #controlFrame(head: FrameHead, payload: Uint8Array): void {
    if (head.kind === "probe") return;
    if (head.kind !== "message") throw new ProtocolError(`a frame of kind ${head.kind} on the control connection`);
    this.#host.receive(this.id, decodeMessage(new ByteReader(payload)));
  }

  #bulkFrame({ kind, call }: FrameHead, payload: Uint8Array): void {
    switch (kind) {
      case "call":
        this.#served.begin(call, payload);
        break;
      case "cancel":
        this.#served.cancel(call);
        break;
      case "answer":
        this.#calls.answered(call, payload);
        break;
      case "failure":
        this.#calls.failed(call, payload);
        break;
      case "state":
        if (this.#stateIn.take(decodeState(payload))) this.#wantState();
        break;
      case "probe":
        if (this.#stateIn.differs(decodeDigest(payload))) this.#wantState();
        break;
      case "stateWanted":
        this.#host.counters.statesRepeated += 1;
        this.#stateOut.repeat();
        this.#bulk.flushSoon();
        break;
      case "message":
        this.#bulkMessage(decodeMessage(new ByteReader(payload)));
        break;
    }
  }

  #bulkMessage(message: PeerMessage): void {
    if (!isBulk(message)) throw new ProtocolError(`a message of kind ${message.kind} on the bulk connection`);
    this.#host.receive(this.id, message);
  }

  #wantState(): void {
    this.#bulk.send({ kind: "stateWanted", call: 0, body: noBytes });
  }
}
