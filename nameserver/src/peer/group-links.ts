import type { Clock, Logger, Net, Random, Timers } from "@saturnmq/kit";
import {
  createPeerLinks,
  type PeerAddress,
  PeerCallError,
  type PeerIdentity,
  type RefusalReason,
} from "@saturnmq/peer";
import { featureLevelKnown } from "@saturnmq/wire";
import { immediateTurn, type PeerMessage, type ReplicaId, type Transport } from "raft-ts";

export type GroupLinksOptions = {
  readonly clusterId: string;
  readonly self: ReplicaId;
  readonly incarnation: number;
  readonly listen: PeerAddress;
  /** The other members of the group. */
  readonly others: ReadonlyMap<ReplicaId, PeerAddress>;
  /** A message of another member. */
  readonly receive: (from: ReplicaId, message: PeerMessage) => void;
  readonly net: Net;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  /** Another member knows better who this one is: it must end. */
  readonly fatal: (error: unknown) => void;
};

/** The links to the other members of the group, which carry Raft's messages and nothing else. */
export type GroupLinks = AsyncDisposable & {
  readonly transport: Transport<PeerMessage>;
  /** Highest feature level that the program of each other member knew when it was last linked with; 0 for one that never was. */
  readonly levels: ReadonlyMap<ReplicaId, number>;
};

/** Refusals by which another member says that this process must not go on under its identity. */
const endings: ReadonlySet<RefusalReason> = new Set<RefusalReason>(["twin", "oldIncarnation", "forgotten"]);

/** @throws {NetError} when the port cannot be opened */
export async function openGroupLinks(options: GroupLinksOptions): Promise<GroupLinks> {
  const { clusterId, self, incarnation, others, receive, fatal, ...world } = options;
  const levels = new Map(Array.from(others.keys(), (id) => [id, 0]));
  const links = await createPeerLinks({
    ...world,
    ...{ turn: immediateTurn, receive },
    identity: { clusterId, role: "nameserver", id: self, incarnation, featureLevel: featureLevelKnown },
    admit: ({ id }: PeerIdentity) => (others.has(id) ? undefined : "unknownId"),
    handle: () => Promise.reject(new PeerCallError("refused", "name servers do not call each other")),
    peerState: () => undefined,
    linkChanged: (peer, change) => {
      if (change.up) levels.set(peer, change.identity.featureLevel);
    },
    refusedBy: (peer, reason) => {
      if (endings.has(reason)) fatal(new Error(`name server ${peer} refuses this one, member ${self}: ${reason}`));
    },
  });
  links.setPeers(others);
  return {
    transport: { send: (to, message) => links.send(to, message) },
    levels,
    [Symbol.asyncDispose]: () => links[Symbol.asyncDispose](),
  };
}
