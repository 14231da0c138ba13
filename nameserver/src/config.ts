import { SaturnError } from "@saturnmq/kit";
import { z } from "zod";

/** Everything an embedded name server can be told. */
export const nameServerConfigSchema = z.strictObject({
  dataDir: z.string().min(1).default("./saturnmq-data").describe("Folder of all data; the name server's lies inside."),
  shards: z
    .int()
    .min(1)
    .max(1_024)
    .default(3)
    .describe("Shards of a cluster that is made now. An existing cluster keeps its number."),
});

/** A name server's configuration, checked and frozen. */
export type NameServerConfig = z.infer<typeof nameServerConfigSchema>;

/** What may be written by a caller: every key is optional. */
export type NameServerConfigInput = z.input<typeof nameServerConfigSchema>;

/**
 * Checks a configuration. `environment` wins: `SATURNMQ_DATA_DIR`, `SATURNMQ_SHARDS`.
 *
 * @throws {SaturnError} `BAD_REQUEST` that names every wrong key and what it must be
 */
export function parseNameServerConfig(
  input: NameServerConfigInput,
  environment: Readonly<Record<string, string | undefined>> = {},
): NameServerConfig {
  const { SATURNMQ_DATA_DIR: dataDir, SATURNMQ_SHARDS: shards } = environment;
  const merged = {
    ...input,
    ...(dataDir === undefined ? {} : { dataDir }),
    ...(shards === undefined ? {} : { shards: shards.trim() === "" ? shards : Number(shards) }),
  };
  const parsed = nameServerConfigSchema.safeParse(merged);
  if (parsed.success) return Object.freeze(parsed.data);
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "configuration"}: ${message}`);
  throw new SaturnError("BAD_REQUEST", `the name server's configuration is wrong: ${problems.join("; ")}`);
}
