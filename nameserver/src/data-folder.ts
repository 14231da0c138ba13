import { join } from "node:path";
import {
  type Clock,
  checkDataPlace,
  claimFolderRole,
  type Disk,
  type Logger,
  type Random,
  SaturnError,
  type Timers,
} from "@saturnmq/kit";
import { type LogStore, type LogStoreOptions, openLogStore } from "@saturnmq/store";
import type { NameServerConfig } from "./config.ts";

const mib = 1_024 * 1_024;
// Metadata is small: an entry is a record or two, and one segment holds tens of thousands of changes.
const sizes = { segmentBytes: 16 * mib, cacheBytes: 4 * mib, maxEntryBytes: 1 * mib, checkpointBytes: 16 * mib };

/** How a name server's log is opened. */
export type FolderOptions = {
  /** Folder of its log; made when absent. Nobody else's. */
  readonly folder: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  /** Tests only: how the log differs from what a name server's is. */
  readonly storeOptions?: Partial<LogStoreOptions>;
};

/** Folder of a name server's log, below the data folder of its process. */
export function folderOf({ dataDir }: NameServerConfig): string {
  return join(dataDir, "nameserver");
}

/** Nothing is kept in the folder yet. */
export async function isNewFolder({ disk, folder }: Pick<FolderOptions, "disk" | "folder">): Promise<boolean> {
  return !(await disk.list(folder)).includes("identity");
}

/**
 * Opens the log in a name server's folder.
 *
 * @param clusterId of a new folder; `undefined`: the folder says
 * @throws {CorruptionError | DiskError | SaturnError} if it cannot be read or written, is not a name server's, or is in use
 */
export async function openFolder(
  options: FolderOptions,
  self: number,
  clusterId: string | undefined,
): Promise<LogStore> {
  const { folder, disk, clock, timers, random, logger, storeOptions } = options;
  await claimFolderRole(disk, folder, "nameserver");
  const world = { disk, clock, timers, random, logger };
  return openLogStore({ folder, clusterId, replicaId: self, ...world, ...sizes, ...storeOptions });
}

/**
 * The folder itself says whose it is (`claimFolderRole`); here it is about the folder around it.
 *
 * @throws {SaturnError} `FORBIDDEN` that says what is in the way
 */
export async function checkFolder(disk: Disk, { dataDir, clusterId }: NameServerConfig, folder: string): Promise<void> {
  await checkDataPlace(disk, dataDir, "nameserver");
  if (clusterId === "" || !(await isNewFolder({ disk, folder }))) return;
  throw new SaturnError(
    "FORBIDDEN",
    `${folder} holds nothing, but clusterId says that it holds cluster ${clusterId}: restore it, or leave clusterId out to make a new cluster`,
  );
}

/** @throws {SaturnError} `FORBIDDEN` unless the log is of the cluster that the configuration names */
export function checkCluster({ clusterId }: NameServerConfig, { identity }: LogStore, folder: string): void {
  if (clusterId === "" || clusterId === identity.clusterId) return;
  throw new SaturnError(
    "FORBIDDEN",
    `${folder} holds cluster ${identity.clusterId}, but clusterId says ${clusterId}: name that cluster's folder`,
  );
}
