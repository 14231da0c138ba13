import type { Configuration, ReplicaId } from "../ports.ts";
import { configurationProblem } from "./configuration-codec.ts";

/** One member's change. Of replica 0, nobody, it changes nothing. */
export type MemberChange = {
  /** `addVoter` promotes a learner, `addLearner` demotes a voter. Who is what it should be already stays. */
  readonly kind: "addVoter" | "addLearner" | "remove";
  readonly replica: ReplicaId;
};

/**
 * A change of a group's configuration, as one entry.
 *
 * `simple` changes one voter at most, and any number of learners: old and new majorities overlap by themselves (Raft thesis §4.1). `joint` changes
 * any number of voters by way of a joint configuration (Raft paper §6), which the leader leaves by itself with `autoLeave`, else by `leave`.
 */
export type ConfigurationChange = {
  readonly kind: "simple" | "joint" | "leave";
  /** In order. Empty for `leave`; may be empty otherwise, to record a revision. */
  readonly changes: readonly MemberChange[];
  readonly autoLeave?: boolean;
  /** Of the placement that asked for the change; at least the present configuration's. */
  readonly revision: number;
};

/** A new configuration, or why there cannot be one. */
export type Changed = { readonly configuration: Configuration } | { readonly problem: string };

/** Nobody: what a replica knows that was asked to join and has not heard a leader yet. */
export const noMembers: Configuration = {
  incoming: [],
  outgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
  revision: 0,
};

export function isJoint(configuration: Configuration): boolean {
  return configuration.outgoing.length > 0;
}

export function isVoter({ incoming, outgoing }: Configuration, replica: ReplicaId): boolean {
  return incoming.includes(replica) || outgoing.includes(replica);
}

/** Voters of both halves and learners, each once. */
export function membersOf({ incoming, outgoing, learners }: Configuration): readonly ReplicaId[] {
  return outgoing.length === 0 ? [...incoming, ...learners] : [...new Set([...incoming, ...outgoing, ...learners])];
}

/** The configuration that follows from a change. Pure: whether it may be proposed now is the leader's to say. */
export function changed(configuration: Configuration, change: ConfigurationChange): Changed {
  if (!Number.isSafeInteger(change.revision)) return { problem: "a change's revision is an integer" };
  if (change.revision < configuration.revision)
    return { problem: `the change is of revision ${change.revision}, the configuration of ${configuration.revision}` };
  switch (change.kind) {
    case "simple":
      return simpleChange(configuration, change);
    case "joint":
      return enterJoint(configuration, change);
    case "leave":
      return leaveJoint(configuration, change.revision);
  }
}

/** Out of a joint configuration: the outgoing half votes no more. */
export function leaveJoint(configuration: Configuration, revision: number): Changed {
  if (!isJoint(configuration)) return { problem: "there is no joint configuration to leave" };
  const { incoming, learners, learnersNext } = configuration;
  const all = [...learners, ...learnersNext];
  return checked({ incoming, outgoing: [], learners: all, learnersNext: [], autoLeave: false, revision });
}

function simpleChange(configuration: Configuration, { changes, revision }: ConfigurationChange): Changed {
  if (isJoint(configuration)) return { problem: "a joint configuration must be left before the next change" };
  const next = checked({ ...changeEach(configuration, changes), revision });
  if ("problem" in next || differences(configuration.incoming, next.configuration.incoming) <= 1) return next;
  return { problem: "more than one voter changes at once, which takes a joint configuration" };
}

function enterJoint(configuration: Configuration, change: ConfigurationChange): Changed {
  if (isJoint(configuration)) return { problem: "the configuration is joint already" };
  const { incoming } = configuration;
  if (incoming.length === 0) return { problem: "a configuration without voters cannot become joint" };
  const { changes, revision, autoLeave = false } = change;
  return checked({ ...changeEach({ ...configuration, outgoing: incoming }, changes), autoLeave, revision });
}

function changeEach(from: Configuration, changes: readonly MemberChange[]): Configuration {
  const incoming = new Set(from.incoming);
  const learners = new Set(from.learners);
  const learnersNext = new Set(from.learnersNext);
  for (const { kind, replica } of changes) {
    if (replica === 0) continue;
    if (kind === "addLearner" && (learners.has(replica) || learnersNext.has(replica))) continue;
    if (kind === "addVoter" && incoming.has(replica)) continue;
    for (const list of [incoming, learners, learnersNext]) list.delete(replica);
    if (kind === "addVoter") incoming.add(replica);
    // Who still votes in the outgoing half cannot be a learner as well: it becomes one when that half is left.
    if (kind === "addLearner") (from.outgoing.includes(replica) ? learnersNext : learners).add(replica);
  }
  return { ...from, incoming: [...incoming], learners: [...learners], learnersNext: [...learnersNext] };
}

function checked(configuration: Configuration): Changed {
  const problem = configurationProblem(configuration);
  return problem === undefined ? { configuration } : { problem };
}

function differences(before: readonly ReplicaId[], after: readonly ReplicaId[]): number {
  return before.filter((id) => !after.includes(id)).length + after.filter((id) => !before.includes(id)).length;
}
