import type { Clock, Disk, Logger, Random, Timers } from "@saturnmq/kit";
import { openLogStore } from "@saturnmq/store";
import type { MetadataService } from "@saturnmq/wire";
import { immediateTurn } from "raft-ts";
import { EmbeddedMetadata } from "./embedded-metadata.ts";
import { openMetadata } from "./open-metadata.ts";

const mib = 1_024 * 1_024;
// Metadata is small: an entry is a record or two, and one segment holds tens of thousands of changes.
const sizes = { segmentBytes: 16 * mib, cacheBytes: 4 * mib, maxEntryBytes: 1 * mib, checkpointBytes: 16 * mib };

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
 * Opens the name server of a cluster with one: its own Raft group of one voter on its own log. A new folder becomes a new cluster.
 *
 * @throws {CorruptionError | DiskError | SaturnError} if the folder cannot be read or written, is not a name server's, or is in use
 */
export async function openNameServer(options: NameServerOptions): Promise<NameServer> {
  const { folder, disk, clock, timers, random, logger, shards, secret, fatal } = options;
  const isNew = !(await disk.list(folder)).includes("identity");
  const identity = isNew
    ? { clusterId: options.newClusterId(), replicaId: 1 }
    : { clusterId: undefined, replicaId: undefined };
  const store = await openLogStore({ disk, folder, ...identity, clock, timers, random, logger, ...sizes });
  try {
    const opened = await openMetadata(store, {
      clock,
      timers,
      turn: immediateTurn,
      random,
      logger,
      shards,
      replicationFactor: 1,
      newHandleKey: () => secret(32),
      fatal,
    });
    return {
      metadata: new EmbeddedMetadata(opened.metadata),
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
