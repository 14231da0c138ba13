import { describe, expect, test } from "@jest/globals";
import { nameServerVerdicts } from "./name-server-verdicts.ts";
import { belongingTo, type NameServerMember, type NameServerWorld, type Part } from "./name-server-world.ts";
import { nextNameServerAction } from "./next-name-server-action.ts";

const claim = { uid: "c", terminating: false, lost: false, retired: false, requestedBytes: 1 };
const pod = { uid: "p", ready: true, terminating: false, updated: true };
const whole = (index: number, part?: Part): NameServerMember => ({ index, pod, claim, ...(part && { part }) });
const votes = (...ids: readonly number[]): readonly NameServerMember[] => ids.map((id) => whole(id, "votes"));
const plain: Omit<NameServerWorld, "members"> = {
  ...{ paused: false, rollsByItself: true, replicas: 3, reclaim: "Delete", claimBytes: 1, formed: true, shaped: true },
  ...{ ids: [1, 2, 3], nextId: undefined },
};

type Case = { readonly rule: string; readonly world: Partial<NameServerWorld>; readonly next: unknown };
const three = (...changed: NameServerMember[]): readonly NameServerMember[] =>
  [1, 2, 3].map((index) => changed.find((member) => member.index === index) ?? whole(index));

test.each<Case>([
  {
    rule: "waits until a broker set says what the cluster is to be",
    world: { formed: false, shaped: false, members: three({ index: 1 }) },
    next: { kind: "wait", for: "noBrokerSet" },
  },
  {
    rule: "makes claims first",
    world: { formed: false, members: three({ index: 2 }, { index: 3 }) },
    next: { action: { kind: "createClaim", index: 2 } },
  },
  {
    rule: "then pods",
    world: { formed: false, members: three({ index: 3, claim }) },
    next: { action: { kind: "createPod", index: 3 } },
  },
  {
    rule: "a pod that is gone comes back on its claim",
    world: { members: three({ index: 1, claim }) },
    next: { action: { kind: "createPod", index: 1 } },
  },
  {
    rule: "a claim that is gone after the group formed is not made anew",
    world: { members: three({ index: 1 }) },
    next: { kind: "wait", for: "claimLost" },
  },
  {
    rule: "nor is a lost volume used",
    world: { members: three({ index: 1, claim: { ...claim, lost: true } }) },
    next: { kind: "wait", for: "claimLost" },
  },
  {
    rule: "one outdated pod goes while the others are ready",
    world: { members: three({ index: 2, claim, pod: { ...pod, updated: false } }) },
    next: { action: { kind: "deletePod", index: 2, why: "roll" } },
  },
  {
    rule: "no second one goes before the first is back",
    world: {
      members: three(
        { index: 1, claim, pod: { ...pod, ready: false } },
        { index: 2, claim, pod: { ...pod, updated: false } },
      ),
    },
    next: { kind: "wait", for: "newPodNotReady" },
  },
  {
    rule: "an outdated pod that is not ready goes first, whatever the others are",
    world: {
      members: three(
        { index: 1, claim, pod: { ...pod, updated: false } },
        { index: 3, claim, pod: { ...pod, updated: false, ready: false } },
      ),
    },
    next: { action: { kind: "deletePod", index: 3 } },
  },
  {
    rule: "OnDelete: nobody is deleted",
    world: { rollsByItself: false, members: three({ index: 2, claim, pod: { ...pod, updated: false } }) },
    next: { kind: "wait", for: "onDelete" },
  },
  {
    rule: "claims grow",
    world: { claimBytes: 2, members: three() },
    next: { action: { kind: "expandClaim", index: 1, bytes: 2 } },
  },
  {
    rule: "more are wanted: one is added under a new id",
    world: { replicas: 5, nextId: 7, members: votes(1, 2, 6) },
    next: { action: { kind: "addMember", index: 7 } },
  },
  {
    rule: "one that was added gets a claim, though the group has formed",
    world: { replicas: 5, nextId: 8, members: [...votes(1, 2, 6), { index: 7, part: "awaited" }] },
    next: { action: { kind: "createClaim", index: 7 } },
  },
  {
    rule: "then a pod",
    world: { replicas: 5, nextId: 8, members: [...votes(1, 2, 6), { index: 7, claim, part: "awaited" }] },
    next: { action: { kind: "createPod", index: 7 } },
  },
  {
    rule: "no second one is added before it has come",
    world: { replicas: 5, nextId: 8, members: [...votes(1, 2, 6), whole(7, "awaited")] },
    next: { kind: "wait", for: "membersNotServing", message: expect.stringContaining("waits for member 7") },
  },
  {
    rule: "nor before it is ready",
    world: {
      ...{ replicas: 5, nextId: 8 },
      members: [...votes(1, 2, 6), { ...whole(7, "listens"), pod: { ...pod, ready: false } }],
    },
    next: { kind: "wait", for: "membersNotServing" },
  },
  {
    rule: "one that listens is enough for the next",
    world: { replicas: 5, nextId: 8, members: [...votes(1, 2, 6), whole(7, "listens")] },
    next: { action: { kind: "addMember", index: 8 } },
  },
  {
    rule: "fewer are wanted: the youngest goes",
    world: { nextId: 6, members: votes(1, 2, 3, 4, 5) },
    next: { action: { kind: "removeMember", index: 5 } },
  },
  {
    rule: "or the one that does not serve",
    world: {
      nextId: 6,
      members: [{ index: 1, claim, part: "votes", pod: { ...pod, ready: false } }, ...votes(2, 3, 4, 5)],
    },
    next: { action: { kind: "removeMember", index: 1 } },
  },
  {
    rule: "it keeps its pod until the group has let it go",
    world: { nextId: 6, members: [...votes(1, 2, 3, 4), whole(5, "leaves")] },
    next: { kind: "wait", for: "membersNotServing", message: expect.stringContaining("letting member 5 go") },
  },
  {
    rule: "then its pod goes",
    world: { nextId: 6, members: [...votes(1, 2, 3), whole(5)] },
    next: { action: { kind: "deletePod", index: 5, why: "scaleIn" } },
  },
  {
    rule: "then its claim",
    world: { nextId: 6, members: [...votes(1, 2, 3), { index: 5, claim }] },
    next: { action: { kind: "deleteClaim", index: 5, uid: "c" } },
  },
  {
    rule: "or it is kept and marked",
    world: { reclaim: "Retain", nextId: 6, members: [...votes(1, 2, 3), { index: 5, claim }] },
    next: { action: { kind: "retireClaim", index: 5 } },
  },
  {
    rule: "a marked one is left alone",
    world: {
      reclaim: "Retain",
      nextId: 6,
      members: [...votes(1, 2, 3), { index: 5, claim: { ...claim, retired: true } }],
    },
    next: { kind: "settled" },
  },
  {
    rule: "nobody is added or removed while no name server leads",
    world: { replicas: 5, members: three() },
    next: { kind: "wait", for: "clusterUnknown" },
  },
  {
    rule: "what is not known to the list of before is left alone while no name server leads",
    world: { members: [...three(), whole(4)] },
    next: { kind: "settled" },
  },
  {
    rule: "one that lost its data is replaced: first another one comes",
    world: { nextId: 4, members: [...votes(1, 2), { index: 3, part: "votes" }] },
    next: { action: { kind: "addMember", index: 4, why: expect.stringContaining("3 lost its data") } },
  },
  {
    rule: "then it is removed",
    world: { nextId: 5, members: [...votes(1, 2), { index: 3, part: "votes" }, whole(4, "listens")] },
    next: { action: { kind: "removeMember", index: 3 } },
  },
  { rule: "paused: nothing", world: { paused: true, members: three({ index: 1 }) }, next: { kind: "settled" } },
  { rule: "all is well: nothing", world: { members: three() }, next: { kind: "settled" } },
])("$rule", ({ world, next }) => {
  expect(nextNameServerAction({ ...plain, members: three(), ...world })).toMatchObject(next as object);
});

// Method: every world of three members, each in any state; what is checked is told without the order of the plan.
describe("every small world", () => {
  const claims = [undefined, claim, { ...claim, lost: true }, { ...claim, terminating: true }];
  const pods = [
    undefined,
    ...[true, false].flatMap((updated) => [true, false].map((ready) => ({ ...pod, updated, ready }))),
    { ...pod, ready: false, terminating: true },
  ];
  const states = claims.flatMap((oneClaim) =>
    pods.map((onePod) => ({ ...(oneClaim && { claim: oneClaim }), ...(onePod && { pod: onePod }) })),
  );

  test("never takes a ready member while another is not, never starts one without its data", () => {
    let count = 0;
    for (const formed of [true, false])
      for (const one of states)
        for (const two of states)
          for (const last of states) {
            const members = [one, two, last].map((state, place) => ({ index: place + 1, ...state }));
            const next = nextNameServerAction({ ...plain, formed, members });
            count += 1;
            if (next.kind !== "act") continue;
            const { action } = next;
            const member = members.find(({ index }) => index === action.index);
            const others = members.filter(({ index }) => index !== action.index);
            expect(["addMember", "removeMember", "deleteClaim", "retireClaim"]).not.toContain(action.kind);
            if (action.kind === "createClaim") expect([formed, member?.claim]).toEqual([false, undefined]);
            if (action.kind === "createPod") expect([member?.pod, member?.claim?.lost]).toEqual([undefined, false]);
            if (action.kind === "deletePod" && member?.pod?.ready)
              expect(others.every((other) => other.pod?.ready)).toBe(true);
          }
    expect(count).toBe(2 * states.length ** 3);
  });
});

// Method: lives of a group as Kubernetes and the name servers would have it, from any state to rest; a model of the group refuses what a real one does.
describe("the life of a group", () => {
  type Life = { members: NameServerMember[]; nextId: number };

  /** What a step comes to, and what comes by itself after it. */
  function advance(life: Life, world: NameServerWorld): boolean {
    const next = nextNameServerAction(world);
    expect(nameServerVerdicts(world, next).map(({ type }) => type)).toContain("Scaling");
    if (next.kind === "act") perform(life, world, next.action);
    const moved = byItself(life);
    return next.kind !== "settled" || moved;
  }

  function perform(
    life: Life,
    world: NameServerWorld,
    action: Extract<ReturnType<typeof nextNameServerAction>, { kind: "act" }>["action"],
  ): void {
    const { index } = action;
    const change = (fields: Partial<NameServerMember>): void => {
      life.members = life.members.map((member) => (member.index === index ? { ...member, ...fields } : member));
    };
    const serving = belongingTo(world).filter((member) => member.pod?.ready === true && member.part !== "awaited");
    switch (action.kind) {
      case "addMember":
        expect(index).toBe(life.nextId);
        expect(belongingTo(world).length).toBeLessThan(6);
        life.members.push({ index, part: "awaited" });
        life.nextId += 1;
        return;
      case "removeMember": {
        const others = belongingTo(world).filter((member) => member.index !== index);
        const able = serving.filter((member) => member.index !== index).length;
        // Those that would vote: an odd number.
        const voters = others.length - (others.length % 2 === 0 ? 1 : 0);
        expect(2 * able).toBeGreaterThan(voters);
        return change({ part: "leaves" });
      }
      case "createClaim":
        return change({ claim });
      case "createPod":
        return change({ pod: { ...pod, ready: false } });
      case "deletePod":
        life.members = life.members.map((member) => (member.index === index ? without(member, "pod") : member));
        return;
      case "deleteClaim":
        life.members = life.members.filter((member) => member.index !== index);
        return;
      case "retireClaim":
      case "expandClaim":
        throw new Error(`not in these lives: ${action.kind}`);
    }
  }

  /** A pod gets ready, a newcomer is taken in, one that was removed is let go: one of these at a time. */
  function byItself(life: Life): boolean {
    for (const [place, member] of life.members.entries()) {
      if (member.pod?.ready === false) life.members[place] = { ...member, pod };
      else if (member.part === "awaited" && member.pod?.ready === true)
        life.members[place] = { ...member, part: "listens" };
      else if (member.part === "leaves" && (member.pod ?? member.claim) === undefined) life.members.splice(place, 1);
      else if (member.part === "leaves") life.members[place] = without(member, "part");
      else continue;
      return true;
    }
    return false;
  }

  function without(member: NameServerMember, field: "pod" | "part"): NameServerMember {
    return Object.fromEntries(Object.entries(member).filter(([key]) => key !== field)) as NameServerMember;
  }

  const sizes = [1, 3, 5] as const;
  const cases = sizes.flatMap((from) => sizes.flatMap((to) => [0, 1, 2].map((lost) => ({ from, to, lost }))));
  test.each(cases.filter(({ from, lost }) => 2 * lost < from))(
    "from $from members to $to, $lost of them without data, comes to rest whole",
    ({ from, to, lost }) => {
      const first = Array.from({ length: from }, (_, place) => place + 1);
      const life: Life = {
        nextId: from + 1,
        members: first.map((id) => (id <= lost ? { index: id, part: "votes" } : whole(id, "votes"))),
      };
      let steps = 0;
      const world = (): NameServerWorld => ({
        ...plain,
        replicas: to,
        ids: first,
        nextId: life.nextId,
        members: [...life.members],
      });
      while (advance(life, world())) {
        steps += 1;
        expect(steps).toBeLessThan(100);
      }
      const left = belongingTo(world());
      expect(left).toHaveLength(to);
      expect(left.every((member) => member.claim !== undefined && member.pod?.ready === true)).toBe(true);
      expect(life.members).toHaveLength(to);
      expect(left.every(({ index }) => index > lost)).toBe(true);
    },
  );
});
