import type { z } from "zod";
import { brokerSpec, brokerStatus } from "./broker.ts";
import type { CelRule } from "./fields.ts";
import { nameServerSpec, nameServerStatus } from "./name-server.ts";
import { consumerGroupSpec, consumerGroupStatus, topicSpec, topicStatus } from "./topic.ts";

export const apiGroup = "saturnmq.io";
export const apiVersion = "v1alpha1";
export const groupVersion = `${apiGroup}/${apiVersion}`;

/** A column of `kubectl get`. */
export type Column = {
  readonly name: string;
  readonly type: "string" | "integer" | "date";
  readonly jsonPath: string;
  readonly description?: string;
  /** 0: always shown; 1: with `-o wide`. */
  readonly priority?: 0 | 1;
};

/** All that makes a custom resource; its CustomResourceDefinition and reference page follow from it. */
export type KindDefinition = {
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly summary: string;
  readonly spec: z.ZodType;
  readonly status: z.ZodType;
  readonly nameBytesMax: number;
  /** Further rules of `spec`. */
  readonly rules: readonly CelRule[];
  readonly columns: readonly Column[];
  readonly scale: boolean;
  readonly selectableFields: readonly string[];
};

const conditionColumn = (name: string, type: string, priority: 0 | 1 = 0): Column => ({
  ...{ name, type: "string", priority },
  jsonPath: `.status.conditions[?(@.type=="${type}")].status`,
});
const reasonColumn = (name: string, type: string, priority: 0 | 1 = 0): Column => ({
  ...{ name, type: "string", priority },
  jsonPath: `.status.conditions[?(@.type=="${type}")].reason`,
});
const age: Column = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };
const column = (name: string, type: "string" | "integer", jsonPath: string, priority: 0 | 1 = 0): Column => ({
  ...{ name, type, jsonPath, priority },
});

/** The kinds of `saturnmq.io/v1alpha1`. */
export const kinds: readonly KindDefinition[] = [
  {
    kind: "NameServer",
    plural: "nameservers",
    shortNames: ["smqns"],
    summary: "The metadata service of a cluster: one Raft group of name servers.",
    spec: nameServerSpec,
    status: nameServerStatus,
    nameBytesMax: 40,
    rules: [],
    columns: [
      column("Desired", "integer", ".spec.replicas"),
      column("Ready", "integer", ".status.readyReplicas"),
      column("Updated", "integer", ".status.updatedReplicas", 1),
      reasonColumn("Status", "Ready"),
      reasonColumn("Progress", "Progressing", 1),
      age,
    ],
    scale: false,
    selectableFields: [],
  },
  {
    kind: "Broker",
    plural: "brokers",
    shortNames: ["smqb"],
    summary: "A set of brokers that joins a cluster; an HPA can scale it.",
    spec: brokerSpec,
    status: brokerStatus,
    nameBytesMax: 40,
    rules: [],
    columns: [
      column("Desired", "integer", ".spec.replicas"),
      column("Current", "integer", ".status.replicas"),
      column("Ready", "integer", ".status.readyReplicas"),
      column("Updated", "integer", ".status.updatedReplicas", 1),
      reasonColumn("Status", "Ready"),
      reasonColumn("Scaling", "Scaling"),
      reasonColumn("Upgrading", "Upgrading", 1),
      reasonColumn("Zones", "ZoneSpread", 1),
      age,
    ],
    scale: true,
    selectableFields: [".spec.nameServerRef.name"],
  },
  {
    kind: "Topic",
    plural: "topics",
    shortNames: ["smqt"],
    summary: "A topic of a cluster.",
    spec: topicSpec,
    status: topicStatus,
    nameBytesMax: 253,
    rules: [
      {
        rule: "has(self.retentionSeconds) == has(oldSelf.retentionSeconds)",
        message: "`retentionSeconds` is fixed once the object exists: make another Topic",
      },
    ],
    columns: [
      column("Broker", "string", ".spec.brokerRef.name"),
      column("Type", "string", ".spec.type"),
      column("Queues", "integer", ".spec.queues"),
      conditionColumn("Ready", "Ready"),
      reasonColumn("Status", "Ready"),
      age,
    ],
    scale: false,
    selectableFields: [".spec.brokerRef.name"],
  },
  {
    kind: "ConsumerGroup",
    plural: "consumergroups",
    shortNames: ["smqcg"],
    summary: "A consumer group of a cluster.",
    spec: consumerGroupSpec,
    status: consumerGroupStatus,
    nameBytesMax: 253,
    rules: [],
    columns: [
      column("Broker", "string", ".spec.brokerRef.name"),
      column("Order", "string", ".spec.order"),
      conditionColumn("Ready", "Ready"),
      reasonColumn("Status", "Ready"),
      age,
    ],
    scale: false,
    selectableFields: [".spec.brokerRef.name"],
  },
];
