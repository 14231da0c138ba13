import { parseConfig } from "@saturnmq/kit/config";
import { z } from "zod";

/** Everything an operator can be told. */
export const operatorConfigSchema = z.strictObject({
  namespaces: z
    .array(z.string().min(1).max(63))
    .default([])
    .describe("Namespaces that are looked after; in the environment as JSON. Empty: all, which needs rights in all."),
  image: z
    .string()
    .min(1)
    .default("saturnmq:0.1.0")
    .describe("Image of brokers and name servers whose custom resource names none."),
  leaseName: z
    .string()
    .min(1)
    .max(63)
    .default("saturnmq-operator")
    .describe("Lease by which one of several operators leads."),
  leaseNamespace: z.string().max(63).default("").describe("Namespace of that Lease. Empty: the operator's own."),
  identity: z
    .string()
    .max(63)
    .default("")
    .describe("Name of this process among operators. Empty: its host's name and a random part."),
  host: z.string().min(1).default("0.0.0.0").describe("Address that the port listens on."),
  httpPort: z
    .int()
    .min(0)
    .max(65_535)
    .default(9_090)
    .describe("Port of /healthz, /readyz and /metrics. 0: any free one."),
  workers: z.int().min(1).max(64).default(4).describe("Objects of one kind that are worked on at once."),
  shutdownMs: z
    .int()
    .min(0)
    .default(4_000)
    .describe("How long steps that were begun may take to end when the operator is told to stop, milliseconds."),
});

export type OperatorConfig = z.infer<typeof operatorConfigSchema>;
export type OperatorConfigInput = z.input<typeof operatorConfigSchema>;

/** Checks a configuration; `environment` wins. @throws {SaturnError} `BAD_REQUEST` that names every wrong key and what it must be */
export function parseOperatorConfig(
  input: OperatorConfigInput,
  environment: Readonly<Record<string, string | undefined>> = {},
): OperatorConfig {
  return parseConfig("operator", operatorConfigSchema, input, environment);
}
