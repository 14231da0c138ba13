import { describe, expect, test } from "@jest/globals";
import { type NameServerMember, type NameServerWorld, nextNameServerAction } from "./next-name-server-action.ts";

const claim = { uid: "c", terminating: false, lost: false, retired: false, requestedBytes: 1 };
const pod = { uid: "p", ready: true, terminating: false, updated: true };
const whole = (index: number): NameServerMember => ({ index, pod, claim });
const plain = { paused: false, rollsByItself: true, claimBytes: 1, formed: true, shaped: true };

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
            if (action.kind === "createClaim") expect([formed, member?.claim]).toEqual([false, undefined]);
            if (action.kind === "createPod") expect([member?.pod, member?.claim?.lost]).toEqual([undefined, false]);
            if (action.kind === "deletePod" && member?.pod?.ready)
              expect(others.every((other) => other.pod?.ready)).toBe(true);
          }
    expect(count).toBe(2 * states.length ** 3);
  });
});
