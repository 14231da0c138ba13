import type { Net, Timers } from "@saturnmq/kit";
import type { ReplicaId, Turn } from "raft-ts";
import { Channel, type ChannelEnd, type ChannelOwner } from "./channel.ts";
import type { Doorkeeper } from "./doorkeeper.ts";
import type { ChannelName, Greeting } from "./greeting.ts";
import type { PeerLimits } from "./limits.ts";
import type { PeerAddress, PeerIdentity, RefusalReason } from "./ports.ts";

/** Both connections of a link, greetings exchanged. */
export type Joined = {
  readonly identity: PeerIdentity;
  readonly boot: number;
  readonly version: number;
  readonly control: Channel;
  readonly bulk: Channel;
};

export type DialResult =
  | { readonly kind: "joined"; readonly joined: Joined }
  /** `by`: who said no. */
  | {
      readonly kind: "refused";
      readonly by: "peer" | "self";
      readonly reason: RefusalReason;
      readonly greeting: Greeting;
    }
  | { readonly kind: "failed"; readonly error: Error };

/** What handshakes need from the process. */
export type HandshakeHost = {
  readonly net: Net;
  readonly timers: Timers;
  readonly turn: Turn;
  readonly limits: PeerLimits;
  readonly doorkeeper: Doorkeeper;
};

export type DialOptions = {
  readonly host: HandshakeHost;
  readonly to: ReplicaId;
  readonly address: PeerAddress;
  /** Called once, unless aborted, and never within the constructor. */
  readonly done: (result: DialResult) => void;
};

/** One attempt to make a link: the control connection first, then the bulk connection. */
export class Dial {
  readonly #options: DialOptions;
  readonly #session: number;
  readonly #channels: Channel[] = [];
  readonly #cancelTimeout: () => void;
  #stage: "connecting" | "greeted" = "connecting";
  #over = false;

  constructor(options: DialOptions) {
    const { timers, limits, doorkeeper } = options.host;
    this.#options = options;
    this.#session = doorkeeper.draw();
    this.#cancelTimeout = timers.after(limits.handshakeMs, () => {
      this.#fail(new Error(`no link within ${limits.handshakeMs} ms`));
    });
    const control = this.#dial("control", (greeting) => {
      const version = this.#welcomed(greeting, control);
      if (version !== undefined) this.#dialBulk(greeting, version, control);
    });
  }

  /** "greeted" once the peer's system has taken the connection and the hello is on its way. */
  get stage(): "connecting" | "greeted" {
    return this.#stage;
  }

  /** Gives up without a result. */
  abort(): void {
    this.#end();
    for (const channel of this.#channels) channel.close();
  }

  #dial(name: ChannelName, greeting: (greeting: Greeting) => void): Channel {
    const { to, address, host } = this.#options;
    const { net, turn, limits, doorkeeper } = host;
    const owner: ChannelOwner = {
      opened: () => {
        this.#stage = "greeted";
        channel.greet(doorkeeper.hello(name, to, this.#session));
      },
      greeting,
      ended: (end) => {
        this.#fail(endError(end));
      },
    };
    const frameBytesMax = frameBytesMaxOf(name, limits);
    const channel = new Channel({ turn, frameBytesMax, owner });
    this.#channels.push(channel);
    channel.attach(net.connect(address, channel));
    return channel;
  }

  #dialBulk(first: Greeting, version: number, control: Channel): void {
    // The peer may send as soon as it has the second hello, before this side has the second welcome.
    control.hold();
    const bulk = this.#dial("bulk", (greeting) => {
      const again = this.#welcomed(greeting, bulk);
      if (again === undefined) return;
      if (greeting.boot !== first.boot || again !== version) {
        this.#fail(new Error("the peer restarted between the two connections"));
        return;
      }
      bulk.hold();
      this.#end();
      const { identity, boot } = greeting;
      this.#options.done({ kind: "joined", joined: { identity, boot, version, control, bulk } });
    });
  }

  /** The version that both speak, if this is a welcome by the peer that was dialled. */
  #welcomed(greeting: Greeting, channel: Channel): number | undefined {
    const { host, to } = this.#options;
    if (greeting.kind === "hello" || greeting.session !== this.#session) {
      this.#fail(new Error("the answer to the hello makes no sense"));
    } else if (greeting.reason !== undefined) this.#refused("peer", greeting.reason, greeting);
    else {
      const verdict = host.doorkeeper.judge(greeting, to);
      if ("version" in verdict) return verdict.version;
      channel.close();
      this.#refused("self", verdict.reason, greeting);
    }
    return undefined;
  }

  #refused(by: "peer" | "self", reason: RefusalReason, greeting: Greeting): void {
    if (this.#over) return;
    this.abort();
    this.#options.done({ kind: "refused", by, reason, greeting });
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.abort();
    this.#options.done({ kind: "failed", error });
  }

  #end(): void {
    this.#over = true;
    this.#cancelTimeout();
  }
}

export function frameBytesMaxOf(name: ChannelName, limits: PeerLimits): number {
  if (name === "control") return limits.messageBytesMax;
  // A piece of soft state is small unless one value is large.
  return Math.max(limits.callBytesMax, 2 * limits.stateBytesMax);
}

function endError(end: ChannelEnd): Error {
  return end.error ?? new Error("the peer closed the connection");
}
