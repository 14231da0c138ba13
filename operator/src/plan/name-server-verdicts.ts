import { type NameServerAction, type Next, sentenceOf } from "./action.ts";
import { zoneSpread } from "./broker-verdicts.ts";
import { type AnyVerdict, type Verdict, verdict } from "./conditions.ts";
import { belongingTo, isLost, type NameServerMember, type NameServerWorld } from "./name-server-world.ts";

/** What is to be said of a name server group, one verdict a type. */
export function nameServerVerdicts(world: NameServerWorld, next: Next<NameServerAction>): readonly AnyVerdict[] {
  const members = belongingTo(world);
  const idle = members.filter(({ pod }) => pod?.ready !== true);
  return [
    ready(world, idle),
    progressing(world, next),
    degraded(world, idle, next),
    scaling(world, members),
    upgrading(world, members, next),
    zoneSpread(members.map(({ pod }) => pod?.zone)),
  ];
}

function ready({ formed }: NameServerWorld, idle: readonly NameServerMember[]): Verdict<"Ready"> {
  if (idle.length === 0) return verdict("Ready", "True", "AllReady");
  if (!formed) return verdict("Ready", "False", "Starting");
  return verdict("Ready", "False", "MembersNotReady", notReady(idle));
}

function notReady(idle: readonly NameServerMember[]): string {
  return `Not ready: ${idle.map(({ index }) => `member ${index}`).join(", ")}.`;
}

function progressing({ paused }: NameServerWorld, next: Next<NameServerAction>): Verdict<"Progressing"> {
  if (paused) return verdict("Progressing", "False", "Paused");
  if (next.kind === "settled") return verdict("Progressing", "False", "Settled");
  if (next.kind === "act") return verdict("Progressing", "True", "Moving", sentenceOf(next.action));
  if (next.for === "noBrokerSet") return verdict("Progressing", "False", "WaitingForFirstBroker");
  return verdict("Progressing", "False", "Blocked", next.message);
}

function degraded(
  world: NameServerWorld,
  idle: readonly NameServerMember[],
  next: Next<NameServerAction>,
): Verdict<"Degraded"> {
  if (next.kind === "wait" && next.for === "claimLost") return verdict("Degraded", "True", "ClaimLost", next.message);
  const lost = belongingTo(world).filter((member) => isLost(world, member));
  if (lost.length > 0) return verdict("Degraded", "True", "ClaimLost", replaced(lost));
  if (!world.formed || idle.length === 0) return verdict("Degraded", "False", "AsWanted");
  return verdict("Degraded", "True", "MemberLost", notReady(idle));
}

function replaced(lost: readonly NameServerMember[]): string {
  return `Without data, and being replaced under a new id: ${lost.map(({ index }) => `member ${index}`).join(", ")}.`;
}

function scaling({ formed, replicas, members }: NameServerWorld, all: readonly NameServerMember[]): Verdict<"Scaling"> {
  const message = `From ${all.length} members to ${replicas}.`;
  const coming = members.some(({ part }) => part === "awaited");
  const leaving = members.some(({ part }) => part === "leaves");
  if (formed && (all.length < replicas || coming)) return verdict("Scaling", "True", "ScalingOut", message);
  if (formed && (all.length > replicas || leaving)) return verdict("Scaling", "True", "ScalingIn", message);
  return verdict("Scaling", "False", "Stable");
}

function upgrading(
  { rollsByItself }: NameServerWorld,
  members: readonly NameServerMember[],
  next: Next<NameServerAction>,
): Verdict<"Upgrading"> {
  const outdated = members.filter(({ pod }) => pod?.updated === false);
  if (outdated.length === 0) return verdict("Upgrading", "False", "UpToDate");
  if (!rollsByItself) return verdict("Upgrading", "False", "WaitingForDeletion");
  if (next.kind === "wait" && next.for === "newPodNotReady")
    return verdict("Upgrading", "True", "NewPodNotReady", next.message);
  return verdict("Upgrading", "True", "Rolling");
}
