export * as forward from "./forward/messages.ts";
export { type GrpcMethod, grpcMethod, type WireMethod } from "./grpc-definition.ts";
export { AckReply } from "./hot/ack-reply.ts";
export { AckScanner } from "./hot/ack-scanner.ts";
export { type Deliverable, DeliveryWriter, storedBody } from "./hot/delivery.ts";
export { SendMessageScanner } from "./hot/send-message-scanner.ts";
export { SendReply } from "./hot/send-reply.ts";
export { type Moment, momentMs, type Span, SpanList } from "./hot/spans.ts";
export { layOutMessage, normalizeMessage, StoredLayout } from "./hot/stored-message.ts";
export { applyDelta } from "./metadata/apply-delta.ts";
export { type FeatureLevel, featureLevelKnown, featureLevels, unknownLevel } from "./metadata/feature-levels.ts";
export {
  type BrokerInfo,
  type BrokerRegistration,
  type BrokerReport,
  type ClusterSettings,
  type ClusterView,
  type CreateGroup,
  type CreateTopic,
  emptyReport,
  type GroupInfo,
  type HeartbeatReply,
  type MessageType,
  type ReplicaReport,
  type ShardInfo,
  type ShardTarget,
  type StartPosition,
  shardOfQueue,
  type TopicInfo,
  type TopicReset,
  type ViewDelta,
} from "./metadata/ports.ts";
export type { MetadataService } from "./metadata/service.ts";
export { type Init, type MessageCodec } from "./protobuf/message-codec.ts";
export * as v2 from "./rocketmq/messages.ts";
export { messagingService } from "./rocketmq/service.ts";
export {
  type AdminMethod,
  type AdminMethods,
  adminServiceName,
  type ClusterMethod,
  clusterMethods,
  errorCodeTrailer,
  type Group as AdminGroup,
  type GroupStart as AdminGroupStart,
  leaderTrailer,
  type NameServerDescription,
  type QueueProgress as AdminQueueProgress,
  type ResetPosition,
  type ShardRecovery,
  type Topic as AdminTopic,
} from "./saturnmq/admin.ts";
export { type AdminCodec, type AdminCodecs, loadAdminCodecs, loadAdminDefinition } from "./saturnmq/admin-codec.ts";
export {
  adminGroup,
  adminGroups,
  adminTopic,
  adminTopics,
  groupCommand,
  topicCommand,
} from "./saturnmq/admin-messages.ts";
export {
  type Introduction,
  type JoinReply,
  type JoinRequest,
  loadMetadataCodecs,
  type MemberStatement,
  type MetadataCall,
  type MetadataCalls,
  type MetadataCodec,
  type MetadataCodecs,
  metadataServiceName,
  type WatchEvent,
} from "./saturnmq/metadata-codec.ts";
export { WireError } from "./wire-error.ts";
