import { describe, expect, test } from "@jest/globals";
import { ManualTime } from "@saturnmq/kit/testing";
import type { AppendRequest } from "../core/messages.ts";
import type { AppendSource } from "./append-source.ts";
import { CatchUp } from "./catch-up.ts";
import { HeldBudget, HeldPayloads } from "./held-payloads.ts";

const mib = 1024 * 1024;

function append(prevIndex: number): AppendRequest {
  const entries = [{ index: prevIndex + 1, term: 1 }];
  return { kind: "appendRequest", term: 1, prevIndex, prevTerm: 0, entries, commit: 0, uncounted: false };
}

/** A follower that is sent entries of 512 KiB; each read takes `readMs`. */
function setUp(readMs = 0) {
  const time = new ManualTime();
  const sent: string[] = [];
  const state = { commits: 0, alive: true };
  const catchUp: CatchUp = new CatchUp({
    send: async ({ group }, message) => {
      time.advance(readMs);
      sent.push(`${group}/${message.prevIndex + 1}`);
      catchUp.noteSent(group, message, mib / 2);
      return mib / 2;
    },
    commits: () => state.commits,
    monoMs: () => time.monoMs(),
    timers: time,
    alive: () => state.alive,
  });
  const sources = new Map<number, AppendSource>();
  const add = (group: number, prevIndex: number): void => {
    const source = sources.get(group) ?? {
      ...{ group, held: new HeldPayloads(new HeldBudget()), isWritten: () => true },
      written: () => Promise.resolve(),
    };
    sources.set(group, source);
    catchUp.add(source, append(prevIndex));
  };
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { time, sent, state, catchUp, add, turn };
}

describe("A follower that catches up", () => {
  test("is sent 4 MiB ahead of its answers while nothing else goes on", async () => {
    const { sent, catchUp, add, turn } = setUp();
    for (let at = 0; at < 20; at += 1) add(1, at);
    await turn();
    expect(catchUp.unansweredBytes).toBe(4 * mib);
    catchUp.answered(1, 8);
    await turn();
    expect(sent.length).toBe(16);
  });

  test("has a fifth of the time while commits go on", async () => {
    const { time, sent, state, catchUp, add, turn } = setUp(10);
    for (let at = 0; at < 6; at += 1) add(1, at);
    state.commits += 1;
    await turn();
    // A burst of 1 MiB, which took 20 ms; it is answered after 5 more.
    expect(sent.length).toBe(2);
    time.advance(5);
    catchUp.answered(1, 2);
    await turn();
    time.advance(99);
    await turn();
    expect(sent.length).toBe(2);
    time.advance(1);
    await turn();
    expect(sent.length).toBeGreaterThan(2);
  });

  test("gets one group after the other, and probes of all as soon as it is their turn", async () => {
    const { sent, catchUp, add, turn } = setUp();
    add(1, 0);
    add(2, 0);
    await turn();
    expect(sent).toEqual(["1/1"]);
    // The probe's answer brings what follows.
    add(1, 1);
    catchUp.answered(1, 1);
    await turn();
    expect(sent).toEqual(["1/1", "1/2"]);
    catchUp.answered(1, 2);
    await turn();
    expect(sent).toEqual(["1/1", "1/2", "2/1"]);
    expect({ one: catchUp.waits(1), two: catchUp.waits(2) }).toEqual({ one: false, two: true });
  });

  test("gets a group that has caught up from memory at once, however much is written while others wait", async () => {
    const { time, sent, state, catchUp, add, turn } = setUp(10);
    add(1, 0);
    add(2, 0);
    for (let at = 1; at < 20; at += 1) {
      state.commits += 1;
      await turn();
      catchUp.answered(1, at);
      catchUp.answered(2, at);
      await turn();
      if (catchUp.waits(1)) add(1, at);
      time.advance(20);
    }
    expect({ sent, waits: catchUp.waits(1) }).toEqual({ sent: ["1/1", "2/1"], waits: false });
  });

  test("gets others too while one group writes more than it may catch up", async () => {
    const { time, sent, state, catchUp, add, turn } = setUp(10);
    for (let at = 0; at < 100; at += 1) add(1, at);
    add(2, 0);
    for (let at = 0; at < 100 && !sent.includes("2/1"); at += 1) {
      state.commits += 1;
      await turn();
      catchUp.answered(1, sent.length);
      await turn();
      time.advance(100);
    }
    // 16 bursts of two.
    expect(sent.indexOf("2/1")).toBe(32);
    expect(catchUp.waits(1)).toBe(true);
  });

  test("that does not answer holds nothing up for longer than entries are waited for", async () => {
    const { time, sent, catchUp, add, turn } = setUp();
    add(1, 0);
    add(2, 0);
    await turn();
    time.advance(500);
    await turn();
    expect(sent).toEqual(["1/1", "2/1"]);
    expect(catchUp.unansweredBytes).toBe(mib / 2);
  });

  test("that says again and again how far it was does not hold up the rest", async () => {
    const { time, sent, catchUp, add, turn } = setUp();
    for (let at = 0; at < 20; at += 1) add(1, at);
    await turn();
    const before = sent.length;
    for (let said = 0; said < 8; said += 1) {
      time.advance(100);
      catchUp.answered(1, 0);
      await turn();
    }
    expect(sent.length).toBeGreaterThan(before);
  });

  test("is not held up by live traffic of other groups, of which there is always some on its way", async () => {
    const { time, sent, state, catchUp, add, turn } = setUp();
    add(1, 0);
    for (let at = 0; at < 20; at += 1) {
      catchUp.noteSent(2, append(at), 100);
      state.commits += 1;
      time.advance(100);
      await turn();
      catchUp.answered(2, at);
      catchUp.answered(1, sent.length);
      await turn();
      if (sent.length > at / 10) add(1, sent.length);
    }
    expect(sent.filter((what) => what.startsWith("1/")).length).toBeGreaterThan(2);
  });

  test("is sent nothing more of a group that is not led any more, nor when the connection breaks", async () => {
    const { sent, catchUp, add, turn } = setUp();
    for (let at = 0; at < 20; at += 1) add(1, at);
    add(2, 0);
    await turn();
    const before = sent.length;
    catchUp.forget(1);
    await turn();
    expect(sent.slice(before)).toEqual(["2/1"]);
    catchUp.unreachable();
    await turn();
    expect(catchUp.unansweredBytes).toBe(0);
    expect({ one: catchUp.waits(1), two: catchUp.waits(2) }).toEqual({ one: false, two: false });
  });

  test("counts what is sent again once", async () => {
    const { catchUp } = setUp();
    catchUp.noteSent(1, append(0), 100);
    catchUp.noteSent(1, append(1), 100);
    catchUp.noteSent(1, append(0), 100);
    expect(catchUp.unansweredBytes).toBe(100);
    catchUp.answered(1, 1);
    expect(catchUp.unansweredBytes).toBe(0);
  });
});
