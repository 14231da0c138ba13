import type { Clock, Logger, Net, Random, Timers } from "@saturnmq/kit";
import {
  createPeerLinks,
  mustStop,
  type PeerAddress,
  PeerCallError,
  type PeerIdentity,
  type PeerLinks,
  type PeerLinksOptions,
  type RefusalReason,
} from "@saturnmq/peer";
import { type ClusterView, featureLevelKnown } from "@saturnmq/wire";
import type { Brokers } from "../cluster/ports.ts";
import { ConnectionCounts } from "./connection-counts.ts";
import { answerForward, type ForwardRoom } from "./forward-server.ts";
import { LinkedBrokers } from "./linked-brokers.ts";

export type BrokerLinksOptions = {
  readonly clusterId: string;
  readonly brokerId: number;
  readonly incarnation: number;
  readonly listen: PeerAddress;
  readonly net: Net;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly turn: PeerLinksOptions["turn"];
  readonly random: Random;
  readonly logger: Logger;
  /** Another broker knows better who this one is: it must end. */
  readonly fatal: (error: unknown) => void;
};

/** Whom the links bring what comes in to. */
export type BrokerLinksTarget = {
  readonly receive: PeerLinksOptions["receive"];
  /** The process of another broker ended or began anew. */
  readonly peerRestarted: (broker: number) => void;
  /** The link to another broker is down. */
  readonly peerUnreachable: (broker: number) => void;
  readonly room: Omit<ForwardRoom, "clock" | "logger" | "ready">;
};

/** The links to the other brokers of the cluster: Raft's messages, forwarded calls, soft state. */
export interface BrokerLinks extends AsyncDisposable {
  readonly port: number;
  readonly brokers: Brokers;
  readonly connections: ConnectionCounts;
  /** Raft's transport. */
  readonly send: PeerLinks["send"];
  /** Until it is called, what comes in is refused. */
  attach(target: BrokerLinksTarget): void;
  /** The cluster as last watched: whom to link with. */
  follow(view: ClusterView): void;
}

/** @throws {NetError} when the port cannot be opened */
export async function openBrokerLinks(options: BrokerLinksOptions): Promise<BrokerLinks> {
  const { clusterId, brokerId: id, incarnation, clock, timers, logger, fatal, ...way } = options;
  let target: BrokerLinksTarget | undefined;
  let view: ClusterView | undefined;
  const links = await createPeerLinks({
    ...way,
    ...{ clock, timers, logger },
    identity: { clusterId, role: "broker", id, incarnation, featureLevel: featureLevelKnown },
    admit: (peer) => judge(view, peer),
    receive: (from, message) => target?.receive(from, message),
    handle: async (from, request, signal) => {
      if (target === undefined) throw new PeerCallError("refused", "the broker is starting");
      const ready: ForwardRoom["ready"] = (broker, words) => brokers.ready(broker, words);
      return answerForward({ ...target.room, clock, logger, ready }, from, request, signal);
    },
    peerState: (from, key, value) => {
      if (!connections.peerState(from, key, value)) brokers.peerState(from, key, value);
    },
    linkChanged: (peer, change) => {
      if (!change.up) connections.gone(peer);
      if (!change.up) target?.peerUnreachable(peer);
      else if (change.restarted) target?.peerRestarted(peer);
      brokers.linkChanged(peer, change.up);
    },
    refusedBy: (peer, reason) => {
      if (mustStop(reason)) fatal(new Error(`broker ${peer} refuses this one, broker ${id}: ${reason}`));
    },
  });
  const connections = new ConnectionCounts((to, key, value) => links.publish(to, key, value));
  const brokers = new LinkedBrokers({
    ...{ links, clock, timers, logger },
    provesNothing: (error) => error instanceof PeerCallError && error.outcome !== "unknown",
    revision: () => view?.revision ?? 0,
  });
  return {
    port: links.port,
    ...{ brokers, connections },
    send: (to, message) => links.send(to, message),
    attach: (given) => {
      target = given;
    },
    follow: (changed) => {
      view = changed;
      links.setPeers(peersOf(changed, id));
    },
    [Symbol.asyncDispose]: () => links[Symbol.asyncDispose](),
  };
}

/** A broker that the name server does not know (yet) is let in at its next try; one that it knows better is not. */
function judge(
  view: ClusterView | undefined,
  { id, incarnation, featureLevel }: PeerIdentity,
): RefusalReason | undefined {
  const known = view?.brokers.get(id);
  if (view === undefined || known === undefined) return "unknownId";
  if (known.state === "removed") return "forgotten";
  if (featureLevel < view.featureLevel) return "featureLevel";
  return incarnation < known.incarnation ? "oldIncarnation" : undefined;
}

function peersOf({ brokers }: ClusterView, self: number): ReadonlyMap<number, PeerAddress> {
  const peers = new Map<number, PeerAddress>();
  for (const { id, state, peerAddress } of brokers.values()) {
    const address = addressOf(peerAddress);
    if (id !== self && state !== "removed" && address !== undefined) peers.set(id, address);
  }
  return peers;
}

/** `host:port`, the host of IPv6 in brackets; `undefined` for anything else. */
function addressOf(text: string): PeerAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  return host === undefined ? undefined : { host, port: Number(match?.[3]) };
}
