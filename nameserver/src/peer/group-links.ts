import type { Clock, Logger, Net, Random, Timers } from "@saturnmq/kit";
import {
  createPeerLinks,
  mustStop,
  type PeerAddress,
  PeerCallError,
  type PeerIdentity,
  type PeerLinks,
  type PeerLinksOptions,
} from "@saturnmq/peer";
import { featureLevelKnown } from "@saturnmq/wire";

export type GroupLinksOptions = {
  readonly clusterId: string;
  readonly self: number;
  readonly incarnation: number;
  readonly listen: PeerAddress;
  /** The other members of the group. */
  readonly others: ReadonlyMap<number, PeerAddress>;
  /** A message of another member. */
  readonly receive: PeerLinksOptions["receive"];
  /** The process of another member ended or began anew. */
  readonly peerRestarted: (member: number) => void;
  /** The link to another member is down. */
  readonly peerUnreachable: (member: number) => void;
  readonly net: Net;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly turn: PeerLinksOptions["turn"];
  readonly random: Random;
  readonly logger: Logger;
  /** Another member knows better who this one is: it must end. */
  readonly fatal: (error: unknown) => void;
};

/** The links to the other members of the group, which carry Raft's messages and nothing else. */
export type GroupLinks = AsyncDisposable & {
  /** Raft's transport. */
  readonly transport: Pick<PeerLinks, "send">;
  /** Highest feature level that the program of each other member knew when it was last linked with; 0 for one that never was. */
  readonly levels: ReadonlyMap<number, number>;
};

/** @throws {NetError} when the port cannot be opened */
export async function openGroupLinks(options: GroupLinksOptions): Promise<GroupLinks> {
  const { clusterId, self, incarnation, others, receive, peerRestarted, peerUnreachable, fatal, ...world } = options;
  const levels = new Map(Array.from(others.keys(), (id) => [id, 0]));
  const links = await createPeerLinks({
    ...world,
    receive,
    identity: { clusterId, role: "nameserver", id: self, incarnation, featureLevel: featureLevelKnown },
    admit: ({ id }: PeerIdentity) => (others.has(id) ? undefined : "unknownId"),
    handle: () => Promise.reject(new PeerCallError("refused", "name servers do not call each other")),
    peerState: () => undefined,
    linkChanged: (peer, change) => {
      if (!change.up) {
        peerUnreachable(peer);
        return;
      }
      levels.set(peer, change.identity.featureLevel);
      if (change.restarted) peerRestarted(peer);
    },
    refusedBy: (peer, reason) => {
      if (mustStop(reason)) fatal(new Error(`name server ${peer} refuses this one, member ${self}: ${reason}`));
    },
  });
  links.setPeers(others);
  return {
    transport: { send: (to, message) => links.send(to, message) },
    levels,
    [Symbol.asyncDispose]: () => links[Symbol.asyncDispose](),
  };
}
