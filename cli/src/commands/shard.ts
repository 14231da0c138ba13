import type { AdminMethods } from "@saturnmq/wire";
import { AdminClient, newRequestId } from "../client/admin-client.ts";
import type { Io } from "../io.ts";
import { type GlobalOptions, printResult, table } from "../output.ts";

type Description = AdminMethods["DescribeCluster"]["reply"];
type Shard = Description["shards"][number];

export async function shardList(io: Io, { endpoint, output }: GlobalOptions): Promise<void> {
  using admin = await AdminClient.open(endpoint);
  const cluster = await admin.call("DescribeCluster", {});
  const { shards } = cluster;
  await printResult(io, output, { shards }, () => shardTable(cluster, shards));
}

/** The broker that leads a shard, as far as known; `undefined` when that one is down. */
export function leaderOf({ brokers }: Description, { leaderHint }: Shard): number | undefined {
  const leader = brokers.find(({ id }) => id === leaderHint);
  return leader === undefined || leader.state === "down" || leader.state === "removed" ? undefined : leader.id;
}

export function shardTable(cluster: Description, shards: readonly Shard[]): string {
  return table(
    shards,
    [
      { title: "SHARD", of: ({ shard }: Shard) => shard },
      { title: "LEADER", of: (shard: Shard) => leaderOf(cluster, shard) ?? "-" },
      { title: "VOTERS", of: ({ voters }: Shard) => voters.join(" ") },
      { title: "LEARNERS", of: ({ learners }: Shard) => (learners.length === 0 ? "-" : learners.join(" ")) },
      { title: "MOVES TO", of: ({ moving, targetVoters }: Shard) => (moving ? targetVoters.join(" ") : "-") },
      {
        title: "LAG",
        of: ({ lags }: Shard) => lags.map(({ broker, entries }) => `${broker}:${entries}`).join(" ") || "-",
      },
    ],
    "no shards placed: as many brokers as a shard has voters must register first",
  );
}

export async function shardTransfer(
  io: Io,
  shard: number,
  { endpoint, output, to }: GlobalOptions & { readonly to: number },
): Promise<void> {
  using admin = await AdminClient.open(endpoint);
  await admin.call("TransferShard", { shard, to });
  await printResult(
    io,
    output,
    { shard, to },
    () => `the leader of shard ${shard} is asked to hand over to broker ${to}`,
  );
}

export async function shardRecover(
  io: Io,
  shard: number,
  { endpoint, output, unsafe = false }: GlobalOptions & { readonly unsafe?: boolean },
): Promise<void> {
  using admin = await AdminClient.open(endpoint);
  const recovery = await admin.call("RecoverShard", { requestId: newRequestId(), shard, unsafe });
  await printResult(io, output, recovery, () => {
    const { survivor, writtenOff, mayBeLost } = recovery;
    return `shard ${shard} goes on with broker ${survivor} alone; written off: ${writtenOff.join(" ")}\n${mayBeLost}`;
  });
}
