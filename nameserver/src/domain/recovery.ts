import { SaturnError } from "@saturnmq/kit";
import type { ReplicaReport, ShardInfo, ShardRecovery } from "@saturnmq/wire";
import { unknownShard } from "./broker-verbs.ts";
import { checkLevel } from "./feature-level.ts";
import type { Presence } from "./presence.ts";
import type { Decision } from "./records.ts";
import { finishedBefore } from "./repeated.ts";
import type { RecoverShard } from "./requests.ts";
import { ascending, isMajority } from "./shards.ts";
import type { MetadataState } from "./state.ts";

/** Members that do not know it would not obey the configuration that a recovery forces. */
const recoveryLevel = 2;

type Candidate = { readonly broker: number; readonly replica: ReplicaReport };

/**
 * Lets the best replica that lives go on alone, after a shard's majority is lost for good. Best is whose log is newest, as in an election: of
 * all that live it lacks least.
 *
 * @throws {SaturnError} `NOT_FOUND` for an unknown shard; `BAD_REQUEST` unless `unsafe` is said; `FAILED_PRECONDITION` while a majority lives,
 *   when no replica does, or below the feature level that it needs
 */
export function decideRecoverShard(
  state: MetadataState,
  presence: Presence,
  { requestId, shard: number, unsafe }: RecoverShard,
): Decision<ShardRecovery> {
  const earlier = finishedBefore(state, requestId, `recoverShard ${number}`);
  if (earlier?.recovery !== undefined) return { records: [], reply: earlier.recovery };
  const shard = state.shards[number];
  if (shard === undefined) throw unknownShard(state, number);
  if (!unsafe) {
    throw new SaturnError(
      "BAD_REQUEST",
      `recovering shard ${number} without its majority may lose acknowledged messages: say unsafe to do it all the same`,
    );
  }
  checkLevel(state, recoveryLevel, "recovering a shard without its majority");
  const lives = (id: number): boolean => state.brokers.get(id)?.alive === true;
  if (isMajority(shard.voters, lives) && isMajority(shard.outgoing, lives)) {
    throw new SaturnError(
      "FAILED_PRECONDITION",
      `a majority of shard ${number}'s voters (${shard.voters.join(", ")}) is up: it elects a leader by itself`,
    );
  }
  const recovery = recoveryOf(shard, bestOf(shard, candidates(state, presence, shard)), presence);
  return { records: [{ kind: "shardRecovered", requestId, shard: number, recovery }], reply: recovery };
}

/** Live voters that have told of their replica. */
function candidates(
  state: MetadataState,
  presence: Presence,
  { shard, voters, outgoing }: ShardInfo,
): readonly Candidate[] {
  const members = ascending(new Set([...voters, ...outgoing]));
  return members.flatMap((broker) => {
    if (state.brokers.get(broker)?.alive !== true) return [];
    const replica = presence.report(broker)?.replicas.find((candidate) => candidate.shard === shard);
    return replica === undefined ? [] : [{ broker, replica }];
  });
}

function bestOf({ shard, voters }: ShardInfo, all: readonly Candidate[]): Candidate {
  const best = [...all].sort(
    (a, b) =>
      b.replica.lastTerm - a.replica.lastTerm || b.replica.lastIndex - a.replica.lastIndex || a.broker - b.broker,
  )[0];
  if (best !== undefined) return best;
  throw new SaturnError(
    "FAILED_PRECONDITION",
    `no voter of shard ${shard} (${voters.join(", ")}) is up and has told of its replica: start one that still has its disk`,
  );
}

function recoveryOf(shard: ShardInfo, { broker, replica }: Candidate, presence: Presence): ShardRecovery {
  const members = ascending(new Set([...shard.voters, ...shard.outgoing, ...shard.learners]));
  const commits = members.map((id) => {
    return presence.report(id)?.replicas.find((other) => other.shard === shard.shard)?.commitIndex ?? 0;
  });
  const knownCommit = Math.max(...commits);
  const { lastIndex } = replica;
  const gap = knownCommit > lastIndex ? `entries ${lastIndex + 1} to ${knownCommit} were committed and are lost; ` : "";
  return {
    survivor: broker,
    writtenOff: members.filter((id) => id !== broker),
    ...{ lastIndex, knownCommit },
    mayBeLost: `${gap}messages and acknowledgements after entry ${lastIndex} that only the written-off brokers hold are lost`,
  };
}
