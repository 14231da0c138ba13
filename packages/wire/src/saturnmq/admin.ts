import type { ClusterSettings, MessageType } from "../metadata/ports.ts";

/** The messages of `saturnmq.v1.Admin` as plain objects, and its methods by name. Meaning, units and bounds: `proto/saturnmq/v1/admin.proto`. */
export type AdminMethods = {
  readonly CreateTopic: { readonly request: CreateTopicRequest; readonly reply: Topic };
  readonly ListTopics: { readonly request: Empty; readonly reply: { readonly topics: readonly Topic[] } };
  readonly DescribeTopic: { readonly request: Named; readonly reply: TopicDescription };
  readonly DeleteTopic: { readonly request: DeleteRequest; readonly reply: Empty };
  readonly CreateGroup: { readonly request: CreateGroupRequest; readonly reply: Group };
  readonly ListGroups: { readonly request: Empty; readonly reply: { readonly groups: readonly Group[] } };
  readonly DescribeGroup: { readonly request: DescribeGroupRequest; readonly reply: GroupDescription };
  readonly DeleteGroup: { readonly request: DeleteRequest; readonly reply: Empty };
  readonly PeekMessage: { readonly request: PeekRequest; readonly reply: PeekedMessageView };
  readonly SkipMessage: { readonly request: SkipRequest; readonly reply: SkippedMessageView };
  readonly DescribeCluster: { readonly request: Empty; readonly reply: ClusterDescription };
  readonly ResetGroup: { readonly request: ResetGroupRequest; readonly reply: Group };
  readonly DrainBroker: { readonly request: BrokerRequest; readonly reply: Empty };
  readonly CancelDrain: { readonly request: BrokerRequest; readonly reply: Empty };
  readonly RestartSafety: { readonly request: { readonly broker: number }; readonly reply: RestartSafetyReport };
  readonly TransferLeaders: { readonly request: BrokerRequest; readonly reply: Empty };
  readonly ForgetBroker: { readonly request: BrokerRequest; readonly reply: Empty };
  readonly TransferShard: { readonly request: TransferShardRequest; readonly reply: Empty };
  readonly RecoverShard: { readonly request: RecoverShardRequest; readonly reply: ShardRecovery };
  readonly UpdateSettings: { readonly request: UpdateSettingsRequest; readonly reply: ClusterSettings };
  readonly RaiseFeatureLevel: { readonly request: RaiseFeatureLevelRequest; readonly reply: Empty };
  readonly AddNameServer: { readonly request: AddNameServerRequest; readonly reply: Empty };
  readonly RemoveNameServer: { readonly request: RemoveNameServerRequest; readonly reply: Empty };
};

/** Calls that the name servers decide and brokers pass on. */
export const clusterMethods = [
  "DescribeCluster",
  "ResetGroup",
  "DrainBroker",
  "CancelDrain",
  "RestartSafety",
  "TransferLeaders",
  "ForgetBroker",
  "TransferShard",
  "RecoverShard",
  "UpdateSettings",
  "RaiseFeatureLevel",
  "AddNameServer",
  "RemoveNameServer",
] as const satisfies readonly AdminMethod[];

export type ClusterMethod = (typeof clusterMethods)[number];

export type AdminMethod = keyof AdminMethods;

type Empty = Readonly<Record<string, never>>;
type Named = { readonly name: string };
type DeleteRequest = { readonly requestId: string; readonly name: string };

export type Topic = {
  readonly id: number;
  readonly name: string;
  readonly type: TopicType;
  readonly queues: number;
  readonly retentionMs?: number;
  readonly createdAtMs: number;
};

type TopicType = MessageType | "TOPIC_TYPE_UNSPECIFIED";

export type CreateTopicRequest = {
  readonly requestId: string;
  readonly name: string;
  readonly type: TopicType;
  readonly queues: number;
  readonly retentionMs?: number;
};

export type TopicDescription = {
  readonly topic: Topic;
  readonly queues: readonly {
    readonly queue: number;
    readonly shard: number;
    readonly minOffset: number;
    readonly nextOffset: number;
  }[];
};

/** Exactly one is set. */
export type GroupStart =
  | { readonly byTopicAge: true; readonly earliest?: never; readonly atMs?: never }
  | { readonly earliest: true; readonly byTopicAge?: never; readonly atMs?: never }
  | { readonly atMs: number; readonly byTopicAge?: never; readonly earliest?: never };

export type Group = {
  readonly id: number;
  readonly name: string;
  readonly order: boolean;
  readonly start: GroupStart;
  readonly maxAttempts: number;
  readonly createdAtMs: number;
};

export type CreateGroupRequest = {
  readonly requestId: string;
  readonly name: string;
  readonly order: boolean;
  readonly from: "FROM_UNSPECIFIED" | "EARLIEST" | "LATEST";
  readonly maxAttempts: number;
};

export type QueueProgress = {
  readonly queue: number;
  readonly startOffset?: number;
  readonly floor: number;
  readonly nextOffset: number;
  readonly lag: number;
  readonly inFlight: number;
  readonly parked: number;
  readonly expired: number;
  readonly deadLettered: number;
  readonly oldestUnackedAtMs?: number;
};

export type GroupDescription = {
  readonly group: Group;
  readonly topics: readonly { readonly topic: string; readonly queues: readonly QueueProgress[] }[];
};

export type PeekRequest = { readonly topic: string; readonly queue: number; readonly offset: number };

export type PeekedMessageView = {
  readonly topic: string;
  readonly queue: number;
  readonly offset: number;
  readonly messageId: string;
  readonly tag?: string;
  readonly keys: readonly string[];
  readonly properties: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly storedAtMs: number;
  readonly bornAtMs?: number;
  readonly bornHost: string;
  readonly bodyCrc: number;
  readonly type: TopicType;
  readonly bodyEncoding: string;
};

export type SkipRequest = {
  readonly topic: string;
  readonly group: string;
  readonly queue: number;
  readonly offset: number;
  readonly confirmed: boolean;
};

export type SkippedMessageView = { readonly finishedBefore: boolean; readonly damage?: string };

export type ClusterDescription = {
  readonly clusterId: string;
  readonly revision: number;
  readonly brokers: readonly BrokerDescription[];
  readonly shards: readonly ShardDescription[];
  readonly topics: number;
  readonly groups: number;
  readonly replicationFactor: number;
  readonly featureLevel: number;
  readonly settings: ClusterSettings;
  readonly stale: boolean;
  readonly nameServers: readonly NameServerDescription[];
  readonly featureLevelReady: number;
  readonly nextNameServer: number;
};

export type NameServerDescription = {
  readonly id: number;
  readonly address: string;
  readonly leads: boolean;
  readonly up: boolean;
  readonly featureLevel: number;
  /** `votes`, `listens`, `awaited` or `leaves`. */
  readonly part: string;
};

export type BrokerDescription = {
  readonly id: number;
  readonly incarnation: number;
  readonly zone: string;
  readonly state: string;
  readonly address: string;
  readonly peerAddress: string;
  readonly draining: boolean;
  readonly leadersAway: boolean;
  readonly featureLevel: number;
  readonly replicas: number;
  readonly leads: number;
  readonly freeBytes: number;
  readonly totalBytes: number;
};

export type ShardDescription = {
  readonly shard: number;
  readonly voters: readonly number[];
  readonly leaderHint: number;
  readonly learners: readonly number[];
  readonly outgoing: readonly number[];
  readonly term: number;
  readonly revision: number;
  readonly targetRevision: number;
  readonly targetVoters: readonly number[];
  readonly moving: boolean;
  readonly lags: readonly { readonly broker: number; readonly entries: number }[];
};

/** Where a group is to start anew: at most one is set. */
export type ResetPosition = { readonly earliest?: boolean; readonly latest?: boolean; readonly atMs?: number };

/** Without a position: the group as it is. */
export type DescribeGroupRequest = { readonly name: string } & ResetPosition;

/** Without a position it is refused. An empty topic: all. */
export type ResetGroupRequest = {
  readonly requestId: string;
  readonly name: string;
  readonly topic: string;
} & ResetPosition;

export type BrokerRequest = { readonly requestId: string; readonly broker: number };

export type RestartSafetyReport = {
  readonly safe: boolean;
  readonly shards: readonly { readonly shard: number; readonly reason: string }[];
};

export type TransferShardRequest = { readonly shard: number; readonly to: number };

export type RecoverShardRequest = { readonly requestId: string; readonly shard: number; readonly unsafe: boolean };

export type ShardRecovery = {
  readonly survivor: number;
  readonly writtenOff: readonly number[];
  readonly lastIndex: number;
  readonly knownCommit: number;
  readonly mayBeLost: string;
};

export type UpdateSettingsRequest = { readonly requestId: string } & Partial<ClusterSettings>;

export type RaiseFeatureLevelRequest = { readonly requestId: string; readonly level: number };

export type AddNameServerRequest = {
  readonly requestId: string;
  readonly id: number;
  readonly host: string;
  readonly peerPort: number;
  readonly grpcPort: number;
};

export type RemoveNameServerRequest = { readonly requestId: string; readonly id: number };

/** Trailer of a failed call: the symbolic code of the error table, finer than the gRPC status. */
export const errorCodeTrailer = "saturnmq-error-code";

/** Trailer of a call that a name server refused because it does not lead: host and port of the one that does, when known. */
export const leaderTrailer = "saturnmq-leader";

/** Full name of the service. */
export const adminServiceName = "saturnmq.v1.Admin";
