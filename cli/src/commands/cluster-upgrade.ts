import { type AdminMethods, featureLevels } from "@saturnmq/wire";
import { AdminClient, newRequestId } from "../client/admin-client.ts";
import type { Io } from "../io.ts";
import { type GlobalOptions, printResult } from "../output.ts";

type Description = AdminMethods["DescribeCluster"]["reply"];

export type UpgradeOptions = GlobalOptions & {
  /** Absent: the highest that all members know. */
  readonly to?: number;
  readonly dryRun?: boolean;
};

/** Raises the cluster's feature level. What stands in the way is the server's to say. */
export async function clusterUpgrade(io: Io, options: UpgradeOptions): Promise<void> {
  using admin = await AdminClient.open(options.endpoint);
  const cluster = await admin.call("DescribeCluster", {});
  const { featureLevel: from, featureLevelReady } = cluster;
  const { to = featureLevelReady, dryRun = false } = options;
  const raises = to !== from;
  if (raises && !dryRun) await admin.call("RaiseFeatureLevel", { requestId: newRequestId(), level: to });
  const result = { from, to, raised: raises && !dryRun, heldBackBy: heldBackBy(cluster) };
  await printResult(io, options.output, result, () => {
    if (raises) return [raisedText(from, to, dryRun), ...newlyAllowed(from, to)].join("\n");
    return [
      `the cluster stands on feature level ${from}, the highest that all its members know`,
      ...result.heldBackBy,
    ].join("\n  ");
  });
}

function raisedText(from: number, to: number, dryRun: boolean): string {
  if (dryRun) return `the feature level would be raised from ${from} to ${to}`;
  return `the feature level is raised from ${from} to ${to}: programs that do not know it are refused from now on`;
}

function newlyAllowed(from: number, to: number): readonly string[] {
  return featureLevels
    .filter(({ level }) => level > from && level <= to)
    .map(({ level, allows }) => `  ${level}: ${allows}`);
}

/** Members that know less than another one does. */
function heldBackBy({ nameServers, brokers }: Description): readonly string[] {
  const living = brokers.filter(({ state }) => state !== "removed");
  const best = Math.max(0, ...[...nameServers, ...living].map(({ featureLevel }) => featureLevel));
  const behind = (kind: string, members: readonly { readonly id: number; readonly featureLevel: number }[]) =>
    members
      .filter(({ featureLevel }) => featureLevel < best)
      .map(({ id, featureLevel }) => `${kind} ${id} knows ${featureLevel}, others ${best}`);
  return [...behind("name server", nameServers), ...behind("broker", living)];
}
