import { parseConfig } from "@saturnmq/kit/config";
import { z } from "zod";
import { settingBounds } from "./domain/settings.ts";
import { defaultSettings } from "./domain/state.ts";

const port = z.int().min(0).max(65_535);
const groupSizes: ReadonlySet<number> = new Set([0, 1, 3, 5]);

function setting(name: keyof typeof settingBounds, description: string) {
  const { least, most } = settingBounds[name];
  return z.int().min(least).max(most).default(defaultSettings[name]).describe(description);
}

const settings = z.strictObject({
  brokerLeaseMs: setting("brokerLeaseMs", "A broker without sign of life for so long is down, milliseconds."),
  replacementGraceMs: setting("replacementGraceMs", "A broker that is down for so long is replaced, milliseconds."),
  moveBudget: setting("moveBudget", "Replicas that may be on their way to another broker at once."),
  transferBudget: setting("transferBudget", "Leaders that may be asked to hand over at once."),
});

const member = z.strictObject({
  id: z.int().min(1).max(2_147_483_647).describe("Its member id. Never give one again to an empty folder."),
  host: z.string().min(1).describe("Host name or address at which the other members and the brokers reach it."),
  peerPort: port.default(8_084).describe("Its port for the other members."),
  grpcPort: port.default(8_082).describe("Its port for brokers and tools."),
});

/** Everything a name server can be told. */
export const nameServerConfigSchema = z
  .strictObject({
    dataDir: z
      .string()
      .min(1)
      .default("./saturnmq-data")
      .describe("Folder of all data; the name server's lies inside, in a folder of its own."),
    host: z.string().min(1).default("0.0.0.0").describe("Address that all ports listen on."),
    grpcPort: port.default(8_082).describe("Port for brokers and tools: gRPC. 0: any free one."),
    peerPort: port.default(8_084).describe("Port for the other members of the group."),
    httpPort: port.default(9_090).describe("Port of /healthz, /readyz and /metrics. 0: any free one."),
    self: z.int().min(1).max(2_147_483_647).default(1).describe("Member id of this name server."),
    members: z
      .array(member)
      .default([])
      .describe(
        "All members of the group, this one too: 1, 3 or 5 of {id, host, peerPort, grpcPort}; in the environment as JSON. Empty: this one alone.",
      ),
    clusterId: z
      .string()
      .default("")
      .describe(
        "The cluster that the data must be of; another one, or an empty folder, is refused. Empty: whatever it is of.",
      ),
    shards: z
      .int()
      .min(1)
      .max(1_024)
      .default(24)
      .describe("Shards of a cluster that is made now, 3 in `saturnmq dev`. An existing cluster keeps its number."),
    replicationFactor: z
      .int()
      .min(1)
      .max(7)
      .default(3)
      .describe(
        "Voters a shard of a cluster that is made now, 1 in `saturnmq dev`. An existing cluster keeps its number.",
      ),
    settings: settings.prefault({}),
    shutdownMs: z
      .int()
      .min(0)
      .default(4_000)
      .describe("How long calls in flight may take to finish when the name server is told to stop, milliseconds."),
  })
  .superRefine(({ members, self }, issue) => {
    const complain = (message: string): void => issue.addIssue({ code: "custom", path: ["members"], message });
    if (!groupSizes.has(members.length)) complain(`a group has 1, 3 or 5 members, not ${members.length}`);
    if (new Set(members.map(({ id }) => id)).size < members.length) complain("two members have the same id");
    if (members.length > 0 && !members.some(({ id }) => id === self))
      complain(`this one, self ${self}, is not among them`);
  });

/** A name server's configuration, checked and frozen. */
export type NameServerConfig = z.infer<typeof nameServerConfigSchema>;

/** What may be written by a caller: every key is optional. */
export type NameServerConfigInput = z.input<typeof nameServerConfigSchema>;

/**
 * Checks a configuration. `environment` wins: each key is also `SATURNMQ_` and its path in capitals.
 *
 * @throws {SaturnError} `BAD_REQUEST` that names every wrong key and what it must be
 */
export function parseNameServerConfig(
  input: NameServerConfigInput,
  environment: Readonly<Record<string, string | undefined>> = {},
): NameServerConfig {
  return parseConfig("name server", nameServerConfigSchema, input, environment);
}
