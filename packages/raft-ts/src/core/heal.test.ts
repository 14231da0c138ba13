import { describe, expect, test } from "@jest/globals";
import { kinds, LoneCore, type LoneCoreOptions, sends } from "../testing/lone-core.ts";
import type { AppendRequest } from "./messages.ts";
import { nextTickMs } from "./state.ts";

const accept = (matchIndex: number, lost: boolean) => ({ kind: "appendAccepted", term: 2, matchIndex, lost }) as const;
const answer = (sentMs: number) => ({ kind: "heartbeatReply", term: 2, follows: true, sentMs }) as const;

function append(prevIndex: number, rest: Partial<AppendRequest> = {}): AppendRequest {
  const prevTerm = prevIndex === 0 ? 0 : 1;
  return { kind: "appendRequest", term: 2, prevIndex, prevTerm, entries: [], commit: 0, uncounted: false, ...rest };
}

/** A replica that lost entries from 3 on. */
function fenced(options: LoneCoreOptions = {}): LoneCore {
  return new LoneCore({ term: 2, log: [1, 1], damage: "fetch", ...options });
}

describe("A replica that lost entries", () => {
  test("neither campaigns nor votes", () => {
    const core = fenced();
    expect(nextTickMs(core.state)).toBe(Infinity);
    const log = { lastIndex: 9, lastTerm: 2 } as const;
    const asked = [
      ...core.receive(2, { kind: "voteRequest", transfer: true, term: 3, ...log }),
      ...core.receive(2, { kind: "preVoteRequest", term: 2, electionTerm: 3, ...log }),
    ];
    expect(sends(asked).map(({ message }) => "granted" in message && message.granted)).toEqual([false, false]);
    expect(core.state.hardState).toEqual({ term: 2, vote: 0 });
  });

  test("says so in every answer, also to a leader that has nothing to append", () => {
    const core = fenced();
    const [toBeat] = sends(core.receive(2, { kind: "heartbeat", term: 2, commit: 5 }));
    expect(toBeat?.message).toMatchObject({ kind: "appendRejected", hintIndex: 2, lost: true });
    const [toAppend] = sends(core.receive(2, append(2)));
    expect(toAppend?.message).toEqual(accept(2, true));
  });

  test("is whole again once it holds, durable and committed, what a leader names that does not count on it", () => {
    const core = fenced();
    const entries = [3, 4, 5].map((index) => ({ index, term: 2 }));
    // This leader may still count what was acknowledged before the damage: its commit index says nothing.
    core.receive(2, append(2, { entries: entries.slice(0, 1), commit: 3 }));
    core.persist();
    expect(core.state.standing).toBe("fenced");
    core.receive(2, append(3, { prevTerm: 2, entries: entries.slice(1), commit: 5, uncounted: true }));
    expect(core.state.standing).toBe("fenced");
    expect(core.persist()).toContainEqual({ kind: "healed" });
    const [whole] = sends(core.receive(2, append(5, { prevTerm: 2, commit: 5, uncounted: true })));
    expect(whole?.message).toEqual(accept(5, false));
    expect(nextTickMs(core.state)).toBeLessThan(Infinity);
  });

  test("is whole at once when it lost only what was not committed", () => {
    const core = fenced({ commit: 2 });
    expect(core.receive(2, append(2, { commit: 2, uncounted: true }))).toContainEqual({ kind: "healed" });
  });

  test("is whole again by a snapshot too", () => {
    const core = fenced();
    core.receive(2, append(9, { prevTerm: 2, commit: 9, uncounted: true }));
    const configuration = { index: 0, configuration: core.state.configuration };
    const snapshot = { index: 9, term: 2, configuration, id: "nine", bytes: 1 };
    core.run({ kind: "restored", nowMs: core.nowMs, snapshot });
    expect(kinds(core.persist())).toContain("healed");
  });

  test("that may have lost a vote takes part in nothing", () => {
    const core = new LoneCore({ term: 2, log: [1, 1], damage: "rejoin" });
    expect(core.receive(2, append(2))).toEqual([]);
    expect(core.receive(2, { kind: "voteRequest", transfer: false, term: 3, lastIndex: 9, lastTerm: 2 })).toEqual([]);
    expect(nextTickMs(core.state)).toBe(Infinity);
  });
});

describe("A leader whose follower lost entries", () => {
  /** The leader of term 2, with entry 1 committed and 2 to 4 acknowledged by replica 2 of five. */
  function leader(): LoneCore {
    const core = new LoneCore({ term: 1, voters: [1, 2, 3, 4, 5] });
    core.elect();
    core.persist();
    for (const voter of [2, 3]) core.receive(voter, accept(1, false));
    for (let count = 0; count < 3; count += 1) core.propose();
    core.receive(2, accept(4, false));
    return core;
  }
  const lost = { kind: "appendRejected", term: 2, prevIndex: 3, hintIndex: 2, hintTerm: 2, lost: true } as const;

  test("takes back what it believed, and commits nothing with it", () => {
    const core = leader();
    const [again] = sends(core.receive(2, lost));
    expect(again?.message).toMatchObject({ kind: "appendRequest", prevIndex: 2, uncounted: true });
    core.persist();
    core.receive(3, accept(4, false));
    expect(core.state.commit).toBe(1); // Itself and one: the other two of a majority of five.
    core.receive(2, accept(4, true));
    expect(core.state.commit).toBe(1);
    core.receive(4, accept(4, false));
    expect(core.state.commit).toBe(4);
  });

  test("counts it again when it says that it has healed, and asks it when there is nothing to append", () => {
    const core = leader();
    core.receive(2, lost);
    core.receive(2, accept(4, true));
    const asked = sends(core.receive(2, answer(core.nowMs)));
    expect(asked).toEqual([{ to: 2, message: expect.objectContaining({ entries: [], prevIndex: 4 }) }]);
    core.persist();
    core.receive(3, accept(4, false));
    expect(core.state.commit).toBe(1);
    core.receive(2, accept(4, false));
    expect(core.state.commit).toBe(4);
  });

  test("does not say how far to heal before it has committed an entry of its term", () => {
    const core = new LoneCore({ term: 1 });
    core.elect();
    core.persist();
    const [probe] = sends(core.receive(2, { ...lost, prevIndex: 0, hintIndex: 0, hintTerm: 0 }));
    expect(probe?.message).toMatchObject({ uncounted: false });
  });
});
