import type { AdminMethods } from "@saturnmq/wire";
import { AdminClient } from "../client/admin-client.ts";
import type { Io } from "../io.ts";
import { facts, type GlobalOptions, printResult, table } from "../output.ts";

type Description = AdminMethods["DescribeCluster"]["reply"];

export async function clusterDescribe(io: Io, options: GlobalOptions): Promise<void> {
  using admin = await AdminClient.open(options.endpoint);
  const reply = await admin.call("DescribeCluster", {});
  await printResult(io, options.output, reply, () => clusterText(reply));
}

function clusterText({ clusterId, revision, brokers, shards, topics, groups }: Description): string {
  type Broker = Description["brokers"][number];
  type Shard = Description["shards"][number];
  const about = facts([
    ["Cluster id", clusterId],
    ["Revision", revision],
    ["Topics", topics],
    ["Consumer groups", groups],
  ]);
  const brokerTable = table(
    brokers,
    [
      { title: "BROKER", of: ({ id }: Broker) => id },
      { title: "STATE", of: ({ state }: Broker) => state },
      { title: "INCARNATION", of: ({ incarnation }: Broker) => incarnation },
      { title: "ZONE", of: ({ zone }: Broker) => (zone === "" ? "-" : zone) },
    ],
    "no brokers",
  );
  const shardTable = table(
    shards,
    [
      { title: "SHARD", of: ({ shard }: Shard) => shard },
      { title: "LEADER HINT", of: ({ leaderHint }: Shard) => leaderHint },
      { title: "VOTERS", of: ({ voters }: Shard) => voters.join(" ") },
    ],
    "no shards placed: as many brokers as a shard has voters must register first",
  );
  return [about, brokerTable, shardTable].join("\n\n");
}
