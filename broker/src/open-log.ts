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
import { type LogStore, type LogStoreOptions, openLogStore } from "@saturnmq/store";
import { type BrokerRegistration, featureLevelKnown, type MetadataService } from "@saturnmq/wire";
import { type BrokerConfig, logEntryBytesMax } from "./config.ts";

/** Below the data folder. The embedded name server has a folder of its own beside it. */
const logFolderName = "broker";

export type LogDeps = {
  readonly metadata: MetadataService;
  /** Whether the cluster's view was kept on disk: then a broker that has its data starts without a name server. */
  readonly knowsCluster: boolean;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  /** Tests only. */
  readonly storeOptions: Partial<LogStoreOptions>;
};

/** How other processes reach this broker, `host:port`; empty where nobody does. */
export type BrokerAddresses = { readonly client: string; readonly peer: string };

export type OpenedLog = {
  readonly store: LogStore;
  /** What the name server was told, or is to be told. */
  readonly registration: BrokerRegistration;
  readonly registered: boolean;
};

/** Folder of a broker's log. */
function logFolder({ dataDir }: BrokerConfig): string {
  return join(dataDir, logFolderName);
}

/**
 * Opens this broker's log, and registers the broker: one with data under the id it has, as a new incarnation; one without gets an id first.
 *
 * @throws {SaturnError} `FORBIDDEN` when the data is another cluster's or a name server's, or the name server knows better about this broker;
 *   `HA_NOT_AVAILABLE` when no name server answers one that needs it
 * @throws {CorruptionError | DiskError} when the folder cannot be read
 */
export async function openLog(config: BrokerConfig, addresses: BrokerAddresses, deps: LogDeps): Promise<OpenedLog> {
  const { metadata, knowsCluster, disk, storeOptions, ...world } = deps;
  const folder = logFolder(config);
  const sizes = { segmentBytes: config.store.segmentBytes, maxEntryBytes: logEntryBytesMax(config) };
  const open = (clusterId: string | undefined, replicaId: number | undefined): Promise<LogStore> =>
    openLogStore({ ...world, disk, folder, clusterId, replicaId, ...sizes, ...storeOptions });
  const { client: address, peer: peerAddress } = addresses;
  const process = Array.from({ length: 4 }, () => world.random.below(2 ** 32).toString(16)).join("-");
  const about = { zone: config.zone, process, address, peerAddress, featureLevel: featureLevelKnown };
  await claimFolderRole(disk, folder, "broker");
  if (await isNew(disk, folder)) {
    const given = await metadata.register({ brokerId: 0, incarnation: 1, clusterId: undefined, ...about });
    const store = await open(given.clusterId, given.brokerId);
    return { store, registration: { ...given, incarnation: store.identity.incarnation, ...about }, registered: true };
  }
  const store = await open(undefined, undefined);
  try {
    const { clusterId, replicaId, incarnation } = store.identity;
    const registration = { brokerId: replicaId, incarnation, clusterId, ...about };
    return { store, registration, registered: await register(metadata, registration, knowsCluster) };
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

/** False when no name server answers and the broker can do without. */
async function register(
  metadata: MetadataService,
  registration: BrokerRegistration,
  knowsCluster: boolean,
): Promise<boolean> {
  try {
    await metadata.register(registration);
    return true;
  } catch (error) {
    if (!knowsCluster || !(error instanceof SaturnError) || error.code !== "HA_NOT_AVAILABLE") throw error;
    return false;
  }
}

/** Nothing is kept in the folder yet; a start that ended early may have left lock files. */
async function isNew(disk: Disk, folder: string): Promise<boolean> {
  const names = await disk.list(folder);
  return !names.includes("identity");
}
