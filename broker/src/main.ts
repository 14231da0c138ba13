import { randomInt } from "node:crypto";
import { hostname } from "node:os";
import { join } from "node:path";
import { type Clock, type Disk, hostAndPort, type Logger, type Random, SaturnError, type Timers } from "@saturnmq/kit";
import { isWildcard, nodeDisk, nodeNet, systemClock, systemTimers } from "@saturnmq/kit/node";
import type { LogStore, LogStoreOptions } from "@saturnmq/store";
import type { MetadataService } from "@saturnmq/wire";
import { immediateTurn } from "raft-ts";
import type { BrokerConfig } from "./config.ts";
import type { DataPlane } from "./data-plane-api.ts";
import { Sessions } from "./grpc/handlers/sessions.ts";
import { type KeyPair, ownCertificate, readCertificate } from "./grpc/transport/certificate.ts";
import { CertificateWatch } from "./grpc/transport/certificate-watch.ts";
import { type BrokerWorld, openBroker } from "./open-broker.ts";
import { Serving } from "./serving.ts";

/** What a broker needs from outside. */
export type BrokerDeps = {
  /** The name server in this process. Absent: those of the configuration are asked. */
  readonly metadata?: MetadataService;
  readonly logger: Logger;
  /** Called once with what broke (a failed write, a broken invariant, a refusal by the name server): the process must end. */
  readonly fatal: (error: unknown) => void;
  /** The machine's by default. */
  readonly disk?: Disk;
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly random?: Random;
  /** Tests only: how the log differs from what the configuration says. */
  readonly storeOptions?: Partial<
    Pick<LogStoreOptions, "unsafeNoSync" | "reserveBytes" | "cacheBytes" | "maxEntryBytes">
  >;
};

/** A broker that serves. */
export type RunningBroker = {
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly brokerId: number;
  readonly clusterId: string;
  /**
   * Stops in order: waiting receives are answered, calls in flight may finish for `deadlineMs` (default: the configuration's `shutdownMs`),
   * then the data plane and the log are closed.
   */
  close(deadlineMs?: number): Promise<void>;
};

/** A broker whose shards have all their voters here leads them within some ten milliseconds, unless loading the HTTP server holds it up. */
const clientsFirstMs = 250;
const readyWaitMs = 10_000;
const readyPollMs = 2;
/** Any long time. */
const aliveMs = 3_600_000;
const tlsFolderName = "tls";

/**
 * Opens the broker's log, registers it, and serves. Resolves when its ports are open and every shard that it leads is served.
 *
 * @throws {SaturnError | DiskError | CorruptionError} what stands in the way, and what to do about it; nothing is left open
 */
export async function startBroker(config: BrokerConfig, deps: BrokerDeps): Promise<RunningBroker> {
  await using opened = new AsyncDisposableStack();
  // The broker's timers do not keep a process alive; until its ports are open nothing else would.
  const alive = setInterval(() => undefined, aliveMs);
  opened.defer(() => {
    clearInterval(alive);
  });
  const ending = new AbortController();
  opened.defer(() => {
    ending.abort();
  });
  const world = await worldOf(config, deps, opened);
  const certificate = certificateOf(config);
  // Awaited later; should something else fail before, it must not count as unhandled.
  certificate.catch(() => undefined);
  const sessions = new Sessions(world.clock);
  const { store, dataPlane, counts } = await openBroker(world, (clientId) => sessions.isPresent(clientId), opened);
  const serving = new Serving({ ...world, sessions, counts }, store, dataPlane, ending.signal);
  await serving.openGrpc(await certificate);
  opened.defer(() => serving.close(0));
  if (config.tls.certificateFile !== "") {
    const { timers, logger } = world;
    const changed = (pair: KeyPair): void => serving.setCertificate(pair);
    const watch = new CertificateWatch({ files: config.tls, present: await certificate, timers, logger, changed });
    opened.defer(() => watch.close());
  }
  await untilReady(dataPlane, world, clientsFirstMs);
  await serving.openHttp();
  await untilReady(dataPlane, world, readyWaitMs);
  if (!dataPlane.ready) world.logger.warn({}, "ports are open, but not every shard is served yet");
  return running(serving, store, config, opened.move());
}

/**
 * Waits until every shard of this broker is served; with voters elsewhere that may take longer than anybody should wait here, and `/readyz`
 * goes on telling.
 */
async function untilReady(dataPlane: DataPlane, { clock, timers }: BrokerWorld, waitMs: number): Promise<void> {
  const startedMs = clock.monoMs();
  while (!dataPlane.ready && clock.monoMs() - startedMs < waitMs)
    await new Promise<void>((resolve) => timers.after(readyPollMs, resolve));
}

function running(
  serving: Serving,
  { identity }: LogStore,
  { shutdownMs }: BrokerConfig,
  opened: AsyncDisposableStack,
): RunningBroker {
  let closing: Promise<void> | undefined;
  const close = async (deadlineMs: number): Promise<void> => {
    await serving.close(deadlineMs);
    await opened.disposeAsync();
  };
  return {
    ...{ grpcPort: serving.grpcPort, httpPort: serving.httpPort },
    ...{ brokerId: identity.replicaId, clusterId: identity.clusterId },
    close: (deadlineMs = shutdownMs) => (closing ??= close(deadlineMs)),
  };
}

/** The machine, and the name servers: the one in this process, or those that the configuration names. */
async function worldOf(config: BrokerConfig, deps: BrokerDeps, opened: AsyncDisposableStack): Promise<BrokerWorld> {
  const disk = deps.disk ?? nodeDisk();
  const host = isWildcard(config.host) ? undefined : config.host;
  const machine = { disk, clock: systemClock(), timers: systemTimers(), random: cryptoRandom, turn: immediateTurn };
  const net = nodeNet(config);
  const reached = config.advertisedHost === "" ? (host ?? hostname()) : config.advertisedHost;
  const addresses = { client: hostAndPort(reached, config.grpcPort), peer: hostAndPort(reached, config.peerPort) };
  const world = { config, net, storeOptions: {}, ...machine, ...deps };
  if (deps.metadata !== undefined) {
    if (config.nameServers.length > 0)
      throw new SaturnError(
        "BAD_REQUEST",
        "nameServers: this process has a name server of its own, so it can be told of no others",
      );
    return { ...world, metadata: deps.metadata, knowsCluster: false, addresses: { ...addresses, peer: "" } };
  }
  // A broker with its name server in the same process starts without loading the way to others.
  const { openClusterMetadata } = await import("./cluster-metadata.ts");
  return { ...world, ...(await openClusterMetadata(world, opened)), addresses };
}

const cryptoRandom: Random = { below: (bound) => randomInt(bound) };

function certificateOf({ tls, dataDir }: BrokerConfig): Promise<KeyPair> {
  return tls.certificateFile === "" ? ownCertificate(join(dataDir, tlsFolderName)) : readCertificate(tls);
}
