import type { Configuration, ReplicaId } from "../ports.ts";

/** The halves of a configuration that vote. While `outgoing` is not empty every decision needs a majority of both (Raft paper §6). */
export type Voters = Pick<Configuration, "incoming" | "outgoing">;

export type VoteResult = "won" | "lost" | "pending";

/** A configuration of voters only that is not joint. */
export function simple(voters: readonly ReplicaId[], revision = 0): Configuration {
  return { incoming: voters, outgoing: [], learners: [], learnersNext: [], autoLeave: false, revision };
}

/** Voters of both halves, each once. */
export function votersOf(configuration: Voters): readonly ReplicaId[] {
  if (configuration.outgoing.length === 0) return configuration.incoming;
  return [...new Set([...configuration.incoming, ...configuration.outgoing])];
}

/**
 * The largest value that a majority of each half has reached: of acknowledged indexes the committed one, of times of contact the one that counts.
 * `Infinity` when nobody votes, so that an empty half never holds back the other.
 */
export function quorumValue(configuration: Voters, valueOf: (voter: ReplicaId) => number): number {
  return Math.min(majorityValue(configuration.incoming, valueOf), majorityValue(configuration.outgoing, valueOf));
}

/** Outcome of an election: `votes` has those who answered. An empty half has agreed. */
export function voteResult(configuration: Voters, votes: ReadonlyMap<ReplicaId, boolean>): VoteResult {
  const incoming = majorityVote(configuration.incoming, votes);
  const outgoing = majorityVote(configuration.outgoing, votes);
  if (incoming === "lost" || outgoing === "lost") return "lost";
  return incoming === "won" && outgoing === "won" ? "won" : "pending";
}

function majorityValue(voters: readonly ReplicaId[], valueOf: (voter: ReplicaId) => number): number {
  if (voters.length === 0) return Infinity;
  const values: number[] = [];
  // By insertion: it is asked at every step, of a few voters, and `sort` costs several times as much.
  for (const voter of voters) {
    const value = valueOf(voter);
    let at = values.length;
    for (; at > 0 && (values[at - 1] ?? 0) > value; at -= 1) values[at] = values[at - 1] ?? 0;
    values[at] = value;
  }
  // Sorted upwards, the majority begins here: as many as `majority(n)` values are at least this one.
  return values[values.length - majority(voters.length)] ?? 0;
}

function majorityVote(voters: readonly ReplicaId[], votes: ReadonlyMap<ReplicaId, boolean>): VoteResult {
  let granted = 0;
  let open = 0;
  for (const voter of voters) {
    const vote = votes.get(voter);
    if (vote === undefined) open += 1;
    else if (vote) granted += 1;
  }
  const needed = voters.length === 0 ? 0 : majority(voters.length);
  if (granted >= needed) return "won";
  return granted + open >= needed ? "pending" : "lost";
}

/** How many of `count` are more than half. */
function majority(count: number): number {
  return Math.floor(count / 2) + 1;
}
