import { type Clock, defined, type Logger, type Random, SaturnError, type Timers } from "@saturnmq/kit";
import { checkpointSnapshots, type LogStore } from "@saturnmq/store";
import { type ClusterSettings, featureLevelKnown } from "@saturnmq/wire";
import {
  createDriver,
  type Group,
  type GroupId,
  type PeerMessage,
  type ReplicaId,
  type Transport,
  type Turn,
} from "raft-ts";
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
  /** First members of the group, this one among them; without meaning to one that came later. */
  readonly members: readonly ReplicaId[];
  /** How the other members are reached; none for a group of one. */
  readonly transport: Transport<PeerMessage> | undefined;
  /** Shards of a cluster that is made now; an existing one keeps its number. 1 to 65,535. */
  readonly shards: number;
  /** Voters a shard of a cluster that is made now. */
  readonly replicationFactor: number;
  /** Settings of a cluster that is made now. */
  readonly settings: ClusterSettings;
  /** 32 bytes that cannot be guessed: the first key of receipt handles. */
  readonly newHandleKey: () => Uint8Array;
  /** Called once with what broke; the process must end. */
  readonly fatal: (error: unknown) => void;
  /** Tests watch the group by it. Default: raft-ts's own. */
  readonly createDriver?: typeof createDriver;
};

/** The replicated metadata and what ends it. */
export type OpenMetadata = {
  readonly metadata: ReplicatedMetadata;
  readonly group: Group;
  /** A message of another member, as its transport gave it. */
  receive(from: ReplicaId, message: PeerMessage): void;
  /** Another member's process ended or began anew: what it was sent before may be lost. */
  peerRestarted(member: ReplicaId): void;
  /** Nothing reaches another member at the moment. */
  peerUnreachable(member: ReplicaId): void;
  close(): Promise<void>;
};

/**
 * Opens the metadata's Raft group on `store` and replays it. Whenever this member leads, it makes the cluster if the log is new. Alone, it
 * resolves when it leads and the cluster is there; in a group when it takes part. The store stays the caller's.
 */
export async function openMetadata(store: LogStore, options: MetadataOptions): Promise<OpenMetadata> {
  const { clock, timers, turn, random, logger, fatal, members, transport } = options;
  const checkpoint = await store.readCheckpoint(metadataGroup);
  const checkpoints = new Checkpoints(store, fatal);
  const metadata = new ReplicatedMetadata(
    clock,
    checkpoint?.bytes,
    (last) => {
      checkpoints.takeIfDue(last, () => metadata.checkpoint());
    },
    async () => defined(await store.readCheckpoint(metadataGroup), "an installed checkpoint").bytes,
  );
  const links = transport === undefined ? {} : { transport };
  const driver = (options.createDriver ?? createDriver)({
    log: store,
    ...links,
    clock,
    timers,
    turn,
    random,
    logger,
    fatal,
  });
  const self = store.identity.replicaId;
  const group = driver.open({
    ...{ group: metadataGroup, self, machine: metadata, appliedIndex: checkpoint?.index ?? 0 },
    ...(members.length > 1 && cameLater(store) ? {} : { voters: members }),
    snapshots: checkpointSnapshots(store),
    ...(checkpoint?.configuration && {
      checkpoint: { term: checkpoint.term, configuration: checkpoint.configuration },
    }),
  });
  metadata.attach(group);
  const opened = new AbortController();
  const makeCluster = (): Promise<void> => createCluster(metadata, store.identity.clusterId, options);
  if (votesAlone(group, self)) {
    await metadata.served();
    await makeCluster();
  } else {
    metadata.watchRole((leads) => {
      if (leads) makeCluster().catch(fatal);
    }, opened.signal);
  }
  return {
    ...{ metadata, group },
    receive: (from, message) => driver.receive(from, message),
    peerRestarted: (member) => driver.peerRestarted(member),
    peerUnreachable: (member) => driver.peerUnreachable(member),
    close: async () => {
      opened.abort();
      await driver.close();
      await checkpoints.settled();
    },
  };
}

/**
 * Starts the log of a member that the group granted a place: it knows the term of the leader that did, and waits for one to speak to it. It never voted, and
 * must not found the group again.
 */
export async function startAsNewcomer(store: LogStore, term: number): Promise<void> {
  store.saveHardState(metadataGroup, { term, vote: 0 });
  await store.commit();
}

function votesAlone({ configuration: { configuration } }: Group, self: ReplicaId): boolean {
  const { incoming, outgoing } = configuration;
  return outgoing.length === 0 && incoming.length === 1 && incoming[0] === self;
}

/** It is `startAsNewcomer`'s, and nothing came yet: a first member with a term has a configuration too. */
function cameLater(store: LogStore): boolean {
  const { lastIndex } = store.view(metadataGroup);
  return lastIndex === 0 && store.hardState(metadataGroup).term > 0;
}

/** A leadership that ends meanwhile leaves it to the next leader. */
async function createCluster(metadata: ReplicatedMetadata, clusterId: string, options: MetadataOptions): Promise<void> {
  try {
    await metadata.propose((state, nowMs) => {
      const { shards: shardCount, replicationFactor, settings } = options;
      const facts = { clusterId, shardCount, replicationFactor, createdAtMs: nowMs };
      const cluster = { facts, settings, featureLevel: featureLevelKnown };
      return decideCreateCluster(state, cluster, hexOfBytes(options.newHandleKey()));
    });
  } catch (error) {
    if (!(error instanceof SaturnError) || error.code !== "HA_NOT_AVAILABLE") throw error;
  }
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
