import type { GroupInfo, ShardInfo, TopicInfo } from "@saturnmq/wire";
import type { ClusterFacts } from "./state.ts";

/** A fact about the cluster, as it is replicated. Whatever time or chance decided is inside. */
export type MetadataRecord =
  | { readonly kind: "clusterCreated"; readonly cluster: ClusterFacts; readonly handleKey: string }
  | {
      readonly kind: "brokerRegistered";
      readonly id: number;
      readonly incarnation: number;
      readonly zone: string;
      readonly address: string;
      readonly confirmed: boolean;
    }
  | { readonly kind: "brokerConfirmed"; readonly id: number }
  | { readonly kind: "shardsPlaced"; readonly shards: readonly ShardInfo[] }
  | { readonly kind: "topicCreated"; readonly requestId: string; readonly topic: TopicInfo }
  | { readonly kind: "topicDeleted"; readonly requestId: string; readonly name: string }
  | { readonly kind: "groupCreated"; readonly requestId: string; readonly group: GroupInfo }
  | { readonly kind: "groupDeleted"; readonly requestId: string; readonly name: string };

/** What a command comes to: the records that make it true, in order, and the answer once they are committed. */
export type Decision<Reply> = { readonly records: readonly MetadataRecord[]; readonly reply: Reply };
