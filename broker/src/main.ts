import { randomInt } from "node:crypto";
import { join } from "node:path";
import type { Clock, Disk, Logger, Random, Timers } from "@saturnmq/kit";
import { nodeDisk, systemClock, systemTimers } from "@saturnmq/kit/node";
import type { LogStore, LogStoreOptions } from "@saturnmq/store";
import type { MetadataService } from "@saturnmq/wire";
import { createDriver, immediateTurn } from "raft-ts";
import type { BrokerConfig } from "./config.ts";
import { createDataPlane } from "./data-plane.ts";
import type { DataPlane } from "./data-plane-api.ts";
import { Sessions } from "./grpc/handlers/sessions.ts";
import { type KeyPair, ownCertificate, readCertificate } from "./grpc/transport/certificate.ts";
import { logBound } from "./log-bound.ts";
import { keepMembership } from "./membership.ts";
import { openLog } from "./open-log.ts";
import { Serving } from "./serving.ts";

/** What a broker needs from outside. */
export type BrokerDeps = {
  readonly metadata: MetadataService;
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

const readyWaitMs = 10_000;
const readyPollMs = 2;
/** Any long time. */
const aliveMs = 3_600_000;
const tlsFolderName = "tls";

/** What every part of the running broker is made with. */
type World = {
  readonly config: BrokerConfig;
  readonly metadata: MetadataService;
  readonly logger: Logger;
  readonly fatal: (error: unknown) => void;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly storeOptions: Partial<LogStoreOptions>;
};

/**
 * Opens the broker's log, registers it, and serves. Resolves when its ports are open and every shard that it leads is served.
 *
 * @throws {SaturnError | DiskError | CorruptionError} what stands in the way, and what to do about it; nothing is left open
 */
export async function startBroker(config: BrokerConfig, deps: BrokerDeps): Promise<RunningBroker> {
  const world: World = {
    config,
    ...{ disk: nodeDisk(), clock: systemClock(), timers: systemTimers(), random: cryptoRandom, storeOptions: {} },
    ...deps,
  };
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
  const certificate = certificateOf(config);
  // Awaited later; should something else fail before, it must not count as unhandled.
  certificate.catch(() => undefined);
  const store = opened.use(await openLog(config, world));
  await keepMembership({ ...world, store, log: world.logger }, ending.signal);
  const sessions = new Sessions(world.clock);
  const dataPlane = opened.use(await openDataPlane(world, store, sessions));
  const serving = new Serving({ ...world, sessions }, store, dataPlane, ending.signal);
  await serving.openGrpc(await certificate);
  opened.defer(() => serving.close(0));
  await serving.openHttp();
  await untilReady(dataPlane, world);
  return running(serving, store, config, opened.move());
}

/**
 * Waits until every shard of this broker is served; with voters elsewhere that may take longer than anybody should wait here, and `/readyz`
 * goes on telling.
 */
async function untilReady(dataPlane: DataPlane, { clock, timers, logger }: World): Promise<void> {
  const startedMs = clock.monoMs();
  while (!dataPlane.ready && clock.monoMs() - startedMs < readyWaitMs)
    await new Promise<void>((resolve) => timers.after(readyPollMs, resolve));
  if (!dataPlane.ready) logger.warn({}, "ports are open, but not every shard is served yet");
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

const cryptoRandom: Random = { below: (bound) => randomInt(bound) };

function certificateOf({ tls, dataDir }: BrokerConfig): Promise<KeyPair> {
  return tls.certificateFile === "" ? ownCertificate(join(dataDir, tlsFolderName)) : readCertificate(tls);
}

async function openDataPlane(world: World, store: LogStore, sessions: Sessions): Promise<DataPlane> {
  const { metadata, clock, timers, random, logger, fatal, config } = world;
  const driver = createDriver({ log: store, clock, timers, turn: immediateTurn, random, logger, fatal });
  return createDataPlane({
    ...{ store, driver, metadata, clock, timers, random, logger, fatal },
    brokerId: store.identity.replicaId,
    isPresent: (clientId) => sessions.isPresent(clientId),
    settings: { retentionMs: config.store.retentionMs, retentionBytes: logBound(config, world.disk) },
  });
}
