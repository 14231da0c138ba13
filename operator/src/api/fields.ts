import { z } from "zod";

/** A rule in CEL that the API server checks. `self` is the value, `oldSelf` what it was; a rule with `oldSelf` is about updates only. */
export type CelRule = {
  readonly rule: string;
  readonly message: string;
  /** With `oldSelf` as an optional, so that the rule is checked at creation too. */
  readonly optionalOldSelf?: true;
};

/** Hands CEL rules to the schema of a custom resource; zod does not check them. */
export function withRules<Schema extends z.ZodType>(schema: Schema, ...rules: readonly CelRule[]): Schema {
  return schema.meta({ "x-kubernetes-validations": rules });
}

/** A rule: the value never changes once it is set. `fix` says what to do instead. */
export function immutable(name: string, fix: string): CelRule {
  return { rule: "self == oldSelf", message: `\`${name}\` is fixed once the object exists: ${fix}` };
}

/** A 32-bit integer within bounds. */
export function int(least: number, most: number): z.ZodInt {
  return z.int().min(least).max(most).meta({ format: "int32" });
}

const quantityPattern = /^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$/;

/** A Kubernetes quantity as text: `20Gi`, `500m`. */
const quantity = z
  .string()
  .max(32)
  .regex(quantityPattern, "must be a quantity like 20Gi or 500m")
  .describe("Quantity like 20Gi or 500m.");

const dnsLabel = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** Name of an object of the same namespace. */
export function reference(what: string): z.ZodObject<{ name: z.ZodString }> {
  return z
    .strictObject({ name: z.string().min(1).max(63).regex(dnsLabel).describe(`Name of the ${what}.`) })
    .describe(`The ${what}, in the same namespace.`);
}

/** Any object that Kubernetes itself checks where it arrives. */
const passedOn = z.looseObject({}).meta({ type: "object", "x-kubernetes-preserve-unknown-fields": true });

const labels = z.record(z.string(), z.string().max(1_024)).meta({ maxProperties: 64 });

const resourceList = z
  .record(z.string(), z.union([z.int(), z.string()]).meta({ "x-kubernetes-int-or-string": true }))
  .meta({ maxProperties: 16 });

/** CPU and memory of a pod's container. */
export const resources = z.strictObject({
  requests: resourceList.optional().describe("What is reserved on a node."),
  limits: resourceList.optional().describe("What may be used at most."),
});

/** What a user may say of the pods: where they run and what they are called, never what runs in them. */
export const podTemplate = z.strictObject({
  labels: labels
    .optional()
    .describe("Further labels of the pods. Those of saturnmq.io and app.kubernetes.io stay as they are."),
  annotations: labels
    .optional()
    .describe("Further annotations of the pods; a new one restarts them, one after the other."),
  nodeSelector: labels.optional().describe("Labels that a node must have."),
  tolerations: z
    .array(passedOn)
    .max(32)
    .optional()
    .meta({ "x-kubernetes-list-type": "atomic" })
    .describe("Taints of nodes that are borne, as in a pod."),
  affinity: passedOn.optional().describe("As in a pod; replaces the spread over hosts that is asked for otherwise."),
  priorityClassName: z.string().max(253).optional().describe("Priority class of the pods."),
  imagePullSecrets: z
    .array(reference("Secret"))
    .max(8)
    .optional()
    .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"] })
    .describe("Secrets with credentials for the registry of images."),
});

/**
 * Where data is kept. The size may grow; a class or a shrink would be a new disk, and is refused.
 *
 * @param defaultSize quantity
 */
export function storage(defaultSize: string) {
  return z
    .strictObject({
      size: withRules(
        quantity
          .default(defaultSize)
          .describe(
            "Size of each member's volume. It can grow, where the storage class allows that, and never shrink.",
          ),
        {
          rule: "quantity(self).compareTo(quantity(oldSelf)) >= 0",
          message: "`storage.size` cannot shrink: give at least the present size",
        },
      ),
      className: withRules(
        z.string().max(253).default("").describe("Storage class. Empty: the cluster's default."),
        immutable("storage.className", "make a new set and move the data"),
      ),
      reclaim: z
        .enum(["Delete", "Retain"])
        .default("Retain")
        .describe("What becomes of a member's claim when the member has left the cluster, or the object is deleted."),
    })
    .prefault({})
    .describe("Volume of each member.");
}

/** How members are spread over failure zones. */
export const zones = z
  .strictObject({
    topologyKey: z
      .string()
      .min(1)
      .max(253)
      .default("topology.kubernetes.io/zone")
      .describe("Label of nodes that names their zone."),
    whenUnsatisfiable: z
      .enum(["DoNotSchedule", "ScheduleAnyway"])
      .default("ScheduleAnyway")
      .describe("What a pod does whose zone would have two more members than another: wait, or run all the same."),
  })
  .prefault({})
  .describe("Spread over failure zones.");

/** How pods are replaced when what they should be has changed. */
export const updateStrategy = z
  .enum(["RollingUpdate", "OnDelete"])
  .default("RollingUpdate")
  .describe("RollingUpdate: one pod after the other, while it is safe. OnDelete: only pods that somebody deletes.");

/** Stops every change to the children. */
export const paused = z
  .boolean()
  .default(false)
  .describe("True: nothing is changed but the status. Pods go on as they are.");

/** What becomes of a topic or group when its object is deleted. */
export const deletionPolicy = z
  .enum(["Delete", "Retain"])
  .default("Retain")
  .describe("What becomes of it in the cluster when this object is deleted.");

/** Image and its pulling. */
export const image = {
  image: z.string().max(512).default("").describe("Image of the pods. Empty: the one of the operator's own version."),
  imagePullPolicy: z.enum(["Always", "IfNotPresent", "Never"]).default("IfNotPresent").describe("As in a pod."),
};

export type PodTemplate = z.infer<typeof podTemplate>;
export type Resources = z.infer<typeof resources>;
export type Zones = z.infer<typeof zones>;
