import { z } from "zod";

const labels = z.record(z.string(), z.string());
/** A part of a pod, or of a custom resource, that the API server judges. */
const passed = z.record(z.string(), z.unknown());

const image = z.strictObject({
  repository: z.string().min(1).default("saturnmq").describe("Without a tag."),
  tag: z.string().default("").describe("Empty: the chart's appVersion."),
  pullPolicy: z.enum(["Always", "IfNotPresent", "Never"]).default("IfNotPresent"),
});

const operatorResources = { requests: { cpu: "50m", memory: "128Mi" }, limits: { memory: "256Mi" } };

const monitoring = z.strictObject({
  serviceMonitor: z
    .strictObject({
      enabled: z.boolean().default(false),
      interval: z.string().default("15s"),
      labels: labels.default({}).describe("As the Prometheus that should scrape selects them."),
    })
    .prefault({})
    .describe("Scraping of the operator, brokers and name servers by the Prometheus operator."),
  rules: z
    .strictObject({ enabled: z.boolean().default(false), labels: labels.default({}) })
    .prefault({})
    .describe("Alerts, as a PrometheusRule."),
  dashboards: z
    .strictObject({ enabled: z.boolean().default(false), labels: labels.default({ grafana_dashboard: "1" }) })
    .prefault({})
    .describe("A dashboard for Grafana, in a ConfigMap that its sidecar finds by these labels."),
  adapterRules: z
    .strictObject({ enabled: z.boolean().default(false) })
    .prefault({})
    .describe("Rules for prometheus-adapter in a ConfigMap: what publish rate and lag of an HPA are made of."),
});

const cluster = z.strictObject({
  enabled: z
    .boolean()
    .default(false)
    .describe("The definitions must be there: install the operator first, then `helm upgrade` with this."),
  name: z.string().max(40).default("main"),
  nameServer: passed.default({ replicas: 3 }).describe("`spec` of the NameServer."),
  broker: passed
    .default({ shards: 24 })
    .describe("`spec` of the Broker, without `nameServerRef`; without `replicas` when an HPA sets them."),
  topics: z.record(z.string(), passed).default({}).describe("By name: `spec` of a Topic, without `brokerRef`."),
  consumerGroups: z
    .record(z.string(), passed)
    .default({})
    .describe("By name: `spec` of a ConsumerGroup, without `brokerRef`."),
});

const target = (description: string) => z.int().min(0).default(0).describe(`${description} 0: not looked at.`);

const autoscaling = z.strictObject({
  enabled: z.boolean().default(false),
  minReplicas: z.int().min(1).max(100).default(3).describe("Not below the replication factor."),
  maxReplicas: z.int().min(1).max(100).default(9),
  cpuPercent: target("CPU of a broker, percent of its request, that is aimed at.").default(70),
  messagesPerSecond: target("Messages that a broker takes a second, by the custom metrics API."),
  unreadMessages: target("Messages on the shards that a broker leads which a group has yet to read, likewise."),
  behavior: passed
    .default({
      scaleUp: { stabilizationWindowSeconds: 60, policies: [{ type: "Pods", value: 2, periodSeconds: 300 }] },
      scaleDown: {
        stabilizationWindowSeconds: 1_800,
        selectPolicy: "Min",
        policies: [{ type: "Pods", value: 1, periodSeconds: 900 }],
      },
    })
    .describe("A broker that joins or leaves has its shards copied: slow steps cost less than needless ones."),
});

/** Everything that the chart can be told. Its values.yaml and values.schema.json are made of this. */
export const chartValues = z.strictObject({
  replicaCount: z.int().min(1).max(5).default(1).describe("Operators; one leads, the others wait."),
  image: image.prefault({}).describe("Of the operator, and of brokers and name servers whose object names none."),
  imagePullSecrets: z.array(z.strictObject({ name: z.string() })).default([]),
  fullnameOverride: z.string().default("").describe("Empty: the release's name."),
  crds: z
    .strictObject({ create: z.boolean().default(true) })
    .prefault({})
    .describe("The definitions are kept when the release is removed: with them every cluster would go."),
  watchNamespaces: z
    .array(z.string().max(63))
    .default([])
    .describe("Namespaces that are looked after, each with a Role of its own. Empty: all, by a ClusterRole."),
  rbac: z.strictObject({ create: z.boolean().default(true) }).prefault({}),
  serviceAccount: z
    .strictObject({
      create: z.boolean().default(true),
      name: z.string().default("").describe("Empty: made of the release's name."),
      annotations: labels.default({}),
    })
    .prefault({}),
  logLevel: z.enum(["debug", "info", "warn", "error"]).default("info").describe("Of the operator."),
  resources: passed.default(operatorResources).describe("Of the operator."),
  nodeSelector: labels.default({}),
  tolerations: z.array(passed).default([]),
  affinity: passed.default({}),
  priorityClassName: z.string().default(""),
  podAnnotations: labels.default({}),
  podLabels: labels.default({}),
  podDisruptionBudget: z
    .strictObject({ enabled: z.boolean().default(false) })
    .prefault({})
    .describe("One operator at a time is evicted; needs more than one."),
  networkPolicy: z
    .strictObject({ enabled: z.boolean().default(true) })
    .prefault({})
    .describe(
      "Nothing but the operator's port of health and metrics can be reached. Clusters get policies of their own.",
    ),
  monitoring: monitoring.prefault({}),
  cluster: cluster.prefault({}).describe("A cluster with this release."),
  autoscaling: autoscaling.prefault({}).describe("An HPA that scales the brokers of `cluster` out and in."),
});
