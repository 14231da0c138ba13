import { z } from "zod";
import { conditions, observedGeneration } from "./conditions.ts";
import {
  image,
  immutable,
  int,
  paused,
  podTemplate,
  reference,
  resources,
  storage,
  updateStrategy,
  withRules,
  zones,
} from "./fields.ts";

const mib = 1_048_576;

/** Keys of the broker's own configuration that a set may give; the others follow from the rest of `spec`. Meaning: docs/configuration.md. */
const configuration = z.strictObject({
  connections: z
    .strictObject({
      max: int(1, 1_000_000).optional().describe("Client connections at once; one more is closed."),
      addressPercentMax: int(1, 100).optional().describe("Share of max that may come from one address, percent."),
      streamsMax: int(1, 65_535).optional().describe("Calls at once on one connection."),
      memoryMib: int(16, 65_536).optional().describe("Memory that one connection may hold, MiB."),
      idleMs: int(10_000, 2_147_483_647)
        .optional()
        .describe("A connection without any call for so long is told to go away, milliseconds."),
    })
    .optional()
    .describe("Bounds of client connections."),
  limits: z
    .strictObject({
      requestBytesMax: int(1, 16 * mib)
        .optional()
        .describe("Largest request, bytes."),
      bodyBytesMax: int(1, 16 * mib)
        .optional()
        .describe("Largest message body, bytes."),
      propertiesMax: int(1, 65_535).optional().describe("User properties of one message."),
      propertiesBytesMax: int(1, mib)
        .optional()
        .describe("User properties, tag and keys of one message together, bytes."),
      receiveBatchMax: int(1, 1_024).optional().describe("Messages in the answer to one receive."),
      pollMaxMs: int(0, 2_147_483_647).optional().describe("Longest that an empty receive is held, milliseconds."),
      invisibleMinMs: int(0, 2_147_483_647)
        .optional()
        .describe("Shortest invisible time that a receive may ask for, milliseconds."),
      invisibleMaxMs: int(0, 2_147_483_647).optional().describe("Longest invisible time, milliseconds."),
    })
    .optional()
    .describe("Bounds of requests and messages."),
  store: z
    .strictObject({
      segmentBytes: int(2 * mib, 1_024 * mib)
        .optional()
        .describe("Size of one log segment, bytes, a multiple of 4,096."),
      logPercentMax: int(1, 95).optional().describe("Share of its volume that the log may take, percent."),
      retentionMs: z
        .int()
        .min(0)
        .max(Number.MAX_SAFE_INTEGER)
        .meta({ format: "int64" })
        .optional()
        .describe("How long messages are kept, milliseconds; a topic's may be shorter."),
    })
    .optional()
    .describe("The message log."),
});

const service = withRules(
  z
    .strictObject({
      type: z
        .enum(["ClusterIP", "NodePort", "LoadBalancer"])
        .default("ClusterIP")
        .describe("Type of the Service that clients use."),
      nodePort: int(1, 65_535)
        .optional()
        .describe("Port of the nodes, for NodePort and LoadBalancer. Absent: one is chosen."),
      annotations: z
        .record(z.string(), z.string().max(1_024))
        .meta({ maxProperties: 64 })
        .optional()
        .describe("Annotations of that Service, as load balancers want them."),
    })
    .prefault({}),
  {
    rule: "!has(self.nodePort) || self.type != 'ClusterIP'",
    message: "`service.nodePort` needs `service.type` 'NodePort' or 'LoadBalancer'",
  },
).describe("How clients reach the brokers. Any broker serves any client, so one Service is enough.");

const fields = z.strictObject({
  nameServerRef: withRules(reference("NameServer"), {
    rule: "self.name == oldSelf.name",
    message: "`nameServerRef` is fixed once the object exists: brokers belong to one cluster for ever",
  }),
  replicas: int(0, 100)
    .default(3)
    .describe(
      "Brokers of the set; an HPA may write it. 0 hibernates: pods go, claims stay. Never fewer than `replicationFactor` otherwise.",
    ),
  shards: withRules(
    int(1, 1_024).default(24).describe("Shards of the cluster: units of replication and of leadership."),
    immutable("shards", "make a new cluster and move the topics"),
  ),
  replicationFactor: withRules(
    int(1, 7)
      .default(3)
      .describe("Copies of every message, each on another broker. Acknowledged is what a majority has on disk."),
    immutable("replicationFactor", "make a new cluster and move the topics"),
  ),
  ...image,
  storage: storage("20Gi"),
  resources: resources.optional().describe("CPU and memory of each broker."),
  zones,
  service,
  configuration: configuration
    .optional()
    .describe("Further settings of the brokers. A change restarts them, one after the other."),
  podTemplate: podTemplate.optional().describe("Where the pods run, and their labels."),
  tlsSecretRef: reference("Secret")
    .optional()
    .describe(
      "Secret of type kubernetes.io/tls for the clients' port; new connections get a new certificate, no pod restarts. Absent: a self-signed certificate.",
    ),
  updateStrategy,
  paused,
});

/** `spec` of a `Broker`, which is a set of brokers. */
export const brokerSpec = withRules(fields, {
  rule: "oldSelf.hasValue() || self.replicas == 0 || self.replicas >= self.replicationFactor",
  message:
    "`replicas` of a new set must be 0 or at least `replicationFactor`: fewer brokers cannot hold so many copies",
  optionalOldSelf: true,
});

const member = z.strictObject({
  name: z.string().max(63).describe("Name of its pod and claim."),
  brokerId: int(0, 2_147_483_647).optional().describe("Its id in the cluster; absent until it has registered."),
  zone: z.string().max(253).optional().describe("The zone that it is in."),
  state: z.string().max(32).describe("Starting, Up, Draining, Down or Leaving."),
  ready: z.boolean().describe("It serves clients."),
});

/** `status` of a `Broker`. */
export const brokerStatus = z.strictObject({
  observedGeneration,
  replicas: int(0, 1_000).optional().describe("Pods that exist."),
  readyReplicas: int(0, 1_000).optional().describe("Pods that are ready."),
  updatedReplicas: int(0, 1_000).optional().describe("Pods that are as `spec` wants them."),
  desiredReplicas: int(0, 100)
    .optional()
    .describe("What `replicas` comes to: never below `replicationFactor`, unless 0."),
  selector: z.string().max(1_024).optional().describe("Labels of the pods that count, for an HPA."),
  clusterId: z.string().max(64).optional().describe("Id of the cluster."),
  members: z
    .array(member)
    .max(1_000)
    .optional()
    .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"] })
    .describe("The brokers."),
  conditions,
});

export type BrokerSpec = z.infer<typeof brokerSpec>;
