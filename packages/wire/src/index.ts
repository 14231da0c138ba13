export {
  type BrokerInfo,
  type ClusterView,
  type CreateGroup,
  type CreateTopic,
  type GroupInfo,
  type MessageType,
  type MetadataService,
  type ShardInfo,
  type StartPosition,
  shardOfQueue,
  type TopicInfo,
} from "./metadata/ports.ts";
