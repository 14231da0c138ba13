import { describe, expect, test } from "@jest/globals";
import { kinds, LoneCore, type LoneCoreOptions, sends } from "../testing/lone-core.ts";
import { raftTimes } from "./times.ts";

type Asked = {
  readonly rule: string;
  readonly state: LoneCoreOptions;
  readonly term: number;
  readonly log: readonly [number, number];
};
type Answered = { readonly granted: boolean; readonly replyTerm: number };

const ask = (term: number, [lastTerm, lastIndex]: readonly [number, number]) =>
  ({ kind: "voteRequest", transfer: false, term, lastIndex, lastTerm }) as const;
const preAsk = (electionTerm: number, [lastTerm, lastIndex]: readonly [number, number]) =>
  ({ kind: "preVoteRequest", term: electionTerm - 1, electionTerm, lastIndex, lastTerm }) as const;

describe("RequestVote (Raft paper §5.2, §5.4.1)", () => {
  test.each<Asked & Answered>([
    {
      rule: "gives its vote to the first who asks",
      state: { term: 2 },
      term: 2,
      log: [0, 0],
      granted: true,
      replyTerm: 2,
    },
    { rule: "repeats a vote", state: { term: 2, vote: 2 }, term: 2, log: [0, 0], granted: true, replyTerm: 2 },
    { rule: "gives one vote a term", state: { term: 2, vote: 3 }, term: 2, log: [0, 0], granted: false, replyTerm: 2 },
    {
      rule: "forgets its vote in a newer term",
      state: { term: 2, vote: 3 },
      term: 3,
      log: [0, 0],
      granted: true,
      replyTerm: 3,
    },
    { rule: "refuses an older term", state: { term: 4 }, term: 3, log: [0, 0], granted: false, replyTerm: 4 },
    {
      rule: "refuses a log that ends in an earlier term",
      state: { term: 2, log: [1, 2] },
      term: 3,
      log: [1, 9],
      granted: false,
      replyTerm: 3,
    },
    {
      rule: "refuses a shorter log of the same term",
      state: { term: 2, log: [2, 2] },
      term: 3,
      log: [2, 1],
      granted: false,
      replyTerm: 3,
    },
    {
      rule: "accepts an equal log",
      state: { term: 2, log: [1, 2] },
      term: 3,
      log: [2, 2],
      granted: true,
      replyTerm: 3,
    },
    {
      rule: "accepts a shorter log that ends in a later term",
      state: { term: 2, log: [1, 1] },
      term: 3,
      log: [2, 1],
      granted: true,
      replyTerm: 3,
    },
  ])("$rule", ({ state, term, log, granted, replyTerm }) => {
    const core = new LoneCore(state);
    const effects = core.receive(2, ask(term, log));
    expect(sends(effects)).toEqual([
      { to: 2, message: { kind: "voteReply", term: replyTerm, electionTerm: term, granted } },
    ]);
    expect(effects).toContainEqual(expect.objectContaining({ kind: "send", waitsFor: "durable" }));
  });

  test("term and vote are to be persisted before the answer", () => {
    const effects = new LoneCore({ term: 1 }).receive(3, ask(2, [0, 0]));
    expect(kinds(effects)).toEqual(["persistHardState", "persistHardState", "send"]);
    expect(effects[1]).toEqual({ kind: "persistHardState", hardState: { term: 2, vote: 3 } });
  });

  test("a vote puts off the voter's own campaign, a refusal does not", () => {
    const core = new LoneCore({ log: [1, 1] });
    const before = core.state.campaignAtMs;
    core.receive(2, ask(2, [1, 1]));
    expect(core.state.campaignAtMs).toBe(before);
    core.receive(3, ask(3, [1, 2]));
    expect(core.state.campaignAtMs).toBe(core.nowMs + raftTimes.leaderQuietMs + 100);
  });
});

describe("Loyalty to a leader that may hold a lease (Raft thesis §6.4.1, §9.6)", () => {
  const refused = { granted: false, term: 2 };

  test("who heard a leader within the election timeout votes for nobody and keeps its term", () => {
    const core = new LoneCore({ term: 2 });
    core.receive(3, { kind: "heartbeat", term: 2, commit: 0 });
    core.nowMs += raftTimes.leaderQuietMs - 1;
    expect(sends(core.receive(2, ask(3, [0, 0])))[0]?.message).toMatchObject(refused);
    expect(sends(core.receive(2, preAsk(3, [0, 0])))[0]?.message).toMatchObject(refused);
    expect(core.state.hardState).toEqual({ term: 2, vote: 0 });
    core.nowMs += 1;
    expect(sends(core.receive(2, preAsk(3, [0, 0])))[0]?.message).toMatchObject({ granted: true });
    expect(sends(core.receive(2, ask(3, [0, 0])))[0]?.message).toMatchObject({ granted: true });
  });

  test("loyalty outlives the leader's term: its lease does too", () => {
    const core = new LoneCore({ term: 2 });
    core.receive(3, { kind: "heartbeat", term: 2, commit: 0 });
    core.receive(2, { kind: "preVoteReply", term: 5, electionTerm: 6, granted: false });
    expect(core.state.hardState.term).toBe(5);
    expect(sends(core.receive(2, ask(6, [0, 0])))[0]?.message).toMatchObject({ granted: false, term: 5 });
  });

  test("a leader votes for nobody", () => {
    const core = new LoneCore({ term: 1 });
    core.elect();
    expect(sends(core.receive(3, ask(9, [9, 9])))[0]?.message).toMatchObject({ granted: false, term: 2 });
    expect(core.state.role.kind).toBe("leader");
  });

  test("who has just started may have forgotten a leader and votes for nobody at first", () => {
    const core = new LoneCore({ term: 2 });
    core.nowMs = raftTimes.startQuietMs - 1;
    expect(sends(core.receive(2, ask(3, [0, 0])))[0]?.message).toMatchObject(refused);
    expect(sends(core.receive(2, preAsk(3, [0, 0])))[0]?.message).toMatchObject(refused);
    core.nowMs = raftTimes.startQuietMs;
    expect(sends(core.receive(2, ask(3, [0, 0])))[0]?.message).toMatchObject({ granted: true });
  });
});

describe("Pre-vote (Raft thesis §9.6)", () => {
  test("a grant changes nothing", () => {
    const core = new LoneCore({ term: 2, vote: 3, log: [1, 2] });
    const before = structuredClone({ ...core.state, role: undefined });
    const effects = core.receive(2, preAsk(3, [2, 2]));
    expect(sends(effects)).toEqual([
      { to: 2, message: { kind: "preVoteReply", term: 2, electionTerm: 3, granted: true } },
    ]);
    expect(kinds(effects)).toEqual(["send"]);
    expect({ ...core.state, role: undefined }).toEqual({ ...before, nowMs: core.nowMs });
  });

  test("a log that is behind, or a term that is over, is refused with the voter's term", () => {
    const core = new LoneCore({ term: 4, log: [1, 4] });
    expect(sends(core.receive(2, preAsk(5, [1, 7])))[0]?.message).toMatchObject({ granted: false, term: 4 });
    expect(sends(core.receive(2, preAsk(4, [3, 9])))[0]?.message).toMatchObject({ granted: false, term: 4 });
  });
});
