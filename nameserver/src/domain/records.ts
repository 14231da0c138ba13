import type { ClusterSettings, GroupInfo, ShardRecovery, StartPosition, TopicInfo } from "@saturnmq/wire";
import type { ClusterFacts, NameServer, NameServerMember } from "./state.ts";

/** A shard's first members, and which of them is to campaign first. */
export type Placement = { readonly shard: number; readonly voters: readonly number[]; readonly leaderHint: number };

/** A shard's configuration and leader, as the leader told. */
export type ReportedShard = {
  readonly shard: number;
  readonly leader: number;
  readonly term: number;
  readonly voters: readonly number[];
  readonly outgoing: readonly number[];
  readonly learners: readonly number[];
  readonly revision: number;
};

/** Where a shard is to go. Its revision is that of the record. */
export type NewTarget = { readonly shard: number; readonly voters: readonly number[] };

/** A fact about the cluster, as it is replicated. Whatever time or chance decided is inside. */
export type MetadataRecord =
  | {
      readonly kind: "clusterCreated";
      readonly cluster: ClusterFacts;
      readonly handleKey: string;
      readonly settings: ClusterSettings;
      readonly featureLevel: number;
    }
  | {
      readonly kind: "brokerRegistered";
      readonly id: number;
      readonly incarnation: number;
      readonly process: string;
      readonly zone: string;
      readonly address: string;
      readonly peerAddress: string;
      readonly featureLevel: number;
      readonly confirmed: boolean;
    }
  | { readonly kind: "brokerConfirmed"; readonly id: number }
  | { readonly kind: "brokersDown"; readonly ids: readonly number[] }
  | { readonly kind: "brokerUp"; readonly id: number }
  | { readonly kind: "brokerDraining"; readonly requestId: string; readonly id: number; readonly draining: boolean }
  | { readonly kind: "brokerLeadersAway"; readonly requestId: string; readonly id: number }
  | { readonly kind: "brokersWelcome"; readonly ids: readonly number[] }
  | { readonly kind: "brokerForgotten"; readonly requestId: string; readonly id: number }
  | { readonly kind: "shardsPlaced"; readonly revision: number; readonly shards: readonly Placement[] }
  | { readonly kind: "shardsReported"; readonly shards: readonly ReportedShard[] }
  | { readonly kind: "targetsSet"; readonly targets: readonly NewTarget[] }
  | {
      readonly kind: "shardRecovered";
      readonly requestId: string;
      readonly shard: number;
      readonly recovery: ShardRecovery;
    }
  | { readonly kind: "topicCreated"; readonly requestId: string; readonly topic: TopicInfo }
  | { readonly kind: "topicDeleted"; readonly requestId: string; readonly name: string }
  | { readonly kind: "groupCreated"; readonly requestId: string; readonly group: GroupInfo }
  | { readonly kind: "groupDeleted"; readonly requestId: string; readonly name: string }
  | {
      readonly kind: "groupReset";
      readonly requestId: string;
      readonly name: string;
      readonly start: StartPosition;
      /** Id of the one topic that it is about; absent: all. Since version 2. */
      readonly topic?: number;
    }
  | { readonly kind: "settingsChanged"; readonly requestId: string; readonly settings: ClusterSettings }
  | { readonly kind: "featureLevelRaised"; readonly requestId: string; readonly level: number }
  | {
      readonly kind: "nameServersChanged";
      readonly requestId: string;
      /** Verb and subject, as a repeated request is known by. */
      readonly call: string;
      readonly members: readonly NameServerMember[];
      readonly former: readonly NameServer[];
      readonly highestId: number;
    };

/** What a command comes to: the records that make it true, in order, and the answer once they are committed. */
export type Decision<Reply> = { readonly records: readonly MetadataRecord[]; readonly reply: Reply };
