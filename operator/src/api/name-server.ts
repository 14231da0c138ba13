import { z } from "zod";
import { conditions, observedGeneration } from "./conditions.ts";
import { image, int, paused, podTemplate, resources, storage, updateStrategy, zones } from "./fields.ts";

const settings = z.strictObject({
  brokerLeaseMs: int(1_000, 60_000)
    .optional()
    .describe("A broker without sign of life for so long is down, milliseconds."),
  replacementGraceMs: int(0, 86_400_000)
    .optional()
    .describe("A broker that is down for so long is replaced, milliseconds."),
  moveBudget: int(1, 1_024).optional().describe("Replicas that may be on their way to another broker at once."),
  transferBudget: int(1, 1_024).optional().describe("Leaders that may be asked to hand over at once."),
});

/** `spec` of a `NameServer`. */
export const nameServerSpec = z.strictObject({
  replicas: z
    .union([z.literal(1), z.literal(3), z.literal(5)])
    .default(3)
    .describe(
      "Members of the group: 1, 3 or 5. One may be lost of 3, two of 5. A change adds or removes one member after the other while the group serves.",
    ),
  ...image,
  storage: storage("1Gi"),
  resources: resources.optional().describe("CPU and memory of each name server."),
  zones,
  podTemplate: podTemplate.optional().describe("Where the pods run, and their labels."),
  settings: settings
    .optional()
    .describe("Settings of the cluster at its creation; later `saturnmq cluster` changes them."),
  updateStrategy,
  paused,
});

/** `status` of a `NameServer`. */
export const nameServerStatus = z.strictObject({
  observedGeneration,
  replicas: int(0, 100).optional().describe("Pods that exist."),
  readyReplicas: int(0, 100).optional().describe("Pods that are ready."),
  updatedReplicas: int(0, 100).optional().describe("Pods that are as `spec` wants them."),
  formed: z
    .boolean()
    .optional()
    .describe("The group has formed: from now on a member without its data is lost, not new."),
  memberIds: z
    .array(int(1, 2_147_483_647))
    .max(100)
    .optional()
    .meta({ "x-kubernetes-list-type": "atomic" })
    .describe("Ids of the members, as the group last told: each is its pod's number, and none is given twice."),
  clusterId: z.string().max(64).optional().describe("Id of the cluster."),
  conditions,
});

export type NameServerSpec = z.infer<typeof nameServerSpec>;
