import type { Clock, Logger, Random, Timers } from "@saturnmq/kit";
import type { LogStore } from "@saturnmq/store";
import { createDriver, type GroupId, type Turn } from "raft-ts";
import { decideCreateCluster } from "./domain/brokers.ts";
import { hexOfBytes } from "./domain/hex.ts";
import { type LogPoint, ReplicatedMetadata } from "./replicated-metadata.ts";

/** The metadata group is alone on its log. */
const metadataGroup: GroupId = 0;

export type MetadataOptions = {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly turn: Turn;
  readonly random: Random;
  readonly logger: Logger;
  /** Shards of a cluster that is made now; an existing one keeps its number. 1 to 65,535. */
  readonly shards: number;
  /** Voters a shard of a cluster that is made now. */
  readonly replicationFactor: number;
  /** 32 bytes that cannot be guessed: the first key of receipt handles. */
  readonly newHandleKey: () => Uint8Array;
  /** Called once with what broke; the process must end. */
  readonly fatal: (error: unknown) => void;
};

/** The replicated metadata, serving, and what ends it. */
export type OpenMetadata = { readonly metadata: ReplicatedMetadata; close(): Promise<void> };

/** Opens the metadata's Raft group on `store`, replays it, leads it, and makes the cluster when the log is new. The store stays the caller's. */
export async function openMetadata(store: LogStore, options: MetadataOptions): Promise<OpenMetadata> {
  const { clock, timers, turn, random, logger, fatal } = options;
  const checkpoint = await store.readCheckpoint(metadataGroup);
  const checkpoints = new Checkpoints(store, fatal);
  const metadata = new ReplicatedMetadata(clock, checkpoint?.bytes, (last) => {
    checkpoints.takeIfDue(last, () => metadata.checkpoint());
  });
  const driver = createDriver({ log: store, clock, timers, turn, random, logger, fatal });
  const self = store.identity.replicaId;
  const group = driver.open({
    group: metadataGroup,
    self,
    voters: [self],
    machine: metadata,
    appliedIndex: checkpoint?.index ?? 0,
  });
  metadata.attach(group);
  await metadata.served();
  await metadata.propose((state, nowMs) => {
    const { shards: shardCount, replicationFactor } = options;
    const cluster = { clusterId: store.identity.clusterId, shardCount, replicationFactor, createdAtMs: nowMs };
    return decideCreateCluster(state, cluster, hexOfBytes(options.newHandleKey()));
  });
  return {
    metadata,
    close: async () => {
      await driver.close();
      await checkpoints.settled();
    },
  };
}

/** Writes the metadata's checkpoints, one at a time, and lets the log go that they replace. */
class Checkpoints {
  readonly #store: LogStore;
  readonly #fatal: (error: unknown) => void;
  #writing: Promise<void> | undefined;

  constructor(store: LogStore, fatal: (error: unknown) => void) {
    this.#store = store;
    this.#fatal = fatal;
  }

  takeIfDue(last: LogPoint, bytes: () => Uint8Array): void {
    if (this.#writing !== undefined || !this.#store.checkpointsDue().includes(metadataGroup)) return;
    this.#writing = this.#write(last, bytes()).catch(this.#fatal);
  }

  async #write({ index, term }: LogPoint, bytes: Uint8Array): Promise<void> {
    await this.#store.writeCheckpoint(metadataGroup, index, term, [bytes]);
    this.#store.setLogStart(metadataGroup, index + 1);
    this.#writing = undefined;
  }

  /** Resolves when none is being written. */
  async settled(): Promise<void> {
    await this.#writing;
  }
}
