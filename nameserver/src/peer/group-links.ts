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
import { featureLevelKnown } from "@saturnmq/wire";

export type GroupLinksOptions = {
  readonly clusterId: string;
  readonly self: number;
  readonly incarnation: number;
  readonly listen: PeerAddress;
  /** The other members of the group, as far as known at the start. */
  readonly others: ReadonlyMap<number, PeerAddress>;
  /** Why another name server of this cluster is not linked with; `undefined`: it is. */
  readonly refusalOf: (member: number) => RefusalReason | undefined;
  /** The level that the cluster stands on, as far as known here: a member that does not know it is refused. */
  readonly featureLevel: () => number;
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

/** Another member of the group. */
export type GroupMember = {
  /** The link with it is up. */
  readonly up: boolean;
  /** Highest feature level that its program knew when it was last linked with; 0: it never was. */
  readonly featureLevel: number;
};

/** What a member knows of itself. */
export const thisMember: GroupMember = { up: true, featureLevel: featureLevelKnown };

/** The links to the other members of the group, which carry Raft's messages and nothing else. */
export type GroupLinks = AsyncDisposable & {
  /** Raft's transport. */
  readonly transport: Pick<PeerLinks, "send">;
  /** Other members, as they were heard last; one that never was may be missing. */
  readonly members: ReadonlyMap<number, GroupMember>;
  /** Whom to be linked with from now on, and where they are. */
  setOthers(others: ReadonlyMap<number, PeerAddress>): void;
};

/** @throws {NetError} when the port cannot be opened */
export async function openGroupLinks(options: GroupLinksOptions): Promise<GroupLinks> {
  const { clusterId, self, incarnation, others, featureLevel, refusalOf, ...rest } = options;
  const { receive, peerRestarted, peerUnreachable, fatal, ...world } = rest;
  const never: GroupMember = { up: false, featureLevel: 0 };
  const members = new Map(Array.from(others.keys(), (id) => [id, never]));
  const links = await createPeerLinks({
    ...world,
    receive,
    identity: { clusterId, role: "nameserver", id: self, incarnation, featureLevel: featureLevelKnown },
    admit: (peer: PeerIdentity) => {
      const refusal = refusalOf(peer.id);
      if (refusal !== undefined) return refusal;
      return peer.featureLevel < featureLevel() ? "featureLevel" : undefined;
    },
    handle: () => Promise.reject(new PeerCallError("refused", "name servers do not call each other")),
    peerState: () => undefined,
    linkChanged: (peer, change) => {
      if (!change.up) {
        members.set(peer, { ...(members.get(peer) ?? never), up: false });
        peerUnreachable(peer);
        return;
      }
      members.set(peer, { up: true, featureLevel: change.identity.featureLevel });
      if (change.restarted) peerRestarted(peer);
    },
    refusedBy: (peer, reason) => {
      if (mustStop(reason)) fatal(new Error(`name server ${peer} refuses this one, member ${self}: ${reason}`));
    },
  });
  links.setPeers(others);
  return {
    transport: { send: (to, message) => links.send(to, message) },
    members,
    setOthers: (next) => links.setPeers(next),
    [Symbol.asyncDispose]: () => links[Symbol.asyncDispose](),
  };
}
