import type { AdminMethods } from "@saturnmq/wire";
import { AdminClient } from "../client/admin-client.ts";
import type { Io } from "../io.ts";
import { facts, type GlobalOptions, printResult, table } from "../output.ts";
import { watch } from "../watch.ts";
import { brokerTable } from "./broker.ts";
import { nameServerTable } from "./name-server.ts";
import { leaderOf, shardTable } from "./shard.ts";

type Description = AdminMethods["DescribeCluster"]["reply"];
type Shard = Description["shards"][number];

export type StatusOptions = GlobalOptions & {
  readonly watch?: boolean;
  /** Milliseconds between two looks. */
  readonly every: number;
};

/** Shows how the cluster is: once, or again and again until Ctrl-C. */
export async function clusterStatus(io: Io, options: StatusOptions): Promise<void> {
  using admin = await AdminClient.open(options.endpoint);
  if (options.watch !== true) {
    const cluster = await admin.call("DescribeCluster", {});
    await printResult(io, options.output, cluster, () => statusText(cluster));
    return;
  }
  await watch(io, {
    ...{ output: options.output, everyMs: options.every },
    look: (signal) => admin.call("DescribeCluster", {}, signal),
    text: (cluster, rows) => statusText(cluster, rows),
  });
}

/**
 * The cluster for people.
 *
 * @param rows lines that there is room for; shards that need a look come first then
 */
export function statusText(cluster: Description, rows = Number.POSITIVE_INFINITY): string {
  const { clusterId, revision, replicationFactor, featureLevel, featureLevelReady, topics, groups, shards } = cluster;
  const ready =
    featureLevelReady > featureLevel ? ` ('saturnmq cluster upgrade' can raise it to ${featureLevelReady})` : "";
  const head = [
    facts([
      ["Cluster id", clusterId],
      ["State", troublesOf(cluster).join("; ") || "all is well"],
      ["Revision", revision],
      ["Replicas a shard", replicationFactor],
      ["Feature level", `${featureLevel}${ready}`],
      ["Topics", topics],
      ["Consumer groups", groups],
    ]),
    ...(cluster.nameServers.length === 0 ? [] : [nameServerTable(cluster.nameServers)]),
    zoneTable(cluster),
    brokerTable(cluster.brokers),
  ].join("\n\n");
  const room = rows - head.split("\n").length - 3;
  if (shards.length <= room) return `${head}\n\n${shardTable(cluster, shards)}`;
  const shown = urgentFirst(cluster).slice(0, Math.max(0, room));
  const rest = `and ${shards.length - shown.length} more shards: see 'saturnmq shard list'`;
  return [head, "", ...(shown.length === 0 ? [] : [shardTable(cluster, shown)]), rest].join("\n");
}

/** What is not as it should be, in words; nothing: all is well. */
function troublesOf(cluster: Description): readonly string[] {
  const { nameServers, brokers, shards, stale } = cluster;
  const down = brokers.filter(({ state }) => state === "down");
  const leaderless = shards.filter((shard) => leaderOf(cluster, shard) === undefined);
  const downIds = new Set(down.map(({ id }) => id));
  const weak = shards.filter(({ voters }) => voters.some((id) => downIds.has(id)));
  return [
    ...(stale ? ["no name server leads, this is what the broker watched last"] : []),
    ...some(
      "name server",
      nameServers.filter(({ up }) => !up).map(({ id }) => id),
      "down",
    ),
    ...some("broker", [...downIds], "down"),
    ...some(
      "broker",
      brokers.filter(({ draining, state }) => draining && state !== "removed").map(({ id }) => id),
      "being drained",
    ),
    ...(shards.length === 0 ? ["no shards placed yet"] : []),
    ...(leaderless.length === 0 ? [] : [`${leaderless.length} of ${shards.length} shards without a leader`]),
    ...(weak.length === 0 ? [] : [`${weak.length} of ${shards.length} shards with a replica down`]),
    ...(shards.some(({ moving }) => moving) ? [`${shards.filter(({ moving }) => moving).length} shards moving`] : []),
  ];
}

function some(what: string, ids: readonly number[], how: string): readonly string[] {
  return ids.length === 0 ? [] : [`${what}${ids.length === 1 ? "" : "s"} ${ids.join(", ")} ${how}`];
}

type Zone = {
  readonly zone: string;
  readonly brokers: number;
  readonly up: number;
  readonly replicas: number;
  readonly leads: number;
};

function zoneTable({ brokers }: Description): string {
  const present = brokers.filter(({ state }) => state !== "removed");
  const zones = [...new Set(present.map(({ zone }) => zone))].sort().map((zone): Zone => {
    const inside = present.filter((broker) => broker.zone === zone);
    const sum = (of: (broker: Description["brokers"][number]) => number): number =>
      inside.reduce((total, broker) => total + of(broker), 0);
    return {
      ...{ zone, brokers: inside.length, up: inside.filter(({ state }) => state !== "down").length },
      ...{ replicas: sum(({ replicas }) => replicas), leads: sum(({ leads }) => leads) },
    };
  });
  return table(
    zones,
    [
      { title: "ZONE", of: ({ zone }: Zone) => (zone === "" ? "-" : zone) },
      { title: "BROKERS", of: (zone: Zone) => zone.brokers },
      { title: "UP", of: ({ up }: Zone) => up },
      { title: "REPLICAS", of: ({ replicas }: Zone) => replicas },
      { title: "LEADS", of: ({ leads }: Zone) => leads },
    ],
    "no zones",
  );
}

/** Without a leader, moving, far behind, then the others; by number within each. */
function urgentFirst(cluster: Description): readonly Shard[] {
  const urgency = (shard: Shard): number => {
    if (leaderOf(cluster, shard) === undefined) return Number.POSITIVE_INFINITY;
    return (shard.moving ? 2 ** 53 : 0) + Math.max(0, ...shard.lags.map(({ entries }) => entries));
  };
  return [...cluster.shards].sort((a, b) => compare(urgency(b), urgency(a)) || a.shard - b.shard);
}

function compare(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
