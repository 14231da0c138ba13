import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import type { MetadataRecord } from "./records.ts";
import type { Broker, FinishedRequest, MetadataState } from "./state.ts";

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
} as const satisfies Record<MetadataRecord["kind"], number>;

const kindNames: ReadonlyMap<number, string> = new Map(
  Object.entries(kindNumbers).map(([name, number]) => [number, name]),
);

/** Version of every record's layout, and of the checkpoint's. */
const version = 1;

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
  return { kind: kindNumbers[kind], version, payload: encoder.encode(JSON.stringify(fields)) };
}

/**
 * @throws {UnknownFormatError} for a kind or version that this program does not know
 * @throws {SyntaxError | TypeError} for a payload that is no JSON: damage that checks of the log should have found
 */
export function decodeRecord({ kind, version: written, payload }: EncodedRecord): MetadataRecord {
  const name = kindNames.get(kind);
  if (name === undefined || written !== version) {
    throw new UnknownFormatError(
      `a metadata record of kind ${kind}, version ${written} needs a newer version of SaturnMQ: start that one on this data`,
    );
  }
  return { kind: name, ...(JSON.parse(decoder.decode(payload)) as object) } as MetadataRecord;
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
  return encoder.encode(JSON.stringify({ version, ...plain, ...maps }));
}

type CheckpointJson = Omit<MetadataState, "brokers" | "topics" | "groups" | "requests"> & {
  readonly version: number;
  readonly brokers: readonly Broker[];
  readonly topics: readonly TopicInfo[];
  readonly groups: readonly GroupInfo[];
  readonly requests: readonly (readonly [string, FinishedRequest])[];
};

/** The state that `encodeCheckpoint` was given. @throws {UnknownFormatError} for one of a newer version */
export function decodeCheckpoint(bytes: Uint8Array): MetadataState {
  const { version: written, ...json } = JSON.parse(decoder.decode(bytes)) as CheckpointJson;
  if (written !== version) {
    throw new UnknownFormatError(
      `a metadata checkpoint of version ${written} needs a newer version of SaturnMQ: start that one on this data`,
    );
  }
  return {
    ...json,
    cluster: json.cluster,
    brokers: new Map(json.brokers.map((broker) => [broker.id, broker])),
    topics: new Map(json.topics.map((topic) => [topic.name, topic])),
    groups: new Map(json.groups.map((group) => [group.name, group])),
    requests: new Map(json.requests),
  };
}
