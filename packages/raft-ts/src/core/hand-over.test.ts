import { describe, expect, test } from "@jest/globals";
import { kinds, LoneCore, type LoneCoreOptions, sends } from "../testing/lone-core.ts";
import { leaseUntilMs, nextTickMs } from "./state.ts";
import { raftTimes } from "./times.ts";

const accept = (matchIndex: number, lost = false) => ({ kind: "appendAccepted", term: 2, matchIndex, lost }) as const;
const answer = (sentMs: number) => ({ kind: "heartbeatReply", term: 2, follows: true, sentMs }) as const;
const timeoutNow = { kind: "timeoutNow", term: 2 } as const;

/** The leader of term 2 with a lease. */
function leader(options: LoneCoreOptions = {}): LoneCore {
  const core = new LoneCore({ term: 1, ...options });
  core.elect();
  core.persist();
  core.receive(2, accept(1));
  core.receive(2, answer(core.nowMs));
  return core;
}

function handOver(core: LoneCore, to: number): ReturnType<LoneCore["run"]> {
  return core.run({ kind: "transfer", nowMs: core.nowMs, to });
}

describe("Handing over (Raft thesis §3.10)", () => {
  test("ends lease and service before the other is told", () => {
    const core = leader();
    expect(leaseUntilMs(core.state)).toBeGreaterThan(core.nowMs);
    const effects = handOver(core, 2);
    expect(effects).toEqual([
      { kind: "handingOver", to: 2 },
      { kind: "send", to: 2, message: timeoutNow, waitsFor: "nothing" },
    ]);
    expect(leaseUntilMs(core.state)).toBe(-Infinity);
    core.receive(2, answer(core.nowMs));
    expect(leaseUntilMs(core.state)).toBe(-Infinity);
    expect(core.propose()).toEqual([]);
  });

  test("waits until the other has caught up", () => {
    const core = leader();
    core.propose();
    expect(kinds(handOver(core, 2))).toEqual(["handingOver"]);
    expect(sends(core.receive(3, accept(2))).map(({ message }) => message)).not.toContainEqual(timeoutNow);
    expect(sends(core.receive(2, accept(2)))).toContainEqual({ to: 2, message: timeoutNow });
  });

  test("is given up after an election timeout, and then this leader serves on if the other was not told", () => {
    const core = leader();
    core.propose();
    handOver(core, 3);
    core.nowMs += 300;
    core.receive(2, answer(core.nowMs));
    expect(nextTickMs(core.state)).toBe(core.nowMs - 300 + raftTimes.transferMs);
    expect(core.tick(nextTickMs(core.state))).toEqual([{ kind: "handOverFailed", to: 3 }]);
    expect(leaseUntilMs(core.state)).toBeGreaterThan(core.nowMs - raftTimes.leaseMs);
    expect(kinds(core.propose())).toContain("append");
  });

  test("that the other was told of ends in a new term: an election of this one may come at any time, and waits for no lease", () => {
    const core = leader();
    handOver(core, 2);
    core.nowMs += 300;
    core.receive(3, accept(1));
    core.receive(3, answer(core.nowMs));
    const effects = core.tick(nextTickMs(core.state));
    expect(kinds(effects)).toEqual(["persistHardState", "roleChanged", "send", "send"]);
    expect(sends(effects)[0]?.message).toMatchObject({ kind: "voteRequest", term: 3, transfer: true });
  });

  test.each<{ readonly why: string; readonly core: () => LoneCore; readonly to: number; readonly reason: string }>([
    { why: "by whoever does not lead", core: () => new LoneCore(), to: 2, reason: "this replica does not lead" },
    { why: "to itself", core: leader, to: 1, reason: "this replica leads already" },
    { why: "to a stranger", core: leader, to: 9, reason: "replica 9 is not a voter" },
    {
      why: "to a learner",
      core: () => leader({ voters: [1, 2], learners: [3] }),
      to: 3,
      reason: "replica 3 is not a voter",
    },
    {
      why: "twice at once",
      core: () => {
        const core = leader();
        handOver(core, 3);
        return core;
      },
      to: 2,
      reason: "leadership is being handed over to replica 3",
    },
    {
      why: "to one that lost entries",
      core: () => {
        const core = leader();
        core.receive(2, accept(1, true));
        return core;
      },
      to: 2,
      reason: "replica 2 lost entries and has not healed yet",
    },
  ])("is refused $why", ({ core, to, reason }) => {
    expect(handOver(core(), to)).toEqual([{ kind: "refused", reason }]);
  });
});

describe("Taking over", () => {
  test("needs no wait and no pre-vote", () => {
    const core = new LoneCore({ term: 2 });
    core.receive(2, { kind: "heartbeat", term: 2, commit: 0 });
    const effects = core.receive(2, timeoutNow);
    expect(effects[0]).toEqual({ kind: "persistHardState", hardState: { term: 3, vote: 1 } });
    expect(sends(effects).map(({ message }) => message)).toEqual([
      { kind: "voteRequest", term: 3, transfer: true, lastIndex: 0, lastTerm: 0 },
      { kind: "voteRequest", term: 3, transfer: true, lastIndex: 0, lastTerm: 0 },
    ]);
  });

  test.each<{ readonly who: string; readonly options: LoneCoreOptions; readonly from: number }>([
    { who: "a stranger to the leader", options: { term: 2 }, from: 3 },
    { who: "a learner", options: { term: 2, voters: [2, 3], learners: [1] }, from: 2 },
    { who: "a damaged replica", options: { term: 2, damage: "fetch" }, from: 2 },
    { who: "a replica of a later term", options: { term: 4 }, from: 2 },
  ])("is not for $who", ({ options, from }) => {
    const core = new LoneCore(options);
    if (core.state.hardState.term === 2) core.receive(2, { kind: "heartbeat", term: 2, commit: 0 });
    const { hardState } = core.state;
    core.receive(from, timeoutNow);
    expect(core.state.hardState).toBe(hardState);
    expect(core.state.role.kind).toBe("follower");
  });

  test("is voted for by those who heard the leader just now, but not by a leader that did not hand over", () => {
    const request = { kind: "voteRequest", transfer: true, term: 3, lastIndex: 9, lastTerm: 2 } as const;
    const voter = new LoneCore({ term: 2 });
    voter.receive(2, { kind: "heartbeat", term: 2, commit: 0 });
    expect(sends(voter.receive(3, request))[0]?.message).toMatchObject({ granted: true });
    const standing = leader();
    expect(sends(standing.receive(3, request))[0]?.message).toMatchObject({ granted: false });
    const leaving = leader();
    handOver(leaving, 2);
    expect(sends(leaving.receive(3, request))[0]?.message).toMatchObject({ granted: true });
  });
});

test("A leader whose process has ended is forgotten, and elected away no sooner for that", () => {
  const core = new LoneCore({ term: 2 });
  core.receive(2, { kind: "heartbeat", term: 2, commit: 0 });
  const due = nextTickMs(core.state);
  expect(core.run({ kind: "forgetLeader", nowMs: core.nowMs })).toEqual([
    { kind: "roleChanged", role: "follower", term: 2, leader: 0 },
  ]);
  expect(nextTickMs(core.state)).toBe(due);
  const ask = { kind: "preVoteRequest", term: 2, electionTerm: 3, lastIndex: 9, lastTerm: 2 } as const;
  expect(sends(core.receive(3, ask))[0]?.message).toMatchObject({ granted: false });
});
