import type { Connection } from "@saturnmq/kit";
import { Channel, type ChannelEnd } from "./channel.ts";
import { frameBytesMaxOf, type HandshakeHost, type Joined } from "./dial.ts";
import type { Greeting } from "./greeting.ts";
import type { RefusalReason } from "./ports.ts";
import { ProtocolError } from "./protocol-error.ts";

/** A control connection that waits for its bulk connection. */
export type Half = {
  readonly hello: Greeting;
  readonly version: number;
  readonly channel: Channel;
};

/** Decides about connections that others open. */
export type Reception = {
  /** A sound hello on a control connection: take it, or say why not. */
  readonly control: (half: Half) => RefusalReason | undefined;
  /** The half that a hello on a bulk connection belongs to. */
  readonly halfOf: (hello: Greeting) => Half | undefined;
  readonly joined: (joined: Joined) => void;
  readonly refused: (hello: Greeting, reason: RefusalReason, remote: string) => void;
  /** Not a peer, or one that took too long. */
  readonly stranger: (remote: string, why: Error) => void;
  /** Whatever came of it, it is no stranger any more. */
  readonly settled: (incoming: Incoming) => void;
};

/** A connection that somebody opened, until it is known who. */
export class Incoming {
  readonly channel: Channel;
  readonly #host: HandshakeHost;
  readonly #reception: Reception;
  readonly #cancelTimeout: () => void;

  constructor(connection: Connection, host: HandshakeHost, reception: Reception) {
    const { turn, limits, timers } = host;
    this.#host = host;
    this.#reception = reception;
    // Which of the two it is decides the bound of its frames; none is taken before that is known.
    const frameBytesMax = Math.max(frameBytesMaxOf("control", limits), frameBytesMaxOf("bulk", limits));
    const greeting = (hello: Greeting): void => {
      this.#greeted(hello);
    };
    this.channel = new Channel({ turn, frameBytesMax, owner: { greeting, ended: (end) => this.#ended(end) } });
    this.channel.attach(connection);
    this.#cancelTimeout = timers.after(limits.handshakeMs, () => {
      this.#turnAway(new Error(`no greeting within ${limits.handshakeMs} ms`));
    });
  }

  /** Closes without a word. */
  close(): void {
    this.#cancelTimeout();
    this.channel.close();
  }

  #greeted(hello: Greeting): void {
    if (hello.kind !== "hello") throw new ProtocolError(`the first words are a ${hello.kind}`);
    this.#settle();
    const verdict = this.#host.doorkeeper.judge(hello);
    if ("reason" in verdict) this.#refuse(hello, verdict.reason);
    else if (hello.channel === "control") this.#takeControl(hello, verdict.version);
    else this.#takeBulk(hello);
  }

  #takeControl(hello: Greeting, version: number): void {
    const reason = this.#reception.control({ hello, version, channel: this.channel });
    if (reason !== undefined) this.#refuse(hello, reason);
    else this.channel.greet(this.#host.doorkeeper.welcome(hello, version));
  }

  #takeBulk(hello: Greeting): void {
    const half = this.#reception.halfOf(hello);
    if (half === undefined) {
      this.channel.close();
      return;
    }
    const { identity, boot } = hello;
    this.channel.greet(this.#host.doorkeeper.welcome(hello, half.version));
    this.channel.hold();
    half.channel.hold();
    this.#reception.joined({ identity, boot, version: half.version, control: half.channel, bulk: this.channel });
  }

  #refuse(hello: Greeting, reason: RefusalReason): void {
    const { timers, limits, doorkeeper } = this.#host;
    this.channel.refuse(doorkeeper.refusal(hello, reason));
    timers.after(limits.handshakeMs, () => {
      this.channel.close();
    });
    this.#reception.refused(hello, reason, this.channel.remote);
  }

  #ended(end: ChannelEnd): void {
    // One that goes before it said anything wrong is a probe of the port, or a peer whose other dial went on.
    if (end.kind === "broken") this.#turnAway(end.error);
    else this.#settle();
  }

  #turnAway(why: Error): void {
    this.#settle();
    this.channel.close();
    this.#reception.stranger(this.channel.remote, why);
  }

  #settle(): void {
    this.#cancelTimeout();
    this.#reception.settled(this);
  }
}
