import { join } from "node:path";
import { type Clock, claimFolderRole, type Disk, type Logger, type Random, type Timers } from "@saturnmq/kit";
import { type LogStore, type LogStoreOptions, openLogStore } from "@saturnmq/store";
import { featureLevelKnown, type MetadataService } from "@saturnmq/wire";
import { type BrokerConfig, logEntryBytesMax } from "./config.ts";

/** Below the data folder. The embedded name server has a folder of its own beside it. */
const logFolderName = "broker";

export type LogDeps = {
  readonly metadata: MetadataService;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  /** Tests only. */
  readonly storeOptions: Partial<LogStoreOptions>;
};

/**
 * Opens this broker's log, and registers the broker: one with data under the id it has, as a new incarnation; one without gets an id first.
 *
 * @throws {SaturnError} `FORBIDDEN` when the data is another cluster's or a name server's, or the name server knows better about this broker
 * @throws {CorruptionError | DiskError} when the folder cannot be read
 */
export async function openLog(config: BrokerConfig, deps: LogDeps): Promise<LogStore> {
  const { metadata, disk, storeOptions, ...world } = deps;
  const folder = join(config.dataDir, logFolderName);
  const sizes = { segmentBytes: config.store.segmentBytes, maxEntryBytes: logEntryBytesMax(config) };
  const open = (clusterId: string | undefined, replicaId: number | undefined): Promise<LogStore> =>
    openLogStore({ ...world, disk, folder, clusterId, replicaId, ...sizes, ...storeOptions });
  const address = `${config.host}:${String(config.grpcPort)}`;
  const about = { zone: config.zone, address, peerAddress: "", featureLevel: featureLevelKnown };
  await claimFolderRole(disk, folder, "broker");
  if (await isNew(disk, folder)) {
    const given = await metadata.register({ brokerId: 0, incarnation: 1, clusterId: undefined, ...about });
    return open(given.clusterId, given.brokerId);
  }
  const store = await open(undefined, undefined);
  try {
    const { clusterId, replicaId, incarnation } = store.identity;
    await metadata.register({ brokerId: replicaId, incarnation, clusterId, ...about });
    return store;
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

/** Nothing is kept in the folder yet; a start that ended early may have left lock files. */
async function isNew(disk: Disk, folder: string): Promise<boolean> {
  const names = await disk.list(folder);
  return !names.includes("identity");
}
