/** A manifest that the API server must refuse, and a word of its reason. */
export type Invalid = {
  readonly what: string;
  readonly kind: string;
  readonly spec: object;
  readonly name?: string;
  readonly says: RegExp;
};

const broker = { nameServerRef: { name: "main" } };
const topic = { brokerRef: { name: "main" } };

/** Refused when they are made. */
export const invalidAtCreation: readonly Invalid[] = [
  { what: "even name servers", kind: "NameServer", spec: { replicas: 2 }, says: /spec\.replicas.*supported values/i },
  { what: "negative name servers", kind: "NameServer", spec: { replicas: -1 }, says: /spec\.replicas/ },
  {
    what: "text for a number",
    kind: "NameServer",
    spec: { replicas: "three" },
    says: /spec\.replicas.*must be of type integer/,
  },
  {
    what: "a size that is no quantity",
    kind: "NameServer",
    spec: { storage: { size: "much" } },
    says: /spec\.storage\.size.*should match/,
  },
  {
    what: "an unknown reclaim policy",
    kind: "NameServer",
    spec: { storage: { reclaim: "Keep" } },
    says: /spec\.storage\.reclaim.*supported values/i,
  },
  {
    what: "an unknown pull policy",
    kind: "NameServer",
    spec: { imagePullPolicy: "Sometimes" },
    says: /imagePullPolicy/,
  },
  {
    what: "an unknown update strategy",
    kind: "NameServer",
    spec: { updateStrategy: "Recreate" },
    says: /updateStrategy/,
  },
  {
    what: "a lease of nothing",
    kind: "NameServer",
    spec: { settings: { brokerLeaseMs: 1 } },
    says: /brokerLeaseMs.*greater than or equal to 1000/,
  },
  { what: "an unknown field", kind: "NameServer", spec: { replica: 3 }, says: /unknown field "spec\.replica"/ },
  {
    what: "a name with dots",
    kind: "NameServer",
    name: "a.b",
    spec: {},
    says: /metadata\.name` of a NameServer must begin with a letter, have no dots/,
  },
  {
    what: "a name that is too long",
    kind: "Broker",
    name: "b".repeat(41),
    spec: broker,
    says: /at most 40 characters/,
  },
  { what: "no name server", kind: "Broker", spec: {}, says: /spec\.nameServerRef.*Required/ },
  { what: "an empty reference", kind: "Broker", spec: { nameServerRef: { name: "" } }, says: /nameServerRef\.name/ },
  {
    what: "negative brokers",
    kind: "Broker",
    spec: { ...broker, replicas: -1 },
    says: /spec\.replicas.*greater than or equal to 0/,
  },
  {
    what: "too many brokers",
    kind: "Broker",
    spec: { ...broker, replicas: 101 },
    says: /spec\.replicas.*less than or equal to 100/,
  },
  {
    what: "fewer brokers than copies",
    kind: "Broker",
    spec: { ...broker, replicas: 2 },
    says: /must be 0 or at least `replicationFactor`/,
  },
  {
    what: "no shards",
    kind: "Broker",
    spec: { ...broker, shards: 0 },
    says: /spec\.shards.*greater than or equal to 1/,
  },
  {
    what: "too many copies",
    kind: "Broker",
    spec: { ...broker, replicationFactor: 8 },
    says: /replicationFactor.*less than or equal to 7/,
  },
  {
    what: "a node port without such a Service",
    kind: "Broker",
    spec: { ...broker, service: { nodePort: 30_000 } },
    says: /service\.nodePort` needs `service\.type`/,
  },
  {
    what: "an unknown type of Service",
    kind: "Broker",
    spec: { ...broker, service: { type: "Ingress" } },
    says: /spec\.service\.type/,
  },
  {
    what: "a port beyond all ports",
    kind: "Broker",
    spec: { ...broker, service: { type: "NodePort", nodePort: 70_000 } },
    says: /nodePort.*less than or equal to 65535/,
  },
  {
    what: "an unknown setting",
    kind: "Broker",
    spec: { ...broker, configuration: { limits: { messages: 1 } } },
    says: /unknown field "spec\.configuration\.limits\.messages"/,
  },
  {
    what: "a setting beyond its bound",
    kind: "Broker",
    spec: { ...broker, configuration: { store: { logPercentMax: 96 } } },
    says: /logPercentMax.*less than or equal to 95/,
  },
  {
    what: "a folder of its own",
    kind: "Broker",
    spec: { ...broker, configuration: { dataDir: "/" } },
    says: /unknown field "spec\.configuration\.dataDir"/,
  },
  {
    what: "containers of its own",
    kind: "Broker",
    spec: { ...broker, podTemplate: { containers: [] } },
    says: /unknown field "spec\.podTemplate\.containers"/,
  },
  {
    what: "text for a switch",
    kind: "Broker",
    spec: { ...broker, paused: "yes" },
    says: /spec\.paused.*must be of type boolean/,
  },
  {
    what: "an unknown spread",
    kind: "Broker",
    spec: { ...broker, zones: { whenUnsatisfiable: "Wait" } },
    says: /whenUnsatisfiable/,
  },
  { what: "no broker set", kind: "Topic", spec: {}, says: /spec\.brokerRef.*Required/ },
  {
    what: "an unknown type of topic",
    kind: "Topic",
    spec: { ...topic, type: "QUEUE" },
    says: /spec\.type.*supported values.*NORMAL/i,
  },
  { what: "no queues", kind: "Topic", spec: { ...topic, queues: 0 }, says: /spec\.queues.*greater than or equal to 1/ },
  {
    what: "too many queues",
    kind: "Topic",
    spec: { ...topic, queues: 1_025 },
    says: /spec\.queues.*less than or equal to 1024/,
  },
  {
    what: "a topic name with a slash",
    kind: "Topic",
    spec: { ...topic, topicName: "../../x" },
    says: /topicName.*should match/,
  },
  {
    what: "a topic name that is too long",
    kind: "Topic",
    spec: { ...topic, topicName: "t".repeat(128) },
    says: /topicName/,
  },
  {
    what: "an unknown deletion policy",
    kind: "Topic",
    spec: { ...topic, deletionPolicy: "Orphan" },
    says: /deletionPolicy/,
  },
  {
    what: "messages kept for no time",
    kind: "Topic",
    spec: { ...topic, retentionSeconds: 0 },
    says: /retentionSeconds.*greater than or equal to 1/,
  },
  {
    what: "no attempts",
    kind: "ConsumerGroup",
    spec: { ...topic, maxAttempts: 0 },
    says: /maxAttempts.*greater than or equal to 1/,
  },
  { what: "an unknown order", kind: "ConsumerGroup", spec: { ...topic, order: "Fair" }, says: /spec\.order/ },
  {
    what: "an unknown start",
    kind: "ConsumerGroup",
    spec: { ...topic, startPosition: "Middle" },
    says: /startPosition/,
  },
];

/** A change that the API server must refuse to an object that was made from `from`. */
export type InvalidChange = {
  readonly what: string;
  readonly kind: string;
  readonly from: object;
  readonly to: object;
  readonly says: RegExp;
};

export const invalidChanges: readonly InvalidChange[] = [
  {
    what: "an even number of name servers",
    kind: "NameServer",
    from: { replicas: 3 },
    to: { replicas: 4 },
    says: /spec\.replicas.*supported values/i,
  },
  {
    what: "another number of shards",
    kind: "Broker",
    from: { ...broker, shards: 24 },
    to: { shards: 48 },
    says: /`shards` is fixed/,
  },
  {
    what: "another number of copies",
    kind: "Broker",
    from: broker,
    to: { replicationFactor: 1 },
    says: /`replicationFactor` is fixed/,
  },
  {
    what: "another cluster",
    kind: "Broker",
    from: broker,
    to: { nameServerRef: { name: "other" } },
    says: /`nameServerRef` is fixed/,
  },
  {
    what: "a smaller volume",
    kind: "Broker",
    from: { ...broker, storage: { size: "2Gi" } },
    to: { storage: { size: "1500Mi" } },
    says: /`storage\.size` cannot shrink/,
  },
  {
    what: "another storage class",
    kind: "Broker",
    from: broker,
    to: { storage: { className: "fast" } },
    says: /`storage\.className` is fixed/,
  },
  { what: "another type of topic", kind: "Topic", from: topic, to: { type: "FIFO" }, says: /`type` is fixed/ },
  {
    what: "another retention",
    kind: "Topic",
    from: topic,
    to: { retentionSeconds: 60 },
    says: /`retentionSeconds` is fixed/,
  },
];

/** Changes that must be taken, from what is just as odd. */
export const validChanges: readonly Omit<InvalidChange, "says">[] = [
  { what: "a set that exists may ask for fewer than copies", kind: "Broker", from: broker, to: { replicas: 1 } },
  {
    what: "a larger volume in other words",
    kind: "Broker",
    from: { ...broker, storage: { size: "1024Mi" } },
    to: { storage: { size: "1Gi" } },
  },
  { what: "other numbers of name servers", kind: "NameServer", from: { replicas: 3 }, to: { replicas: 5 } },
  { what: "hibernation", kind: "Broker", from: broker, to: { replicas: 0 } },
];
