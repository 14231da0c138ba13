import { act, type MemberAction, type Next, settled, waitFor } from "./action.ts";
import type { Claim, Pod } from "./broker-world.ts";

/** A name server's place: index is its member id. */
export type NameServerMember = { readonly index: number; readonly pod?: Pod; readonly claim?: Claim };

/** All that the next move of a name server group depends on. */
export type NameServerWorld = {
  readonly paused: boolean;
  readonly rollsByItself: boolean;
  readonly claimBytes: number;
  /** The group has been ready as a whole: a member without data has lost it. */
  readonly formed: boolean;
  /** A broker set names this group, so what the cluster is to be is known. */
  readonly shaped: boolean;
  /** Every member that the group should have, by index from 1. */
  readonly members: readonly NameServerMember[];
};

type Step = Next<MemberAction> | undefined;

/**
 * The one next safe step of a name server group. Its members never change: each keeps its id with its data, and one whose data is gone is not started
 * empty, because an empty member under an old id could help to elect a leader that lacks what it had agreed to.
 */
export function nextNameServerAction(world: NameServerWorld): Next<MemberAction> {
  if (world.paused) return settled;
  if (!world.shaped && !world.formed) return waitFor("noBrokerSet", "no Broker names this NameServer yet");
  return create(world) ?? expand(world) ?? roll(world) ?? lost(world) ?? settled;
}

function isLost({ formed }: NameServerWorld, { claim }: NameServerMember): boolean {
  return claim === undefined ? formed : claim.lost;
}

function create(world: NameServerWorld): Step {
  const bare = world.members.find(({ claim }) => claim === undefined && !world.formed);
  if (bare !== undefined) return act({ kind: "createClaim", index: bare.index });
  const idle = world.members.find(
    (member) => member.pod === undefined && !isLost(world, member) && member.claim?.terminating === false,
  );
  return idle === undefined ? undefined : act({ kind: "createPod", index: idle.index });
}

function expand({ members, claimBytes }: NameServerWorld): Step {
  const small = members.find(({ claim }) => claim !== undefined && claim.requestedBytes < claimBytes);
  return small === undefined ? undefined : act({ kind: "expandClaim", index: small.index, bytes: claimBytes });
}

/** One pod at a time: first one that is not ready, then one that is while all others are. */
function roll({ members, rollsByItself }: NameServerWorld): Step {
  const outdated = members.filter(({ pod }) => pod !== undefined && !pod.updated && !pod.terminating);
  if (outdated.length === 0) return undefined;
  if (!rollsByItself) return waitFor("onDelete", `${outdated.length} pods wait for somebody to delete them`);
  const due = outdated.find(({ pod }) => pod?.ready === false) ?? outdated[0];
  if (due?.pod === undefined) return undefined;
  const { index, pod } = due;
  const others = members.filter(
    (other) => other.index !== index && (pod.ready ? other.pod?.ready !== true : other.pod?.terminating === true),
  );
  if (others.length === 0) return act({ kind: "deletePod", index, uid: pod.uid, why: "roll" });
  const names = others.map((other) => other.index).join(", ");
  const fresh = others.some((other) => other.pod?.updated === true && !other.pod.ready);
  return waitFor(fresh ? "newPodNotReady" : "membersNotServing", `waiting until these members are ready: ${names}`);
}

function lost(world: NameServerWorld): Step {
  const gone = world.members.filter((member) => isLost(world, member));
  if (gone.length === 0) return undefined;
  const names = gone.map(({ index }) => index).join(", ");
  return waitFor(
    "claimLost",
    `the data of these members is gone: ${names}; bring their claims back, or make the cluster anew`,
  );
}
