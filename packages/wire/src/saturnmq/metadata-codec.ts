import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";
import type {
  BrokerInfo,
  BrokerRegistration,
  BrokerReport,
  ClusterSettings,
  ClusterView,
  CreateGroup,
  CreateTopic,
  GroupInfo,
  HeartbeatReply,
  MessageType,
  ReplicaReport,
  ShardInfo,
  StartPosition,
  TopicInfo,
  TopicReset,
  ViewDelta,
} from "../metadata/ports.ts";
import { decodeMessage, encodeMessage, typeOf } from "./message-shape.ts";
import {
  bytesList,
  flag,
  list,
  numbers,
  oneOf,
  optionalText,
  optionalWhole,
  type Plain,
  plain,
  text,
  texts,
  whole,
} from "./plain.ts";

/** Full name of the service. */
export const metadataServiceName = "saturnmq.v1.Metadata";

/** One sign of life on a heartbeat stream; its answer bears the same sequence. */
export type Heartbeat = {
  readonly sequence: number;
  readonly brokerId: number;
  readonly incarnation: number;
  readonly report: BrokerReport;
};

export type HeartbeatAnswer = HeartbeatReply & { readonly sequence: number };

/** Where a watcher stands; `clusterId` `undefined`: it has seen nothing. */
export type WatchFrom = { readonly clusterId: string | undefined; readonly revision: number };

export type WatchEvent =
  | { readonly kind: "view"; readonly view: ClusterView }
  | { readonly kind: "delta"; readonly delta: ViewDelta };

/** A name server at its start, and the members that it is configured with: `id=host:port` of each, by id, separated by commas. */
export type Introduction = { readonly member: number; readonly members: string };

/** What a name server says of itself; `clusterId` is empty unless it is prepared or formed. */
export type MemberStatement = {
  readonly state: "empty" | "prepared" | "formed" | "otherMembers";
  readonly clusterId: string;
};

/** A name server that was added and whose folder is empty; `process`: drawn at random at its start. */
export type JoinRequest = { readonly member: number; readonly process: string };

/** What it starts from: its cluster's id, and the term of the leader that granted it its place. */
export type JoinReply = { readonly clusterId: string; readonly term: number };

type Deletion = { readonly requestId: string; readonly name: string };
type Done = Readonly<Record<string, never>>;

/** Requests and replies of `saturnmq.v1.Metadata` in the words of the port. */
export type MetadataCalls = {
  readonly Register: { readonly request: BrokerRegistration; readonly reply: { brokerId: number; clusterId: string } };
  readonly Heartbeat: { readonly request: Heartbeat; readonly reply: HeartbeatAnswer };
  readonly Watch: { readonly request: WatchFrom; readonly reply: WatchEvent };
  readonly CreateTopic: { readonly request: CreateTopic; readonly reply: TopicInfo };
  readonly DeleteTopic: { readonly request: Deletion; readonly reply: Done };
  readonly CreateGroup: { readonly request: CreateGroup; readonly reply: GroupInfo };
  readonly DeleteGroup: { readonly request: Deletion; readonly reply: Done };
  readonly Introduce: { readonly request: Introduction; readonly reply: MemberStatement };
  readonly Join: { readonly request: JoinRequest; readonly reply: JoinReply };
};

export type MetadataCall = keyof MetadataCalls;

/** Both directions of one call. Decoding throws `SaturnError` `BAD_REQUEST` that says what cannot be. */
export type MetadataCodec<Call extends MetadataCall> = {
  readonly path: string;
  encodeRequest(request: MetadataCalls[Call]["request"]): Uint8Array;
  decodeRequest(bytes: Uint8Array): MetadataCalls[Call]["request"];
  encodeReply(reply: MetadataCalls[Call]["reply"]): Uint8Array;
  decodeReply(bytes: Uint8Array): MetadataCalls[Call]["reply"];
};

export type MetadataCodecs = { readonly [Call in MetadataCall]: MetadataCodec<Call> };

/** How a value of the port stands in its message. */
type Form<T> = { readonly toMessage: (value: T) => object; readonly fromMessage: (message: Plain) => T };

const protoFile = fileURLToPath(new URL("../../proto/saturnmq/v1/metadata.proto", import.meta.url));

let loaded: MetadataCodecs | undefined;

/** The codecs of all its calls; the service definition is read at the first call. */
export function loadMetadataCodecs(): MetadataCodecs {
  loaded ??= readMetadataCodecs();
  return loaded;
}

function readMetadataCodecs(): MetadataCodecs {
  const service = protobuf.loadSync(protoFile).resolveAll().lookupService(metadataServiceName);
  const codec = <Call extends MetadataCall>(name: Call): MetadataCodec<Call> => {
    const method = service.methods[name];
    const requestType = typeOf(method?.resolvedRequestType ?? null, name);
    const replyType = typeOf(method?.resolvedResponseType ?? null, name);
    const { request, reply } = forms[name];
    return {
      path: `/${metadataServiceName}/${name}`,
      encodeRequest: (value) => encodeMessage(requestType, request.toMessage(value)),
      decodeRequest: (bytes) => request.fromMessage(decodeMessage(requestType, bytes)),
      encodeReply: (value) => encodeMessage(replyType, reply.toMessage(value)),
      decodeReply: (bytes) => reply.fromMessage(decodeMessage(replyType, bytes)),
    };
  };
  return {
    Register: codec("Register"),
    Heartbeat: codec("Heartbeat"),
    Watch: codec("Watch"),
    CreateTopic: codec("CreateTopic"),
    DeleteTopic: codec("DeleteTopic"),
    CreateGroup: codec("CreateGroup"),
    DeleteGroup: codec("DeleteGroup"),
    Introduce: codec("Introduce"),
    Join: codec("Join"),
  };
}

const messageTypes = ["NORMAL", "FIFO", "DELAY", "TRANSACTION", "PRIORITY", "MIXED"] as const satisfies MessageType[];
const brokerStates = ["up", "draining", "down", "removed"] as const satisfies BrokerInfo["state"][];

const registration: Form<BrokerRegistration> = {
  toMessage: (value) => value,
  fromMessage: (at) => ({
    brokerId: whole(at, "brokerId"),
    incarnation: whole(at, "incarnation"),
    clusterId: optionalText(at, "clusterId"),
    process: text(at, "process"),
    zone: text(at, "zone"),
    address: text(at, "address"),
    peerAddress: text(at, "peerAddress"),
    featureLevel: whole(at, "featureLevel"),
  }),
};

const registered: Form<MetadataCalls["Register"]["reply"]> = {
  toMessage: (value) => value,
  fromMessage: (at) => ({ brokerId: whole(at, "brokerId"), clusterId: text(at, "clusterId") }),
};

const heartbeat: Form<Heartbeat> = {
  toMessage: ({ report, ...about }) => ({ ...about, ...report }),
  fromMessage: (at) => ({
    sequence: whole(at, "sequence"),
    brokerId: whole(at, "brokerId"),
    incarnation: whole(at, "incarnation"),
    report: {
      freeBytes: whole(at, "freeBytes"),
      totalBytes: whole(at, "totalBytes"),
      replicas: list(at, "replicas").map(replicaReport),
    },
  }),
};

function replicaReport(at: Plain): ReplicaReport {
  return {
    shard: whole(at, "shard"),
    term: whole(at, "term"),
    leads: flag(at, "leads"),
    lastIndex: whole(at, "lastIndex"),
    lastTerm: whole(at, "lastTerm"),
    commitIndex: whole(at, "commitIndex"),
    voters: numbers(at, "voters"),
    outgoing: numbers(at, "outgoing"),
    learners: numbers(at, "learners"),
    revision: whole(at, "revision"),
    progress: list(at, "progress").map((one) => ({ broker: whole(one, "broker"), match: whole(one, "match") })),
  };
}

const heartbeatAnswer: Form<HeartbeatAnswer> = {
  toMessage: (value) => value,
  fromMessage: (at) => ({
    sequence: whole(at, "sequence"),
    transfers: list(at, "transfers").map((one) => ({ shard: whole(one, "shard"), to: whole(one, "to") })),
  }),
};

const watchFrom: Form<WatchFrom> = {
  toMessage: (value) => value,
  fromMessage: (at) => ({ clusterId: optionalText(at, "clusterId"), revision: whole(at, "revision") }),
};

const watchEvent: Form<WatchEvent> = {
  toMessage: (event) =>
    event.kind === "view" ? { view: viewMessage(event.view) } : { delta: deltaMessage(event.delta) },
  fromMessage: (at) => {
    const view = plain(at, "view");
    if (view !== undefined) return { kind: "view", view: viewOf(view) };
    return { kind: "delta", delta: deltaOf(plain(at, "delta") ?? {}) };
  },
};

function viewMessage(view: ClusterView): object {
  return {
    ...view,
    topics: [...view.topics.values()],
    groups: [...view.groups.values()].map(group.toMessage),
    shards: view.shards.map(shardMessage),
    brokers: [...view.brokers.values()],
  };
}

function viewOf(at: Plain): ClusterView {
  return {
    revision: whole(at, "revision"),
    clusterId: text(at, "clusterId"),
    shardCount: whole(at, "shardCount"),
    replicationFactor: whole(at, "replicationFactor"),
    featureLevel: whole(at, "featureLevel"),
    settings: settingsOf(plain(at, "settings") ?? {}),
    topics: new Map(list(at, "topics").map((one) => [text(one, "name"), topic.fromMessage(one)])),
    groups: new Map(list(at, "groups").map((one) => [text(one, "name"), group.fromMessage(one)])),
    shards: list(at, "shards").map(shardOf),
    brokers: new Map(list(at, "brokers").map((one) => [whole(one, "id"), brokerOf(one)])),
    handleKeys: bytesList(at, "handleKeys"),
    nameServers: texts(at, "nameServers"),
  };
}

function deltaMessage(delta: ViewDelta): object {
  const { groups, shards, nameServers, ...rest } = delta;
  return {
    ...{ ...rest, groups: groups.map(group.toMessage), shards: shards.map(shardMessage) },
    nameServers: nameServers === undefined ? undefined : { addresses: nameServers },
  };
}

function deltaOf(at: Plain): ViewDelta {
  const settings = plain(at, "settings");
  const nameServers = plain(at, "nameServers");
  return {
    fromRevision: whole(at, "fromRevision"),
    revision: whole(at, "revision"),
    topics: list(at, "topics").map(topic.fromMessage),
    topicsGone: texts(at, "topicsGone"),
    groups: list(at, "groups").map(group.fromMessage),
    groupsGone: texts(at, "groupsGone"),
    shards: list(at, "shards").map(shardOf),
    brokers: list(at, "brokers").map(brokerOf),
    featureLevel: optionalWhole(at, "featureLevel"),
    settings: settings === undefined ? undefined : settingsOf(settings),
    nameServers: nameServers === undefined ? undefined : texts(nameServers, "addresses"),
  };
}

function settingsOf(at: Plain): ClusterSettings {
  return {
    brokerLeaseMs: whole(at, "brokerLeaseMs"),
    replacementGraceMs: whole(at, "replacementGraceMs"),
    moveBudget: whole(at, "moveBudget"),
    transferBudget: whole(at, "transferBudget"),
  };
}

const topic: Form<TopicInfo> = {
  toMessage: (value) => value,
  fromMessage: (at) => ({
    id: whole(at, "id"),
    name: text(at, "name"),
    type: oneOf(at, "type", messageTypes),
    queues: whole(at, "queues"),
    retentionMs: optionalWhole(at, "retentionMs"),
    createdAtMs: whole(at, "createdAtMs"),
  }),
};

const start = {
  toMessage: (position: StartPosition): object => ({
    start: position.kind,
    startAtMs: position.kind === "time" ? position.atMs : 0,
  }),
  fromMessage: (at: Plain): StartPosition => {
    const kind = oneOf(at, "start", ["default", "earliest", "time"]);
    return kind === "time" ? { kind, atMs: whole(at, "startAtMs") } : { kind };
  },
};

const topicReset: Form<TopicReset> = {
  toMessage: (reset) => ({ topic: reset.topic, cursorEpoch: reset.cursorEpoch, ...start.toMessage(reset.start) }),
  fromMessage: (at) => {
    return { topic: whole(at, "topic"), start: start.fromMessage(at), cursorEpoch: whole(at, "cursorEpoch") };
  },
};

const group: Form<GroupInfo> = {
  toMessage: ({ start: position, resets = [], ...about }) => ({
    ...about,
    ...start.toMessage(position),
    resets: resets.map(topicReset.toMessage),
  }),
  fromMessage: (at) => {
    const resets = list(at, "resets").map(topicReset.fromMessage);
    return {
      id: whole(at, "id"),
      name: text(at, "name"),
      order: flag(at, "order"),
      start: start.fromMessage(at),
      maxAttempts: whole(at, "maxAttempts"),
      cursorEpoch: whole(at, "cursorEpoch"),
      createdAtMs: whole(at, "createdAtMs"),
      ...(resets.length === 0 ? {} : { resets }),
    };
  },
};

function shardMessage({ target, forced, ...about }: ShardInfo): object {
  return {
    ...about,
    targetRevision: target.revision,
    targetVoters: target.voters,
    forcedRevision: forced.revision,
    forcedSurvivor: forced.survivor,
    forcedGeneration: forced.generation,
  };
}

function shardOf(at: Plain): ShardInfo {
  return {
    shard: whole(at, "shard"),
    voters: numbers(at, "voters"),
    outgoing: numbers(at, "outgoing"),
    learners: numbers(at, "learners"),
    revision: whole(at, "revision"),
    leaderHint: whole(at, "leaderHint"),
    term: whole(at, "term"),
    target: { revision: whole(at, "targetRevision"), voters: numbers(at, "targetVoters") },
    firstVoters: numbers(at, "firstVoters"),
    founders: numbers(at, "founders"),
    forced: {
      revision: whole(at, "forcedRevision"),
      survivor: whole(at, "forcedSurvivor"),
      generation: whole(at, "forcedGeneration"),
    },
  };
}

function brokerOf(at: Plain): BrokerInfo {
  return {
    id: whole(at, "id"),
    incarnation: whole(at, "incarnation"),
    zone: text(at, "zone"),
    state: oneOf(at, "state", brokerStates),
    address: text(at, "address"),
    peerAddress: text(at, "peerAddress"),
    draining: flag(at, "draining"),
    leadersAway: flag(at, "leadersAway"),
    featureLevel: whole(at, "featureLevel"),
  };
}

const createTopic: Form<CreateTopic> = {
  toMessage: (value) => value,
  fromMessage: (at) => ({
    requestId: text(at, "requestId"),
    name: text(at, "name"),
    type: oneOf(at, "type", messageTypes),
    queues: whole(at, "queues"),
    retentionMs: optionalWhole(at, "retentionMs"),
  }),
};

const createGroup: Form<CreateGroup> = {
  toMessage: (value) => value,
  fromMessage: (at) => ({
    requestId: text(at, "requestId"),
    name: text(at, "name"),
    order: flag(at, "order"),
    from: oneOf(at, "from", ["default", "earliest", "latest"]),
    maxAttempts: optionalWhole(at, "maxAttempts"),
    implicit: flag(at, "implicit"),
  }),
};

const deletion: Form<Deletion> = {
  toMessage: (value) => value,
  fromMessage: (at) => ({ requestId: text(at, "requestId"), name: text(at, "name") }),
};

const introduction: Form<Introduction> = {
  toMessage: (value) => value,
  fromMessage: (at) => ({ member: whole(at, "member"), members: text(at, "members") }),
};

const memberStatement: Form<MemberStatement> = {
  toMessage: (value) => value,
  fromMessage: (at) => ({
    state: oneOf(at, "state", ["empty", "prepared", "formed", "otherMembers"]),
    clusterId: text(at, "clusterId"),
  }),
};

const joinRequest: Form<JoinRequest> = {
  toMessage: (value) => value,
  fromMessage: (at) => ({ member: whole(at, "member"), process: text(at, "process") }),
};

const joinReply: Form<JoinReply> = {
  toMessage: (value) => value,
  fromMessage: (at) => ({ clusterId: text(at, "clusterId"), term: whole(at, "term") }),
};

const done: Form<Done> = { toMessage: () => ({}), fromMessage: () => ({}) };

const forms: {
  readonly [Call in MetadataCall]: { readonly [Side in "request" | "reply"]: Form<MetadataCalls[Call][Side]> };
} = {
  Register: { request: registration, reply: registered },
  Heartbeat: { request: heartbeat, reply: heartbeatAnswer },
  Watch: { request: watchFrom, reply: watchEvent },
  CreateTopic: { request: createTopic, reply: topic },
  DeleteTopic: { request: deletion, reply: done },
  CreateGroup: { request: createGroup, reply: group },
  DeleteGroup: { request: deletion, reply: done },
  Introduce: { request: introduction, reply: memberStatement },
  Join: { request: joinRequest, reply: joinReply },
};
