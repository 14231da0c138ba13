import { describe, expect, test } from "@jest/globals";
import type { SnapshotHead } from "../ports.ts";
import { kinds, LoneCore, sends } from "../testing/lone-core.ts";
import { simple } from "./quorum.ts";
import { raftTimes } from "./times.ts";

const accept = (matchIndex: number) => ({ kind: "appendAccepted", term: 2, matchIndex, lost: false }) as const;
const reject = (prevIndex: number, hintIndex: number, hintTerm: number) =>
  ({ kind: "appendRejected", term: 2, prevIndex, hintIndex, hintTerm, lost: false }) as const;
const answer = (sentMs: number) => ({ kind: "heartbeatReply", term: 2, follows: true, sentMs }) as const;

function snapshot(index: number, term = 1, voters: readonly number[] = [1, 2, 3]): SnapshotHead {
  return { index, term, configuration: { index: 0, configuration: simple(voters) }, id: `${index}`, bytes: 100 };
}

/** A leader whose log holds entries 5 and 6, and its first one, 7, committed. */
function leaderFromFive(): LoneCore {
  const core = new LoneCore({ term: 1, log: [1, 1, 1, 1, 1, 1], commit: 4 });
  core.compact(4);
  core.elect();
  core.persist();
  core.receive(2, accept(7));
  return core;
}

describe("A follower out of the log's reach (Raft paper §7)", () => {
  test.each<{ readonly where: string; readonly hint: readonly [number, number] }>([
    { where: "ends before its start", hint: [2, 1] },
    { where: "has nothing", hint: [0, 0] },
  ])("whose log $where is sent a snapshot, and nothing else until it has it", ({ hint }) => {
    const core = leaderFromFive();
    const effects = core.receive(3, reject(6, ...hint));
    expect(effects).toEqual([{ kind: "sendSnapshot", to: 3, nextIndex: 7 }]);
    const offered = core.run({ kind: "snapshotReady", nowMs: core.nowMs, to: 3, snapshot: snapshot(4) });
    expect(sends(offered)).toEqual([{ to: 3, message: { kind: "snapshotOffer", term: 2, snapshot: snapshot(4) } }]);
    expect(sends(core.propose()).map(({ to }) => to)).toEqual([2]);
    expect(core.receive(3, reject(6, 0, 0))).toEqual([]);
    const resumed = sends(core.receive(3, accept(4)));
    expect(resumed[0]).toMatchObject({ to: 3, message: { prevIndex: 4, entries: [{ index: 5 }, {}, {}, {}] } });
  });

  test("that differs at the very start of the log is not probed for ever", () => {
    const core = new LoneCore({ term: 3, log: [1, 1, 3, 3], commit: 3 });
    core.compact(3);
    core.elect();
    core.persist();
    core.receive(2, { ...accept(5), term: 4 });
    // It has (3, 1) where we have (3, 3), and begin after it.
    expect(kinds(core.receive(3, { ...reject(4, 3, 1), term: 4 }))).toEqual(["sendSnapshot"]);
  });

  test("is offered one again, not too often, while it answers heartbeats", () => {
    const core = leaderFromFive();
    core.receive(3, reject(6, 0, 0));
    core.nowMs += raftTimes.resendMs - 1;
    expect(core.receive(3, answer(core.nowMs))).toEqual([]);
    core.nowMs += 1;
    expect(kinds(core.receive(3, answer(core.nowMs)))).toEqual(["sendSnapshot"]);
  });

  test("gets no snapshot that ends before the log begins, nor one when it no longer needs any", () => {
    const core = leaderFromFive();
    core.receive(3, reject(6, 0, 0));
    const ready = (head: SnapshotHead | undefined) =>
      core.run({ kind: "snapshotReady", nowMs: core.nowMs, to: 3, snapshot: head });
    expect(ready(snapshot(3))).toEqual([]);
    expect(ready(undefined)).toEqual([]);
    core.receive(3, accept(5));
    expect(ready(snapshot(4))).toEqual([]);
  });
});

describe("A snapshot that is offered", () => {
  const offer = (head: SnapshotHead) => ({ kind: "snapshotOffer", term: 2, snapshot: head }) as const;

  test("is fetched when it is ahead of the log", () => {
    const core = new LoneCore({ term: 2, log: [1, 1] });
    expect(kinds(core.receive(2, offer(snapshot(5))))).toEqual(["roleChanged", "fetchSnapshot"]);
    expect(core.state.commit).toBe(0);
  });

  test("is acknowledged when all of it is committed here", () => {
    const core = new LoneCore({ term: 2, log: [1, 1, 1], commit: 3 });
    expect(sends(core.receive(2, offer(snapshot(2))))).toEqual([{ to: 2, message: accept(3) }]);
  });

  test("only commits when the log holds its entry", () => {
    const core = new LoneCore({ term: 2, log: [1, 1, 1], commit: 1 });
    expect(core.receive(2, offer(snapshot(2)))).toContainEqual({ kind: "commit", index: 2 });
  });

  test("of an earlier term is answered with the later one", () => {
    const core = new LoneCore({ term: 4 });
    expect(sends(core.receive(2, offer(snapshot(2))))[0]?.message).toMatchObject({ kind: "appendRejected", term: 4 });
  });
});

describe("A snapshot that is here", () => {
  const restored = (core: LoneCore, head: SnapshotHead) =>
    core.run({ kind: "restored", nowMs: core.nowMs, snapshot: head });

  test("begins the log anew, in its configuration, and is acknowledged once that is durable", () => {
    const core = new LoneCore({ term: 2, log: [1, 1] });
    core.receive(2, { kind: "heartbeat", term: 2, commit: 0 });
    const head = snapshot(5, 2, [1, 2, 3, 4]);
    expect(restored(core, head)).toEqual([
      { kind: "restartLog", snapshot: head },
      { kind: "configured", at: head.configuration },
      { kind: "send", to: 2, message: accept(5), waitsFor: "durable" },
    ]);
    expect(core.state).toMatchObject({ commit: 5, lastIndex: 5, lastTerm: 2, durableIndex: 2 });
    core.persist();
    expect(core.state.durableIndex).toBe(5);
  });

  test("keeps what the log has beyond it when the log holds its entry, with a later configuration", () => {
    const core = new LoneCore({ term: 2, log: [1, 1, 1] });
    const entries = [{ index: 4, term: 2, configuration: simple([1, 2]) }];
    core.receive(2, {
      kind: "appendRequest",
      term: 2,
      prevIndex: 3,
      prevTerm: 1,
      entries,
      commit: 0,
      uncounted: false,
    });
    restored(core, snapshot(3));
    expect(core.state).toMatchObject({ commit: 3, lastIndex: 4, configurationIndex: 4 });
  });

  test("changes nothing when the log has overtaken it", () => {
    const core = new LoneCore({ term: 2, log: [1, 1, 1], commit: 3 });
    expect(restored(core, snapshot(3))).toEqual([]);
  });

  test("makes void what a write under way was about: it ends with another log", () => {
    const core = new LoneCore({ term: 2, log: [1] });
    core.receive(2, {
      kind: "appendRequest",
      term: 2,
      prevIndex: 1,
      prevTerm: 1,
      entries: [
        { index: 2, term: 2 },
        { index: 3, term: 2 },
      ],
      commit: 0,
      uncounted: false,
    });
    const before = core.persisted();
    restored(core, snapshot(7, 2));
    core.run(before);
    expect(core.state.durableIndex).toBe(1);
  });
});
