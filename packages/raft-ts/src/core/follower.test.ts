import { describe, expect, test } from "@jest/globals";
import { LoneCore, sends } from "../testing/lone-core.ts";
import type { AppendRequest, Entry } from "./messages.ts";
import { follows } from "./state.ts";

/** An append after (`prevIndex`, `prevTerm`) of entries of these terms. */
function append(
  prevIndex: number,
  prevTerm: number,
  terms: readonly number[],
  rest: Partial<AppendRequest> = {},
): AppendRequest {
  const entries: readonly Entry[] = terms.map((term, at) => ({ index: prevIndex + 1 + at, term }));
  return { kind: "appendRequest", term: 3, prevIndex, prevTerm, entries, commit: 0, uncounted: false, ...rest };
}

type Case = {
  readonly rule: string;
  readonly log: readonly number[];
  readonly request: AppendRequest;
  readonly after: readonly number[];
  readonly answer: object;
};
const accepted = (matchIndex: number) => ({ kind: "appendAccepted", term: 3, matchIndex, lost: false });
const rejected = (prevIndex: number, hintIndex: number, hintTerm: number) => ({
  kind: "appendRejected",
  term: 3,
  prevIndex,
  hintIndex,
  hintTerm,
  lost: false,
});

describe("AppendEntries (Raft paper §5.3, Figures 2 and 7)", () => {
  test.each<Case>([
    {
      rule: "takes entries that follow its last",
      log: [1],
      request: append(1, 1, [3, 3]),
      after: [1, 3, 3],
      answer: accepted(3),
    },
    { rule: "takes the first entries of all", log: [], request: append(0, 0, [3]), after: [3], answer: accepted(1) },
    { rule: "answers an empty append", log: [1, 1], request: append(2, 1, []), after: [1, 1], answer: accepted(2) },
    {
      rule: "acknowledges only what the append covers, not its own tail",
      log: [1, 1, 1],
      request: append(1, 1, []),
      after: [1, 1, 1],
      answer: accepted(1),
    },
    {
      rule: "keeps entries that a late append repeats, and what follows them",
      log: [1, 3, 3],
      request: append(1, 1, [3]),
      after: [1, 3, 3],
      answer: accepted(2),
    },
    {
      rule: "replaces entries that conflict, and all after them",
      log: [1, 2, 2, 2],
      request: append(1, 1, [2, 3]),
      after: [1, 2, 3],
      answer: accepted(3),
    },
    {
      rule: "rejects a gap (Figure 7 a, b)",
      log: [1, 1],
      request: append(5, 3, [3]),
      after: [1, 1],
      answer: rejected(5, 2, 1),
    },
    {
      rule: "rejects another term at the place (Figure 7 f)",
      log: [1, 2, 2, 2],
      request: append(4, 3, [3]),
      after: [1, 2, 2, 2],
      answer: rejected(4, 4, 2),
    },
    {
      rule: "hints below all entries of later terms than the leader's",
      log: [1, 1, 2, 2, 2],
      request: append(4, 1, [3]),
      after: [1, 1, 2, 2, 2],
      answer: rejected(4, 2, 1),
    },
    {
      rule: "hints at nothing when all differs",
      log: [2, 2],
      request: append(2, 1, [3]),
      after: [2, 2],
      answer: rejected(2, 0, 0),
    },
  ])("$rule", ({ log, request, after, answer }) => {
    const core = new LoneCore({ term: 3, log });
    const effects = core.receive(2, request);
    expect(core.log).toEqual(after);
    expect(sends(effects)).toEqual([{ to: 2, message: answer }]);
    // An acknowledgement before the entries are durable would be a lie after a crash.
    expect(effects.at(-1)).toMatchObject({ kind: "send", waitsFor: "durable" });
  });

  test("an older term is rejected with the present one, and appends nothing", () => {
    const core = new LoneCore({ term: 4 });
    expect(sends(core.receive(2, append(0, 0, [3])))).toEqual([
      { to: 2, message: { kind: "appendRejected", term: 4, prevIndex: 0, hintIndex: 0, hintTerm: 0, lost: false } },
    ]);
    expect(core.log).toEqual([]);
  });

  test("the commit index follows the leader's, but not beyond what this append vouches for", () => {
    const core = new LoneCore({ term: 3, log: [1, 2, 2] });
    expect(core.receive(2, append(1, 1, [], { commit: 3 }))).toContainEqual({ kind: "commit", index: 1 });
    expect(core.receive(2, append(1, 1, [3], { commit: 9 }))).toContainEqual({ kind: "commit", index: 2 });
    core.receive(2, append(1, 1, [], { commit: 1 }));
    expect(core.state.commit).toBe(2);
  });

  test("a late append below the commit index is answered with it, and undoes nothing", () => {
    const core = new LoneCore({ term: 3, log: [1, 1, 3], commit: 3 });
    expect(sends(core.receive(2, append(1, 1, [1])))[0]?.message).toEqual(accepted(3));
    expect(sends(core.receive(2, append(1, 1, [1, 3, 3])))[0]?.message).toEqual(accepted(4));
    expect(core.log).toEqual([1, 1, 3, 3]);
  });

  test("a committed entry is never replaced", () => {
    const core = new LoneCore({ term: 3, log: [1, 1], commit: 2 });
    expect(core.receive(2, append(1, 1, [3, 3]))).toEqual([
      { kind: "roleChanged", role: "follower", term: 3, leader: 2 },
      { kind: "suspect", from: 2, reason: "an append contradicts a committed entry" },
    ]);
    expect(core.log).toEqual([1, 1]);
  });

  test("a second leader of one term is refused", () => {
    const core = new LoneCore({ term: 3 });
    core.receive(2, append(0, 0, [3]));
    expect(core.receive(3, append(1, 3, [3]))).toEqual([
      { kind: "suspect", from: 3, reason: "a second leader of the current term" },
    ]);
    expect(core.log).toEqual([3]);
  });
});

describe("Writes under way when entries are replaced", () => {
  test("the end of a write that was overtaken by a discard makes nothing durable", () => {
    const core = new LoneCore({ term: 3, log: [1] });
    core.receive(2, append(1, 1, [3, 3]));
    const overtaken = core.persisted();
    core.receive(3, append(1, 1, [4], { term: 4 }));
    core.receive(3, append(2, 4, [4], { term: 4 }));
    core.run(overtaken);
    expect(core.state.durableIndex).toBe(1);
    core.persist();
    expect(core.state.durableIndex).toBe(3);
  });
});

describe("Heartbeats", () => {
  const beat = (term: number, commit = 0) => ({ kind: "heartbeat", term, commit }) as const;

  test("a follower is counted only for the leader and term that it follows durably", () => {
    const core = new LoneCore({ term: 3 });
    core.receive(2, beat(4));
    expect(follows(core.state, 2, 4)).toBe(false);
    core.persist();
    expect(follows(core.state, 2, 4)).toBe(true);
    expect(follows(core.state, 2, 3)).toBe(false);
    expect(follows(core.state, 3, 4)).toBe(false);
  });

  test("they put off the campaign and tell what is committed", () => {
    const core = new LoneCore({ term: 3, log: [3, 3] });
    core.nowMs += 50;
    expect(core.receive(2, beat(3, 2))).toContainEqual({ kind: "commit", index: 2 });
    expect(core.state.campaignAtMs).toBe(core.nowMs + 700);
  });

  test("of an earlier term they change nothing", () => {
    const core = new LoneCore({ term: 3 });
    const before = core.state.campaignAtMs;
    expect(core.receive(2, beat(2))).toEqual([]);
    expect(core.state.campaignAtMs).toBe(before);
  });

  test("a commit index beyond the log is refused", () => {
    const core = new LoneCore({ term: 3, log: [3] });
    expect(core.receive(2, beat(3, 2))).toContainEqual(expect.objectContaining({ kind: "suspect" }));
    expect(core.state.commit).toBe(0);
  });
});

test("A write's end says nothing of an entry that replaced another, nor of one that came back in its place", () => {
  const core = new LoneCore({ term: 1, log: [1] });
  const at = (term: number, entryTerm: number): void => {
    core.receive(2, { ...append(1, 1, [entryTerm]), term });
  };
  at(1, 1);
  const firstWrite = core.persisted();
  at(2, 2);
  const secondWrite = core.persisted();
  at(3, 1); // The entry of the first write again, by a leader that has it.
  core.run(firstWrite);
  core.run(secondWrite);
  expect(core.state.durableIndex).toBe(1);
  core.persist();
  expect(core.state.durableIndex).toBe(2);
});
