type Row = {
  /** gRPC status for our own API (`saturnmq.v1`). */
  readonly grpc: number;
  /** RocketMQ 5 `Code` in the response body. */
  readonly v2: number;
  /** Whether the same call may succeed later without a change. */
  readonly retry: "never" | "later";
};

/** One row a code: the whole failure contract. gRPC numbers: grpc.io/docs/guides/status-codes; v2: apache.rocketmq.v2 `Code`. */
export const errorTable = {
  BAD_REQUEST: { grpc: 3, v2: 40000, retry: "never" },
  ILLEGAL_TOPIC: { grpc: 3, v2: 40002, retry: "never" },
  ILLEGAL_CONSUMER_GROUP: { grpc: 3, v2: 40003, retry: "never" },
  ILLEGAL_MESSAGE_TAG: { grpc: 3, v2: 40004, retry: "never" },
  ILLEGAL_MESSAGE_KEY: { grpc: 3, v2: 40005, retry: "never" },
  ILLEGAL_MESSAGE_GROUP: { grpc: 3, v2: 40006, retry: "never" },
  ILLEGAL_MESSAGE_PROPERTY_KEY: { grpc: 3, v2: 40007, retry: "never" },
  ILLEGAL_MESSAGE_ID: { grpc: 3, v2: 40009, retry: "never" },
  ILLEGAL_FILTER_EXPRESSION: { grpc: 3, v2: 40010, retry: "never" },
  ILLEGAL_INVISIBLE_TIME: { grpc: 3, v2: 40011, retry: "never" },
  ILLEGAL_DELIVERY_TIME: { grpc: 3, v2: 40012, retry: "never" },
  INVALID_RECEIPT_HANDLE: { grpc: 3, v2: 40013, retry: "never" },
  MESSAGE_PROPERTY_CONFLICT_WITH_TYPE: { grpc: 3, v2: 40014, retry: "never" },
  UNRECOGNIZED_CLIENT_TYPE: { grpc: 3, v2: 40015, retry: "never" },
  MESSAGE_CORRUPTED: { grpc: 3, v2: 40016, retry: "never" },
  CLIENT_ID_REQUIRED: { grpc: 3, v2: 40017, retry: "never" },
  INVALID_CLIENT_PROPERTIES: { grpc: 3, v2: 40021, retry: "never" },
  FORBIDDEN: { grpc: 7, v2: 40300, retry: "never" },
  NOT_FOUND: { grpc: 5, v2: 40400, retry: "never" },
  MESSAGE_NOT_FOUND: { grpc: 5, v2: 40401, retry: "later" },
  TOPIC_NOT_FOUND: { grpc: 5, v2: 40402, retry: "never" },
  CONSUMER_GROUP_NOT_FOUND: { grpc: 5, v2: 40403, retry: "never" },
  OFFSET_NOT_FOUND: { grpc: 11, v2: 40404, retry: "never" },
  ALREADY_EXISTS: { grpc: 6, v2: 40000, retry: "never" },
  /** What is asked for cannot be done as things stand; the message says what stands in the way. */
  FAILED_PRECONDITION: { grpc: 9, v2: 40000, retry: "never" },
  MESSAGE_BODY_TOO_LARGE: { grpc: 3, v2: 41301, retry: "never" },
  MESSAGE_BODY_EMPTY: { grpc: 3, v2: 41302, retry: "never" },
  TOO_MANY_REQUESTS: { grpc: 8, v2: 42900, retry: "later" },
  MESSAGE_PROPERTIES_TOO_LARGE: { grpc: 3, v2: 43101, retry: "never" },
  INTERNAL_ERROR: { grpc: 13, v2: 50000, retry: "later" },
  INTERNAL_SERVER_ERROR: { grpc: 13, v2: 50001, retry: "later" },
  HA_NOT_AVAILABLE: { grpc: 14, v2: 50002, retry: "later" },
  PROXY_TIMEOUT: { grpc: 4, v2: 50400, retry: "later" },
  UNIMPLEMENTED: { grpc: 12, v2: 50100, retry: "never" },
} as const satisfies Record<string, Row>;

export type ErrorCode = keyof typeof errorTable;

/** A failure a caller can act on: `code` decides what it may do, `message` says what was wrong and what to do. Anything else thrown is a bug. */
export class SaturnError extends Error {
  override readonly name = "SaturnError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
