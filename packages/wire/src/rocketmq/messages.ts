// Written by scripts/generate.ts from proto/apache/rocketmq/v2. Change those files and run `make generate`.

import { type MessageCodec, SchemaCodec } from "../protobuf/message-codec.ts";
import { rocketmqSchema } from "./schema.ts";

/** A value of `Enum`, or a number that a newer peer knows and we do not: compare, never switch over all. */
export type OpenEnum<Enum extends number> = Enum | (number & Record<never, never>);

const schema = new SchemaCodec(rocketmqSchema);

/** `google.protobuf.Timestamp`. */
export type Timestamp = {
  readonly seconds: number;
  readonly nanos: number;
};
export const Timestamp: MessageCodec<Timestamp> = schema.of<Timestamp>("Timestamp");

/** `google.protobuf.Duration`. */
export type Duration = {
  readonly seconds: number;
  readonly nanos: number;
};
export const Duration: MessageCodec<Duration> = schema.of<Duration>("Duration");

/** `apache.rocketmq.v2.QueryRouteRequest`. */
export type QueryRouteRequest = {
  readonly topic?: Resource | undefined;
  /** The access point as the client sees it. */
  readonly endpoints?: Endpoints | undefined;
};
export const QueryRouteRequest: MessageCodec<QueryRouteRequest> = schema.of<QueryRouteRequest>("QueryRouteRequest");

/** `apache.rocketmq.v2.QueryRouteResponse`. */
export type QueryRouteResponse = {
  readonly status?: Status | undefined;
  readonly messageQueues: readonly MessageQueue[];
};
export const QueryRouteResponse: MessageCodec<QueryRouteResponse> = schema.of<QueryRouteResponse>("QueryRouteResponse");

/** `apache.rocketmq.v2.QueryAssignmentRequest`. */
export type QueryAssignmentRequest = {
  readonly topic?: Resource | undefined;
  readonly group?: Resource | undefined;
  readonly endpoints?: Endpoints | undefined;
};
export const QueryAssignmentRequest: MessageCodec<QueryAssignmentRequest> =
  schema.of<QueryAssignmentRequest>("QueryAssignmentRequest");

/** `apache.rocketmq.v2.QueryAssignmentResponse`. */
export type QueryAssignmentResponse = {
  readonly status?: Status | undefined;
  readonly assignments: readonly Assignment[];
};
export const QueryAssignmentResponse: MessageCodec<QueryAssignmentResponse> =
  schema.of<QueryAssignmentResponse>("QueryAssignmentResponse");

/** `apache.rocketmq.v2.SendMessageRequest`. */
export type SendMessageRequest = {
  /** All of one topic. */
  readonly messages: readonly Message[];
};
export const SendMessageRequest: MessageCodec<SendMessageRequest> = schema.of<SendMessageRequest>("SendMessageRequest");

/** `apache.rocketmq.v2.SendResultEntry`. */
export type SendResultEntry = {
  readonly status?: Status | undefined;
  readonly messageId: string;
  readonly transactionId: string;
  readonly offset: number;
  /** Takes a delayed message back; empty for others. */
  readonly recallHandle: string;
};
export const SendResultEntry: MessageCodec<SendResultEntry> = schema.of<SendResultEntry>("SendResultEntry");

/** `apache.rocketmq.v2.SendMessageResponse`. */
export type SendMessageResponse = {
  readonly status?: Status | undefined;
  /** One a message, in the request's order. */
  readonly entries: readonly SendResultEntry[];
};
export const SendMessageResponse: MessageCodec<SendMessageResponse> =
  schema.of<SendMessageResponse>("SendMessageResponse");

/** `apache.rocketmq.v2.EndTransactionRequest`. */
export type EndTransactionRequest = {
  readonly topic?: Resource | undefined;
  readonly messageId: string;
  readonly transactionId: string;
  readonly resolution: OpenEnum<TransactionResolution>;
  readonly source: OpenEnum<TransactionSource>;
  readonly traceContext: string;
};
export const EndTransactionRequest: MessageCodec<EndTransactionRequest> =
  schema.of<EndTransactionRequest>("EndTransactionRequest");

/** `apache.rocketmq.v2.EndTransactionResponse`. */
export type EndTransactionResponse = {
  readonly status?: Status | undefined;
};
export const EndTransactionResponse: MessageCodec<EndTransactionResponse> =
  schema.of<EndTransactionResponse>("EndTransactionResponse");

/** `apache.rocketmq.v2.RecallMessageRequest`. */
export type RecallMessageRequest = {
  readonly topic?: Resource | undefined;
  readonly recallHandle: string;
};
export const RecallMessageRequest: MessageCodec<RecallMessageRequest> =
  schema.of<RecallMessageRequest>("RecallMessageRequest");

/** `apache.rocketmq.v2.RecallMessageResponse`. */
export type RecallMessageResponse = {
  readonly status?: Status | undefined;
  readonly messageId: string;
};
export const RecallMessageResponse: MessageCodec<RecallMessageResponse> =
  schema.of<RecallMessageResponse>("RecallMessageResponse");

/** `apache.rocketmq.v2.ReceiveMessageRequest`. */
export type ReceiveMessageRequest = {
  readonly group?: Resource | undefined;
  readonly messageQueue?: MessageQueue | undefined;
  readonly filterExpression?: FilterExpression | undefined;
  readonly batchSize: number;
  readonly invisibleDuration?: Duration | undefined;
  /** The server owns and renews the invisible time. */
  readonly autoRenew: boolean;
  readonly longPollingTimeout?: Duration | undefined;
  /** Repeated when the client lost the answer. */
  readonly attemptId?: string | undefined;
};
export const ReceiveMessageRequest: MessageCodec<ReceiveMessageRequest> =
  schema.of<ReceiveMessageRequest>("ReceiveMessageRequest");

/** `apache.rocketmq.v2.ReceiveMessageResponse`. */
export type ReceiveMessageResponse = {
  readonly status?: Status | undefined;
  readonly message?: Message | undefined;
  readonly deliveryTimestamp?: Timestamp | undefined;
};
export const ReceiveMessageResponse: MessageCodec<ReceiveMessageResponse> =
  schema.of<ReceiveMessageResponse>("ReceiveMessageResponse");

/** `apache.rocketmq.v2.AckMessageEntry`. */
export type AckMessageEntry = {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly liteTopic?: string | undefined;
};
export const AckMessageEntry: MessageCodec<AckMessageEntry> = schema.of<AckMessageEntry>("AckMessageEntry");

/** `apache.rocketmq.v2.AckMessageRequest`. */
export type AckMessageRequest = {
  readonly group?: Resource | undefined;
  readonly topic?: Resource | undefined;
  readonly entries: readonly AckMessageEntry[];
};
export const AckMessageRequest: MessageCodec<AckMessageRequest> = schema.of<AckMessageRequest>("AckMessageRequest");

/** `apache.rocketmq.v2.AckMessageResultEntry`. */
export type AckMessageResultEntry = {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly status?: Status | undefined;
};
export const AckMessageResultEntry: MessageCodec<AckMessageResultEntry> =
  schema.of<AckMessageResultEntry>("AckMessageResultEntry");

/** `apache.rocketmq.v2.AckMessageResponse`. */
export type AckMessageResponse = {
  readonly status?: Status | undefined;
  readonly entries: readonly AckMessageResultEntry[];
};
export const AckMessageResponse: MessageCodec<AckMessageResponse> = schema.of<AckMessageResponse>("AckMessageResponse");

/** `apache.rocketmq.v2.ChangeInvisibleDurationRequest`. */
export type ChangeInvisibleDurationRequest = {
  readonly group?: Resource | undefined;
  readonly topic?: Resource | undefined;
  readonly receiptHandle: string;
  readonly invisibleDuration?: Duration | undefined;
  readonly messageId: string;
  readonly liteTopic?: string | undefined;
  readonly suspend?: boolean | undefined;
};
export const ChangeInvisibleDurationRequest: MessageCodec<ChangeInvisibleDurationRequest> =
  schema.of<ChangeInvisibleDurationRequest>("ChangeInvisibleDurationRequest");

/** `apache.rocketmq.v2.ChangeInvisibleDurationResponse`. */
export type ChangeInvisibleDurationResponse = {
  readonly status?: Status | undefined;
  /** Replaces the request's, which is void from now on. */
  readonly receiptHandle: string;
};
export const ChangeInvisibleDurationResponse: MessageCodec<ChangeInvisibleDurationResponse> =
  schema.of<ChangeInvisibleDurationResponse>("ChangeInvisibleDurationResponse");

/** `apache.rocketmq.v2.ForwardMessageToDeadLetterQueueRequest`. */
export type ForwardMessageToDeadLetterQueueRequest = {
  readonly group?: Resource | undefined;
  readonly topic?: Resource | undefined;
  readonly receiptHandle: string;
  readonly messageId: string;
  readonly deliveryAttempt: number;
  readonly maxDeliveryAttempts: number;
  readonly liteTopic?: string | undefined;
};
export const ForwardMessageToDeadLetterQueueRequest: MessageCodec<ForwardMessageToDeadLetterQueueRequest> =
  schema.of<ForwardMessageToDeadLetterQueueRequest>("ForwardMessageToDeadLetterQueueRequest");

/** `apache.rocketmq.v2.ForwardMessageToDeadLetterQueueResponse`. */
export type ForwardMessageToDeadLetterQueueResponse = {
  readonly status?: Status | undefined;
};
export const ForwardMessageToDeadLetterQueueResponse: MessageCodec<ForwardMessageToDeadLetterQueueResponse> =
  schema.of<ForwardMessageToDeadLetterQueueResponse>("ForwardMessageToDeadLetterQueueResponse");

/** `apache.rocketmq.v2.PullMessageRequest`. */
export type PullMessageRequest = {
  readonly group?: Resource | undefined;
  readonly messageQueue?: MessageQueue | undefined;
  readonly offset: number;
  readonly batchSize: number;
  readonly filterExpression?: FilterExpression | undefined;
  readonly longPollingTimeout?: Duration | undefined;
};
export const PullMessageRequest: MessageCodec<PullMessageRequest> = schema.of<PullMessageRequest>("PullMessageRequest");

/** `apache.rocketmq.v2.PullMessageResponse`. */
export type PullMessageResponse = {
  readonly status?: Status | undefined;
  readonly message?: Message | undefined;
  readonly nextOffset?: number | undefined;
};
export const PullMessageResponse: MessageCodec<PullMessageResponse> =
  schema.of<PullMessageResponse>("PullMessageResponse");

/** `apache.rocketmq.v2.UpdateOffsetRequest`. */
export type UpdateOffsetRequest = {
  readonly group?: Resource | undefined;
  readonly messageQueue?: MessageQueue | undefined;
  readonly offset: number;
};
export const UpdateOffsetRequest: MessageCodec<UpdateOffsetRequest> =
  schema.of<UpdateOffsetRequest>("UpdateOffsetRequest");

/** `apache.rocketmq.v2.UpdateOffsetResponse`. */
export type UpdateOffsetResponse = {
  readonly status?: Status | undefined;
};
export const UpdateOffsetResponse: MessageCodec<UpdateOffsetResponse> =
  schema.of<UpdateOffsetResponse>("UpdateOffsetResponse");

/** `apache.rocketmq.v2.GetOffsetRequest`. */
export type GetOffsetRequest = {
  readonly group?: Resource | undefined;
  readonly messageQueue?: MessageQueue | undefined;
};
export const GetOffsetRequest: MessageCodec<GetOffsetRequest> = schema.of<GetOffsetRequest>("GetOffsetRequest");

/** `apache.rocketmq.v2.GetOffsetResponse`. */
export type GetOffsetResponse = {
  readonly status?: Status | undefined;
  readonly offset: number;
};
export const GetOffsetResponse: MessageCodec<GetOffsetResponse> = schema.of<GetOffsetResponse>("GetOffsetResponse");

/** `apache.rocketmq.v2.QueryOffsetRequest`. */
export type QueryOffsetRequest = {
  readonly messageQueue?: MessageQueue | undefined;
  readonly queryOffsetPolicy: OpenEnum<QueryOffsetPolicy>;
  readonly timestamp?: Timestamp | undefined;
};
export const QueryOffsetRequest: MessageCodec<QueryOffsetRequest> = schema.of<QueryOffsetRequest>("QueryOffsetRequest");

/** `apache.rocketmq.v2.QueryOffsetResponse`. */
export type QueryOffsetResponse = {
  readonly status?: Status | undefined;
  readonly offset: number;
};
export const QueryOffsetResponse: MessageCodec<QueryOffsetResponse> =
  schema.of<QueryOffsetResponse>("QueryOffsetResponse");

/** `apache.rocketmq.v2.HeartbeatRequest`. */
export type HeartbeatRequest = {
  /** Consumers only. */
  readonly group?: Resource | undefined;
  readonly clientType: OpenEnum<ClientType>;
};
export const HeartbeatRequest: MessageCodec<HeartbeatRequest> = schema.of<HeartbeatRequest>("HeartbeatRequest");

/** `apache.rocketmq.v2.HeartbeatResponse`. */
export type HeartbeatResponse = {
  readonly status?: Status | undefined;
};
export const HeartbeatResponse: MessageCodec<HeartbeatResponse> = schema.of<HeartbeatResponse>("HeartbeatResponse");

/** `apache.rocketmq.v2.NotifyClientTerminationRequest`. */
export type NotifyClientTerminationRequest = {
  readonly group?: Resource | undefined;
};
export const NotifyClientTerminationRequest: MessageCodec<NotifyClientTerminationRequest> =
  schema.of<NotifyClientTerminationRequest>("NotifyClientTerminationRequest");

/** `apache.rocketmq.v2.NotifyClientTerminationResponse`. */
export type NotifyClientTerminationResponse = {
  readonly status?: Status | undefined;
};
export const NotifyClientTerminationResponse: MessageCodec<NotifyClientTerminationResponse> =
  schema.of<NotifyClientTerminationResponse>("NotifyClientTerminationResponse");

/** `apache.rocketmq.v2.TelemetryCommand`. */
export type TelemetryCommand = {
  readonly status?: Status | undefined;
  readonly settings?: Settings | undefined;
  readonly threadStackTrace?: ThreadStackTrace | undefined;
  readonly verifyMessageResult?: VerifyMessageResult | undefined;
  readonly recoverOrphanedTransactionCommand?: RecoverOrphanedTransactionCommand | undefined;
  readonly printThreadStackTraceCommand?: PrintThreadStackTraceCommand | undefined;
  readonly verifyMessageCommand?: VerifyMessageCommand | undefined;
  readonly reconnectEndpointsCommand?: ReconnectEndpointsCommand | undefined;
  readonly notifyUnsubscribeLiteCommand?: NotifyUnsubscribeLiteCommand | undefined;
};
export const TelemetryCommand: MessageCodec<TelemetryCommand> = schema.of<TelemetryCommand>("TelemetryCommand");

/** `apache.rocketmq.v2.PrintThreadStackTraceCommand`. */
export type PrintThreadStackTraceCommand = {
  readonly nonce: string;
};
export const PrintThreadStackTraceCommand: MessageCodec<PrintThreadStackTraceCommand> =
  schema.of<PrintThreadStackTraceCommand>("PrintThreadStackTraceCommand");

/** `apache.rocketmq.v2.ThreadStackTrace`. */
export type ThreadStackTrace = {
  readonly nonce: string;
  readonly threadStackTrace?: string | undefined;
};
export const ThreadStackTrace: MessageCodec<ThreadStackTrace> = schema.of<ThreadStackTrace>("ThreadStackTrace");

/** `apache.rocketmq.v2.VerifyMessageCommand`. */
export type VerifyMessageCommand = {
  readonly nonce: string;
  readonly message?: Message | undefined;
};
export const VerifyMessageCommand: MessageCodec<VerifyMessageCommand> =
  schema.of<VerifyMessageCommand>("VerifyMessageCommand");

/** `apache.rocketmq.v2.VerifyMessageResult`. */
export type VerifyMessageResult = {
  readonly nonce: string;
};
export const VerifyMessageResult: MessageCodec<VerifyMessageResult> =
  schema.of<VerifyMessageResult>("VerifyMessageResult");

/** Asks a producer what became of a half message. */
export type RecoverOrphanedTransactionCommand = {
  readonly message?: Message | undefined;
  readonly transactionId: string;
};
export const RecoverOrphanedTransactionCommand: MessageCodec<RecoverOrphanedTransactionCommand> =
  schema.of<RecoverOrphanedTransactionCommand>("RecoverOrphanedTransactionCommand");

/** Asks a client to connect anew, for example to leave a broker that drains. */
export type ReconnectEndpointsCommand = {
  readonly nonce: string;
};
export const ReconnectEndpointsCommand: MessageCodec<ReconnectEndpointsCommand> =
  schema.of<ReconnectEndpointsCommand>("ReconnectEndpointsCommand");

/** `apache.rocketmq.v2.NotifyUnsubscribeLiteCommand`. */
export type NotifyUnsubscribeLiteCommand = {
  readonly liteTopic: string;
};
export const NotifyUnsubscribeLiteCommand: MessageCodec<NotifyUnsubscribeLiteCommand> =
  schema.of<NotifyUnsubscribeLiteCommand>("NotifyUnsubscribeLiteCommand");

/** `apache.rocketmq.v2.SyncLiteSubscriptionRequest`. */
export type SyncLiteSubscriptionRequest = {
  readonly action: OpenEnum<LiteSubscriptionAction>;
  readonly topic?: Resource | undefined;
  readonly group?: Resource | undefined;
  readonly liteTopicSet: readonly string[];
  readonly version?: number | undefined;
  readonly offsetOption?: OffsetOption | undefined;
};
export const SyncLiteSubscriptionRequest: MessageCodec<SyncLiteSubscriptionRequest> =
  schema.of<SyncLiteSubscriptionRequest>("SyncLiteSubscriptionRequest");

/** `apache.rocketmq.v2.SyncLiteSubscriptionResponse`. */
export type SyncLiteSubscriptionResponse = {
  readonly status?: Status | undefined;
};
export const SyncLiteSubscriptionResponse: MessageCodec<SyncLiteSubscriptionResponse> =
  schema.of<SyncLiteSubscriptionResponse>("SyncLiteSubscriptionResponse");

/** Outcome of a call or of one entry of it. The hundreds digit groups them as HTTP does: 2 done, 3 mixed, 4 the caller, 5 the server, 6 the consumer. */
export const Code = {
  CODE_UNSPECIFIED: 0,
  OK: 20000,
  MULTIPLE_RESULTS: 30000,
  BAD_REQUEST: 40000,
  ILLEGAL_ACCESS_POINT: 40001,
  ILLEGAL_TOPIC: 40002,
  ILLEGAL_CONSUMER_GROUP: 40003,
  ILLEGAL_MESSAGE_TAG: 40004,
  ILLEGAL_MESSAGE_KEY: 40005,
  ILLEGAL_MESSAGE_GROUP: 40006,
  ILLEGAL_MESSAGE_PROPERTY_KEY: 40007,
  INVALID_TRANSACTION_ID: 40008,
  ILLEGAL_MESSAGE_ID: 40009,
  ILLEGAL_FILTER_EXPRESSION: 40010,
  ILLEGAL_INVISIBLE_TIME: 40011,
  ILLEGAL_DELIVERY_TIME: 40012,
  INVALID_RECEIPT_HANDLE: 40013,
  MESSAGE_PROPERTY_CONFLICT_WITH_TYPE: 40014,
  UNRECOGNIZED_CLIENT_TYPE: 40015,
  MESSAGE_CORRUPTED: 40016,
  CLIENT_ID_REQUIRED: 40017,
  ILLEGAL_POLLING_TIME: 40018,
  ILLEGAL_OFFSET: 40019,
  ILLEGAL_LITE_TOPIC: 40020,
  UNAUTHORIZED: 40100,
  PAYMENT_REQUIRED: 40200,
  FORBIDDEN: 40300,
  NOT_FOUND: 40400,
  MESSAGE_NOT_FOUND: 40401,
  TOPIC_NOT_FOUND: 40402,
  CONSUMER_GROUP_NOT_FOUND: 40403,
  OFFSET_NOT_FOUND: 40404,
  REQUEST_TIMEOUT: 40800,
  PAYLOAD_TOO_LARGE: 41300,
  MESSAGE_BODY_TOO_LARGE: 41301,
  MESSAGE_BODY_EMPTY: 41302,
  PRECONDITION_FAILED: 42800,
  TOO_MANY_REQUESTS: 42900,
  LITE_TOPIC_QUOTA_EXCEEDED: 42901,
  LITE_SUBSCRIPTION_QUOTA_EXCEEDED: 42902,
  REQUEST_HEADER_FIELDS_TOO_LARGE: 43100,
  MESSAGE_PROPERTIES_TOO_LARGE: 43101,
  INTERNAL_ERROR: 50000,
  INTERNAL_SERVER_ERROR: 50001,
  HA_NOT_AVAILABLE: 50002,
  NOT_IMPLEMENTED: 50100,
  PROXY_TIMEOUT: 50400,
  MASTER_PERSISTENCE_TIMEOUT: 50401,
  SLAVE_PERSISTENCE_TIMEOUT: 50402,
  UNSUPPORTED: 50500,
  VERSION_UNSUPPORTED: 50501,
  VERIFY_FIFO_MESSAGE_UNSUPPORTED: 50502,
  FAILED_TO_CONSUME_MESSAGE: 60000,
} as const;
export type Code = (typeof Code)[keyof typeof Code];

/** `apache.rocketmq.v2.Status`. */
export type Status = {
  readonly code: OpenEnum<Code>;
  /** For people: what was wrong and what to do. */
  readonly message: string;
};
export const Status: MessageCodec<Status> = schema.of<Status>("Status");

/** A topic or a consumer group. */
export type Resource = {
  readonly resourceNamespace: string;
  readonly name: string;
};
export const Resource: MessageCodec<Resource> = schema.of<Resource>("Resource");

/** `apache.rocketmq.v2.AddressScheme`. */
export const AddressScheme = {
  ADDRESS_SCHEME_UNSPECIFIED: 0,
  IPv4: 1,
  IPv6: 2,
  DOMAIN_NAME: 3,
} as const;
export type AddressScheme = (typeof AddressScheme)[keyof typeof AddressScheme];

/** `apache.rocketmq.v2.Address`. */
export type Address = {
  readonly host: string;
  readonly port: number;
};
export const Address: MessageCodec<Address> = schema.of<Address>("Address");

/** `apache.rocketmq.v2.Endpoints`. */
export type Endpoints = {
  readonly scheme: OpenEnum<AddressScheme>;
  readonly addresses: readonly Address[];
};
export const Endpoints: MessageCodec<Endpoints> = schema.of<Endpoints>("Endpoints");

/** `apache.rocketmq.v2.Broker`. */
export type Broker = {
  readonly name: string;
  /** 0 marks the one that takes writes; several clients drop every other. */
  readonly id: number;
  readonly endpoints?: Endpoints | undefined;
};
export const Broker: MessageCodec<Broker> = schema.of<Broker>("Broker");

/** `apache.rocketmq.v2.Permission`. */
export const Permission = {
  PERMISSION_UNSPECIFIED: 0,
  NONE: 1,
  READ: 2,
  WRITE: 3,
  READ_WRITE: 4,
} as const;
export type Permission = (typeof Permission)[keyof typeof Permission];

/** `apache.rocketmq.v2.MessageType`. */
export const MessageType = {
  MESSAGE_TYPE_UNSPECIFIED: 0,
  NORMAL: 1,
  FIFO: 2,
  DELAY: 3,
  TRANSACTION: 4,
  LITE: 5,
  PRIORITY: 6,
} as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

/** `apache.rocketmq.v2.MessageQueue`. */
export type MessageQueue = {
  readonly topic?: Resource | undefined;
  readonly id: number;
  readonly permission: OpenEnum<Permission>;
  readonly broker?: Broker | undefined;
  readonly acceptMessageTypes: readonly OpenEnum<MessageType>[];
};
export const MessageQueue: MessageCodec<MessageQueue> = schema.of<MessageQueue>("MessageQueue");

/** A place that a consumer shall poll. */
export type Assignment = {
  readonly messageQueue?: MessageQueue | undefined;
};
export const Assignment: MessageCodec<Assignment> = schema.of<Assignment>("Assignment");

/** `apache.rocketmq.v2.DigestType`. */
export const DigestType = {
  DIGEST_TYPE_UNSPECIFIED: 0,
  CRC32: 1,
  MD5: 2,
  SHA1: 3,
} as const;
export type DigestType = (typeof DigestType)[keyof typeof DigestType];

/** Check sum of a body as it travels. Its text form differs between clients; the package's README has the table. */
export type Digest = {
  readonly type: OpenEnum<DigestType>;
  readonly checksum: string;
};
export const Digest: MessageCodec<Digest> = schema.of<Digest>("Digest");

/** `apache.rocketmq.v2.Encoding`. */
export const Encoding = {
  ENCODING_UNSPECIFIED: 0,
  IDENTITY: 1,
  GZIP: 2,
} as const;
export type Encoding = (typeof Encoding)[keyof typeof Encoding];

/** From where a parked message came. */
export type DeadLetterQueue = {
  readonly topic: string;
  readonly messageId: string;
};
export const DeadLetterQueue: MessageCodec<DeadLetterQueue> = schema.of<DeadLetterQueue>("DeadLetterQueue");

/** `apache.rocketmq.v2.SystemProperties`. */
export type SystemProperties = {
  readonly tag?: string | undefined;
  readonly keys: readonly string[];
  /** Drawn by the client, opaque to the server. */
  readonly messageId: string;
  readonly bodyDigest?: Digest | undefined;
  readonly bodyEncoding: OpenEnum<Encoding>;
  readonly messageType: OpenEnum<MessageType>;
  readonly bornTimestamp?: Timestamp | undefined;
  readonly bornHost: string;
  readonly storeTimestamp?: Timestamp | undefined;
  readonly storeHost: string;
  readonly deliveryTimestamp?: Timestamp | undefined;
  /** Proof of one delivery; acknowledges it. */
  readonly receiptHandle?: string | undefined;
  readonly queueId: number;
  readonly queueOffset?: number | undefined;
  /** From delivery until the message is delivered again. */
  readonly invisibleDuration?: Duration | undefined;
  /** 1 at the first delivery. */
  readonly deliveryAttempt?: number | undefined;
  readonly messageGroup?: string | undefined;
  readonly traceContext?: string | undefined;
  /** How long a half message may stay undecided before its sender is asked. */
  readonly orphanedTransactionRecoveryDuration?: Duration | undefined;
  readonly deadLetterQueue?: DeadLetterQueue | undefined;
  readonly liteTopic?: string | undefined;
  readonly priority?: number | undefined;
};
export const SystemProperties: MessageCodec<SystemProperties> = schema.of<SystemProperties>("SystemProperties");

/** `apache.rocketmq.v2.Message`. */
export type Message = {
  readonly topic?: Resource | undefined;
  readonly userProperties: ReadonlyMap<string, string>;
  readonly systemProperties?: SystemProperties | undefined;
  readonly body: Uint8Array;
};
export const Message: MessageCodec<Message> = schema.of<Message>("Message");

/** `apache.rocketmq.v2.Language`. */
export const Language = {
  LANGUAGE_UNSPECIFIED: 0,
  JAVA: 1,
  CPP: 2,
  DOT_NET: 3,
  GOLANG: 4,
  RUST: 5,
  PYTHON: 6,
  PHP: 7,
  NODE_JS: 8,
  RUBY: 9,
  OBJECTIVE_C: 10,
  DART: 11,
  KOTLIN: 12,
} as const;
export type Language = (typeof Language)[keyof typeof Language];

/** Who a client is. */
export type UA = {
  readonly language: OpenEnum<Language>;
  readonly version: string;
  readonly platform: string;
  readonly hostname: string;
};
export const UA: MessageCodec<UA> = schema.of<UA>("UA");

/** `apache.rocketmq.v2.ClientType`. */
export const ClientType = {
  CLIENT_TYPE_UNSPECIFIED: 0,
  PRODUCER: 1,
  PUSH_CONSUMER: 2,
  SIMPLE_CONSUMER: 3,
  PULL_CONSUMER: 4,
  LITE_PUSH_CONSUMER: 5,
  LITE_SIMPLE_CONSUMER: 6,
} as const;
export type ClientType = (typeof ClientType)[keyof typeof ClientType];

/** Pauses that grow by a factor up to a bound. */
export type ExponentialBackoff = {
  readonly initial?: Duration | undefined;
  readonly max?: Duration | undefined;
  readonly multiplier: number;
};
export const ExponentialBackoff: MessageCodec<ExponentialBackoff> = schema.of<ExponentialBackoff>("ExponentialBackoff");

/** Pauses one by one; the last is repeated. */
export type CustomizedBackoff = {
  readonly next: readonly Duration[];
};
export const CustomizedBackoff: MessageCodec<CustomizedBackoff> = schema.of<CustomizedBackoff>("CustomizedBackoff");

/** `apache.rocketmq.v2.RetryPolicy`. */
export type RetryPolicy = {
  /** The first try counts. */
  readonly maxAttempts: number;
  readonly exponentialBackoff?: ExponentialBackoff | undefined;
  readonly customizedBackoff?: CustomizedBackoff | undefined;
};
export const RetryPolicy: MessageCodec<RetryPolicy> = schema.of<RetryPolicy>("RetryPolicy");

/** `apache.rocketmq.v2.FilterType`. */
export const FilterType = {
  FILTER_TYPE_UNSPECIFIED: 0,
  TAG: 1,
  SQL: 2,
} as const;
export type FilterType = (typeof FilterType)[keyof typeof FilterType];

/** `apache.rocketmq.v2.FilterExpression`. */
export type FilterExpression = {
  readonly type: OpenEnum<FilterType>;
  /** Tags joined by "||", or "*"; or an SQL92 condition on the properties. */
  readonly expression: string;
};
export const FilterExpression: MessageCodec<FilterExpression> = schema.of<FilterExpression>("FilterExpression");

/** `apache.rocketmq.v2.SubscriptionEntry`. */
export type SubscriptionEntry = {
  readonly topic?: Resource | undefined;
  readonly expression?: FilterExpression | undefined;
};
export const SubscriptionEntry: MessageCodec<SubscriptionEntry> = schema.of<SubscriptionEntry>("SubscriptionEntry");

/** `apache.rocketmq.v2.Publishing`. */
export type Publishing = {
  readonly topics: readonly Resource[];
  /** Bytes. */
  readonly maxBodySize: number;
  /** The client refuses a message whose type its topic does not accept. */
  readonly validateMessageType: boolean;
};
export const Publishing: MessageCodec<Publishing> = schema.of<Publishing>("Publishing");

/** `apache.rocketmq.v2.Subscription`. */
export type Subscription = {
  readonly group?: Resource | undefined;
  readonly subscriptions: readonly SubscriptionEntry[];
  readonly fifo?: boolean | undefined;
  readonly receiveBatchSize?: number | undefined;
  readonly longPollingTimeout?: Duration | undefined;
  readonly liteSubscriptionQuota?: number | undefined;
  /** Bytes of a lite topic's name. */
  readonly maxLiteTopicSize?: number | undefined;
};
export const Subscription: MessageCodec<Subscription> = schema.of<Subscription>("Subscription");

/** `apache.rocketmq.v2.Metric`. */
export type Metric = {
  readonly on: boolean;
  readonly endpoints?: Endpoints | undefined;
};
export const Metric: MessageCodec<Metric> = schema.of<Metric>("Metric");

/** Told by the client when it connects, answered with the server's values merged in. */
export type Settings = {
  readonly clientType?: OpenEnum<ClientType> | undefined;
  readonly accessPoint?: Endpoints | undefined;
  readonly backoffPolicy?: RetryPolicy | undefined;
  readonly requestTimeout?: Duration | undefined;
  readonly publishing?: Publishing | undefined;
  readonly subscription?: Subscription | undefined;
  readonly userAgent?: UA | undefined;
  readonly metric?: Metric | undefined;
};
export const Settings: MessageCodec<Settings> = schema.of<Settings>("Settings");

/** `apache.rocketmq.v2.TransactionResolution`. */
export const TransactionResolution = {
  TRANSACTION_RESOLUTION_UNSPECIFIED: 0,
  COMMIT: 1,
  ROLLBACK: 2,
} as const;
export type TransactionResolution = (typeof TransactionResolution)[keyof typeof TransactionResolution];

/** What made the sender decide. */
export const TransactionSource = {
  SOURCE_UNSPECIFIED: 0,
  SOURCE_CLIENT: 1,
  SOURCE_SERVER_CHECK: 2,
} as const;
export type TransactionSource = (typeof TransactionSource)[keyof typeof TransactionSource];

/** `apache.rocketmq.v2.QueryOffsetPolicy`. */
export const QueryOffsetPolicy = {
  BEGINNING: 0,
  END: 1,
  TIMESTAMP: 2,
} as const;
export type QueryOffsetPolicy = (typeof QueryOffsetPolicy)[keyof typeof QueryOffsetPolicy];

/** Where reading begins. */
export type OffsetOption = {
  readonly policy?: OpenEnum<OffsetOptionPolicy> | undefined;
  readonly offset?: number | undefined;
  /** That many before the end. */
  readonly tailN?: number | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly timestamp?: number | undefined;
};
export const OffsetOption: MessageCodec<OffsetOption> = schema.of<OffsetOption>("OffsetOption");

/** `apache.rocketmq.v2.OffsetOption.Policy`. */
export const OffsetOptionPolicy = {
  LAST: 0,
  MIN: 1,
  MAX: 2,
} as const;
export type OffsetOptionPolicy = (typeof OffsetOptionPolicy)[keyof typeof OffsetOptionPolicy];

/** `apache.rocketmq.v2.LiteSubscriptionAction`. */
export const LiteSubscriptionAction = {
  PARTIAL_ADD: 0,
  PARTIAL_REMOVE: 1,
  COMPLETE_ADD: 2,
  COMPLETE_REMOVE: 3,
} as const;
export type LiteSubscriptionAction = (typeof LiteSubscriptionAction)[keyof typeof LiteSubscriptionAction];
