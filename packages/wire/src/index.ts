export { type GrpcMethod, grpcMethod, type WireMethod } from "./grpc-definition.ts";
export { type BodyDigest, bodyDigest } from "./hot/body-digest.ts";
export { type Deliverable, deliverySize, storedBody, writeDelivery } from "./hot/delivery.ts";
export { SendMessageScanner } from "./hot/send-message-scanner.ts";
export { type Moment, momentMs, type Span, SpanList } from "./hot/spans.ts";
export { normalizeMessage, type StoredLayout, storedSize } from "./hot/stored-message.ts";
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
export { type Init, type MessageCodec } from "./protobuf/message-codec.ts";
export * as v2 from "./rocketmq/messages.ts";
export { messagingService } from "./rocketmq/service.ts";
export {
  type AdminMethod,
  type AdminMethods,
  adminServiceName,
  errorCodeTrailer,
  type Group as AdminGroup,
  type GroupStart as AdminGroupStart,
  type QueueProgress as AdminQueueProgress,
  type Topic as AdminTopic,
} from "./saturnmq/admin.ts";
export { type AdminCodec, type AdminCodecs, loadAdminCodecs, loadAdminDefinition } from "./saturnmq/admin-codec.ts";
export { WireError } from "./wire-error.ts";
