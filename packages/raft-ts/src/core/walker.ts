import type { Configuration, ReplicaId } from "../ports.ts";
import { type ConfigurationChange, isJoint, type MemberChange } from "./membership.ts";

/** The configuration that a placement asks for. */
export type ConfigurationTarget = {
  /** At least one; ids unique. */
  readonly voters: readonly ReplicaId[];
  /** Learners that stay learners; none by default. */
  readonly learners?: readonly ReplicaId[];
  readonly revision: number;
};

/** How far a replica is: `ready` once it may vote, which the caller decides (its log has caught up, its back-fill is durable). */
export type Readiness = "ready" | "behind";

export type WalkStep =
  /** Propose this; ask again when it is committed. */
  | { readonly kind: "change"; readonly change: ConfigurationChange }
  /** The leader is about to be dropped: hand over to this voter first, so that nobody has to wait for an election. */
  | { readonly kind: "handOver"; readonly to: ReplicaId }
  /** Nothing to propose yet: these learners must become ready, or (nobody named) the leader leaves the joint configuration by itself. */
  | { readonly kind: "wait"; readonly for: readonly ReplicaId[] }
  | { readonly kind: "done" }
  /** The target is older than the present configuration: it was walked to already, or given up. */
  | { readonly kind: "outdated" };

/**
 * The one next step from `current` to `target`: newcomers join as learners, get ready, become voters in one change that drops who leaves, and learners
 * that nobody wants go last. One voter is changed simply, more by way of a joint configuration that leaves itself.
 *
 * `leader`, if given, hands over before it is dropped, as long as one who stays can take over; else it steps down when that is committed.
 *
 * Pure and without memory: whoever leads may take over at any step, and a new target is walked to from wherever the old walk had come.
 */
export function nextChange(
  current: Configuration,
  target: ConfigurationTarget,
  readinessOf: (replica: ReplicaId) => Readiness,
  leader?: ReplicaId,
): WalkStep {
  const { revision } = target;
  if (revision < current.revision) return { kind: "outdated" };
  if (isJoint(current))
    return current.autoLeave ? { kind: "wait", for: [] } : { kind: "change", change: leave(current, revision) };
  const joining = target.voters.filter((id) => !current.incoming.includes(id));
  const strangers = joining.filter((id) => !current.learners.includes(id));
  if (strangers.length > 0) return simply(strangers.map(asLearner), revision);
  const behind = joining.filter((id) => readinessOf(id) === "behind");
  if (behind.length > 0) return { kind: "wait", for: behind };
  const leaving = current.incoming.filter((id) => !target.voters.includes(id));
  const heir = leader !== undefined && leaving.includes(leader) ? heirIn(current, target, readinessOf) : undefined;
  if (heir !== undefined) return { kind: "handOver", to: heir };
  if (joining.length + leaving.length > 0) return exchangeVoters(joining, leaving, target);
  return settleLearners(current, target);
}

function heirIn(
  current: Configuration,
  { voters }: ConfigurationTarget,
  readinessOf: (replica: ReplicaId) => Readiness,
): ReplicaId | undefined {
  return current.incoming.find((id) => voters.includes(id) && readinessOf(id) === "ready");
}

function exchangeVoters(
  joining: readonly ReplicaId[],
  leaving: readonly ReplicaId[],
  target: ConfigurationTarget,
): WalkStep {
  const changes = [...joining.map(asVoter), ...leaving.map((id) => asWanted(id, target))];
  if (changes.length === 1) return simply(changes, target.revision);
  return { kind: "change", change: { kind: "joint", changes, autoLeave: true, revision: target.revision } };
}

/** Voters are as they should be. Even when all is, the revision is put down: an older target must never be walked to again. */
function settleLearners(current: Configuration, target: ConfigurationTarget): WalkStep {
  const { learners: wanted = [], revision } = target;
  const missing = wanted.filter((id) => !current.learners.includes(id) && !current.incoming.includes(id));
  const needless = current.learners.filter((id) => !wanted.includes(id));
  if (missing.length + needless.length > 0)
    return simply([...missing.map(asLearner), ...needless.map((id) => asWanted(id, target))], revision);
  return current.revision < revision ? simply([], revision) : { kind: "done" };
}

function simply(changes: readonly MemberChange[], revision: number): WalkStep {
  return { kind: "change", change: { kind: "simple", changes, revision } };
}

function leave(current: Configuration, revision: number): ConfigurationChange {
  return { kind: "leave", changes: [], revision: Math.max(revision, current.revision) };
}

function asLearner(replica: ReplicaId): MemberChange {
  return { kind: "addLearner", replica };
}

function asVoter(replica: ReplicaId): MemberChange {
  return { kind: "addVoter", replica };
}

/** What becomes of a voter or learner that the target does not want as what it is. */
function asWanted(replica: ReplicaId, { learners = [] }: ConfigurationTarget): MemberChange {
  return { kind: learners.includes(replica) ? "addLearner" : "remove", replica };
}
