import type { Clock, Disk, Logger, Random, Timers } from "@saturnmq/kit";

/** What a log store is opened with. Sizes are bytes. */
export type LogStoreOptions = {
  readonly disk: Disk;
  /** The data folder; created when absent. Held by one process at a time. */
  readonly folder: string;
  /** Of the cluster. `undefined`: take what the folder says; a new folder needs it. 1 to 255 printable ASCII characters. */
  readonly clusterId: string | undefined;
  /** 1 to 2^31 - 1. `undefined`: take what the folder says; a new folder needs it. */
  readonly replicaId: number | undefined;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Draws the segments' salts: must not be guessable by clients in production. */
  readonly random: Random;
  readonly logger: Logger;
  /** Size of a segment file, a multiple of 4,096; default 256 MiB. */
  readonly segmentBytes?: number;
  /** Staging area and tail cache; at least 3 × (largest entry + 64 KiB); default 64 MiB. Touched as it is used. */
  readonly cacheBytes?: number;
  /** Largest payload of one entry; default 20 MiB. */
  readonly maxEntryBytes?: number;
  /** A group's checkpoint is due when the shared log has grown by this since its last; default 4 GiB. */
  readonly checkpointBytes?: number;
  /** … or when this many records were appended since; default 4 million. */
  readonly checkpointRecords?: number;
  /** Room on the file system that new segments leave for checkpoints and summaries; default 64 MiB. */
  readonly reserveBytes?: number;
  /** Quiet time after which a seal frame follows, milliseconds; default 50. */
  readonly sealAfterMs?: number;
  /** Tests only: writes are not synced, so that a crash loses them. */
  readonly unsafeNoSync?: boolean;
};
