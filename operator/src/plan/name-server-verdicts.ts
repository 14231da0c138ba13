import type { MemberAction, Next } from "./action.ts";
import { zoneSpread } from "./broker-verdicts.ts";
import { type AnyVerdict, type Verdict, verdict } from "./conditions.ts";
import type { NameServerWorld } from "./next-name-server-action.ts";

/** What is to be said of a name server group, one verdict a type. */
export function nameServerVerdicts(world: NameServerWorld, next: Next<MemberAction>): readonly AnyVerdict[] {
  const { members } = world;
  return [
    ready(world),
    progressing(world, next),
    degraded(world, next),
    upgrading(world, next),
    zoneSpread(members.map(({ pod }) => pod?.zone)),
  ];
}

function ready({ members, formed }: NameServerWorld): Verdict<"Ready"> {
  const idle = members.filter(({ pod }) => pod?.ready !== true);
  if (idle.length === 0) return verdict("Ready", "True", "AllReady");
  if (!formed) return verdict("Ready", "False", "Starting");
  return verdict(
    "Ready",
    "False",
    "MembersNotReady",
    `Not ready: ${idle.map(({ index }) => `member ${index}`).join(", ")}.`,
  );
}

function progressing({ paused }: NameServerWorld, next: Next<MemberAction>): Verdict<"Progressing"> {
  if (paused) return verdict("Progressing", "False", "Paused");
  if (next.kind === "settled") return verdict("Progressing", "False", "Settled");
  if (next.kind === "act")
    return verdict("Progressing", "True", "Moving", `${next.action.kind} of member ${next.action.index}.`);
  if (next.for === "noBrokerSet") return verdict("Progressing", "False", "WaitingForFirstBroker");
  return verdict("Progressing", "False", "Blocked", next.message);
}

function degraded({ members, formed }: NameServerWorld, next: Next<MemberAction>): Verdict<"Degraded"> {
  if (next.kind === "wait" && next.for === "claimLost") return verdict("Degraded", "True", "ClaimLost", next.message);
  const idle = members.filter(({ pod }) => pod?.ready !== true);
  if (!formed || idle.length === 0) return verdict("Degraded", "False", "AsWanted");
  return verdict(
    "Degraded",
    "True",
    "MemberLost",
    `Not ready: ${idle.map(({ index }) => `member ${index}`).join(", ")}.`,
  );
}

function upgrading({ members, rollsByItself }: NameServerWorld, next: Next<MemberAction>): Verdict<"Upgrading"> {
  const outdated = members.filter(({ pod }) => pod?.updated === false);
  if (outdated.length === 0) return verdict("Upgrading", "False", "UpToDate");
  if (!rollsByItself) return verdict("Upgrading", "False", "WaitingForDeletion");
  if (next.kind === "wait" && next.for === "newPodNotReady")
    return verdict("Upgrading", "True", "NewPodNotReady", next.message);
  return verdict("Upgrading", "True", "Rolling");
}
