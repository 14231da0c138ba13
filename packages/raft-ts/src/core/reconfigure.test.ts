import { describe, expect, test } from "@jest/globals";
import type { ReplicaId } from "../ports.ts";
import { kinds, LoneCore, type LoneCoreOptions, sends } from "../testing/lone-core.ts";
import type { MemberChange } from "./membership.ts";
import type { AppendRequest } from "./messages.ts";
import { simple } from "./quorum.ts";
import { initialState, nextTickMs } from "./state.ts";
import { raftTimes } from "./times.ts";

const accept = (matchIndex: number, term = 2) => ({ kind: "appendAccepted", term, matchIndex, lost: false }) as const;
const add = (replica: ReplicaId): MemberChange => ({ kind: "addVoter", replica });
const remove = (replica: ReplicaId): MemberChange => ({ kind: "remove", replica });
const learn = (replica: ReplicaId): MemberChange => ({ kind: "addLearner", replica });

/** The leader of term 2 that has committed its first entry, 1, with all voters. */
function leader(options: LoneCoreOptions = {}): LoneCore {
  const core = new LoneCore({ term: 1, ...options });
  core.elect();
  core.persist();
  for (const voter of core.state.configuration.incoming) if (voter !== 1) core.receive(voter, accept(1));
  return core;
}

/** An append by replica 2, which leads term 2. */
function append(prevIndex: number, prevTerm: number, rest: Partial<AppendRequest>): AppendRequest {
  return { kind: "appendRequest", term: 2, prevIndex, prevTerm, entries: [], commit: 0, uncounted: false, ...rest };
}

describe("A configuration is in force when it is appended (Raft thesis §4.1)", () => {
  test("the leader counts with it, and sends to the newcomer, at once", () => {
    const core = leader();
    const effects = core.reconfigure({ changes: [add(4)] });
    expect(kinds(effects)).toEqual(["append", "configured", "send", "send", "send"]);
    expect(effects[0]).toEqual({
      kind: "append",
      entries: [{ index: 2, term: 2, configuration: simple([1, 2, 3, 4]) }],
    });
    core.persist();
    core.receive(2, accept(2));
    expect(core.state.commit).toBe(1); // Two of three, but of four there must be three.
    core.receive(4, accept(2));
    expect(core.state.commit).toBe(2);
  });

  test("a follower takes it from the entry, and the one before when that is discarded", () => {
    const core = new LoneCore({ term: 2, log: [1] });
    core.receive(
      2,
      append(1, 1, {
        entries: [
          { index: 2, term: 2, configuration: simple([1, 2]) },
          { index: 3, term: 2, configuration: simple([2]) },
        ],
      }),
    );
    expect(core.state).toMatchObject({ configuration: simple([2]), configurationIndex: 3 });
    const effects = core.receive(3, append(2, 2, { term: 3, entries: [{ index: 3, term: 3 }] }));
    expect(effects).toContainEqual({ kind: "configured", at: { index: 2, configuration: simple([1, 2]) } });
    core.receive(2, append(1, 1, { term: 4, entries: [{ index: 2, term: 4 }] }));
    expect(core.state).toMatchObject({ configuration: simple([1, 2, 3]), configurationIndex: 0 });
  });

  test("whom it drops may still campaign until it is committed, or those who lack it could not be elected", () => {
    const core = new LoneCore({ term: 2, log: [1] });
    const entries = [{ index: 2, term: 2, configuration: simple([2, 3]) }];
    core.receive(2, append(1, 1, { entries }));
    expect(nextTickMs(core.state)).toBeLessThan(Infinity);
    core.receive(2, append(2, 2, { commit: 2 }));
    expect(nextTickMs(core.state)).toBe(Infinity);
    core.nowMs += 10_000;
    expect(core.tick(core.nowMs)).toEqual([]);
  });
});

describe("One change at a time", () => {
  test("is committed before the next is appended", () => {
    const core = leader();
    core.reconfigure({ changes: [add(4)] });
    expect(core.reconfigure({ changes: [add(5)] })).toEqual([
      { kind: "refused", reason: "the change before is not committed yet" },
    ]);
  });

  test("is not begun before an entry of the leader's term is committed, save by a sole voter", () => {
    const core = new LoneCore({ term: 1 });
    core.elect();
    const reason = "the leader has not committed an entry of its term yet";
    expect(core.reconfigure({ changes: [add(4)] })).toEqual([{ kind: "refused", reason }]);
    const alone = new LoneCore({ voters: [1] });
    alone.elect();
    expect(kinds(alone.reconfigure({ changes: [add(2)] }))).toContain("append");
  });

  test("is refused by whoever does not lead, and while leadership is handed over", () => {
    expect(new LoneCore().reconfigure({})).toEqual([{ kind: "refused", reason: "this replica does not lead" }]);
    const core = leader();
    core.run({ kind: "transfer", nowMs: core.nowMs, to: 2 });
    expect(core.reconfigure({})).toEqual([{ kind: "refused", reason: "leadership is being handed over" }]);
  });

  test("of an older placement is refused", () => {
    const core = leader();
    core.reconfigure({ changes: [], revision: 7 });
    core.persist();
    core.receive(2, accept(2));
    expect(kinds(core.reconfigure({ changes: [remove(3)], revision: 6 }))).toEqual(["refused"]);
    expect(core.state.configuration).toEqual(simple([1, 2, 3], 7));
  });
});

describe("A joint configuration (Raft paper §6)", () => {
  const exchange = { kind: "joint", changes: [add(4), add(5), remove(2), remove(3)], autoLeave: true } as const;

  test("needs a majority of both halves", () => {
    const core = leader();
    core.reconfigure(exchange);
    core.persist();
    core.receive(2, accept(2));
    expect(core.state.commit).toBe(1);
    core.receive(4, accept(2));
    expect(core.state.commit).toBe(2);
  });

  test("is left by itself once it is applied, and those whom that drops hear of it", () => {
    const core = leader();
    core.reconfigure(exchange);
    core.persist();
    for (const voter of [2, 4]) core.receive(voter, accept(2));
    const effects = core.applied();
    expect(effects[0]).toMatchObject({ kind: "append", entries: [{ index: 3, configuration: simple([1, 4, 5]) }] });
    expect(sends(effects).map(({ to }) => to)).toContain(2);
    core.persist();
    core.receive(4, accept(3));
    expect(core.state.commit).toBe(3);
    const told = sends(core.receive(2, accept(3)));
    expect(told).toEqual([{ to: 2, message: expect.objectContaining({ commit: 3, entries: [] }) }]);
    // Both know, or have been silent for long, and are forgotten.
    core.nowMs += raftTimes.leaderQuietMs;
    core.receive(5, accept(3));
    const { role } = core.state;
    expect(role.kind === "leader" && [...role.progress.keys()]).toEqual([4, 5]);
  });

  test("waits to be left when that was asked for", () => {
    const core = leader();
    core.reconfigure({ ...exchange, autoLeave: false });
    core.persist();
    for (const voter of [2, 4]) core.receive(voter, accept(2));
    expect(core.applied()).toEqual([]);
    expect(kinds(core.reconfigure({ kind: "leave" }))).toContain("append");
  });
});

describe("A removed leader (Raft thesis §4.2.2)", () => {
  test("does not count itself, and steps down once that is applied", () => {
    const core = leader();
    core.reconfigure({ changes: [remove(1)] });
    core.persist();
    core.receive(2, accept(2));
    expect(core.state.commit).toBe(1); // Itself and one of two.
    expect(core.receive(3, accept(2))).toContainEqual({ kind: "commit", index: 2 });
    expect(core.state.role.kind).toBe("leader");
    expect(core.applied()).toEqual([{ kind: "roleChanged", role: "follower", term: 2, leader: 0 }]);
    expect(nextTickMs(core.state)).toBe(Infinity);
  });

  test("changes nothing more", () => {
    const core = leader();
    core.reconfigure({ changes: [remove(1)] });
    core.persist();
    for (const voter of [2, 3]) core.receive(voter, accept(2));
    expect(core.reconfigure({})).toEqual([{ kind: "refused", reason: "this leader is about to be dropped" }]);
  });

  test("does so also when it becomes a learner", () => {
    const core = leader();
    core.reconfigure({ changes: [learn(1)] });
    core.persist();
    for (const voter of [2, 3]) core.receive(voter, accept(2));
    expect(kinds(core.applied())).toEqual(["roleChanged"]);
  });
});

describe("The only voter of a configuration", () => {
  test("campaigns at once after a restart when it has elected itself, or nobody ever did", () => {
    expect(nextTickMs(new LoneCore({ voters: [1], term: 0 }).state)).toBe(0);
    expect(nextTickMs(new LoneCore({ voters: [1], term: 3, vote: 1, log: [1, 3] }).state)).toBe(0);
  });

  test("waits like any other when somebody else may still lead, and be dropped by that very configuration", () => {
    expect(nextTickMs(new LoneCore({ voters: [1], term: 3, vote: 2, log: [1, 3] }).state)).toBeGreaterThan(0);
    const dropped = new LoneCore({ voters: [1, 2], term: 2, vote: 1 });
    dropped.receive(2, append(0, 0, { entries: [{ index: 1, term: 2, configuration: simple([1]) }] }));
    const view = dropped.store.view(1);
    const restarted = initialState({
      self: 1,
      configuration: view.configurationAt(),
      damage: "no",
      hardState: { term: 2, vote: 1 },
      log: view,
      commit: 0,
      nowMs: 0,
      electionJitterMs: 100,
      retryDelayMs: 80,
    });
    expect(nextTickMs(restarted)).toBe(raftTimes.leaderQuietMs + 100);
  });
});

describe("A learner (Raft thesis §4.2.1)", () => {
  test("gets entries and heartbeats, and counts for nothing", () => {
    const core = leader({ voters: [1, 2], learners: [3] });
    const targets = sends(core.propose()).map(({ to }) => to);
    core.receive(3, accept(2));
    core.persist();
    expect(core.state.commit).toBe(1);
    core.receive(2, accept(2));
    expect(core.state.commit).toBe(2);
    expect(targets).toEqual([2]); // The learner is probed with the first entry still.
    expect(core.state.role).toMatchObject({ kind: "leader" });
  });

  test("does not campaign, but votes when it is asked: it may be a voter and not know yet", () => {
    const core = new LoneCore({ voters: [2, 3], learners: [1], term: 1 });
    expect(nextTickMs(core.state)).toBe(Infinity);
    const effects = core.receive(2, { kind: "voteRequest", transfer: false, term: 2, lastIndex: 0, lastTerm: 0 });
    expect(sends(effects)).toEqual([
      { to: 2, message: { kind: "voteReply", term: 2, electionTerm: 2, granted: true } },
    ]);
  });

  test("that never heard of any configuration waits for a leader, and votes too", () => {
    const core = new LoneCore({ voters: [], term: 0 });
    expect(nextTickMs(core.state)).toBe(Infinity);
    const entries = [{ index: 1, term: 2, configuration: simple([2, 1]) }];
    core.receive(2, append(0, 0, { entries }));
    expect(nextTickMs(core.state)).toBeLessThan(Infinity);
  });
});

test("A removed replica that campaigns disturbs nobody who hears a leader (Raft thesis §4.2.3)", () => {
  const core = leader();
  const before = core.state.hardState;
  const request = { term: 9, lastIndex: 9, lastTerm: 9 } as const;
  const answers = [
    ...core.receive(7, { kind: "voteRequest", transfer: false, ...request }),
    ...core.receive(7, { kind: "preVoteRequest", electionTerm: 10, ...request }),
  ];
  expect(sends(answers).map(({ message }) => "granted" in message && message.granted)).toEqual([false, false]);
  expect(core.state.hardState).toBe(before);
  expect(core.state.role.kind).toBe("leader");
});
