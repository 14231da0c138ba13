import { randomBytes, randomInt, randomUUID } from "node:crypto";
import type { Clock, Disk, Logger, Net, Random, Timers } from "@saturnmq/kit";
import { type RunningHttp, serveHttp } from "@saturnmq/kit/http";
import { addGauges, processRegistry } from "@saturnmq/kit/metrics";
import { nodeDisk, nodeNet, systemClock, systemTimers } from "@saturnmq/kit/node";
import { grpcRpc } from "@saturnmq/metadata-client";
import type { LogStore } from "@saturnmq/store";
import { immediateTurn } from "raft-ts";
import type { NameServerConfig } from "./config.ts";
import { serveGrpc } from "./grpc/serve.ts";
import type { ServedPort } from "./grpc/service.ts";
import { type MemberWorld, openMember } from "./open-member.ts";
import type { OpenMetadata } from "./open-metadata.ts";

/** Any long time. */
const aliveMs = 3_600_000;

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
  const http = await serveHealth(config, about, deps.logger);
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
function serveHealth({ host, httpPort }: NameServerConfig, about: About, logger: Logger): Promise<RunningHttp> {
  const notReady = (): readonly string[] => {
    if (about.metadata === undefined) return ["the group is not open: not all members are there"];
    return about.metadata.metadata.leader === 0 ? ["no name server leads"] : [];
  };
  const registry = processRegistry();
  addGauges(registry, "saturnmq_nameserver", () => gaugesOf(about.metadata));
  return serveHttp({ host, port: httpPort, notReady, metrics: () => registry.metrics(), logger });
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
