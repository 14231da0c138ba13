import {
  type Clock,
  checkDataPlace,
  type Disk,
  type Logger,
  type Random,
  SaturnError,
  type Timers,
} from "@saturnmq/kit";
import { openRemoteMetadata, openViewCache, type Rpc } from "@saturnmq/metadata-client";
import type { MetadataService } from "@saturnmq/wire";
import type { BrokerConfig } from "./config.ts";

export type ClusterMetadataWorld = {
  readonly config: BrokerConfig;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  /** How name servers are reached. Default: by gRPC. */
  readonly rpc?: Rpc;
};

export type ClusterMetadata = {
  readonly metadata: MetadataService;
  /** Whether the cluster's view was kept on disk. */
  readonly knowsCluster: boolean;
};

/**
 * The name servers that the configuration names, with the view of the cluster that was kept on disk.
 *
 * @throws {SaturnError} `BAD_REQUEST` when it names none; `FORBIDDEN` when the data folder is a name server's
 * @throws {DiskError} when the data folder cannot be read
 */
export async function openClusterMetadata(
  world: ClusterMetadataWorld,
  opened: AsyncDisposableStack,
): Promise<ClusterMetadata> {
  const { config, disk, logger } = world;
  if (config.nameServers.length === 0)
    throw new SaturnError("BAD_REQUEST", "nameServers: name at least one name server of the cluster, HOST:PORT");
  await checkDataPlace(disk, config.dataDir, "broker");
  await disk.makeFolder(config.dataDir);
  const cache = await openViewCache(disk, config.dataDir, logger);
  const metadata = openRemoteMetadata({ ...world, endpoints: config.nameServers, cache });
  opened.defer(() => metadata.close());
  return { metadata, knowsCluster: cache.view !== undefined };
}
