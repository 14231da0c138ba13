import { randomBytes, randomInt, randomUUID } from "node:crypto";
import { join } from "node:path";
import { type Clock, type Disk, hostAndPort, type Logger, type Net, type Random, type Timers } from "@saturnmq/kit";
import { nodeDisk, nodeNet, systemClock, systemTimers } from "@saturnmq/kit/node";
import type { LogStore } from "@saturnmq/store";
import { featureLevelKnown, type Introduction, type MemberStatement, type MetadataService } from "@saturnmq/wire";
import { immediateTurn } from "raft-ts";
import { ClusterService, type ClusterServiceOptions } from "./cluster-service.ts";
import type { NameServerConfig } from "./config.ts";
import { runController } from "./controller.ts";
import { checkCluster, checkFolder, type FolderOptions, isNewFolder, openFolder } from "./data-folder.ts";
import type { MemberState } from "./domain/bootstrap.ts";
import { Presence } from "./domain/presence.ts";
import { defaultSettings } from "./domain/state.ts";
import { EmbeddedMetadata } from "./embedded-metadata.ts";
import { formGroup, ownState } from "./form-group.ts";
import { adminService } from "./grpc/admin-service.ts";
import { askMember, formingServices, statementFor } from "./grpc/introductions.ts";
import { metadataService } from "./grpc/metadata-service.ts";
import { type RunningGrpc, serveGrpc } from "./grpc/serve.ts";
import { type RunningHttp, serveHttp } from "./http/http.ts";
import { type OpenMetadata, openMetadata } from "./open-metadata.ts";
import { type GroupLinks, type GroupMember, openGroupLinks } from "./peer/group-links.ts";

/** Below the data folder of a name server's process. */
const folderName = "nameserver";
/** Any long time. */
const aliveMs = 3_600_000;

export type NameServerOptions = FolderOptions & {
  /** Shards of a cluster that is made now, 1 to 65,535; an existing one keeps its number. */
  readonly shards: number;
  /** Bytes that cannot be guessed, for the cluster's keys. */
  readonly secret: (length: number) => Uint8Array;
  /** A new cluster id, unique in the world. Asked only when the folder is new. */
  readonly newClusterId: () => string;
  /** Called once with what broke; nothing is answered after it and the process must end. */
  readonly fatal: (error: unknown) => void;
};

/** A name server that serves. */
export type NameServer = {
  readonly metadata: MetadataService;
  readonly clusterId: string;
  /** Calls in flight are answered `HA_NOT_AVAILABLE`; resolves when the log is closed. */
  close(): Promise<void>;
};

/**
 * Opens the name server of a cluster with one broker, in the broker's process: its own Raft group of one voter on its own log. A new folder
 * becomes a new cluster.
 *
 * @throws {CorruptionError | DiskError | SaturnError} if the folder cannot be read or written, is not a name server's, or is in use
 */
export async function openNameServer(options: NameServerOptions): Promise<NameServer> {
  const clusterId = (await isNewFolder(options)) ? options.newClusterId() : undefined;
  const store = await openFolder(options, 1, clusterId);
  try {
    const about = {
      replicationFactor: 1,
      settings: defaultSettings,
      members: [1],
      newHandleKey: () => options.secret(32),
    };
    const opened = await openMetadata(store, { ...options, ...about, transport: undefined, turn: immediateTurn });
    return {
      metadata: new EmbeddedMetadata(
        clusterService(opened, options, new Presence(), () => [{ id: 1, address: "", ...thisMember }]),
      ),
      clusterId: store.identity.clusterId,
      close: async () => {
        await opened.close();
        await store[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

function clusterService(
  { metadata }: OpenMetadata,
  { clock, timers }: { readonly clock: Clock; readonly timers: Timers },
  presence: Presence,
  nameServers: ClusterServiceOptions["nameServers"],
): ClusterService {
  return new ClusterService({ metadata, presence, clock, timers, nameServers });
}

/** What a member knows of itself. */
const thisMember: GroupMember = { up: true, featureLevel: featureLevelKnown };

/** What a name server's process needs from outside. */
export type NameServerDeps = {
  readonly logger: Logger;
  /** Ends a start that waits for other members. */
  readonly signal?: AbortSignal;
  /** Called once with what broke: the process must end. */
  readonly fatal: (error: unknown) => void;
  /** The machine's by default. */
  readonly disk?: Disk;
  readonly net?: Net;
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly random?: Random;
};

/** A name server's process that serves. */
export type RunningNameServer = {
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly clusterId: string;
  /** Streams end, calls in flight may finish for `shutdownMs`, then the log is closed. */
  close(): Promise<void>;
};

const cryptoRandom: Random = { below: (bound) => randomInt(bound) };

type World = Required<Omit<NameServerDeps, "signal">>;

/**
 * Opens a name server's log and serves. Resolves when its ports are open.
 *
 * @throws {SaturnError | DiskError | CorruptionError} what stands in the way, and what to do about it; nothing is left open
 */
export async function startNameServer(config: NameServerConfig, deps: NameServerDeps): Promise<RunningNameServer> {
  const clocks = { clock: systemClock(), timers: systemTimers() };
  const machine = { disk: nodeDisk(), net: nodeNet(), ...clocks, random: cryptoRandom };
  const { signal = new AbortController().signal, ...given } = deps;
  const world: World = { ...machine, ...given };
  const folder = join(config.dataDir, folderName);
  await checkFolder(world.disk, config, folder);
  await using opened = new AsyncDisposableStack();
  // Its timers do not keep a process alive; until its ports are open nothing else would.
  const alive = setInterval(() => undefined, aliveMs);
  opened.defer(() => clearInterval(alive));
  const about: About = { metadata: undefined };
  const http = await serveHealth(config, about);
  opened.defer(() => http.close());
  const store = opened.use(await settledStore(config, world, folder, signal));
  checkCluster(config, store, folder);
  const group = await openGroup(config, store, world, about, opened);
  const ending = new AbortController();
  opened.defer(() => ending.abort());
  const grpc = await serve(config, store, group, world, ending.signal);
  opened.defer(() => grpc.close(0));
  return running({ grpc, http, ending, store, shutdownMs: config.shutdownMs }, opened.move());
}

/** This member of the group; alone it has no links. */
type Member = { readonly metadata: OpenMetadata; readonly links: GroupLinks | undefined };

/** What `/readyz` and `/metrics` tell of; nothing until the group is open. */
type About = { metadata: OpenMetadata | undefined };

/** Open from the start: a member that waits for the others lives, and says what it waits for. */
function serveHealth({ host, httpPort }: NameServerConfig, about: About): Promise<RunningHttp> {
  const notReady = (): readonly string[] => {
    if (about.metadata === undefined) return ["the group is not open: not all members are there"];
    return about.metadata.metadata.leader === 0 ? ["no name server leads"] : [];
  };
  return serveHttp({ host, port: httpPort, notReady, gauges: () => gaugesOf(about.metadata) });
}

/** This member's log, once its cluster is settled: alone at once, in a group when all are there. */
async function settledStore(
  config: NameServerConfig,
  world: World,
  folder: string,
  signal: AbortSignal,
): Promise<LogStore> {
  const { self, members } = config;
  const options = { ...world, folder };
  const isNew = await isNewFolder(options);
  if (members.length < 2) return openFolder(options, self, isNew ? randomUUID() : undefined);
  let own: MemberState = { kind: "empty" };
  await using introducing = await introduceOnly(config, world, () => own);
  const list = introducing.members;
  return await formGroup({
    ...{ self, others: members.map(({ id }) => id).filter((id) => id !== self) },
    ask: (id) => askMember(addressOf(config, id) ?? "", { member: self, members: list }),
    store: isNew ? undefined : await openFolder(options, self, undefined),
    prepare: (clusterId) => openFolder(options, self, clusterId),
    newClusterId: () => randomUUID(),
    became: (state) => {
      own = state;
    },
    ...{ signal, timers: world.timers, logger: world.logger },
  });
}

/** The gRPC port while the group forms: it says who this member is, and nothing else. */
async function introduceOnly(
  config: NameServerConfig,
  { logger }: World,
  own: () => MemberState,
): Promise<AsyncDisposable & { readonly members: string }> {
  const members = memberList(config);
  const services = formingServices((asker) => statementFor(asker, members, own()));
  const { host, grpcPort: port } = config;
  const grpc = await serveGrpc(services, { host, port, logger, leaderAddress: () => undefined });
  return { members, [Symbol.asyncDispose]: () => grpc.close(0) };
}

/** The members as they are compared among each other. */
function memberList({ members }: NameServerConfig): string {
  const sorted = [...members].sort((a, b) => a.id - b.id);
  return sorted.map(({ id, host, peerPort }) => `${id}=${host}:${peerPort}`).join(",");
}

/** Opens the group, as `about.metadata`. Until then what other members send is lost; they send it again. */
async function openGroup(
  config: NameServerConfig,
  store: LogStore,
  world: World,
  about: About,
  stack: AsyncDisposableStack,
): Promise<Member> {
  const links = config.members.length < 2 ? undefined : stack.use(await linksOf(config, store, world, about));
  const { shards, replicationFactor, settings, self } = config;
  const members = config.members.length === 0 ? [self] : config.members.map(({ id }) => id);
  const group = { shards, replicationFactor, settings, members, newHandleKey: () => randomBytes(32) };
  const metadata = await openMetadata(store, {
    ...{ ...world, ...group, turn: immediateTurn },
    transport: links?.transport,
  });
  about.metadata = metadata;
  stack.defer(() => metadata.close());
  return { metadata, links };
}

function linksOf(config: NameServerConfig, store: LogStore, world: World, about: About): Promise<GroupLinks> {
  const { host, peerPort, self, members } = config;
  const { clusterId, incarnation } = store.identity;
  const others = new Map(members.map((member) => [member.id, { host: member.host, port: member.peerPort }]));
  others.delete(self);
  return openGroupLinks({
    ...world,
    ...{ clusterId, self, incarnation, others, listen: { host, port: peerPort }, turn: immediateTurn },
    receive: (from, message) => about.metadata?.receive(from, message),
    peerRestarted: (member) => about.metadata?.peerRestarted(member),
    peerUnreachable: (member) => about.metadata?.peerUnreachable(member),
  });
}

function serve(
  config: NameServerConfig,
  store: LogStore,
  { metadata: opened, links }: Member,
  world: World,
  signal: AbortSignal,
): Promise<RunningGrpc> {
  const { metadata } = opened;
  const presence = new Presence();
  const members = (): ReadonlyMap<number, GroupMember> =>
    new Map([...(links?.members ?? []), [config.self, thisMember] as const]);
  const cluster = clusterService(opened, world, presence, () =>
    [...members()]
      .sort(([a], [b]) => a - b)
      .map(([id, member]) => ({ id, address: addressOf(config, id) ?? "", ...member })),
  );
  runController({ ...world, metadata, presence }, signal);
  const leaderAddress = (): string | undefined => addressOf(config, cluster.leader);
  const introduce = (asker: Introduction): MemberStatement => statementFor(asker, memberList(config), ownState(store));
  const services = [metadataService(cluster, signal, introduce), adminService(cluster)];
  return serveGrpc(services, { host: config.host, port: config.grpcPort, logger: world.logger, leaderAddress });
}

type Parts = {
  readonly grpc: RunningGrpc;
  readonly http: RunningHttp;
  readonly ending: AbortController;
  readonly store: LogStore;
  readonly shutdownMs: number;
};

function running({ grpc, http, ending, store, shutdownMs }: Parts, opened: AsyncDisposableStack): RunningNameServer {
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    ending.abort();
    await grpc.close(shutdownMs);
    await opened.disposeAsync();
  };
  return {
    ...{ grpcPort: grpc.port, httpPort: http.port, clusterId: store.identity.clusterId },
    close: () => (closing ??= close()),
  };
}

/** Where brokers and tools reach a member; `undefined` for one that is not configured with an address. */
function addressOf({ members }: NameServerConfig, id: number): string | undefined {
  const member = members.find((candidate) => candidate.id === id);
  return member === undefined ? undefined : hostAndPort(member.host, member.grpcPort);
}

function gaugesOf(opened: OpenMetadata | undefined): Readonly<Record<string, number>> {
  if (opened === undefined) return noGauges;
  const { metadata } = opened;
  const { revision, brokers, shards, topics, groups } = metadata.state;
  const all = [...brokers.values()].filter(({ removed }) => !removed);
  return {
    ...{ metadataRevision: revision, leads: metadata.serving ? 1 : 0 },
    ...{ topics: topics.size, consumerGroups: groups.size, shards: shards.length },
    ...{ brokers: all.length, brokersUp: all.filter(({ alive }) => alive).length },
  };
}

const noGauges = { metadataRevision: 0, leads: 0, topics: 0, consumerGroups: 0, shards: 0, brokers: 0, brokersUp: 0 };
