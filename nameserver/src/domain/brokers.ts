import { SaturnError } from "@saturnmq/kit";
import type { BrokerRegistration, BrokerReport, ClusterSettings } from "@saturnmq/wire";
import { firstPlacement } from "./first-placement.ts";
import type { Decision, MetadataRecord } from "./records.ts";
import { reportedChanges } from "./reports.ts";
import type { Broker, ClusterFacts, MetadataState } from "./state.ts";

/** Characters of what a process draws at its start. */
const processMax = 64;

/** What a cluster is made of. */
export type NewCluster = {
  readonly facts: ClusterFacts;
  readonly settings: ClusterSettings;
  readonly featureLevel: number;
};

/**
 * Makes the cluster, once: an existing one answers itself.
 *
 * @param handleKey 32 random bytes, hexadecimal
 */
export function decideCreateCluster(
  state: MetadataState,
  { facts, settings, featureLevel }: NewCluster,
  handleKey: string,
): Decision<ClusterFacts> {
  if (state.cluster !== undefined) return { records: [], reply: state.cluster };
  return { records: [{ kind: "clusterCreated", cluster: facts, handleKey, settings, featureLevel }], reply: facts };
}

/**
 * Admits a broker and gives a new one its id.
 *
 * @throws {SaturnError} `FORBIDDEN` for a broker of another cluster, one unknown or removed, one whose incarnation is not above the highest
 *   known, or one too old for the cluster's feature level
 */
export function decideRegister(
  state: MetadataState,
  registration: BrokerRegistration,
): Decision<{ readonly brokerId: number; readonly clusterId: string }> {
  const cluster = clusterOf(state);
  const { clusterId, incarnation, process, zone, address, peerAddress, featureLevel } = registration;
  if (clusterId !== undefined && clusterId !== cluster.clusterId) {
    throw new SaturnError(
      "FORBIDDEN",
      `this broker's data belongs to cluster ${clusterId}, the name server's to ${cluster.clusterId}: start it with the data folder of this cluster or an empty one`,
    );
  }
  if (featureLevel < state.featureLevel) {
    throw new SaturnError(
      "FORBIDDEN",
      `this broker's program knows feature level ${featureLevel}, the cluster is at ${state.featureLevel}: start a newer version`,
    );
  }
  checkProcess(registration.process);
  const repeated = repeatedBy(state, registration);
  if (repeated !== undefined) return { records: [], reply: { brokerId: repeated.id, clusterId: cluster.clusterId } };
  const known = registration.brokerId === 0 ? abandoned(state, address) : admitted(state, registration);
  const id = known?.id ?? state.nextBrokerId;
  const confirmed = registration.brokerId !== 0;
  const about = { incarnation, process, zone, address, peerAddress, featureLevel, confirmed };
  return {
    records: [{ kind: "brokerRegistered", id, ...about }],
    reply: { brokerId: id, clusterId: cluster.clusterId },
  };
}

function checkProcess(process: string): void {
  if (process.length >= 1 && process.length <= processMax) return;
  throw new SaturnError("BAD_REQUEST", `process must have 1 to ${processMax} characters, not ${process.length}`);
}

/** The broker that this very call, whose answer was lost, has registered. */
function repeatedBy(state: MetadataState, { brokerId, incarnation, process }: BrokerRegistration): Broker | undefined {
  return [...state.brokers.values()].find((broker) => {
    const same = broker.process === process && broker.incarnation === incarnation;
    return same && !broker.removed && (brokerId === 0 || brokerId === broker.id);
  });
}

/** A broker that was given its id but ended before it could keep it: the same one comes again without. It holds nothing yet. */
function abandoned(state: MetadataState, address: string): Broker | undefined {
  return [...state.brokers.values()].find(
    (broker) => !broker.confirmed && !broker.removed && broker.address === address,
  );
}

function admitted(state: MetadataState, { brokerId, incarnation }: BrokerRegistration): Broker {
  const broker = registeredBroker(state, brokerId);
  if (incarnation > broker.incarnation) return broker;
  throw new SaturnError(
    "FORBIDDEN",
    `broker ${brokerId} started as incarnation ${incarnation}, but incarnation ${broker.incarnation} is known: its data folder is an old copy, or another process runs on it`,
  );
}

function registeredBroker(state: MetadataState, brokerId: number): Broker {
  const broker = state.brokers.get(brokerId);
  if (broker === undefined) {
    throw new SaturnError(
      "FORBIDDEN",
      `broker ${brokerId} has never registered with this name server: the two data folders are not of one cluster, or the name server's is an old copy`,
    );
  }
  if (broker.removed) {
    throw new SaturnError(
      "FORBIDDEN",
      `broker ${brokerId} was removed from the cluster: start it with an empty data folder`,
    );
  }
  return broker;
}

/**
 * A broker's sign of life and what it tells. The first one proves that it kept the id it was given; shards are placed as soon as enough brokers
 * have proved that.
 *
 * @throws {SaturnError} `FORBIDDEN` if the broker is unknown, removed, or another incarnation than the registered one; `BAD_REQUEST` for a
 *   report that cannot be
 */
export function decideHeartbeat(
  state: MetadataState,
  brokerId: number,
  incarnation: number,
  report: BrokerReport,
): Decision<undefined> {
  const broker = registeredBroker(state, brokerId);
  if (incarnation !== broker.incarnation) {
    throw new SaturnError(
      "FORBIDDEN",
      `broker ${brokerId} is registered as incarnation ${broker.incarnation}, not ${incarnation}: another process took its place, or it has not registered`,
    );
  }
  const records: MetadataRecord[] = [];
  if (!broker.confirmed) records.push({ kind: "brokerConfirmed", id: brokerId });
  if (!broker.alive) records.push({ kind: "brokerUp", id: brokerId });
  const shards = reportedChanges(state, brokerId, report);
  if (shards.length > 0) records.push({ kind: "shardsReported", shards });
  if (records.length > 0) records.push(...placement(state, { ...broker, confirmed: true, alive: true }));
  return { records, reply: undefined };
}

/** The shards' first placement, when it is due and can be made with `heard` as it is now. */
function placement(state: MetadataState, heard: Broker): readonly MetadataRecord[] {
  if (state.shards.length > 0) return [];
  const brokers = new Map(state.brokers).set(heard.id, heard);
  const shards = firstPlacement(clusterOf(state), brokers.values());
  return shards.length === 0 ? [] : [{ kind: "shardsPlaced", revision: state.revision + 1, shards }];
}

/**
 * Brokers whose lease has ended. Those that are down already, or came back as another incarnation meanwhile, are left as they are.
 *
 * @param expired id and incarnation
 */
export function decideDown(state: MetadataState, expired: ReadonlyMap<number, number>): Decision<undefined> {
  const ids = [...expired].flatMap(([id, incarnation]) => {
    const broker = state.brokers.get(id);
    return broker?.alive === true && broker.incarnation === incarnation ? [id] : [];
  });
  return { records: ids.length === 0 ? [] : [{ kind: "brokersDown", ids }], reply: undefined };
}

/** @throws {SaturnError} `HA_NOT_AVAILABLE` before the cluster is made */
export function clusterOf(state: MetadataState): ClusterFacts {
  if (state.cluster !== undefined) return state.cluster;
  throw new SaturnError("HA_NOT_AVAILABLE", "the cluster is being made: try again");
}
