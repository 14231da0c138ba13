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

/** A consumer group. `id` is never reused. `cursorEpoch` is raised by reset, skip, clone. */
export type GroupInfo = {
  readonly id: number;
  readonly name: string;
  readonly order: boolean;
  readonly start: StartPosition;
  /** Deliveries of one message before it is parked (later: dead-lettered). */
  readonly maxAttempts: number;
  readonly cursorEpoch: number;
  readonly createdAtMs: number;
};

/** A shard as the name server placed it. */
export type ShardInfo = { readonly shard: number; readonly voters: readonly number[]; readonly leaderHint: number };

export type BrokerInfo = {
  readonly id: number;
  readonly incarnation: number;
  readonly zone: string;
  readonly state: "up" | "draining" | "down" | "removed";
};

/** Everything a broker watches, at one revision. Maps are by name; both maps hold live ones only. */
export type ClusterView = {
  readonly revision: number;
  readonly clusterId: string;
  readonly shardCount: number;
  readonly topics: ReadonlyMap<string, TopicInfo>;
  readonly groups: ReadonlyMap<string, GroupInfo>;
  readonly shards: readonly ShardInfo[];
  readonly brokers: ReadonlyMap<number, BrokerInfo>;
  /** 32-byte keys of receipt handles, newest first; one or two. */
  readonly handleKeys: readonly Uint8Array[];
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

/**
 * The name server, as a broker sees it. In the embedded mode the name server's own object; in a cluster a gRPC client.
 *
 * Every method rejects with `SaturnError`; `HA_NOT_AVAILABLE` when no leader answers.
 */
export interface MetadataService {
  /** Announces a broker; answers its id (given at first registration when `brokerId` is 0) and the cluster's. */
  register(broker: {
    readonly brokerId: number;
    readonly incarnation: number;
    readonly clusterId: string | undefined;
    readonly zone: string;
    readonly address: string;
  }): Promise<{ readonly brokerId: number; readonly clusterId: string }>;
  /** Renews the broker's lease. */
  heartbeat(brokerId: number, incarnation: number): Promise<void>;
  /** Calls `changed` with the present view at once and with every later one, in revision order, until `signal` aborts. */
  watch(changed: (view: ClusterView) => void, signal: AbortSignal): void;
  createTopic(request: CreateTopic): Promise<TopicInfo>;
  deleteTopic(request: { readonly requestId: string; readonly name: string }): Promise<void>;
  createGroup(request: CreateGroup): Promise<GroupInfo>;
  deleteGroup(request: { readonly requestId: string; readonly name: string }): Promise<void>;
}

/** Shard of a topic's queue (design 2): the topic id's multiplicative hash spreads topics over shards, queues of one topic over neighbours. */
export function shardOfQueue(topicId: number, queue: number, shardCount: number): number {
  const hash = Math.imul(topicId, 0x9e3779b1) >>> 0;
  return ((hash % shardCount) + queue) % shardCount;
}
