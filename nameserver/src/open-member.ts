import { type Clock, type Disk, hostAndPort, type Logger, type Net, type Random, type Timers } from "@saturnmq/kit";
import type { Rpc } from "@saturnmq/metadata-client";
import type { LogStore, LogStoreOptions } from "@saturnmq/store";
import type { Introduction, MemberStatement } from "@saturnmq/wire";
import type { createDriver, Turn } from "raft-ts";
import { ClusterService } from "./cluster-service.ts";
import type { NameServerConfig } from "./config.ts";
import { runController } from "./controller.ts";
import { checkCluster, checkFolder, folderOf, isNewFolder, openFolder } from "./data-folder.ts";
import type { MemberState } from "./domain/bootstrap.ts";
import { Presence } from "./domain/presence.ts";
import { formGroup, ownState } from "./form-group.ts";
import { GroupMembership } from "./group-membership.ts";
import { runGroupWalk } from "./group-walk.ts";
import { adminService } from "./grpc/admin-service.ts";
import { askMember, askToJoin, formingServices, statementFor } from "./grpc/introductions.ts";
import { metadataService } from "./grpc/metadata-service.ts";
import type { Serve, ServedPort } from "./grpc/service.ts";
import { type OpenMetadata, openMetadata, startAsNewcomer } from "./open-metadata.ts";
import { type GroupLinks, openGroupLinks } from "./peer/group-links.ts";

/** What a name server without its HTTP port is made with: everything that a simulator replaces. */
export type MemberWorld = {
  readonly config: NameServerConfig;
  readonly logger: Logger;
  /** Called once with what broke: the process must end. */
  readonly fatal: (error: unknown) => void;
  readonly disk: Disk;
  readonly net: Net;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly turn: Turn;
  readonly random: Random;
  /** Opens the port for brokers and tools. */
  readonly serve: Serve;
  /** Reaches the other members' ports for brokers and tools. */
  readonly rpc: Rpc;
  /** Bytes that cannot be guessed, for the cluster's keys. */
  readonly secret: (length: number) => Uint8Array;
  /** A new cluster id, unique in the world. */
  readonly newClusterId: () => string;
  /** Tests only. */
  readonly storeOptions: Partial<LogStoreOptions>;
  /** Tests watch the group by it. Default: raft-ts's own. */
  readonly createDriver?: typeof createDriver;
};

/** A name server that takes part in its group and serves. */
export type OpenMember = { readonly store: LogStore; readonly metadata: OpenMetadata; readonly grpc: ServedPort };

/**
 * A name server but for its HTTP port: log, links to the other members, group, controller, the port for brokers and tools. Waits until the group is
 * formed. What it opens is pushed onto `opened`, to be closed in reverse order.
 *
 * @param signal ends the waiting
 * @param ending ends all watches and the controller
 * @throws {SaturnError | DiskError | CorruptionError | NetError} what stands in the way, and what to do about it
 */
export async function openMember(
  world: MemberWorld,
  opened: AsyncDisposableStack,
  signal: AbortSignal,
  ending: AbortSignal,
): Promise<OpenMember> {
  const { config, disk } = world;
  const folder = folderOf(config);
  await checkFolder(disk, config, folder);
  const store = opened.use(await settledStore(world, folder, signal));
  checkCluster(config, store, folder);
  const { metadata, membership } = await openGroup(world, store, opened, ending);
  const grpc = await serveGroup(world, store, metadata, membership, ending);
  opened.defer(() => grpc.close(0));
  return { store, metadata, grpc };
}

/** This member's log, once its cluster is settled: alone at once, in a group when all are there. */
async function settledStore(world: MemberWorld, folder: string, signal: AbortSignal): Promise<LogStore> {
  const { config, rpc, newClusterId, timers, logger } = world;
  const { self, members } = config;
  const options = { ...world, folder };
  const isNew = await isNewFolder(options);
  if (members.length < 2) return openFolder(options, self, isNew ? newClusterId() : undefined);
  let own: MemberState = { kind: "empty" };
  await using introducing = await introduceOnly(world, () => own);
  const list = introducing.members;
  const others = new Map(members.map((member) => [member.id, hostAndPort(member.host, member.grpcPort)]));
  others.delete(self);
  const prepare = (clusterId: string): Promise<LogStore> => openFolder(options, self, clusterId);
  // Drawn once: what a newcomer was granted counts for the process that asked.
  let drawn: string | undefined;
  return await formGroup({
    ...{ self, others: [...others.keys()], prepare },
    ask: (id) => askMember(rpc, others.get(id) ?? "", { member: self, members: list }),
    store: isNew ? undefined : await openFolder(options, self, undefined),
    join: async () => {
      drawn ??= newClusterId();
      const granted = await askToJoin(rpc, [...others.values()], { member: self, process: drawn });
      return granted === undefined ? undefined : newcomersLog(await prepare(granted.clusterId), granted.term);
    },
    newClusterId,
    became: (state) => {
      own = state;
    },
    ...{ signal, timers, logger },
  });
}

async function newcomersLog(store: LogStore, term: number): Promise<LogStore> {
  try {
    await startAsNewcomer(store, term);
    return store;
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

/** The gRPC port while the group forms: it says who this member is, and nothing else. */
async function introduceOnly(
  { config, serve, logger }: MemberWorld,
  own: () => MemberState,
): Promise<AsyncDisposable & { readonly members: string }> {
  const members = memberList(config);
  const services = formingServices((asker) => statementFor(asker, members, own()));
  const { host, grpcPort: port } = config;
  const grpc = await serve(services, { host, port, logger, leaderAddress: () => undefined });
  return { members, [Symbol.asyncDispose]: () => grpc.close(0) };
}

/** The members as they are compared among each other. */
function memberList({ members }: NameServerConfig): string {
  const sorted = [...members].sort((a, b) => a.id - b.id);
  return sorted.map(({ id, host, peerPort }) => `${id}=${host}:${peerPort}`).join(",");
}

type Member = { readonly metadata: OpenMetadata; readonly membership: GroupMembership };

/** Opens the group. Until it is open what other members send is lost; they send it again. */
async function openGroup(
  world: MemberWorld,
  store: LogStore,
  stack: AsyncDisposableStack,
  ending: AbortSignal,
): Promise<Member> {
  const { config, secret } = world;
  const { shards, replicationFactor, settings, self } = config;
  const held: Held = { member: undefined };
  // One that is alone and has an address may get company.
  const links = config.members.length === 0 ? undefined : stack.use(await linksOf(world, store, held));
  const members = config.members.length === 0 ? [self] : config.members.map(({ id }) => id);
  const first = { shards, replicationFactor, settings, members, newHandleKey: () => secret(32) };
  const metadata = await openMetadata(store, { ...world, ...first, transport: links?.transport });
  stack.defer(() => metadata.close());
  const { group } = metadata;
  const membership = new GroupMembership({ config, group, links, state: () => metadata.metadata.state });
  held.member = { metadata, membership };
  const walk = { group, self, target: () => membership.target(), looked: () => membership.follow() };
  runGroupWalk({ ...world, ...walk }, ending);
  return held.member;
}

type Held = { member: Member | undefined };

function linksOf(world: MemberWorld, store: LogStore, held: Held): Promise<GroupLinks> {
  const { host, peerPort, self, members } = world.config;
  const { clusterId, incarnation } = store.identity;
  const others = new Map(members.map((member) => [member.id, { host: member.host, port: member.peerPort }]));
  others.delete(self);
  return openGroupLinks({
    ...world,
    ...{ clusterId, self, incarnation, others, listen: { host, port: peerPort } },
    featureLevel: () => held.member?.metadata.metadata.state.featureLevel ?? 0,
    refusalOf: (member) => {
      if (held.member !== undefined) return held.member.membership.refusalOf(member);
      return others.has(member) ? undefined : "unknownId";
    },
    receive: (from, message) => held.member?.metadata.receive(from, message),
    peerRestarted: (member) => held.member?.metadata.peerRestarted(member),
    peerUnreachable: (member) => held.member?.metadata.peerUnreachable(member),
  });
}

function serveGroup(
  world: MemberWorld,
  store: LogStore,
  { metadata }: OpenMetadata,
  membership: GroupMembership,
  signal: AbortSignal,
): Promise<ServedPort> {
  const { config, serve, logger, clock, timers } = world;
  const { host, grpcPort: port } = config;
  const presence = new Presence();
  const cluster = new ClusterService({ metadata, presence, clock, timers, membership });
  runController({ ...world, metadata, presence }, signal);
  const leaderAddress = (): string | undefined => membership.addressOf(cluster.leader);
  const introduce = (asker: Introduction): MemberStatement => statementFor(asker, memberList(config), ownState(store));
  const services = [metadataService(cluster, signal, introduce), adminService(cluster)];
  return serve(services, { host, port, logger, leaderAddress });
}
