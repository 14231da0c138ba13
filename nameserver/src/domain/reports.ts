import { SaturnError } from "@saturnmq/kit";
import type { BrokerReport, ReplicaReport, ShardInfo } from "@saturnmq/wire";
import type { ReportedShard } from "./records.ts";
import { sameMembers } from "./shards.ts";
import type { MetadataState } from "./state.ts";

/** More members than any configuration on its way has. */
const membersMax = 64;

/**
 * What the leaders among a broker's replicas tell that is new. A leader of an older term, or of a configuration that a forced recovery ended, is
 * not listened to.
 *
 * @throws {SaturnError} `BAD_REQUEST` for a report that no broker of this cluster can give
 */
export function reportedChanges(
  state: MetadataState,
  broker: number,
  { replicas }: BrokerReport,
): readonly ReportedShard[] {
  if (replicas.length > (state.cluster?.shardCount ?? 0)) throw impossible(broker, `${replicas.length} replicas`);
  return replicas.flatMap((replica) => {
    const shard = state.shards[replica.shard];
    if (shard === undefined) throw impossible(broker, `shard ${replica.shard}`);
    checkMembers(state, broker, replica);
    if (!replica.leads || isOutdated(shard, broker, replica) || isKnown(shard, broker, replica)) return [];
    const { term, voters, outgoing, learners, revision } = replica;
    return [{ shard: shard.shard, leader: broker, term, voters, outgoing, learners, revision }];
  });
}

function isOutdated({ term, leaderHint, forced }: ShardInfo, broker: number, replica: ReplicaReport): boolean {
  if (replica.revision < forced.revision) return true;
  return replica.term < term || (replica.term === term && leaderHint !== broker);
}

function isKnown(shard: ShardInfo, broker: number, replica: ReplicaReport): boolean {
  if (shard.leaderHint !== broker || shard.term !== replica.term || shard.revision !== replica.revision) return false;
  return (["voters", "outgoing", "learners"] as const).every((half) => sameMembers(shard[half], replica[half]));
}

/** Members are brokers that have registered; anything else would be placed and watched for ever. */
function checkMembers(
  state: MetadataState,
  broker: number,
  { shard, voters, outgoing, learners }: ReplicaReport,
): void {
  const members = [...voters, ...outgoing, ...learners];
  const unknown = members.find((id) => !state.brokers.has(id));
  if (unknown !== undefined) throw impossible(broker, `shard ${shard} with member ${unknown}, which never registered`);
  if (members.length > membersMax) throw impossible(broker, `shard ${shard} with ${members.length} members`);
}

function impossible(broker: number, what: string): SaturnError {
  return new SaturnError("BAD_REQUEST", `broker ${broker} reports ${what}: that cannot be in this cluster`);
}
