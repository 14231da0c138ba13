import { act, type BrokerAction, type Next, type PodEnd, settled, waitFor } from "./action.ts";
import { type BrokerWorld, candidatesOf, desiredMembers, isDoomed, isServing, type Member } from "./broker-world.ts";
import { victimOf } from "./victim.ts";

type Step = Next<BrokerAction> | undefined;

/**
 * The one next safe step of a broker set.
 *
 * Level-based: it sees the present, never events, so it may be asked after any crash and after any step of anybody. What disturbs a broker that
 * serves (a drain, a restart) is done to one at a time, while all others serve; what creates or repairs needs no such care. A broker is emptied before
 * its pod goes, is down before it is forgotten, and is forgotten before its claim goes.
 */
export function nextBrokerAction(world: BrokerWorld): Next<BrokerAction> {
  if (world.paused) return settled;
  if (desiredMembers(world) === 0) return hibernate(world);
  if (!world.clusterKnown) return revive(world, undefined) ?? clusterUnknown;
  const desired = desiredMembers(world);
  const victim = victimOf(world, desired);
  return (
    revive(world, victim) ??
    grow(world, desired) ??
    finishLeaving(world) ??
    expand(world) ??
    finishShrinking(victim) ??
    dropOrphan(world) ??
    startShrinking(world, victim) ??
    roll(world) ??
    settled
  );
}

const clusterUnknown = waitFor(
  "clusterUnknown",
  "the name servers do not answer: nothing that needs their word is done",
);

/** Pods go, one after the other; claims stay. */
function hibernate({ members }: BrokerWorld): Next<BrokerAction> {
  const running = members.findLast(({ pod }) => pod !== undefined && !pod.terminating);
  if (running?.pod !== undefined) return act(deletePod(running.index, running.pod.uid, "hibernate"));
  const ending = members.find(({ pod }) => pod !== undefined);
  return ending === undefined ? settled : waitFor("podEnding", `pod ${ending.index} is ending`);
}

function deletePod(index: number, uid: string, why: PodEnd): BrokerAction {
  return { kind: "deletePod", index, uid, why };
}

/** A claim that should run and has no pod gets one. Disturbs nobody. */
function revive(world: BrokerWorld, victim: Member | undefined): Step {
  const idle = candidatesOf(world).find((member) => member.pod === undefined && !isGone(member, victim));
  if (idle !== undefined) return act({ kind: "createPod", index: idle.index });
  const broken = world.members.find(({ pod, claim }) => pod !== undefined && !pod.terminating && (claim?.lost ?? true));
  return broken?.pod === undefined ? undefined : act(deletePod(broken.index, broken.pod.uid, "claimGone"));
}

/** It is on its way out and holds nothing: another pod would only delay that. What it still holds only a pod can hand on. */
function isGone(member: Member, victim: Member | undefined): boolean {
  if (isDoomed(member)) return true;
  return member === victim && (member.broker === undefined || (member.broker.draining && member.broker.replicas === 0));
}

/** Too few: whoever is being emptied stays after all, and new members are added. Disturbs nobody. */
function grow(world: BrokerWorld, desired: number): Step {
  const staying = candidatesOf(world).filter((member) => !isDoomed(member));
  if (staying.length <= desired) {
    const drained = staying.find(({ broker }) => broker?.draining);
    if (drained?.broker !== undefined)
      return act({ kind: "cancelDrain", index: drained.index, broker: drained.broker.id });
  }
  if (staying.length >= desired) return undefined;
  return act({ kind: "createClaim", index: freeIndex(world) });
}

/** The lowest that nothing has ever been called by: a name that a broker is known by, or that data lies under, is not given again. */
function freeIndex({ members }: BrokerWorld): number {
  const taken = new Set(members.map(({ index }) => index));
  let index = 0;
  while (taken.has(index)) index += 1;
  return index;
}

/** Members whose claim is retired: their broker is forgotten, then the claim goes if it should. Disturbs nobody: they hold nothing. */
function finishLeaving({ members, reclaim }: BrokerWorld): Step {
  const leaving = members.find(({ claim, broker }) => {
    return claim?.retired === true && (broker !== undefined || (reclaim === "Delete" && !claim.terminating));
  });
  if (leaving?.claim === undefined) return undefined;
  const { index, broker, claim } = leaving;
  if (broker === undefined) return act({ kind: "deleteClaim", index, uid: claim.uid });
  return broker.up
    ? waitFor("stillUp", `broker ${broker.id} has left; waiting until it is down, to forget it`)
    : act({ kind: "forget", index, broker: broker.id });
}

/** Claims that ask for less than they should. Disturbs nobody: volumes grow under running pods. */
function expand(world: BrokerWorld): Step {
  const small = candidatesOf(world).find(({ claim }) => (claim?.requestedBytes ?? 0) < world.claimBytes);
  return small === undefined ? undefined : act({ kind: "expandClaim", index: small.index, bytes: world.claimBytes });
}

/** A member that is on its way out: emptied, then without a pod, then retired. What was begun is finished before anything else is disturbed. */
function finishShrinking(victim: Member | undefined): Step {
  if (victim === undefined) return undefined;
  const { index, pod, broker } = victim;
  if (broker !== undefined) {
    if (!broker.draining && (broker.replicas > 0 || pod !== undefined)) return undefined;
    if (broker.replicas > 0)
      return waitFor("draining", `broker ${broker.id} is being emptied: ${broker.replicas} replicas left`);
  }
  if (pod === undefined) return act({ kind: "retireClaim", index });
  if (pod.terminating) return waitFor("podEnding", `pod ${index} is ending`);
  return act(deletePod(index, pod.uid, "scaleIn"));
}

/** The next member to leave, while all others serve. */
function startShrinking(world: BrokerWorld, victim: Member | undefined): Step {
  if (victim?.broker === undefined) return undefined;
  return othersServe(world, victim) ?? act({ kind: "drain", index: victim.index, broker: victim.broker.id });
}

/** A broker whose pod and claim are gone: its replicas are made anew elsewhere, then it is forgotten. It cannot be disturbed any more. */
function dropOrphan(world: BrokerWorld): Step {
  const orphan = world.members.find(({ claim, broker }) => (claim === undefined || claim.lost) && broker !== undefined);
  if (orphan?.broker === undefined) return undefined;
  const { index, broker } = orphan;
  if (broker.up) return waitFor("stillUp", `broker ${broker.id} has lost its claim; waiting until it is down`);
  if (broker.replicas === 0) return act({ kind: "forget", index, broker: broker.id });
  if (broker.draining)
    return waitFor("draining", `broker ${broker.id} is lost: ${broker.replicas} replicas to be made anew`);
  return othersServe(world, orphan) ?? act({ kind: "drain", index, broker: broker.id });
}

/** Pods that are not as the set wants them are replaced: first those that do not serve anyway, then one that does while all others do. */
function roll(world: BrokerWorld): Step {
  const outdated = candidatesOf(world).filter(({ pod }) => pod !== undefined && !pod.updated && !pod.terminating);
  if (outdated.length === 0) return undefined;
  if (!world.rollsByItself) return waitFor("onDelete", `${outdated.length} pods wait for somebody to delete them`);
  const idle = outdated.find(({ pod, broker }) => pod?.ready === false && broker?.up !== true);
  if (idle?.pod !== undefined) return act(deletePod(idle.index, idle.pod.uid, "roll"));
  const [due] = outdated.toSorted((one, other) => Number(isServing(one)) - Number(isServing(other)));
  return due === undefined ? undefined : restart(world, due);
}

function restart(world: BrokerWorld, member: Member): Step {
  const { index, pod, broker } = member;
  if (pod === undefined) return undefined;
  const blocked = othersServe(world, member);
  if (blocked !== undefined) return blocked;
  if (broker === undefined || world.replicationFactor < 3) return act(deletePod(index, pod.uid, "roll"));
  if (broker.restartSafe !== true)
    return waitFor("notSafe", `broker ${broker.id} cannot be restarted: a shard would lose its majority`);
  if (broker.leads > 0 && !broker.leadersAway) return act({ kind: "transferLeaders", index, broker: broker.id });
  if (broker.leads > 0) return waitFor("leadersLeaving", `broker ${broker.id} hands over ${broker.leads} shards`);
  return act(deletePod(index, pod.uid, "roll"));
}

/** `undefined` when every member but this one serves, and no lost one has replicas still to be made anew; else who is in the way. */
function othersServe(world: BrokerWorld, { index: own }: Member): Step {
  const candidates = new Set(candidatesOf(world));
  const others = world.members.filter((other) => other.index !== own && isUnsettled(other, candidates.has(other)));
  if (others.length === 0) return undefined;
  const names = others.map(({ index }) => index).join(", ");
  const fresh = others.some(({ pod }) => pod?.updated === true && !pod.ready);
  return waitFor(fresh ? "newPodNotReady" : "membersNotServing", `waiting until these members serve: ${names}`);
}

function isUnsettled(member: Member, isCandidate: boolean): boolean {
  return isCandidate ? !isServing(member) : member.pod !== undefined || (member.broker?.replicas ?? 0) > 0;
}
