import { type BrokerAction, type Next, sentenceOf } from "./action.ts";
import { type BrokerWorld, candidatesOf, desiredMembers, isDoomed, isServing, type Member } from "./broker-world.ts";
import { type AnyVerdict, type Verdict, verdict } from "./conditions.ts";

/** What is to be said of a broker set, one verdict a type. */
export function brokerVerdicts(world: BrokerWorld, next: Next<BrokerAction>): readonly AnyVerdict[] {
  return [
    ready(world),
    progressing(world, next),
    degraded(world),
    scaling(world),
    upgrading(world, next),
    zoneSpread(candidatesOf(world).map(({ pod }) => pod?.zone)),
  ];
}

function ready(world: BrokerWorld): Verdict<"Ready"> {
  const desired = desiredMembers(world);
  if (desired === 0) return verdict("Ready", "False", "Hibernated");
  const candidates = candidatesOf(world);
  const idle = candidates.filter((member) => member.pod?.ready !== true);
  if (candidates.length >= desired && idle.length === 0) return verdict("Ready", "True", "AllReady");
  if (idle.length === candidates.length) return verdict("Ready", "False", "Starting");
  const named = idle.length === 0 ? `${desired - candidates.length} are to be made` : namesOf(idle);
  return verdict("Ready", "False", "MembersNotReady", `Not ready: ${named}.`);
}

function namesOf(members: readonly Member[]): string {
  return members.map(({ index }) => `member ${index}`).join(", ");
}

function progressing({ paused }: BrokerWorld, next: Next<BrokerAction>): Verdict<"Progressing"> {
  if (paused) return verdict("Progressing", "False", "Paused");
  if (next.kind === "settled") return verdict("Progressing", "False", "Settled");
  if (next.kind === "act") return verdict("Progressing", "True", "Moving", sentenceOf(next.action));
  if (next.for === "clusterUnknown") return verdict("Progressing", "False", "WaitingForNameServer", next.message);
  const moves =
    next.for === "draining" || next.for === "podEnding" || next.for === "leadersLeaving" || next.for === "stillUp";
  return moves
    ? verdict("Progressing", "True", "Moving", next.message)
    : verdict("Progressing", "False", "Blocked", next.message);
}

function degraded({ members, replicas }: BrokerWorld): Verdict<"Degraded"> {
  if (replicas === 0) return verdict("Degraded", "False", "AsWanted");
  const lost = members.filter(
    (member) => member.broker !== undefined && !member.broker.up && member.claim?.retired !== true,
  );
  const doomed = members.filter((member) => member.claim?.retired !== true && isDoomed(member));
  const all = [...new Set([...lost, ...doomed])];
  if (all.length === 0) return verdict("Degraded", "False", "AsWanted");
  return verdict("Degraded", "True", "MemberLost", `Down, or without its disk: ${namesOf(all)}.`);
}

function scaling(world: BrokerWorld): Verdict<"Scaling"> {
  const { replicas, replicationFactor } = world;
  const desired = desiredMembers(world);
  const staying = candidatesOf(world).filter((member) => !isDoomed(member)).length;
  if (desired > 0 && staying > desired)
    return verdict("Scaling", "True", "ScalingIn", `From ${staying} members to ${desired}.`);
  if (desired > 0 && staying < desired)
    return verdict("Scaling", "True", "ScalingOut", `From ${staying} members to ${desired}.`);
  if (replicas > 0 && replicas < replicationFactor) {
    const message = `${replicas} brokers are asked for, but every message has ${replicationFactor} copies on different ones: ${replicationFactor} stay.`;
    return verdict("Scaling", "False", "BelowReplicationFactor", message);
  }
  return verdict("Scaling", "False", "Stable");
}

function upgrading(world: BrokerWorld, next: Next<BrokerAction>): Verdict<"Upgrading"> {
  const outdated = candidatesOf(world).filter(({ pod }) => pod?.updated === false);
  if (outdated.length === 0) return verdict("Upgrading", "False", "UpToDate");
  if (!world.rollsByItself)
    return verdict("Upgrading", "False", "WaitingForDeletion", `Outdated: ${namesOf(outdated)}.`);
  if (next.kind === "wait" && next.for === "newPodNotReady")
    return verdict("Upgrading", "True", "NewPodNotReady", next.message);
  if (next.kind === "wait" && next.for === "notSafe") return verdict("Upgrading", "True", "NotSafe", next.message);
  return verdict("Upgrading", "True", "Rolling", `Outdated: ${namesOf(outdated)}.`);
}

/** @param zones of each member; `undefined`: not placed, or its node has none */
export function zoneSpread(zones: readonly (string | undefined)[]): Verdict<"ZoneSpread"> {
  const sizes = new Map<string, number>();
  for (const zone of zones) if (zone !== undefined) sizes.set(zone, (sizes.get(zone) ?? 0) + 1);
  const told = [...sizes]
    .sort()
    .map(([zone, size]) => `${zone}: ${size}`)
    .join(", ");
  if (sizes.size === 0) return verdict("ZoneSpread", "Unknown", "ZonesUnknown");
  if (sizes.size === 1 && zones.length > 1)
    return verdict("ZoneSpread", "False", "OneZone", `All are in one zone: ${told}.`);
  const even = Math.max(...sizes.values()) - Math.min(...sizes.values()) <= 1;
  return even
    ? verdict("ZoneSpread", "True", "Spread", `Members a zone: ${told}.`)
    : verdict("ZoneSpread", "False", "Uneven", `Members a zone: ${told}.`);
}

/** How many serve and are as wanted: for a status. */
export function countsOf(world: BrokerWorld): {
  readonly replicas: number;
  readonly readyReplicas: number;
  readonly updatedReplicas: number;
} {
  const pods = world.members.flatMap(({ pod }) => (pod === undefined ? [] : [pod]));
  return {
    replicas: pods.length,
    readyReplicas: pods.filter(({ ready }) => ready).length,
    updatedReplicas: pods.filter(({ updated }) => updated).length,
  };
}

/** One word for a member's state, for its row in the status. */
export function stateOf(member: Member): string {
  if (member.claim?.retired === true) return "Leaving";
  if (member.broker?.draining === true) return "Draining";
  if (member.broker === undefined) return "Starting";
  return member.broker.up && isServing(member) ? "Up" : "Down";
}
