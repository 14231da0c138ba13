import { type Clock, type Logger, type Net, type Random, SeededRandom, type Timers } from "@saturnmq/kit";
import { nodeNet, systemClock, systemTimers } from "@saturnmq/kit/node";
import { ManualTime, MemoryNet } from "@saturnmq/kit/testing";
import { immediateTurn, type PeerMessage, type ReplicaId, type Turn } from "raft-ts";
import type { PeerLimits } from "../limits.ts";
import { createPeerLinks } from "../peer-links.ts";
import type { LinkChange, PeerIdentity, PeerLinks, PeerLinksOptions, RefusalReason } from "../ports.ts";

/** Where nodes of a test live: on TCP and real time, or on a network and a clock that the test moves. */
export type World = {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly turn: Turn;
  readonly random: Random;
  netOf(id: ReplicaId): Net;
  hostOf(id: ReplicaId): string;
  /** Lets time pass until `condition` holds. @throws when it takes longer than `limitMs` */
  until(condition: () => boolean, limitMs?: number): Promise<void>;
  /** Lets so much time pass. */
  pass(ms: number): Promise<void>;
};

export function tcpWorld(): World {
  const clock = systemClock();
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  return {
    clock,
    timers: systemTimers(),
    turn: immediateTurn,
    random: new SeededRandom(Math.floor(Math.random() * 2 ** 32)),
    netOf: () => nodeNet(),
    hostOf: () => "127.0.0.1",
    pass: sleep,
    until: async (condition, limitMs = 5_000) => {
      const endMs = clock.monoMs() + limitMs;
      while (!condition()) {
        if (clock.monoMs() > endMs) throw new Error("waited in vain");
        await sleep(1);
      }
    },
  };
}

export type MemoryWorld = World & { readonly time: ManualTime; readonly net: MemoryNet };

export function memoryWorld(seed: number): MemoryWorld {
  const time = new ManualTime();
  const random = new SeededRandom(seed);
  const net = new MemoryNet({ time, random });
  // Promises are settled between two moments, as they are between two turns of an event loop.
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    clock: time,
    timers: time,
    turn: { soon: (callback) => void time.after(0, callback) },
    random,
    time,
    net,
    netOf: (id) => net.host(nameOf(id)),
    hostOf: nameOf,
    pass: async (ms) => {
      for (let passed = 0; passed < ms; passed += 1) {
        time.advance(Math.min(1, ms - passed));
        await settle();
      }
    },
    until: async (condition, limitMs = 20_000) => {
      const endMs = time.monoMs() + limitMs;
      while (!condition()) {
        if (time.monoMs() > endMs) throw new Error("waited in vain");
        time.advance(1);
        await settle();
      }
    },
  };
}

export function nameOf(id: ReplicaId): string {
  return `node-${String(id)}`;
}

export type LogLine = { readonly message: string; readonly fields: Readonly<Record<string, unknown>> };

/** One process with links, and everything that was called back. */
export class TestNode {
  readonly identity: PeerIdentity;
  readonly received: { readonly from: ReplicaId; readonly message: PeerMessage }[] = [];
  readonly changes: { readonly peer: ReplicaId; readonly change: LinkChange }[] = [];
  readonly refusals: { readonly peer: ReplicaId; readonly reason: RefusalReason }[] = [];
  readonly lines: LogLine[] = [];
  /** Peers' soft state as last told. */
  readonly states = new Map<ReplicaId, Map<string, string>>();
  /** Set to answer calls otherwise than with the request. */
  handle: PeerLinksOptions["handle"] = async (_from, request) => request;
  /** Set to see messages as they come. */
  onMessage: (from: ReplicaId, message: PeerMessage) => void = () => undefined;
  /** Set to see links come and go among the messages. */
  onChange: (peer: ReplicaId, change: LinkChange) => void = () => undefined;
  admit: PeerLinksOptions["admit"] = () => undefined;
  #links: PeerLinks | undefined;

  constructor(id: ReplicaId, identity: Partial<PeerIdentity> = {}) {
    this.identity = { clusterId: "c1", role: "broker", id, incarnation: 1, featureLevel: 1, ...identity };
  }

  get links(): PeerLinks {
    if (this.#links === undefined) throw new Error("the node was not started");
    return this.#links;
  }

  async start(world: World, limits: Partial<PeerLimits> = {}, port = 0): Promise<this> {
    const { id } = this.identity;
    const note = (fields: LogLine["fields"], message: string): void => {
      this.lines.push({ message, fields });
    };
    const logger: Logger = { debug: note, info: note, warn: note, error: note, fatal: note };
    this.#links = await createPeerLinks({
      identity: this.identity,
      listen: { host: world.hostOf(id), port },
      admit: (peer) => this.admit(peer),
      receive: (from, message) => {
        this.received.push({ from, message });
        this.onMessage(from, message);
      },
      handle: (from, request, signal) => this.handle(from, request, signal),
      peerState: (from, key, value) => {
        this.#noteState(from, key, value);
      },
      linkChanged: (peer, change) => {
        this.changes.push({ peer, change });
        this.onChange(peer, change);
      },
      refusedBy: (peer, reason) => this.refusals.push({ peer, reason }),
      net: world.netOf(id),
      clock: world.clock,
      timers: world.timers,
      turn: world.turn,
      random: world.random,
      logger,
      limits,
    });
    return this;
  }

  /** Lines with this message. */
  logged(message: string): readonly LogLine[] {
    return this.lines.filter((line) => line.message === message);
  }

  #noteState(from: ReplicaId, key: string, value: Uint8Array | undefined): void {
    const state = this.states.get(from) ?? new Map<string, string>();
    this.states.set(from, state);
    if (value === undefined) state.delete(key);
    else state.set(key, Buffer.from(value).toString());
  }
}

/** Tells every node where all the others are. */
export function introduce(world: World, nodes: readonly TestNode[]): void {
  const addresses = new Map(
    nodes.map(({ identity: { id }, links }) => [id, { host: world.hostOf(id), port: links.port }] as const),
  );
  for (const { links } of nodes) links.setPeers(addresses);
}

/** True when every node has a link to every other. */
export function allLinked(nodes: readonly TestNode[]): boolean {
  return nodes.every((node) =>
    nodes.every(({ identity: { id } }) => id === node.identity.id || node.links.connected(id)),
  );
}

/** A message that bears a number. */
export function numbered(sequence: number): PeerMessage {
  return { kind: "pairHeartbeatReply", sequence, lost: false, refused: [] };
}

/** The numbers of the messages that came from a peer. */
export function numbersFrom(node: TestNode, from: ReplicaId): readonly number[] {
  return node.received.flatMap((one) =>
    one.from === from && one.message.kind === "pairHeartbeatReply" ? [one.message.sequence] : [],
  );
}
