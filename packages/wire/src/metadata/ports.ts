/** What brokers and name servers say to each other (`saturnmq.v1.Metadata`), as plain data. */

export type MessageType = "NORMAL" | "FIFO" | "DELAY" | "TRANSACTION" | "PRIORITY" | "MIXED";

/** A topic. `id` is never reused, 1 to 2^32 - 1. Queue `q` lives in shard `(hash(id) + q) mod shards`, see `shardOfQueue`. */
export type TopicInfo = {
  readonly id: number;
  readonly name: string;
  readonly type: MessageType;
  readonly queues: number;
  /** Milliseconds messages are kept; `undefined`: the cluster's setting. */
  readonly retentionMs: number | undefined;
  readonly createdAtMs: number;
};

/** Where a group begins on a queue it has never read, resolved when the group was created (design 7, "Start of a group"). */
export type StartPosition =
  | { readonly kind: "default" }
  | { readonly kind: "earliest" }
  | { readonly kind: "time"; readonly atMs: number };

/** A group was started anew on one topic. Epochs are counted over all of the group's resets, whatever they were about. */
export type TopicReset = { readonly topic: number; readonly start: StartPosition; readonly cursorEpoch: number };

/** A consumer group. `id` is never reused. `cursorEpoch` is raised when it is started anew on all topics. */
export type GroupInfo = {
  readonly id: number;
  readonly name: string;
  readonly order: boolean;
  readonly start: StartPosition;
  /** Deliveries of one message before it becomes a dead letter. */
  readonly maxAttempts: number;
  readonly cursorEpoch: number;
  /** Topics on which it was started anew since then; absent: none. */
  readonly resets?: readonly TopicReset[];
  readonly createdAtMs: number;
};

/** Where the controller wants a shard's replicas. The shard's leader walks its Raft configuration there, and never back to a lower revision. */
export type ShardTarget = {
  /** Raised with every new target of the cluster; 0: none yet. */
  readonly revision: number;
  /** Broker ids, ascending. */
  readonly voters: readonly number[];
};

/** A shard: its configuration as its leader last told, and where it is to go. */
export type ShardInfo = {
  readonly shard: number;
  /** Voters of its configuration; of the new half while that is joint. At first as placed. */
  readonly voters: readonly number[];
  /** Voters of the old half while the configuration is joint, else empty. */
  readonly outgoing: readonly number[];
  readonly learners: readonly number[];
  /** Target revision that the configuration carries. */
  readonly revision: number;
  /** The leader last heard of, or the broker that is to campaign first while `term` is 0; 0: none known. */
  readonly leaderHint: number;
  /** Raft term of `leaderHint`. */
  readonly term: number;
  readonly target: ShardTarget;
  /** Voters of the shard's first configuration, as placed. */
  readonly firstVoters: readonly number[];
  /**
   * Those of them that no target has dropped since. Only these may open an empty replica with the first configuration: any other empty replica
   * joins as a learner, because it may have voted before.
   */
  readonly founders: readonly number[];
  /**
   * An unsafe recovery that an operator ordered, the newest: `survivor` alone goes on, under a configuration of its own that carries `revision`, in the
   * `generation` of Raft terms that counts the shard's recoveries; replicas of an earlier generation on other brokers are written off. All 0: never.
   */
  readonly forced: { readonly revision: number; readonly survivor: number; readonly generation: number };
};

export type BrokerInfo = {
  readonly id: number;
  readonly incarnation: number;
  readonly zone: string;
  /** `removed`: forgotten for ever; its other fields mean nothing then. */
  readonly state: "up" | "draining" | "down" | "removed";
  /** Host and port for clients; empty: in this process. */
  readonly address: string;
  /** Host and port for other brokers; empty: none. */
  readonly peerAddress: string;
  /** It is to be emptied, also while it is down. */
  readonly draining: boolean;
  /** It is to lead nothing until it has restarted, because an operator asked for that. */
  readonly leadersAway: boolean;
  /** Highest feature level that its program knows. */
  readonly featureLevel: number;
};

/** What an operator may change while the cluster runs. */
export type ClusterSettings = {
  /** A broker without sign of life for so long is down, milliseconds. */
  readonly brokerLeaseMs: number;
  /** A broker that is down for so long is replaced, milliseconds. */
  readonly replacementGraceMs: number;
  /** Replicas that may be on their way to another broker at once. */
  readonly moveBudget: number;
  /** Leaders that may be asked to hand over at once. */
  readonly transferBudget: number;
};

/** Everything a broker watches, at one revision. Maps are by name; both maps hold live ones only. */
export type ClusterView = {
  readonly revision: number;
  readonly clusterId: string;
  readonly shardCount: number;
  /** Voters a shard, each on another broker. */
  readonly replicationFactor: number;
  /** What all members may rely on that all members understand. */
  readonly featureLevel: number;
  readonly settings: ClusterSettings;
  readonly topics: ReadonlyMap<string, TopicInfo>;
  readonly groups: ReadonlyMap<string, GroupInfo>;
  /** By shard number, all or none. */
  readonly shards: readonly ShardInfo[];
  readonly brokers: ReadonlyMap<number, BrokerInfo>;
  /** 32-byte keys of receipt handles, newest first; one or two. */
  readonly handleKeys: readonly Uint8Array[];
  /** `host:port` of each name server; empty until the group was changed: then those count that one is configured with. */
  readonly nameServers: readonly string[];
};

/** What changed in the cluster after one revision and up to another. Rows are present values; what is gone is named. */
export type ViewDelta = {
  readonly fromRevision: number;
  readonly revision: number;
  readonly topics: readonly TopicInfo[];
  readonly topicsGone: readonly string[];
  readonly groups: readonly GroupInfo[];
  readonly groupsGone: readonly string[];
  readonly shards: readonly ShardInfo[];
  readonly brokers: readonly BrokerInfo[];
  /** `undefined`: as before. */
  readonly featureLevel: number | undefined;
  readonly settings: ClusterSettings | undefined;
  readonly nameServers: readonly string[] | undefined;
};

/** How far one replica is, as the shard's leader knows. */
export type ReplicaProgress = {
  readonly broker: number;
  /** Last entry known to be on its disk. */
  readonly match: number;
};

/** One replica of a broker, as the broker tells with its heartbeat. */
export type ReplicaReport = {
  readonly shard: number;
  readonly term: number;
  readonly leads: boolean;
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly commitIndex: number;
  /** The configuration in force on it. */
  readonly voters: readonly number[];
  readonly outgoing: readonly number[];
  readonly learners: readonly number[];
  readonly revision: number;
  /** Of a leader: each other member. Of anyone else: empty. */
  readonly progress: readonly ReplicaProgress[];
};

/** What a broker tells with each heartbeat: everything, each time. */
export type BrokerReport = {
  readonly freeBytes: number;
  readonly totalBytes: number;
  readonly replicas: readonly ReplicaReport[];
};

/** The report of a broker that has nothing to tell. */
export const emptyReport: BrokerReport = { freeBytes: 0, totalBytes: 0, replicas: [] };

/** What the name server wants of a broker, in the answer to its heartbeat. Asked again until it is done: nothing is lost with an answer. */
export type HeartbeatReply = {
  /** Shards that the broker leads and is to hand to a voter. */
  readonly transfers: readonly { readonly shard: number; readonly to: number }[];
};

export type BrokerRegistration = {
  /** 0: the broker has never had one. */
  readonly brokerId: number;
  readonly incarnation: number;
  readonly clusterId: string | undefined;
  /** Drawn at random by the process at its start, 1 to 64 characters: by it a call that is repeated because its answer was lost is known. */
  readonly process: string;
  readonly zone: string;
  /** Host and port for clients. */
  readonly address: string;
  /** Host and port for other brokers; empty: none. */
  readonly peerAddress: string;
  readonly featureLevel: number;
};

export type CreateTopic = {
  readonly requestId: string;
  readonly name: string;
  readonly type: MessageType;
  readonly queues: number;
  readonly retentionMs: number | undefined;
};

export type CreateGroup = {
  readonly requestId: string;
  readonly name: string;
  readonly order: boolean;
  readonly from: "default" | "earliest" | "latest";
  readonly maxAttempts: number | undefined;
  /** True when a client's first use made it: an existing group is then no error. */
  readonly implicit: boolean;
};

/** Shard of a topic's queue (design 2): the topic id's multiplicative hash spreads topics over shards, queues of one topic over neighbours. */
export function shardOfQueue(topicId: number, queue: number, shardCount: number): number {
  const hash = Math.imul(topicId, 0x9e3779b1) >>> 0;
  return ((hash % shardCount) + queue) % shardCount;
}
