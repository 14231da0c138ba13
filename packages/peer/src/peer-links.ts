import { type Cancel, defined, type Listener } from "@saturnmq/kit";
import type { PeerMessage, ReplicaId } from "raft-ts";
import { isPassing, meet } from "./admission.ts";
import { ByteWriter } from "./byte-writer.ts";
import { Deadlines } from "./deadlines.ts";
import { Dial, type DialResult, type HandshakeHost, type Joined } from "./dial.ts";
import { Doorkeeper } from "./doorkeeper.ts";
import type { Greeting } from "./greeting.ts";
import { type Half, Incoming, type Reception } from "./incoming.ts";
import { defaultLimits, type PeerLimits } from "./limits.ts";
import { Link, type LinkEnd, type LinkHost } from "./link.ts";
import { Once } from "./once.ts";
import { Peer } from "./peer.ts";
import {
  type CallOptions,
  type PeerAddress,
  PeerCallError,
  type PeerCounters,
  type PeerLinks,
  type PeerLinksOptions,
  type RefusalReason,
} from "./ports.ts";
import { PublishedState } from "./published-state.ts";

/**
 * Listens, and links with the peers that `setPeers` names or `admit` lets in.
 *
 * @throws {NetError} if the port cannot be opened
 */
export async function createPeerLinks(options: PeerLinksOptions): Promise<PeerLinks> {
  const links = new Links(options);
  await links.listen();
  return links;
}

class Links implements PeerLinks {
  readonly counters: PeerCounters = {
    messagesWithoutLink: 0,
    messagesDropped: 0,
    strangers: 0,
    refused: 0,
    refusedByPeers: 0,
    linksUp: 0,
    linksSilent: 0,
    linksBroken: 0,
    callsRefused: 0,
    statesRepeated: 0,
  };
  readonly #options: PeerLinksOptions;
  readonly #limits: PeerLimits;
  readonly #handshake: HandshakeHost;
  readonly #linkHost: LinkHost;
  readonly #reception: Reception;
  readonly #published: PublishedState;
  readonly #peers = new Map<ReplicaId, Peer>();
  /** The newest process of each peer that was linked with, by its incarnation. */
  readonly #lives = new Map<ReplicaId, number>();
  readonly #strangers = new Set<Incoming>();
  readonly #once = new Once();
  #listener: Listener | undefined;
  #cancelProbe: Cancel | undefined;
  #closed = false;

  constructor(options: PeerLinksOptions) {
    const { net, timers, turn, clock, logger, receive, handle, peerState } = options;
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    const limits = this.#limits;
    this.#published = new PublishedState(limits.stateBytesMax);
    this.#handshake = { net, timers, turn, limits, doorkeeper: new Doorkeeper(options) };
    const deadlines = new Deadlines(clock, timers);
    const { counters } = this;
    const scratch = new ByteWriter();
    this.#linkHost = { receive, handle, peerState, limits, deadlines, counters, logger, scratch };
    this.#reception = this.#makeReception();
  }

  async listen(): Promise<void> {
    const { net, listen, logger } = this.#options;
    this.#listener = await net.listen({
      ...listen,
      accept: (connection) => {
        const incoming = new Incoming(connection, this.#handshake, this.#reception);
        if (this.#closed || this.#strangers.size >= this.#limits.strangersMax) incoming.close();
        else this.#strangers.add(incoming);
        return incoming.channel;
      },
      failed: (err) => {
        logger.error({ err }, "accepting a peer's connection failed");
      },
    });
    this.#probeLater();
  }

  get port(): number {
    return defined(this.#listener, "the listener").port;
  }

  send(to: ReplicaId, message: PeerMessage): void {
    const link = this.#peers.get(to)?.link;
    if (link === undefined) this.counters.messagesWithoutLink += 1;
    else link.send(message);
  }

  call(to: ReplicaId, request: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    const link = this.#peers.get(to)?.link;
    if (link === undefined) return Promise.reject(new PeerCallError("notSent", `there is no link to peer ${to}`));
    return link.call(request, options);
  }

  connected(id: ReplicaId): boolean {
    return this.#peers.get(id)?.link !== undefined;
  }

  publish(to: ReplicaId | "all", key: string, value: Uint8Array | undefined): void {
    this.#published.set(to, key, value);
    if (to !== "all") this.#peers.get(to)?.link?.publish(key);
    else for (const { link } of this.#peers.values()) link?.publish(key);
  }

  setPeers(peers: ReadonlyMap<ReplicaId, PeerAddress>): void {
    if (this.#closed) return;
    for (const peer of this.#peers.values()) {
      if (peer.address !== undefined && !peers.has(peer.id)) this.#forget(peer);
    }
    for (const [id, address] of peers) {
      if (id === this.#options.identity.id) continue;
      const peer = this.#peerOf(id);
      const moved = peer.address?.host !== address.host || peer.address.port !== address.port;
      peer.address = address;
      if (moved && peer.link === undefined && peer.half === undefined) this.#redialAt(peer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelProbe?.();
    for (const incoming of this.#strangers) incoming.close();
    for (const peer of this.#peers.values()) {
      peer.stopTrying();
      if (peer.link !== undefined) this.#down(peer, peer.link, { kind: "closed" });
    }
    await this.#listener?.close();
  }

  #peerOf(id: ReplicaId): Peer {
    const known = this.#peers.get(id);
    if (known !== undefined) return known;
    const peer = new Peer(id);
    this.#peers.set(id, peer);
    return peer;
  }

  #forget(peer: Peer): void {
    peer.address = undefined;
    peer.stopTrying();
    this.#published.forget(peer.id);
    const { link } = peer;
    if (link === undefined) this.#peers.delete(peer.id);
    // In a turn of its own: nothing is called back within `setPeers`.
    else
      this.#options.turn.soon(() => {
        if (peer.address === undefined) this.#down(peer, link, { kind: "closed" });
      });
  }

  #makeReception(): Reception {
    return {
      control: (half) => this.#meet(half),
      halfOf: (hello) => this.#halfOf(hello),
      joined: (joined) => {
        this.#up(this.#peerOf(joined.identity.id), joined);
      },
      refused: (hello, reason, remote) => {
        this.#refusedHere(hello, reason, remote);
      },
      stranger: (remote, err) => {
        this.counters.strangers += 1;
        if (this.#once.first(`stranger ${hostOf(remote)}`))
          this.#options.logger.warn({ remote, err }, "closed a connection that did not become a peer's");
      },
      settled: (incoming) => this.#strangers.delete(incoming),
    };
  }

  /** Somebody sound dialled in. */
  #meet(half: Half): RefusalReason | undefined {
    const { identity, boot } = half.hello;
    const peer = this.#peerOf(identity.id);
    const outcome = meet({
      present: presenceOf(peer.link, boot),
      ownDial: peer.dial?.stage ?? "none",
      smaller: this.#options.identity.id < identity.id,
    });
    if (outcome.kind === "refuse") return outcome.reason;
    if (peer.link !== undefined) this.#down(peer, peer.link, { kind: "replaced" });
    peer.stopTrying();
    // One that is not dialled was let go with its link.
    this.#peers.set(peer.id, peer);
    this.#expectBulk(peer, half);
    return undefined;
  }

  #expectBulk(peer: Peer, half: Half): void {
    const over = (): void => {
      peer.dropHalf();
      this.#redialLater(peer);
    };
    half.channel.owner = { ended: over };
    const cancelTimeout = this.#options.timers.after(this.#limits.handshakeMs, over);
    peer.half = { half, cancelTimeout };
  }

  #halfOf({ identity, boot, session }: Greeting): Half | undefined {
    const half = this.#peers.get(identity.id)?.half?.half;
    return half?.hello.boot === boot && half.hello.session === session ? half : undefined;
  }

  #up(peer: Peer, joined: Joined): void {
    peer.half?.cancelTimeout();
    peer.half = undefined;
    const { identity, version } = joined;
    const link = new Link({
      ...joined,
      published: this.#published.sourceFor(peer.id),
      host: this.#linkHost,
      ended: (end) => {
        this.#down(peer, link, end);
      },
    });
    peer.link = link;
    peer.upSinceMs = this.#options.clock.monoMs();
    this.counters.linksUp += 1;
    this.#once.forget(`peer ${peer.id} `);
    const { id, incarnation, featureLevel } = identity;
    this.#options.logger.info({ peer: id, incarnation, featureLevel, version }, "peer link is up");
    const earlier = this.#lives.get(id);
    this.#lives.set(id, incarnation);
    const restarted = earlier !== undefined && earlier !== incarnation;
    this.#options.linkChanged(id, { up: true, identity, version, restarted });
    if (peer.link === link) link.start();
  }

  #down(peer: Peer, link: Link, end: LinkEnd): void {
    if (peer.link !== link) return;
    peer.link = undefined;
    link.close();
    if (end.kind === "silent") this.counters.linksSilent += 1;
    if (end.kind === "broken") this.counters.linksBroken += 1;
    const err = "error" in end ? end.error : undefined;
    const fields = { peer: peer.id, incarnation: link.identity.incarnation, reason: end.kind, err };
    if (!this.#closed) this.#options.logger.warn(fields, "peer link is down");
    this.#options.linkChanged(peer.id, { up: false });
    if (this.#options.clock.monoMs() - peer.upSinceMs > this.#limits.redialMaxMs) peer.attempts = 0;
    if (peer.address === undefined) this.#peers.delete(peer.id);
    else this.#redialLater(peer);
  }

  /** Dials again after a wait that grows with each attempt. */
  #redialLater(peer: Peer, leastMs = 0): void {
    const { redialMinMs, redialMaxMs } = this.#limits;
    const grown = Math.min(redialMaxMs, redialMinMs * 2 ** Math.min(peer.attempts, 20));
    // The larger id leaves the first try to the smaller one, so that they seldom cross.
    const yielding = peer.attempts === 0 && this.#options.identity.id > peer.id ? redialMinMs : 0;
    this.#redialAt(peer, leastMs + yielding + (grown * (500 + this.#options.random.below(500))) / 1_000);
  }

  #redialAt(peer: Peer, delayMs = 0): void {
    if (this.#closed || peer.address === undefined) return;
    peer.stopTrying();
    peer.cancelRedial = this.#options.timers.after(delayMs, () => {
      peer.cancelRedial = undefined;
      this.#dial(peer);
    });
  }

  #dial(peer: Peer): void {
    const { address } = peer;
    if (this.#closed || address === undefined || !peer.idle) return;
    peer.attempts += 1;
    const done = (result: DialResult): void => {
      peer.dial = undefined;
      this.#dialled(peer, result);
    };
    peer.dial = new Dial({ host: this.#handshake, to: peer.id, address, done });
  }

  #dialled(peer: Peer, result: DialResult): void {
    switch (result.kind) {
      case "joined":
        this.#up(peer, result.joined);
        break;
      case "refused":
        if (result.by === "peer") this.#refusedByPeer(peer, result.reason);
        else this.#refusedHere(result.greeting, result.reason, addressOf(peer));
        this.#redialLater(peer, isPassing(result.reason) ? 0 : this.#limits.refusedRedialMs);
        break;
      case "failed":
        if (this.#once.first(`peer ${peer.id} unreachable`))
          this.#options.logger.warn(
            { peer: peer.id, remote: addressOf(peer), err: result.error },
            "a peer cannot be linked with, trying again",
          );
        this.#redialLater(peer);
        break;
    }
  }

  #refusedHere({ identity }: Greeting, reason: RefusalReason, remote: string): void {
    if (isPassing(reason)) return;
    this.counters.refused += 1;
    const { id, incarnation, clusterId, role } = identity;
    if (this.#once.first(`peer ${id} refused ${reason} ${hostOf(remote)}`))
      this.#options.logger.warn({ peer: id, incarnation, clusterId, role, remote, reason }, "refused a peer");
  }

  #refusedByPeer(peer: Peer, reason: RefusalReason): void {
    if (isPassing(reason)) return;
    this.counters.refusedByPeers += 1;
    if (this.#once.first(`peer ${peer.id} refuses ${reason}`))
      this.#options.logger.error({ peer: peer.id, remote: addressOf(peer), reason }, "a peer refuses this process");
    this.#options.refusedBy?.(peer.id, reason);
  }

  #probeLater(): void {
    this.#cancelProbe = this.#options.timers.after(this.#limits.probeMs, () => {
      for (const peer of this.#peers.values()) {
        const end = peer.link?.probe();
        if (peer.link !== undefined && end !== undefined) this.#down(peer, peer.link, end);
      }
      if (!this.#closed) this.#probeLater();
    });
  }
}

function presenceOf(link: Link | undefined, boot: number): "none" | "older" | "fresh" | "silent" {
  if (link === undefined) return "none";
  if (link.boot !== boot) return "older";
  return link.quiet ? "silent" : "fresh";
}

function addressOf({ address }: Peer): string {
  return address === undefined ? "" : `${address.host}:${String(address.port)}`;
}

/** Without the port, which differs at each connection. */
function hostOf(remote: string): string {
  return remote.slice(0, Math.max(0, remote.lastIndexOf(":")));
}
