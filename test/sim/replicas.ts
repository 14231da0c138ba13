import type { OpenBroker } from "@saturnmq/broker/testing";
import type { SeededRandom } from "@saturnmq/kit";
import type { LogStore } from "@saturnmq/store";
import type { SimulatedCluster } from "./world/cluster.ts";

/** Entries of each shard that are compared byte for byte; of all others the terms. */
const comparedMax = 40;

/** A shard, and the logs of all its voters. */
export type Replicas = { readonly shard: number; readonly logs: readonly LogStore[] };

/** Every shard's replicas, once all are where they are wanted and equally far; until then why not. */
export function settledReplicas({ brokers, nameServers }: SimulatedCluster): readonly Replicas[] | string {
  const leader = nameServers.find(({ member }) => member?.metadata.metadata.serving === true);
  if (leader?.member === undefined) return "no name server leads";
  const byId = new Map(
    brokers.flatMap(({ broker }) => (broker === undefined ? [] : [[idOf(broker), broker] as const])),
  );
  const all: Replicas[] = [];
  for (const { shard, voters, outgoing, target, revision } of leader.member.metadata.metadata.state.shards) {
    if (outgoing.length > 0 || revision < target.revision) return `shard ${shard} is on its way to its target`;
    const down = voters.find((id) => !byId.has(id));
    if (down !== undefined) return `broker ${down}, which has shard ${shard}, is down`;
    const logs = voters.flatMap((id) => byId.get(id)?.store ?? []);
    const ends = logs.map((log) => `${log.view(shard).lastIndex} of term ${log.view(shard).lastTerm}`);
    if (new Set(ends).size > 1) return `the replicas of shard ${shard} end at ${ends.join(", ")}`;
    all.push({ shard, logs });
  }
  return all;
}

function idOf({ store }: OpenBroker): number {
  return store.identity.replicaId;
}

/**
 * Log matching (Raft paper, Figure 3), on disk and after everything: where two replicas hold the same index they hold the same entry.
 *
 * @returns where they do not
 */
export async function findDivergence(replicas: readonly Replicas[], random: SeededRandom): Promise<string | undefined> {
  for (const { shard, logs } of replicas) {
    const from = Math.max(...logs.map((log) => log.view(shard).firstIndex));
    const to = Math.min(...logs.map((log) => log.view(shard).lastIndex));
    for (let index = from; index <= to; index += 1) {
      const terms = new Set(logs.map((log) => log.view(shard).termAt(index)));
      if (terms.size > 1) return `shard ${shard} has entries of terms ${[...terms].join(" and ")} at ${index}`;
      if (random.below(to - from + 1) >= comparedMax) continue;
      const entries = await Promise.all(logs.map(async (log) => textOf(await log.read(shard, index))));
      if (new Set(entries).size > 1) return `shard ${shard} has different entries at ${index}`;
    }
  }
  return undefined;
}

function textOf({ kind, payload }: Awaited<ReturnType<LogStore["read"]>>): string {
  const { bytes, start, length } = payload;
  return `${kind} ${Buffer.from(bytes.subarray(start, start + length)).toString("base64")}`;
}
