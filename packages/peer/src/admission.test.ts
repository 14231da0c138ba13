import { describe, expect, test } from "@jest/globals";
import { commonVersion, type Judge, judgeGreeting, type Meeting, type MeetingOutcome, meet } from "./admission.ts";
import type { Greeting } from "./greeting.ts";
import type { PeerIdentity, RefusalReason } from "./ports.ts";

const self: PeerIdentity = { clusterId: "c1", role: "broker", id: 1, incarnation: 10, featureLevel: 1 };
const them: PeerIdentity = { clusterId: "c1", role: "broker", id: 2, incarnation: 5, featureLevel: 1 };
const versions = { lowest: 1, highest: 1 };
const sound: Greeting = {
  kind: "hello",
  channel: "control",
  versions,
  identity: them,
  boot: 77,
  session: 1,
  target: 1,
  reason: undefined,
};
const judge: Judge = { self, versions, dialled: undefined, known: undefined, admit: () => undefined };

type Case = {
  readonly what: string;
  readonly identity?: Partial<PeerIdentity>;
  readonly greeting?: Partial<Greeting>;
  readonly judge?: Partial<Judge>;
  readonly reason: RefusalReason | undefined;
};

describe("Judging a greeting", () => {
  test.each<Case>([
    { what: "a peer never met", reason: undefined },
    { what: "another cluster", identity: { clusterId: "c2" }, reason: "wrongCluster" },
    { what: "a name server", identity: { role: "nameserver" }, reason: "wrongRole" },
    { what: "one with this process's id", identity: { id: 1 }, reason: "ownId" },
    { what: "one that meant another", greeting: { target: 3 }, reason: "wrongTarget" },
    { what: "another than was dialled", judge: { dialled: 3 }, reason: "wrongTarget" },
    { what: "the one that was dialled", judge: { dialled: 2 }, reason: undefined },
    {
      what: "one that speaks only later versions",
      greeting: { versions: { lowest: 2, highest: 3 } },
      reason: "version",
    },
    {
      what: "one that speaks later versions too",
      greeting: { versions: { lowest: 1, highest: 2 } },
      reason: undefined,
    },
    { what: "the same life again", judge: { known: { incarnation: 5, boot: 77 } }, reason: undefined },
    { what: "a newer life", judge: { known: { incarnation: 4, boot: 1 } }, reason: undefined },
    { what: "an older life: an old disk", judge: { known: { incarnation: 6, boot: 77 } }, reason: "oldIncarnation" },
    {
      what: "a second process of one life: a copied disk",
      judge: { known: { incarnation: 5, boot: 78 } },
      reason: "twin",
    },
    { what: "one that the owner does not know", judge: { admit: () => "unknownId" }, reason: "unknownId" },
    { what: "one that was given up", judge: { admit: () => "forgotten" }, reason: "forgotten" },
  ])("$what: $reason", ({ identity = {}, greeting = {}, judge: change = {}, reason }) => {
    const words = { ...sound, identity: { ...them, ...identity }, ...greeting };
    expect(judgeGreeting(words, { ...judge, ...change })).toBe(reason);
  });

  test("the owner is asked only about peers that are sound otherwise", () => {
    const asked: PeerIdentity[] = [];
    const admit = (peer: PeerIdentity): undefined => void asked.push(peer);
    judgeGreeting({ ...sound, identity: { ...them, clusterId: "c2" } }, { ...judge, admit });
    judgeGreeting(sound, { ...judge, known: { incarnation: 6, boot: 1 }, admit });
    judgeGreeting(sound, { ...judge, admit });
    expect(asked).toEqual([them]);
  });
});

test.each([
  [1, 1, 1, 1, 1],
  [1, 2, 2, 3, 2],
  [2, 3, 1, 2, 2],
  [1, 3, 2, 2, 2],
  [1, 1, 2, 2, undefined],
  [3, 4, 1, 2, undefined],
])("versions %i to %i and %i to %i have %p in common", (aLow, aHigh, bLow, bHigh, common) => {
  const a = { lowest: aLow, highest: aHigh };
  const b = { lowest: bLow, highest: bHigh };
  expect([commonVersion(a, b), commonVersion(b, a)]).toEqual([common, common]);
});

describe("Meeting a sound hello", () => {
  const presences: readonly Meeting["present"][] = ["none", "older", "fresh", "silent"];
  const dials: readonly Meeting["ownDial"][] = ["none", "connecting", "greeted"];
  const all = presences.flatMap((present) =>
    dials.flatMap((ownDial) => [true, false].map((smaller): Meeting => ({ present, ownDial, smaller }))),
  );
  const rules: readonly {
    readonly rule: string;
    readonly when: (m: Meeting) => boolean;
    readonly then: MeetingOutcome["kind"];
  }[] = [
    { rule: "a link that works is kept", when: ({ present }) => present === "fresh", then: "refuse" },
    {
      rule: "of two dials that cross, the smaller id's goes on",
      when: ({ present, ownDial, smaller }) => present === "none" && ownDial === "greeted" && smaller,
      then: "refuse",
    },
    {
      rule: "the larger id gives its own dial up",
      when: ({ present, ownDial, smaller }) => present === "none" && ownDial === "greeted" && !smaller,
      then: "accept",
    },
    {
      rule: "a dial that has reached nobody holds nobody up",
      when: ({ present, ownDial }) => present === "none" && ownDial !== "greeted",
      then: "accept",
    },
    {
      rule: "a link of an older life, or one from which nothing came, gives way",
      when: ({ present }) => present === "older" || present === "silent",
      then: "accept",
    },
  ];

  test.each(all)("a link: $present, own dial: $ownDial, smaller: $smaller", (meeting) => {
    const fitting = rules.filter(({ when }) => when(meeting));
    expect(fitting.length).toBe(1);
    const outcome = meet(meeting);
    expect(outcome.kind).toBe(fitting[0]!.then);
    if (outcome.kind === "accept") {
      expect(outcome).toEqual({
        kind: "accept",
        closesLink: meeting.present !== "none",
        abortsDial: meeting.ownDial !== "none",
      });
    }
  });

  test("two dials that cross never end both, nor win both", () => {
    const mine = meet({ present: "none", ownDial: "greeted", smaller: true });
    const theirs = meet({ present: "none", ownDial: "greeted", smaller: false });
    expect([mine.kind, theirs.kind]).toEqual(["refuse", "accept"]);
  });
});
