import type { AdminMethods } from "@saturnmq/wire";
import { AdminClient, newRequestId } from "../client/admin-client.ts";
import { CliError, exitCodes } from "../exit-codes.ts";
import type { Io } from "../io.ts";
import { bytes, type GlobalOptions, printResult, table } from "../output.ts";
import { untilThrough } from "./cluster-wait.ts";

type Description = AdminMethods["DescribeCluster"]["reply"];
type Broker = Description["brokers"][number];

export async function brokerList(io: Io, { endpoint, output }: GlobalOptions): Promise<void> {
  using admin = await AdminClient.open(endpoint);
  const { brokers } = await admin.call("DescribeCluster", {});
  await printResult(io, output, { brokers }, () => brokerTable(brokers));
}

export function brokerTable(brokers: readonly Broker[]): string {
  return table(
    brokers,
    [
      { title: "BROKER", of: ({ id }: Broker) => id },
      {
        title: "STATE",
        of: ({ state, draining }: Broker) => (draining && state === "down" ? "down, draining" : state),
      },
      { title: "ZONE", of: ({ zone }: Broker) => (zone === "" ? "-" : zone) },
      { title: "REPLICAS", of: ({ replicas }: Broker) => replicas },
      { title: "LEADS", of: ({ leads }: Broker) => leads },
      { title: "FREE", of: ({ totalBytes, freeBytes }: Broker) => (totalBytes === 0 ? "-" : bytes(freeBytes)) },
      { title: "LEVEL", of: ({ featureLevel }: Broker) => featureLevel },
      { title: "ADDRESS", of: ({ address }: Broker) => (address === "" ? "-" : address) },
    ],
    "no brokers",
  );
}

/** What each verb about one broker is called, and what it says when it was taken. */
const verbs = {
  undrain: { method: "CancelDrain", done: "takes replicas and leaders again" },
  "transfer-leaders": {
    method: "TransferLeaders",
    done: "hands over what it leads, and leads nothing until it restarts",
  },
  forget: { method: "ForgetBroker", done: "is forgotten: its id is refused from now on" },
} as const;

export type BrokerVerb = keyof typeof verbs;

export async function brokerVerb(
  io: Io,
  verb: BrokerVerb,
  broker: number,
  { endpoint, output }: GlobalOptions,
): Promise<void> {
  using admin = await AdminClient.open(endpoint);
  const { method, done } = verbs[verb];
  await admin.call(method, { requestId: newRequestId(), broker });
  await printResult(io, output, { broker }, () => `broker ${broker} ${done}`);
}

/** Has a broker emptied; with `wait` until it holds nothing. */
export async function brokerDrain(
  io: Io,
  broker: number,
  { endpoint, output, wait = false }: GlobalOptions & { readonly wait?: boolean },
): Promise<void> {
  using admin = await AdminClient.open(endpoint);
  await admin.call("DrainBroker", { requestId: newRequestId(), broker });
  const left = (cluster: Description): string | undefined => heldBy(cluster, broker);
  if (wait) await untilThrough(io, admin, { left, goesOn: `the drain of broker ${broker} goes on` });
  const how = wait
    ? `holds nothing any more: stop it, then 'saturnmq broker forget ${broker}'`
    : "is being emptied: see 'saturnmq broker list' for what it still holds";
  await printResult(io, output, { broker, empty: wait }, () => `broker ${broker} ${how}`);
}

/** What a broker that is being drained still holds. @throws {CliError} when the drain was taken back */
function heldBy({ brokers }: Description, id: number): string | undefined {
  const broker = brokers.find((candidate) => candidate.id === id);
  if (broker?.draining !== true)
    throw new CliError(
      exitCodes.failure,
      `broker ${id} is not being drained any more: somebody took it back or forgot it`,
    );
  const { replicas, leads } = broker;
  if (replicas === 0 && leads === 0) return undefined;
  return `broker ${id} still holds ${replicas} replicas and leads ${leads} shards`;
}

export async function brokerRestartSafety(io: Io, broker: number, { endpoint, output }: GlobalOptions): Promise<void> {
  using admin = await AdminClient.open(endpoint);
  const report = await admin.call("RestartSafety", { broker });
  await printResult(io, output, report, () => {
    if (report.safe) return `broker ${broker} can be stopped: every shard keeps its majority`;
    const shards = report.shards.map(({ shard, reason }) => `  shard ${shard}: ${reason}`);
    return [`broker ${broker} must not be stopped now, these shards would lose their majority:`, ...shards].join("\n");
  });
}
