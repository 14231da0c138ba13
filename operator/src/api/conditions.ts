import { z } from "zod";

/** metav1.Condition. `lastTransitionTime` changes only with `status`. */
const condition = z.strictObject({
  type: z.string().max(316),
  status: z.enum(["True", "False", "Unknown"]),
  reason: z.string().min(1).max(1_024),
  message: z.string().max(32_768),
  observedGeneration: z.int().min(0).meta({ format: "int64" }),
  lastTransitionTime: z.string().meta({ format: "date-time" }),
});

/** Conditions as every status carries them. */
export const conditions = z
  .array(condition)
  .max(16)
  .optional()
  .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] })
  .describe("How the object is. Types and reasons are closed lists, below.");

/** The generation of `spec` that the status is about. */
export const observedGeneration = z
  .int()
  .min(0)
  .optional()
  .meta({ format: "int64" })
  .describe("Generation of `spec` that this status is about.");

export type Condition = z.infer<typeof condition>;
