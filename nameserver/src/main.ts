import { randomBytes, randomInt, randomUUID } from "node:crypto";
import { join } from "node:path";
import {
  type Clock,
  claimFolderRole,
  type Disk,
  type Logger,
  type Random,
  SaturnError,
  type Timers,
} from "@saturnmq/kit";
import { nodeDisk, systemClock, systemTimers } from "@saturnmq/kit/node";
import { type LogStore, openLogStore } from "@saturnmq/store";
import { featureLevelKnown, type MetadataService } from "@saturnmq/wire";
import { immediateTurn } from "raft-ts";
import { ClusterService } from "./cluster-service.ts";
import type { NameServerConfig } from "./config.ts";
import { runController } from "./controller.ts";
import { Presence } from "./domain/presence.ts";
import { defaultSettings } from "./domain/state.ts";
import { EmbeddedMetadata } from "./embedded-metadata.ts";
import { adminService } from "./grpc/admin-service.ts";
import { metadataService } from "./grpc/metadata-service.ts";
import { type RunningGrpc, serveGrpc } from "./grpc/serve.ts";
import { type RunningHttp, serveHttp } from "./http/http.ts";
import { type OpenMetadata, openMetadata } from "./open-metadata.ts";

const mib = 1_024 * 1_024;
// Metadata is small: an entry is a record or two, and one segment holds tens of thousands of changes.
const sizes = { segmentBytes: 16 * mib, cacheBytes: 4 * mib, maxEntryBytes: 1 * mib, checkpointBytes: 16 * mib };

/** Below the data folder of a name server's process. */
const folderName = "nameserver";
/** Any long time. */
const aliveMs = 3_600_000;

export type NameServerOptions = {
  /** Folder of its log; made when absent. Nobody else's. */
  readonly folder: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
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
  const store = await openStore(options, 1);
  try {
    const about = {
      replicationFactor: 1,
      settings: defaultSettings,
      members: [1],
      newHandleKey: () => options.secret(32),
    };
    const opened = await openMetadata(store, { ...options, ...about, transport: undefined, turn: immediateTurn });
    return {
      metadata: new EmbeddedMetadata(clusterService(opened, 1, options, new Presence())),
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

type StoreOptions = Pick<
  NameServerOptions,
  "folder" | "disk" | "clock" | "timers" | "random" | "logger" | "newClusterId"
>;

async function openStore(options: StoreOptions, self: number): Promise<LogStore> {
  const { folder, disk, clock, timers, random, logger } = options;
  await claimFolderRole(disk, folder, "nameserver");
  const isNew = !(await disk.list(folder)).includes("identity");
  const clusterId = isNew ? options.newClusterId() : undefined;
  return openLogStore({ disk, folder, clusterId, replicaId: self, clock, timers, random, logger, ...sizes });
}

function clusterService(
  { metadata }: OpenMetadata,
  self: number,
  { clock, timers }: { readonly clock: Clock; readonly timers: Timers },
  presence: Presence,
): ClusterService {
  const nameServerLevels = (): ReadonlyMap<number, number> => new Map([[self, featureLevelKnown]]);
  return new ClusterService({ metadata, presence, clock, timers, nameServerLevels });
}

/** What a name server's process needs from outside. */
export type NameServerDeps = {
  readonly logger: Logger;
  /** Called once with what broke: the process must end. */
  readonly fatal: (error: unknown) => void;
  /** The machine's by default. */
  readonly disk?: Disk;
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

type World = Required<NameServerDeps>;

/**
 * Opens a name server's log and serves. Resolves when its ports are open.
 *
 * @throws {SaturnError | DiskError | CorruptionError} what stands in the way, and what to do about it; nothing is left open
 */
export async function startNameServer(config: NameServerConfig, deps: NameServerDeps): Promise<RunningNameServer> {
  const machine = { disk: nodeDisk(), clock: systemClock(), timers: systemTimers(), random: cryptoRandom };
  const world: World = { ...machine, ...deps };
  checkGroup(config);
  const folder = join(config.dataDir, folderName);
  await checkFolder(world.disk, config, folder);
  await using opened = new AsyncDisposableStack();
  // Its timers do not keep a process alive; until its ports are open nothing else would.
  const alive = setInterval(() => undefined, aliveMs);
  opened.defer(() => clearInterval(alive));
  const store = opened.use(await openStore({ ...world, folder, newClusterId: () => randomUUID() }, config.self));
  checkCluster(config, store, folder);
  const metadata = await openGroup(config, store, world);
  opened.defer(() => metadata.close());
  const ending = new AbortController();
  opened.defer(() => ending.abort());
  const { grpc, http } = await serve(config, metadata, world, ending.signal, opened);
  return running({ grpc, http, ending, store, shutdownMs: config.shutdownMs }, opened.move());
}

function openGroup(config: NameServerConfig, store: LogStore, world: World): Promise<OpenMetadata> {
  const { shards, replicationFactor, settings, self } = config;
  const about = { shards, replicationFactor, settings, members: [self], newHandleKey: () => randomBytes(32) };
  return openMetadata(store, { ...world, ...about, transport: undefined, turn: immediateTurn });
}

async function serve(
  config: NameServerConfig,
  opened: OpenMetadata,
  world: World,
  signal: AbortSignal,
  stack: AsyncDisposableStack,
): Promise<{ readonly grpc: RunningGrpc; readonly http: RunningHttp }> {
  const { metadata } = opened;
  const presence = new Presence();
  const cluster = clusterService(opened, config.self, world, presence);
  runController({ ...world, metadata, presence }, signal);
  const { host, grpcPort, httpPort } = config;
  const leaderAddress = (): string | undefined => addressOf(config, cluster.leader);
  const services = [metadataService(cluster, signal), adminService(cluster)];
  const grpc = await serveGrpc(services, { host, port: grpcPort, logger: world.logger, leaderAddress });
  stack.defer(() => grpc.close(0));
  const notReady = (): readonly string[] => (cluster.leader === 0 ? ["no name server leads"] : []);
  const gauges = (): Readonly<Record<string, number>> => gaugesOf(opened, grpc.streams);
  const http = await serveHttp({ host, port: httpPort, notReady, gauges });
  stack.defer(() => http.close());
  return { grpc, http };
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

/** @throws {SaturnError} `UNIMPLEMENTED` for a group of several: this process has no links to other members */
function checkGroup({ members }: NameServerConfig): void {
  if (members.length < 2) return;
  throw new SaturnError(
    "UNIMPLEMENTED",
    `this version runs a name server alone: give members one entry or none, not ${members.length}`,
  );
}

/** The folder itself says whose it is (`claimFolderRole`); here it is about the folder around it. */
async function checkFolder(disk: Disk, { dataDir, clusterId }: NameServerConfig, folder: string): Promise<void> {
  const isDataFolder = async (path: string): Promise<boolean> => (await disk.list(path)).includes("identity");
  if (await isDataFolder(dataDir)) {
    throw new SaturnError(
      "FORBIDDEN",
      `${dataDir} is itself the data folder of a broker or a name server: name the folder around it, or another one`,
    );
  }
  if (await isDataFolder(folder)) return;
  if (await isDataFolder(join(dataDir, "broker"))) {
    throw new SaturnError(
      "FORBIDDEN",
      `${dataDir} holds the data of a broker: give the name server a folder of its own`,
    );
  }
  if (clusterId === "") return;
  throw new SaturnError(
    "FORBIDDEN",
    `${folder} holds nothing, but clusterId says that it holds cluster ${clusterId}: restore it, or leave clusterId out to make a new cluster`,
  );
}

function checkCluster({ clusterId }: NameServerConfig, { identity }: LogStore, folder: string): void {
  if (clusterId === "" || clusterId === identity.clusterId) return;
  throw new SaturnError(
    "FORBIDDEN",
    `${folder} holds cluster ${identity.clusterId}, but clusterId says ${clusterId}: name that cluster's folder`,
  );
}

/** Where brokers and tools reach a member; `undefined` for one that is not configured with an address. */
function addressOf({ members }: NameServerConfig, id: number): string | undefined {
  const member = members.find((candidate) => candidate.id === id);
  return member === undefined ? undefined : `${member.host}:${member.grpcPort}`;
}

function gaugesOf({ metadata }: OpenMetadata, streams: number): Readonly<Record<string, number>> {
  const { revision, brokers, shards, topics, groups } = metadata.state;
  const all = [...brokers.values()].filter(({ removed }) => !removed);
  return {
    ...{ metadataRevision: revision, leads: metadata.serving ? 1 : 0, grpcStreams: streams },
    ...{ topics: topics.size, consumerGroups: groups.size, shards: shards.length },
    ...{ brokers: all.length, brokersUp: all.filter(({ alive }) => alive).length },
  };
}
