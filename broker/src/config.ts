import { parseConfig } from "@saturnmq/kit/config";
import { z } from "zod";

const kib = 1_024;
const mib = 1_024 * kib;
const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const dayMs = 24 * 60 * minuteMs;

/** Of a log entry: it holds a request of 16 MiB in its stored form. */
const entryBytesMax = 20 * mib;

const port = z.int().min(0).max(65_535);
const milliseconds = z.int().min(0);
const bytes = z.int().min(1);

const tls = z.strictObject({
  certificateFile: z
    .string()
    .default("")
    .describe(
      "PEM file with the certificate chain; new TLS connections get a new one within 10 s. Empty: a self-signed one is made and kept in the data folder.",
    ),
  keyFile: z.string().default("").describe("PEM file with the certificate's key. Given together with certificateFile."),
});

const connections = z.strictObject({
  max: z.int().min(1).default(20_000).describe("Client connections at once; one more is closed."),
  addressPercentMax: z
    .int()
    .min(1)
    .max(100)
    .default(75)
    .describe(
      "Share of `max` that may come from one address, percent, so that one machine cannot shut out all others. 100 where all clients come through one proxy. By the transport h2.",
    ),
  streamsMax: z.int().min(1).max(65_535).default(1_024).describe("Calls at once on one connection."),
  memoryMib: z
    .int()
    .min(16)
    .default(128)
    .describe("Memory that one connection may hold, MiB; calls beyond it are refused until it reads."),
  idleMs: milliseconds
    .min(10 * secondMs)
    .default(30 * minuteMs)
    .describe("A connection without any call for so long is told to go away, milliseconds."),
  ageMs: milliseconds
    .min(secondMs)
    .default(10 * minuteMs)
    .describe(
      "Age at which a connection is told to go away, give or take a fifth, so that load follows brokers that came, milliseconds; clients connect anew. By the transport h2.",
    ),
  firstBytesTimeoutMs: milliseconds
    .min(100)
    .default(5 * secondMs)
    .describe("A connection that has not said what it speaks by then is closed, milliseconds."),
});

const limits = z.strictObject({
  requestBytesMax: bytes
    .max(16 * mib)
    .default(16 * mib)
    .describe("Largest request, bytes; also bounded by store.segmentBytes."),
  bodyBytesMax: bytes
    .max(16 * mib)
    .default(4 * mib)
    .describe("Largest message body, bytes."),
  propertiesMax: z.int().min(1).default(128).describe("User properties of one message."),
  propertiesBytesMax: bytes.default(16 * kib).describe("User properties, tag and keys of one message together, bytes."),
  receiveBatchMax: z.int().min(1).max(1_024).default(32).describe("Messages in the answer to one receive."),
  pollMaxMs: milliseconds.default(40 * secondMs).describe("Longest that an empty receive is held, milliseconds."),
  pollDefaultMs: milliseconds
    .default(20 * secondMs)
    .describe("How long an empty receive is held when the client does not say, milliseconds."),
  invisibleMinMs: milliseconds
    .default(10 * secondMs)
    .describe("Shortest invisible time that a receive may ask for, milliseconds."),
  invisibleMaxMs: milliseconds.default(12 * 60 * minuteMs).describe("Longest invisible time, milliseconds."),
});

const store = z.strictObject({
  segmentBytes: bytes
    .min(2 * mib)
    .multipleOf(4 * kib)
    .default(256 * mib)
    .describe(
      "Size of one log segment, bytes, a multiple of 4,096. Fixed for segments that exist. No request may be larger than this less 1 MiB.",
    ),
  logPercentMax: z
    .int()
    .min(1)
    .max(95)
    .default(70)
    .describe("Share of its file system that the log may take, percent; above it the oldest messages go."),
  logBytesMax: z
    .int()
    .min(0)
    .default(0)
    .describe(
      "Size of the log above which the oldest messages go, bytes, where that is less than logPercentMax. 0: that alone counts. `saturnmq dev` without a word of it: 8 GiB.",
    ),
  retentionMs: milliseconds
    .default(3 * dayMs)
    .describe("How long messages are kept, milliseconds; a topic's may be shorter."),
});

/** Everything a broker can be told. The README's table and the Helm values schema derive from it (`z.toJSONSchema`). */
export const brokerConfigSchema = z
  .strictObject({
    dataDir: z
      .string()
      .min(1)
      .default("./saturnmq-data")
      .describe("Folder of the log and everything else that is kept."),
    host: z.string().min(1).default("0.0.0.0").describe("Address that both ports listen on."),
    grpcPort: port.default(8_081).describe("Port for clients and tools: gRPC, with and without TLS. 0: any free one."),
    transport: z
      .enum(["h2", "grpc-js"])
      .default("h2")
      .describe(
        "What serves the port for clients: h2, our own HTTP/2, or grpc-js, which it is compared with and which takes several times the CPU.",
      ),
    httpPort: port.default(9_090).describe("Port of /healthz, /readyz and /metrics. 0: any free one."),
    nameServers: z
      .array(z.string().regex(/^[^\s:]+:\d{1,5}$|^\[[^\s\]]+\]:\d{1,5}$/, "must be HOST:PORT"))
      .default([])
      .describe(
        "Name servers of the cluster, HOST:PORT each, one at least that answers; in the environment as JSON. Empty: the one in this process.",
      ),
    peerPort: port.min(1).default(8_083).describe("Port for the other brokers of the cluster."),
    advertisedHost: z
      .string()
      .default("")
      .describe(
        "Host name or address by which clients and other brokers reach this one. Empty: `host`, or this machine's name.",
      ),
    zone: z.string().default("").describe("Failure zone that this broker is in."),
    shutdownMs: milliseconds
      .default(8 * secondMs)
      .describe("How long calls in flight may take to finish when the broker is told to stop, milliseconds."),
    tls: tls.prefault({}),
    connections: connections.prefault({}),
    limits: limits.prefault({}),
    store: store.prefault({}),
  })
  .superRefine((config, issue) => {
    if ((config.tls.certificateFile === "") !== (config.tls.keyFile === ""))
      issue.addIssue({
        code: "custom",
        path: ["tls"],
        message: "certificateFile and keyFile are given together or not at all",
      });
    if (config.limits.requestBytesMax < config.limits.bodyBytesMax + 64 * kib)
      issue.addIssue({
        code: "custom",
        path: ["limits", "requestBytesMax"],
        message: "must be at least 64 KiB above bodyBytesMax",
      });
    if (config.limits.invisibleMinMs > config.limits.invisibleMaxMs)
      issue.addIssue({
        code: "custom",
        path: ["limits", "invisibleMinMs"],
        message: "must not be above invisibleMaxMs",
      });
  });

/** A broker's configuration, checked and frozen. */
export type BrokerConfig = z.infer<typeof brokerConfigSchema>;

/** What may be written in a file or by a caller: every key is optional. */
export type BrokerConfigInput = z.input<typeof brokerConfigSchema>;

/**
 * Checks a configuration. `environment` wins: each key is also `SATURNMQ_` and its path in capitals, `grpcPort` as `SATURNMQ_GRPC_PORT`,
 * `store.segmentBytes` as `SATURNMQ_STORE_SEGMENT_BYTES`.
 *
 * @throws {SaturnError} `BAD_REQUEST` that names every wrong key and what it must be
 */
export function parseBrokerConfig(
  input: BrokerConfigInput,
  environment: Readonly<Record<string, string | undefined>> = {},
): BrokerConfig {
  return parseConfig("broker", brokerConfigSchema, input, environment);
}

/** Largest payload of one log entry: what fits a segment beside its heads, and never more than `entryBytesMax`. Bytes. */
export function logEntryBytesMax({ store }: BrokerConfig): number {
  return Math.min(entryBytesMax, store.segmentBytes - mib / 2);
}

/** Largest request that is taken: one whose messages fit one log entry. Bytes. */
export function requestBytesMax(config: BrokerConfig): number {
  return Math.min(config.limits.requestBytesMax, logEntryBytesMax(config) - mib / 2);
}
