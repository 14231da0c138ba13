import { type Clock, type Disk, type Logger, type Net, type Random, SaturnError, type Timers } from "@saturnmq/kit";
import type { LogStore, LogStoreOptions } from "@saturnmq/store";
import { type MetadataService, unknownLevel } from "@saturnmq/wire";
import { createDriver, type Turn } from "raft-ts";
import { noBrokers } from "./cluster/ports.ts";
import type { BrokerConfig } from "./config.ts";
import { createDataPlane } from "./data-plane.ts";
import type { DataPlane, DataPlaneSettings } from "./data-plane-api.ts";
import { logBound } from "./log-bound.ts";
import { Membership } from "./membership.ts";
import { type BrokerAddresses, openLog } from "./open-log.ts";
import { type BrokerLinks, openBrokerLinks } from "./peer/broker-links.ts";
import type { ConnectionCounts } from "./peer/connection-counts.ts";

/** What a broker without its clients' ports is made with: everything that a simulator replaces. */
export type BrokerWorld = {
  readonly config: BrokerConfig;
  readonly metadata: MetadataService;
  /** How others reach this broker. An empty `peer`: it is alone, and has no links. */
  readonly addresses: BrokerAddresses;
  /** Whether the cluster's view was kept on disk. */
  readonly knowsCluster: boolean;
  readonly logger: Logger;
  readonly fatal: (error: unknown) => void;
  readonly disk: Disk;
  readonly net: Net;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly turn: Turn;
  readonly random: Random;
  readonly storeOptions: Partial<LogStoreOptions>;
  /** What tests set that no operator does. */
  readonly settings?: Pick<DataPlaneSettings, "fillingBytes">;
  /** Tests watch the shards' groups by it. Default: raft-ts's own. */
  readonly createDriver?: typeof createDriver;
};

export type OpenBroker = {
  readonly store: LogStore;
  readonly dataPlane: DataPlane;
  /** How many connections the others have; alone there are none. */
  readonly counts: ConnectionCounts | undefined;
};

/**
 * A broker but for the ports of its clients: log, links to the others, shards, membership. What it opens is pushed onto `opened`, to be closed in
 * reverse order.
 *
 * @param isPresent whether a client is connected to this process
 * @throws {SaturnError | DiskError | CorruptionError | NetError} what stands in the way, and what to do about it
 */
export async function openBroker(
  world: BrokerWorld,
  isPresent: (clientId: string) => boolean,
  opened: AsyncDisposableStack,
): Promise<OpenBroker> {
  const { config, metadata, addresses, clock, timers, turn, random, logger, fatal, disk } = world;
  const { store, registration, registered } = await openLog(config, addresses, world);
  opened.use(store);
  const membership = new Membership({ metadata, registration, registered, timers, logger, fatal });
  opened.defer(() => {
    membership.end();
  });
  await membership.start();
  const links = addresses.peer === "" ? undefined : opened.use(await linksOf(world, store));
  const driver = (world.createDriver ?? createDriver)({
    ...{ log: store, clock, timers, turn, random, logger, fatal },
    ...(links && { transport: links }),
  });
  const ending = new AbortController();
  opened.defer(() => {
    ending.abort();
  });
  metadata.watch(({ featureLevel }) => {
    const why = unknownLevel(featureLevel);
    if (why !== undefined) fatal(new SaturnError("FORBIDDEN", why));
  }, ending.signal);
  if (links !== undefined) metadata.watch((view) => links.follow(view), ending.signal);
  const dataPlane = await createDataPlane({
    ...{ store, driver, metadata, clock, timers, random, logger, fatal, isPresent },
    brokerId: store.identity.replicaId,
    brokers: links?.brokers ?? noBrokers,
    settings: { ...world.settings, retentionMs: config.store.retentionMs, retentionBytes: logBound(config, disk) },
  });
  opened.use(dataPlane);
  membership.speakFor(dataPlane);
  links?.attach({
    receive: (from, message) => {
      driver.receive(from, message);
    },
    peerRestarted: (broker) => {
      driver.peerRestarted(broker);
    },
    peerUnreachable: (broker) => {
      driver.peerUnreachable(broker);
    },
    room: dataPlane.forwarding,
  });
  return { store, dataPlane, counts: links?.connections };
}

function linksOf(world: BrokerWorld, { identity }: LogStore): Promise<BrokerLinks> {
  const { config, net, clock, timers, turn, random, logger, fatal } = world;
  const { clusterId, replicaId: brokerId, incarnation } = identity;
  const listen = { host: config.host, port: config.peerPort };
  return openBrokerLinks({
    ...{ clusterId, brokerId, incarnation, listen },
    ...{ net, clock, timers, turn, random, logger, fatal },
  });
}
