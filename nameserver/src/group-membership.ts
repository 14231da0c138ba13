import { hostAndPort } from "@saturnmq/kit";
import type { PeerAddress, RefusalReason } from "@saturnmq/peer";
import { type Group, membersOf } from "raft-ts";
import type { Membership } from "./cluster-service.ts";
import type { NameServerConfig } from "./config.ts";
import { type GroupNow, type GroupTarget, groupOf, targetOf } from "./domain/name-servers.ts";
import type { MetadataState, NameServer, NameServerGroup } from "./domain/state.ts";
import { isAt } from "./group-walk.ts";
import { type GroupLinks, thisMember } from "./peer/group-links.ts";

export type GroupMembershipOptions = {
  readonly config: NameServerConfig;
  readonly state: () => Readonly<MetadataState>;
  readonly group: Group;
  /** Alone there are none. */
  readonly links: GroupLinks | undefined;
};

/** The group as this member knows it: what was configured, what was replicated since, and what Raft's configuration holds. */
export class GroupMembership implements Membership {
  readonly #options: GroupMembershipOptions;
  #linked = "";

  constructor(options: GroupMembershipOptions) {
    this.#options = options;
  }

  get #group(): NameServerGroup {
    return groupOf(this.#options.state(), this.#options.config.members);
  }

  /** Members, and those that were removed and that the group has not let go. */
  get #present(): readonly NameServer[] {
    const { members, former } = this.#group;
    const held = this.#held();
    return [...members, ...former.filter(({ id }) => held.has(id))];
  }

  /** Whom Raft's configuration holds; while it is not committed those that it leaves out may come back. */
  #held(): ReadonlySet<number> {
    const { index, configuration } = this.#options.group.configuration;
    const settled = index <= this.#options.group.commitIndex;
    return new Set([...membersOf(configuration), ...(settled ? [] : this.#group.former.map(({ id }) => id))]);
  }

  /** Whom Raft's configuration is to hold; `undefined` before the group was ever changed. */
  target(): GroupTarget | undefined {
    const { nameServers } = this.#options.state();
    return nameServers === undefined ? undefined : targetOf(nameServers);
  }

  now(): GroupNow {
    const { config, group, links } = this.#options;
    const { incoming, outgoing } = group.configuration.configuration;
    const target = this.target();
    const up = [...(links?.members ?? [])].filter(([, member]) => member.up).map(([id]) => id);
    return {
      ...{ configured: config.members, voters: [...new Set([...incoming, ...outgoing])] },
      settled: target === undefined || isAt(group, target),
      up: new Set([config.self, ...up]),
    };
  }

  nameServers(): ReturnType<Membership["nameServers"]> {
    const { config, links } = this.#options;
    const all = config.members.length === 0 ? [alone(config.self)] : this.#present;
    return [...all]
      .sort((one, other) => one.id - other.id)
      .map((server) => {
        const { up, featureLevel } =
          server.id === config.self ? thisMember : (links?.members.get(server.id) ?? unheard);
        const address = server.host === "" ? "" : hostAndPort(server.host, server.grpcPort);
        return { id: server.id, address, up, featureLevel, part: this.#partOf(server.id) };
      });
  }

  #partOf(id: number): "votes" | "listens" | "awaited" | "leaves" {
    const { incoming, outgoing, learners } = this.#options.group.configuration.configuration;
    if (!this.#group.members.some((member) => member.id === id)) return "leaves";
    if (incoming.includes(id) || outgoing.includes(id)) return "votes";
    return learners.includes(id) ? "listens" : "awaited";
  }

  /** Where brokers and tools reach a member; `undefined` for one without an address. */
  addressOf(id: number): string | undefined {
    const { members, former } = this.#group;
    const server = [...members, ...former].find((one) => one.id === id);
    return server === undefined ? undefined : hostAndPort(server.host, server.grpcPort);
  }

  /** Why another name server of this cluster is not linked with; `undefined`: it is. */
  refusalOf(id: number): RefusalReason | undefined {
    if (this.#present.some((server) => server.id === id) || this.#held().has(id)) return undefined;
    return id <= (this.#options.state().nameServers?.highestId ?? 0) ? "forgotten" : "unknownId";
  }

  /** Has the links follow what changed. */
  follow(): void {
    const others = this.#present.filter(({ id }) => id !== this.#options.config.self);
    const addresses = new Map(
      others.map(({ id, host, peerPort }): [number, PeerAddress] => [id, { host, port: peerPort }]),
    );
    const told = JSON.stringify([...addresses]);
    if (told === this.#linked) return;
    this.#linked = told;
    this.#options.links?.setOthers(addresses);
  }
}

const unheard = { up: false, featureLevel: 0 };

function alone(id: number): NameServer {
  return { id, host: "", peerPort: 0, grpcPort: 0 };
}
