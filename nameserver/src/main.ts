import { randomBytes, randomInt, randomUUID } from "node:crypto";
import type { Clock, Disk, Logger, Net, Random, Timers } from "@saturnmq/kit";
import { nodeDisk, nodeNet, systemClock, systemTimers } from "@saturnmq/kit/node";
import { grpcRpc } from "@saturnmq/metadata-client";
import type { LogStore } from "@saturnmq/store";
import type { MetadataService } from "@saturnmq/wire";
import { immediateTurn } from "raft-ts";
import { ClusterService } from "./cluster-service.ts";
import type { NameServerConfig } from "./config.ts";
import { type FolderOptions, isNewFolder, openFolder } from "./data-folder.ts";
import { Presence } from "./domain/presence.ts";
import { defaultSettings } from "./domain/state.ts";
import { EmbeddedMetadata } from "./embedded-metadata.ts";
import { serveGrpc } from "./grpc/serve.ts";
import type { ServedPort } from "./grpc/service.ts";
import { type RunningHttp, serveHttp } from "./http/http.ts";
import { type MemberWorld, openMember, thisMember } from "./open-member.ts";
import { type OpenMetadata, openMetadata } from "./open-metadata.ts";

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
    const { clock, timers } = options;
    const { metadata } = opened;
    const nameServers = () => [{ id: 1, address: "", ...thisMember }];
    const cluster = new ClusterService({ metadata, presence: new Presence(), clock, timers, nameServers });
    return {
      metadata: new EmbeddedMetadata(cluster),
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

/**
 * Opens a name server's log and serves. Resolves when its ports are open.
 *
 * @throws {SaturnError | DiskError | CorruptionError} what stands in the way, and what to do about it; nothing is left open
 */
export async function startNameServer(config: NameServerConfig, deps: NameServerDeps): Promise<RunningNameServer> {
  await using opened = new AsyncDisposableStack();
  // Its timers do not keep a process alive; until its ports are open nothing else would.
  const alive = setInterval(() => undefined, aliveMs);
  opened.defer(() => clearInterval(alive));
  const about: About = { metadata: undefined };
  const http = await serveHealth(config, about);
  opened.defer(() => http.close());
  const ending = new AbortController();
  opened.defer(() => ending.abort());
  const { signal = new AbortController().signal } = deps;
  const { store, metadata, grpc } = await openMember(worldOf(config, deps, opened), opened, signal, ending.signal);
  about.metadata = metadata;
  return running({ grpc, http, ending, store, shutdownMs: config.shutdownMs }, opened.move());
}

/** The machine, where nothing else is given. */
function worldOf(config: NameServerConfig, deps: NameServerDeps, opened: AsyncDisposableStack): MemberWorld {
  const machine = { disk: nodeDisk(), net: nodeNet(config), clock: systemClock(), timers: systemTimers() };
  const chance = { random: cryptoRandom, secret: randomBytes, newClusterId: randomUUID };
  const world = { config, ...machine, ...chance, turn: immediateTurn, serve: serveGrpc, storeOptions: {}, ...deps };
  const rpc = grpcRpc(world.clock);
  opened.defer(() => rpc.close());
  return { ...world, rpc };
}

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

type Parts = {
  readonly grpc: ServedPort;
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
