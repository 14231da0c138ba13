import { SaturnError } from "@saturnmq/kit";
import type { ShardInfo } from "@saturnmq/wire";
import type { Decision, MetadataRecord } from "./records.ts";
import type { Broker, ClusterFacts, MetadataState } from "./state.ts";

export type Registration = {
  /** 0: the broker has never had one. */
  readonly brokerId: number;
  readonly incarnation: number;
  readonly clusterId: string | undefined;
  readonly zone: string;
  readonly address: string;
};

/**
 * Makes the cluster, once: an existing one answers itself.
 *
 * @param handleKey 32 random bytes, hexadecimal
 */
export function decideCreateCluster(
  state: MetadataState,
  cluster: ClusterFacts,
  handleKey: string,
): Decision<ClusterFacts> {
  if (state.cluster !== undefined) return { records: [], reply: state.cluster };
  return { records: [{ kind: "clusterCreated", cluster, handleKey }], reply: cluster };
}

/**
 * Admits a broker, gives a new one its id, and places the shards as soon as there are enough brokers.
 *
 * @throws {SaturnError} `FORBIDDEN` for a broker of another cluster, one unknown or removed, or one whose incarnation is not above the highest known
 */
export function decideRegister(
  state: MetadataState,
  registration: Registration,
): Decision<{ readonly brokerId: number; readonly clusterId: string }> {
  const cluster = clusterOf(state);
  const { clusterId, incarnation, zone, address } = registration;
  if (clusterId !== undefined && clusterId !== cluster.clusterId) {
    throw new SaturnError(
      "FORBIDDEN",
      `this broker's data belongs to cluster ${clusterId}, the name server's to ${cluster.clusterId}: start it with the data folder of this cluster or an empty one`,
    );
  }
  const known = registration.brokerId === 0 ? abandoned(state, address) : admitted(state, registration);
  const id = known?.id ?? state.nextBrokerId;
  const confirmed = registration.brokerId !== 0;
  const registered: MetadataRecord = { kind: "brokerRegistered", id, incarnation, zone, address, confirmed };
  const members = [...state.brokers.keys(), ...(known === undefined ? [id] : [])];
  return {
    records: [registered, ...placement(state, cluster, members)],
    reply: { brokerId: id, clusterId: cluster.clusterId },
  };
}

/** A broker that was given its id but ended before it could keep it: the same one comes again without. */
function abandoned(state: MetadataState, address: string): Broker | undefined {
  return [...state.brokers.values()].find((broker) => !broker.confirmed && broker.address === address);
}

function admitted(state: MetadataState, { brokerId, incarnation }: Registration): Broker {
  const broker = memberOf(state, brokerId);
  if (incarnation > broker.incarnation) return broker;
  throw new SaturnError(
    "FORBIDDEN",
    `broker ${brokerId} started as incarnation ${incarnation}, but incarnation ${broker.incarnation} is known: its data folder is an old copy, or another process runs on it`,
  );
}

function memberOf(state: MetadataState, brokerId: number): Broker {
  const broker = state.brokers.get(brokerId);
  if (broker === undefined) {
    throw new SaturnError(
      "FORBIDDEN",
      `broker ${brokerId} has never registered with this name server: the two data folders are not of one cluster, or the name server's is an old copy`,
    );
  }
  if (broker.state === "removed") {
    throw new SaturnError(
      "FORBIDDEN",
      `broker ${brokerId} was removed from the cluster: start it with an empty data folder`,
    );
  }
  return broker;
}

function placement(state: MetadataState, cluster: ClusterFacts, members: readonly number[]): readonly MetadataRecord[] {
  if (state.shards.length > 0 || members.length < cluster.replicationFactor) return [];
  const shards = Array.from({ length: cluster.shardCount }, (_, shard): ShardInfo => {
    const voters = Array.from({ length: cluster.replicationFactor }, (_, nth) => memberAt(members, shard + nth));
    return { shard, voters, leaderHint: memberAt(voters, 0) };
  });
  return [{ kind: "shardsPlaced", shards }];
}

function memberAt(members: readonly number[], place: number): number {
  return members[place % members.length] ?? 0;
}

/**
 * A broker's sign of life. The first one proves that it kept the id it was given.
 *
 * @throws {SaturnError} `FORBIDDEN` if the broker is unknown, removed, or another incarnation than the registered one
 */
export function decideHeartbeat(state: MetadataState, brokerId: number, incarnation: number): Decision<undefined> {
  const broker = memberOf(state, brokerId);
  if (incarnation !== broker.incarnation) {
    throw new SaturnError(
      "FORBIDDEN",
      `broker ${brokerId} is registered as incarnation ${broker.incarnation}, not ${incarnation}: another process took its place, or it has not registered`,
    );
  }
  return { records: broker.confirmed ? [] : [{ kind: "brokerConfirmed", id: brokerId }], reply: undefined };
}

function clusterOf(state: MetadataState): ClusterFacts {
  if (state.cluster !== undefined) return state.cluster;
  throw new SaturnError("HA_NOT_AVAILABLE", "the cluster is being made: try again");
}
