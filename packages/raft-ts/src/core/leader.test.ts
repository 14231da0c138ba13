import { describe, expect, test } from "@jest/globals";
import { kinds, LoneCore, type LoneCoreOptions, sends } from "../testing/lone-core.ts";
import type { AppendRequest } from "./messages.ts";
import { leaseUntilMs, nextTickMs } from "./state.ts";
import { raftTimes } from "./times.ts";

const accept = (matchIndex: number, term = 2) => ({ kind: "appendAccepted", term, matchIndex, lost: false }) as const;
const reject = (prevIndex: number, hintIndex: number, hintTerm: number, term = 2) =>
  ({ kind: "appendRejected", term, prevIndex, hintIndex, hintTerm, lost: false }) as const;
const answer = (sentMs: number, rest: { follows?: boolean; term?: number } = {}) =>
  ({ kind: "heartbeatReply", term: 2, follows: true, sentMs, ...rest }) as const;

/** The leader of term 2, its first entry and all before it durable. */
function leader(options: LoneCoreOptions = {}): LoneCore {
  const core = new LoneCore({ term: 1, ...options });
  core.elect();
  core.persist();
  return core;
}

/** A leader of three that replicates to both followers. */
function replicating(options: LoneCoreOptions = {}): LoneCore {
  const core = leader(options);
  const last = core.log.length;
  core.receive(2, accept(last));
  core.receive(3, accept(last));
  return core;
}

function appendsTo(follower: number, effects: ReturnType<LoneCore["run"]>): readonly AppendRequest[] {
  return sends(effects).flatMap(({ to, message }) =>
    to === follower && message.kind === "appendRequest" ? [message] : [],
  );
}

describe("A new leader (Raft paper §5.4.2, §8)", () => {
  test("appends an empty entry of its term and sends it before its own write ends", () => {
    const core = new LoneCore({ term: 1, log: [1] });
    const effects = core.elect();
    expect(kinds(effects)).toEqual(["roleChanged", "append", "send", "send"]);
    expect(effects[1]).toEqual({ kind: "append", entries: [{ index: 2, term: 2 }] });
    expect(effects[2]).toMatchObject({
      waitsFor: "nothing",
      message: { prevIndex: 1, prevTerm: 1, entries: [{ index: 2, term: 2 }], commit: 0 },
    });
  });

  test("commits earlier terms only with an entry of its own (Figure 8)", () => {
    const core = leader({ log: [1, 1], voters: [1, 2, 3] });
    expect(kinds(core.receive(2, accept(2)))).not.toContain("commit");
    expect(core.receive(2, accept(3))).toContainEqual({ kind: "commit", index: 3 });
  });
});

describe("Commitment (Raft paper §5.3)", () => {
  test("the leader counts itself only when its entry is durable", () => {
    const core = new LoneCore({ voters: [1, 2] });
    core.elect();
    expect(kinds(core.receive(2, accept(1)))).not.toContain("commit");
    expect(core.persist()).toContainEqual({ kind: "commit", index: 1 });
  });

  test("two followers are a majority of three before the leader's own write has ended", () => {
    const core = replicating();
    core.propose();
    core.receive(2, accept(2));
    expect(core.receive(3, accept(2))).toContainEqual({ kind: "commit", index: 2 });
    expect(core.state.durableIndex).toBe(1);
  });

  test("of four voters, two are not enough", () => {
    const core = leader({ voters: [1, 2, 3, 4] });
    core.receive(2, accept(1));
    expect(core.state.commit).toBe(0);
    core.receive(3, accept(1));
    expect(core.state.commit).toBe(1);
  });

  test("an acknowledgement above its own last index is refused (a follower that reports too much)", () => {
    const core = replicating();
    expect(core.receive(2, accept(9))).toEqual([
      { kind: "suspect", from: 2, reason: "an acknowledgement of entries that were never sent" },
    ]);
    expect(core.state.commit).toBe(1);
  });

  test("acknowledgements of an earlier term are not counted", () => {
    const core = leader({ log: [1] });
    expect(core.receive(2, accept(2, 1))).toEqual([]);
    expect(core.state.commit).toBe(0);
  });

  test("a follower with nothing on its way is told of the commit at once, others with their next entries", () => {
    const core = replicating();
    core.propose();
    core.persist();
    const effects = core.receive(2, accept(2));
    expect(appendsTo(2, effects)).toEqual([expect.objectContaining({ prevIndex: 2, entries: [], commit: 2 })]);
    expect(appendsTo(3, effects)).toEqual([]);
    expect(appendsTo(3, core.propose())).toEqual([expect.objectContaining({ prevIndex: 2, commit: 2 })]);
  });
});

describe("Replication (Raft paper §5.3; thesis §10.2.1, pipelining)", () => {
  test("a follower whose log is not known gets one append at a time", () => {
    const core = leader();
    expect(appendsTo(2, core.propose())).toEqual([]);
    expect(appendsTo(2, core.receive(2, accept(1)))).toEqual([expect.objectContaining({ prevIndex: 1 })]);
  });

  test("after that entries are sent ahead of answers, up to a bound", () => {
    const core = replicating();
    let sent = 0;
    for (let count = 0; count < 100; count += 1) sent += appendsTo(2, core.propose()).length;
    expect(sent).toBe(64);
    const more = appendsTo(2, core.receive(2, accept(11)));
    expect(more[0]).toMatchObject({ prevIndex: 65 });
    expect(more.flatMap(({ entries }) => entries).at(-1)?.index).toBe(101);
  });

  test("unanswered appends are bounded by bytes too, and one large entry goes by itself", () => {
    const core = replicating({ entryBytes: 3 * 1024 * 1024 });
    let sent = 0;
    for (let count = 0; count < 10; count += 1) sent += appendsTo(2, core.propose()).length;
    expect(sent).toBe(2);
    const more = appendsTo(2, core.receive(2, accept(3)));
    expect(more.map(({ entries }) => entries.map(({ index }) => index))).toEqual([[4], [5]]);
  });

  test("entries that wait go together up to a bound of bytes", () => {
    const core = leader({ entryBytes: 300 * 1024 });
    for (let count = 0; count < 5; count += 1) core.propose();
    const [first] = appendsTo(2, core.receive(2, accept(1)));
    expect(first?.entries.map(({ index }) => index)).toEqual([2, 3, 4]);
  });

  test("a follower that answered while others committed is told of that at once", () => {
    const core = replicating();
    core.propose();
    core.persist();
    core.receive(2, accept(2));
    expect(appendsTo(3, core.receive(3, accept(2)))).toEqual([expect.objectContaining({ entries: [], commit: 2 })]);
    expect(core.receive(3, accept(2))).toEqual([]);
  });

  test("a probe that is lost goes to the same place again: a new leader does not begin at the start of the log", () => {
    const core = new LoneCore({ term: 1, log: [1, 1, 1, 1] });
    core.elect();
    core.nowMs += raftTimes.resendMs;
    expect(appendsTo(2, core.receive(2, answer(core.nowMs)))).toEqual([expect.objectContaining({ prevIndex: 4 })]);
  });

  test("a broken connection is made up for at the next answer to a heartbeat, not after a wait", () => {
    const core = replicating();
    core.propose();
    expect(core.run({ kind: "unreachable", nowMs: core.nowMs, peer: 2 })).toEqual([]);
    const [again] = appendsTo(2, core.receive(2, answer(core.nowMs)));
    expect(again).toMatchObject({ prevIndex: 1, entries: [{ index: 2 }] });
    expect(core.run({ kind: "unreachable", nowMs: core.nowMs, peer: 9 })).toEqual([]);
  });

  test("a rejection skips a whole term of differing entries at once", () => {
    const core = new LoneCore({ term: 4, log: [1, 1, 1, 4, 4, 4] });
    core.elect();
    // The follower has terms 1 1 1 2 2 2: its last entry of a term up to 4 is (6, 2).
    const [probe] = appendsTo(2, core.receive(2, reject(6, 6, 2, 5)));
    expect(probe).toMatchObject({ prevIndex: 3, prevTerm: 1 });
    expect(probe?.entries.map(({ term }) => term)).toEqual([4, 4, 4, 5]);
  });

  test("a follower that lacks many entries gets them in bounded pieces", () => {
    const core = new LoneCore({ term: 1, log: Array.from({ length: 30 }, () => 1) });
    core.elect();
    const [probe] = appendsTo(2, core.receive(2, reject(30, 0, 0)));
    expect(probe?.entries.length).toBe(8);
    expect(appendsTo(2, core.receive(2, accept(8))).map(({ entries }) => entries.length)).toEqual([8, 8, 7]);
  });

  test("rejections that are late or repeated change nothing", () => {
    const core = replicating({ log: [1, 1] });
    core.propose();
    expect(core.receive(2, reject(2, 0, 0))).toEqual([]);
    const [again] = appendsTo(2, core.receive(2, reject(4, 3, 2)));
    expect(again).toMatchObject({ prevIndex: 3 });
    expect(core.receive(2, reject(4, 3, 2))).toEqual([]);
  });

  test("what stays unanswered is sent again when the follower answers heartbeats", () => {
    const core = replicating();
    core.propose();
    core.nowMs += raftTimes.resendMs - 1;
    expect(core.receive(2, answer(core.nowMs))).toEqual([]);
    core.nowMs += 1;
    expect(appendsTo(2, core.receive(2, answer(core.nowMs)))).toEqual([
      expect.objectContaining({ prevIndex: 1, entries: [{ index: 2, term: 2 }] }),
    ]);
  });

  test("who does not lead proposes nothing", () => {
    expect(new LoneCore().propose()).toEqual([]);
  });
});

describe("Check-quorum and lease (Raft thesis §6.2, §6.4.1)", () => {
  test("a leader that hears no majority for an election timeout steps down", () => {
    const core = replicating();
    core.nowMs += 300;
    core.receive(2, answer(core.nowMs));
    expect(nextTickMs(core.state)).toBe(core.nowMs + raftTimes.leaderQuietMs);
    expect(core.tick(nextTickMs(core.state) - 1)).toEqual([]);
    expect(core.tick(nextTickMs(core.state))).toEqual([{ kind: "roleChanged", role: "follower", term: 2, leader: 0 }]);
  });

  test("a tick at the very time that was asked for always counts", () => {
    for (let offset = 0; offset < 1; offset += 0.013) {
      const core = leader();
      core.nowMs += 123.456 + offset;
      core.receive(2, answer(core.nowMs));
      core.tick(nextTickMs(core.state));
      expect(core.state.role.kind).toBe("follower");
    }
  });

  test("the lease counts from the sending of heartbeats that a majority answered", () => {
    const core = leader({ voters: [1, 2, 3] });
    expect(leaseUntilMs(core.state)).toBe(-Infinity);
    const sentMs = core.nowMs;
    core.nowMs += 90;
    core.receive(2, answer(sentMs));
    expect(leaseUntilMs(core.state)).toBe(sentMs + raftTimes.leaseMs);
    core.receive(3, answer(sentMs - 50));
    expect(leaseUntilMs(core.state)).toBe(sentMs + raftTimes.leaseMs);
  });

  test("who does not follow in exactly this term gives neither lease nor contact", () => {
    const core = leader();
    const due = nextTickMs(core.state);
    core.nowMs += 100;
    core.receive(2, answer(core.nowMs, { follows: false, term: 1 }));
    core.receive(3, answer(core.nowMs, { follows: false }));
    expect(leaseUntilMs(core.state)).toBe(-Infinity);
    expect(nextTickMs(core.state)).toBe(due);
  });

  test("a follower in a later term ends leadership and lease", () => {
    const core = leader();
    core.receive(2, answer(core.nowMs));
    const effects = core.receive(3, answer(core.nowMs, { follows: false, term: 5 }));
    expect(effects[0]).toEqual({ kind: "persistHardState", hardState: { term: 5, vote: 0 } });
    expect(core.state.role).toEqual({ kind: "follower", leader: 0 });
    expect(leaseUntilMs(core.state)).toBe(-Infinity);
  });

  test("a sole voter's lease never ends while it leads", () => {
    expect(leaseUntilMs(leader({ voters: [1] }).state)).toBe(Infinity);
  });
});
