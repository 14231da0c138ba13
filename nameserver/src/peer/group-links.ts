import type { Clock, Logger, Net, Random, Timers } from "@saturnmq/kit";
import {
  createPeerLinks,
  type PeerAddress,
  PeerCallError,
  type PeerIdentity,
  type PeerLinks,
  type PeerLinksOptions,
  type RefusalReason,
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

/** Refusals by which another member says that this process must not go on under its identity. */
const endings: ReadonlySet<RefusalReason> = new Set<RefusalReason>(["twin", "oldIncarnation", "forgotten"]);

/** @throws {NetError} when the port cannot be opened */
export async function openGroupLinks(options: GroupLinksOptions): Promise<GroupLinks> {
  const { clusterId, self, incarnation, others, receive, peerRestarted, peerUnreachable, fatal, ...world } = options;
  const levels = new Map(Array.from(others.keys(), (id) => [id, 0]));
  /** The newest life of each member that was linked with. */
  const lives = new Map<number, number>();
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
      const { incarnation: life, featureLevel } = change.identity;
      levels.set(peer, featureLevel);
      if (lives.get(peer) !== life && lives.has(peer)) peerRestarted(peer);
      lives.set(peer, life);
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
