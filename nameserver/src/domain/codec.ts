import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import type { MetadataRecord } from "./records.ts";
import type { Broker, FinishedRequest, MetadataState } from "./state.ts";
import { upgradedCheckpoint, upgradedRecord } from "./upgrades.ts";

/**
 * Records and checkpoints are UTF-8 JSON: they are few, and an operator can read them in a hex dump. A record's kind and version also stand as
 * numbers in the head of the log's record, so that a version that does not know one can say so before it reads the rest.
 *
 * The numbers are part of the file format: never change or reuse one.
 */
const kindNumbers = {
  clusterCreated: 1,
  brokerRegistered: 2,
  brokerConfirmed: 3,
  shardsPlaced: 4,
  topicCreated: 5,
  topicDeleted: 6,
  groupCreated: 7,
  groupDeleted: 8,
  brokersDown: 9,
  brokerUp: 10,
  brokerDraining: 11,
  brokerLeadersAway: 12,
  brokersWelcome: 13,
  brokerForgotten: 14,
  shardsReported: 15,
  targetsSet: 16,
  shardRecovered: 17,
  groupReset: 18,
  settingsChanged: 19,
  featureLevelRaised: 20,
  nameServersChanged: 21,
} as const satisfies Record<MetadataRecord["kind"], number>;

const kindNames: ReadonlyMap<number, MetadataRecord["kind"]> = new Map(
  Object.entries(kindNumbers).map(([name, number]) => [number, name as MetadataRecord["kind"]]),
);

/** Layouts that are not at their first version. Older ones are still read (`upgrades.ts`), and written where they can say all there is. */
const raisedVersions: Partial<Record<MetadataRecord["kind"], number>> = {
  clusterCreated: 2,
  brokerRegistered: 2,
  shardsPlaced: 2,
  groupReset: 2,
};

function highestVersion(kind: MetadataRecord["kind"]): number {
  return raisedVersions[kind] ?? 1;
}

/** The lowest version that can say what the record says: older members read it, too. */
function versionOf(record: MetadataRecord): number {
  if (record.kind === "groupReset" && record.topic === undefined) return 1;
  return highestVersion(record.kind);
}

const checkpointVersion = 2;

/** A record as the log carries it. `kind` and `version` go into the record's head. */
export type EncodedRecord = { readonly kind: number; readonly version: number; readonly payload: Uint8Array };

/** The data was written by a newer version of the program. The process must stop: what it cannot read it must not skip. */
export class UnknownFormatError extends Error {
  override readonly name = "UnknownFormatError";
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

export function encodeRecord(record: MetadataRecord): EncodedRecord {
  const { kind, ...fields } = record;
  return { kind: kindNumbers[kind], version: versionOf(record), payload: encoder.encode(JSON.stringify(fields)) };
}

/**
 * @throws {UnknownFormatError} for a kind or version that this program does not know
 * @throws {SyntaxError | TypeError} for a payload that is no JSON: damage that checks of the log should have found
 */
export function decodeRecord({ kind, version, payload }: EncodedRecord): MetadataRecord {
  const name = kindNames.get(kind);
  if (name === undefined || version < 1 || version > highestVersion(name)) {
    throw new UnknownFormatError(
      `a metadata record of kind ${kind}, version ${version} needs a newer version of SaturnMQ: start that one on this data`,
    );
  }
  const fields = JSON.parse(decoder.decode(payload)) as object;
  return { kind: name, ...upgradedRecord(name, version, fields) } as MetadataRecord;
}

/** The whole state as one piece of bytes. */
export function encodeCheckpoint(state: MetadataState): Uint8Array {
  const { brokers, topics, groups, requests, ...plain } = state;
  const maps = {
    brokers: [...brokers.values()],
    topics: [...topics.values()],
    groups: [...groups.values()],
    requests: [...requests],
  };
  return encoder.encode(JSON.stringify({ version: checkpointVersion, ...plain, ...maps }));
}

type CheckpointJson = Omit<MetadataState, "brokers" | "topics" | "groups" | "requests"> & {
  readonly brokers: readonly Broker[];
  readonly topics: readonly TopicInfo[];
  readonly groups: readonly GroupInfo[];
  readonly requests: readonly (readonly [string, FinishedRequest])[];
};

/** The state that `encodeCheckpoint` was given. @throws {UnknownFormatError} for one of a newer version */
export function decodeCheckpoint(bytes: Uint8Array): MetadataState {
  const { version, ...written } = JSON.parse(decoder.decode(bytes)) as { readonly version: number };
  if (version !== checkpointVersion && version !== 1) {
    throw new UnknownFormatError(
      `a metadata checkpoint of version ${version} needs a newer version of SaturnMQ: start that one on this data`,
    );
  }
  const json = upgradedCheckpoint(version, written) as CheckpointJson;
  return {
    ...json,
    cluster: json.cluster,
    nameServers: json.nameServers,
    brokers: new Map(json.brokers.map((broker) => [broker.id, broker])),
    topics: new Map(json.topics.map((topic) => [topic.name, topic])),
    groups: new Map(json.groups.map((group) => [group.name, group])),
    requests: new Map(json.requests),
  };
}
