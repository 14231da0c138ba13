import type { Clock, Timers } from "@saturnmq/kit";
import type {
  AdminMethods,
  BrokerRegistration,
  BrokerReport,
  ClusterMethod,
  ClusterView,
  CreateGroup,
  CreateTopic,
  GroupInfo,
  HeartbeatReply,
  JoinReply,
  JoinRequest,
  MetadataService,
  NameServerDescription,
  TopicInfo,
  WatchEvent,
} from "@saturnmq/wire";
import { type AdminVerb, adminVerbs } from "./admin-verbs.ts";
import { decideHeartbeat, decideRegister } from "./domain/brokers.ts";
import { decideCreateGroup, decideDeleteGroup } from "./domain/groups.ts";
import { decideJoin, type GroupNow } from "./domain/name-servers.ts";
import type { Presence } from "./domain/presence.ts";
import { decideCreateTopic, decideDeleteTopic } from "./domain/topics.ts";
import { type HeartbeatStream, HeartbeatStreams } from "./heartbeat-streams.ts";
import type { ReplicatedMetadata } from "./replicated-metadata.ts";

type ByName = { readonly requestId: string; readonly name: string };

export type ClusterServiceOptions = {
  readonly metadata: ReplicatedMetadata;
  readonly presence: Presence;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly membership: Membership;
};

/** The name server group as this member knows it. */
export type Membership = {
  /** Its members; which of them leads is told by `leader`. */
  nameServers(): readonly Omit<NameServerDescription, "leads">[];
  /** What changes of it depend on. */
  now(): GroupNow;
};

/** The name server as its callers know it, whichever way they come: each method is one decision of the domain. */
export class ClusterService implements MetadataService {
  readonly #metadata: ReplicatedMetadata;
  readonly #presence: Presence;
  readonly #clock: Clock;
  readonly #streams: HeartbeatStreams;
  readonly #membership: Membership;

  constructor({ metadata, presence, clock, timers, membership }: ClusterServiceOptions) {
    this.#metadata = metadata;
    this.#presence = presence;
    this.#clock = clock;
    this.#streams = new HeartbeatStreams(timers);
    this.#membership = membership;
  }

  /** False: every call is refused with `HA_NOT_AVAILABLE`. */
  get serving(): boolean {
    return this.#metadata.serving;
  }

  /** Member id of the name server that leads, as far as known; 0 for none. */
  get leader(): number {
    return this.#metadata.leader;
  }

  async register(registration: BrokerRegistration): Promise<{ readonly brokerId: number; readonly clusterId: string }> {
    const { brokerId, incarnation } = registration;
    const { brokerLeaseMs } = this.#metadata.state.settings;
    if (brokerId !== 0) await this.#streams.proveGone(brokerId, incarnation, brokerLeaseMs);
    return this.#metadata.propose((state) => decideRegister(state, registration));
  }

  async heartbeat(brokerId: number, incarnation: number, report: BrokerReport): Promise<HeartbeatReply> {
    await this.#metadata.propose((state) => decideHeartbeat(state, brokerId, incarnation, report));
    this.#presence.heard(brokerId, incarnation, report, this.#metadata.state, this.#clock.monoMs());
    return { transfers: this.#presence.askedOf(brokerId) };
  }

  /** Tells of a broker's heartbeat stream. @param end closes it from this side */
  heartbeatStream(brokerId: number, incarnation: number, end: () => void): HeartbeatStream {
    return this.#streams.opened(brokerId, incarnation, end);
  }

  watch(changed: (view: ClusterView) => void, signal: AbortSignal): void {
    this.#metadata.watch(changed, signal);
  }

  watchRole(changed: (leads: boolean) => void, signal: AbortSignal): void {
    this.#metadata.watchRole(changed, signal);
  }

  /** What a watcher lacks that has seen `revision`; `undefined`: nothing. */
  eventSince(revision: number): WatchEvent | undefined {
    return this.#metadata.eventSince(revision);
  }

  createTopic(request: CreateTopic): Promise<TopicInfo> {
    return this.#metadata.propose((state, nowMs) => decideCreateTopic(state, request, nowMs));
  }

  async deleteTopic(request: ByName): Promise<void> {
    await this.#metadata.propose((state) => decideDeleteTopic(state, request));
  }

  createGroup(request: CreateGroup): Promise<GroupInfo> {
    return this.#metadata.propose((state, nowMs) => decideCreateGroup(state, request, nowMs));
  }

  async deleteGroup(request: ByName): Promise<void> {
    await this.#metadata.propose((state) => decideDeleteGroup(state, request));
  }

  /** Grants a name server that was added its place. */
  async join(request: JoinRequest): Promise<JoinReply> {
    const { clusterId } = await this.#metadata.propose((state) => {
      return decideJoin(state, request, this.#membership.now().configured);
    });
    return { clusterId, term: this.#metadata.term };
  }

  administer<Method extends ClusterMethod>(
    method: Method,
    request: AdminMethods[Method]["request"],
  ): Promise<AdminMethods[Method]["reply"]> {
    const verb: AdminVerb<Method> = adminVerbs[method];
    return this.#metadata.propose((state, wallMs) => {
      const all = this.#membership.nameServers();
      const nameServers = all.map((server) => ({ ...server, leads: server.id === this.leader }));
      const world = { state, presence: this.#presence, nameServers, group: this.#membership.now() };
      return verb({ ...world, wallMs, monoMs: this.#clock.monoMs() }, request);
    });
  }
}
