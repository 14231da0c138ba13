import { act, type NameServerAction, type Next, settled, waitFor } from "./action.ts";
import { belongingTo, isLost, isReady, type NameServerMember, type NameServerWorld } from "./name-server-world.ts";

type Step = Next<NameServerAction> | undefined;

/**
 * The one next safe step of a name server group. Each member keeps its id with its data: one whose data is gone is replaced by another one under a new id, and
 * never started empty, because it could help to elect a leader that lacks what it had agreed to. Members are added and removed one at a time, by the group
 * itself; a pod and a claim go only when it knows them no more.
 */
export function nextNameServerAction(world: NameServerWorld): Next<NameServerAction> {
  if (world.paused) return settled;
  if (!world.shaped && !world.formed) return waitFor("noBrokerSet", "no Broker names this NameServer yet");
  return create(world) ?? expand(world) ?? roll(world) ?? clear(world) ?? change(world) ?? settled;
}

function create(world: NameServerWorld): Step {
  const all = belongingTo(world);
  const bare = all.find((member) => member.claim === undefined && !isLost(world, member));
  if (bare !== undefined) return act({ kind: "createClaim", index: bare.index });
  const idle = all.find(
    (member) => member.pod === undefined && !isLost(world, member) && member.claim?.terminating === false,
  );
  return idle === undefined ? undefined : act({ kind: "createPod", index: idle.index });
}

function expand(world: NameServerWorld): Step {
  const { claimBytes } = world;
  const small = belongingTo(world).find(({ claim }) => claim !== undefined && claim.requestedBytes < claimBytes);
  return small === undefined ? undefined : act({ kind: "expandClaim", index: small.index, bytes: claimBytes });
}

/** One pod at a time: first one that is not ready, then one that is while all others are. */
function roll(world: NameServerWorld): Step {
  const members = belongingTo(world);
  const outdated = members.filter(({ pod }) => pod !== undefined && !pod.updated && !pod.terminating);
  if (outdated.length === 0) return undefined;
  if (!world.rollsByItself) return waitFor("onDelete", `${outdated.length} pods wait for somebody to delete them`);
  const due = outdated.find(({ pod }) => pod?.ready === false) ?? outdated[0];
  if (due?.pod === undefined) return undefined;
  const { index, pod } = due;
  const others = members.filter(
    (other) => other.index !== index && (pod.ready ? other.pod?.ready !== true : other.pod?.terminating === true),
  );
  if (others.length === 0) return act({ kind: "deletePod", index, uid: pod.uid, why: "roll" });
  const fresh = others.some((other) => other.pod?.updated === true && !other.pod.ready);
  return waitFor(
    fresh ? "newPodNotReady" : "membersNotServing",
    `waiting until these members are ready: ${namesOf(others)}`,
  );
}

/** What is left of members that the group knows no more. */
function clear({ members, nextId, formed, reclaim }: NameServerWorld): Step {
  if (!formed || nextId === undefined) return undefined;
  const former = members.filter(({ part }) => part === undefined);
  for (const { index, pod, claim } of former) {
    if (pod?.terminating === true) return waitFor("podEnding", `the pod of member ${index} is ending`);
    if (pod !== undefined) return act({ kind: "deletePod", index, uid: pod.uid, why: "scaleIn" });
    if (claim === undefined || claim.retired || claim.terminating) continue;
    return act(reclaim === "Delete" ? { kind: "deleteClaim", index, uid: claim.uid } : { kind: "retireClaim", index });
  }
  return undefined;
}

/** One member more or less, once the one before is through. */
function change(world: NameServerWorld): Step {
  const { formed, nextId, replicas, members } = world;
  const all = belongingTo(world);
  const lost = all.filter((member) => isLost(world, member));
  if (!formed || (lost.length === 0 && all.length === replicas)) return underWay(members);
  if (nextId === undefined) return withoutGroup(lost);
  const waits = underWay(members);
  if (waits !== undefined) return waits;
  const idle = all.filter((member) => !isReady(member) && !lost.includes(member));
  const [gone] = lost;
  const growsTo = gone === undefined ? replicas : replicas + 1;
  // Who does not serve is the one to go; everything else waits for it.
  const victim = gone ?? (idle.length === 1 && all.length > replicas ? idle[0] : undefined);
  if (idle.some((member) => member !== victim))
    return waitFor("membersNotServing", `waiting until these members are ready: ${namesOf(idle)}`);
  const why = gone === undefined ? `from ${all.length} members to ${replicas}` : `member ${gone.index} lost its data`;
  if (all.length < growsTo) return act({ kind: "addMember", index: nextId, why });
  const last = victim ?? all.at(-1);
  return last === undefined ? undefined : act({ kind: "removeMember", index: last.index, why });
}

function underWay(members: readonly NameServerMember[]): Step {
  const coming = members.filter(({ part }) => part === "awaited");
  if (coming.length > 0) return waitFor("membersNotServing", `the group waits for member ${namesOf(coming)}`);
  const leaving = members.filter(({ part }) => part === "leaves");
  if (leaving.length === 0) return undefined;
  return waitFor("membersNotServing", `the group is letting member ${namesOf(leaving)} go`);
}

function withoutGroup(lost: readonly NameServerMember[]): Step {
  if (lost.length === 0)
    return waitFor("clusterUnknown", "no name server leads, so members are neither added nor removed");
  return waitFor(
    "claimLost",
    `the data of these members is gone, and no name server leads that could replace them: ${namesOf(lost)}; bring their claims back, or make the cluster anew`,
  );
}

function namesOf(members: readonly NameServerMember[]): string {
  return members.map(({ index }) => index).join(", ");
}
