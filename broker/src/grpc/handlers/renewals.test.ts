import { describe, expect, test } from "@jest/globals";
import { SaturnError, silentLogger } from "@saturnmq/kit";
import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import type { Delivery, Messaging } from "../../messaging.ts";
import { Renewals } from "./renewals.ts";
import { Sessions } from "./sessions.ts";

const topic = { id: 1, name: "orders" } as TopicInfo;
const group = { id: 2, name: "billing" } as GroupInfo;
const delivery = { receiptHandle: "h0" } as Delivery;

/** Renewals over a clock that only `pass` moves, and a broker that numbers its handles. */
function setUp() {
  let nowMs = 0;
  let due: { atMs: number; call: () => void } | undefined;
  const moves: string[] = [];
  const state = { fail: undefined as Error | undefined };
  const clock = { monoMs: () => nowMs, wallMs: () => nowMs };
  const timers = {
    after: (delayMs: number, call: () => void) => {
      due = { atMs: nowMs + delayMs, call };
      return () => {
        due = undefined;
      };
    },
  };
  const sessions = new Sessions(clock);
  const messaging = {
    changeInvisible: (_topic: TopicInfo, _group: GroupInfo, handle: string, invisibleMs: number) => {
      if (state.fail !== undefined) return Promise.reject(state.fail);
      moves.push(`${handle} +${String(invisibleMs)}`);
      return Promise.resolve(`h${String(moves.length)}`);
    },
    isPresent: (clientId: string) => sessions.isPresent(clientId),
  } as unknown as Messaging;
  const renewals = new Renewals({ messaging, clock, timers, log: silentLogger });
  const pass = async (ms: number, alive = true): Promise<void> => {
    const untilMs = nowMs + ms;
    while (due !== undefined && due.atMs <= untilMs) {
      const { atMs, call } = due;
      due = undefined;
      nowMs = atMs;
      if (alive) sessions.seen("client", "JAVA");
      call();
      await new Promise((resolve) => setImmediate(resolve));
    }
    nowMs = untilMs;
  };
  sessions.seen("client", "JAVA");
  return { renewals, moves, pass, state };
}

describe("Renewals", () => {
  test("a delivery is renewed by growing steps while its client lives, for three hours", async () => {
    const { renewals, moves, pass } = setUp();
    renewals.hold("client", topic, group, [delivery]);
    await pass(49_000);
    expect(moves).toEqual([]);
    await pass(10_000);
    expect(moves).toEqual(["h0 +60000"]);
    await pass(5 * 3_600_000);
    expect(moves.slice(0, 6)).toEqual([
      ...["h0 +60000", "h1 +180000", "h2 +300000", "h3 +600000", "h4 +1800000", "h5 +3600000"],
    ]);
    expect(moves).toHaveLength(8);
    expect(renewals.count).toBe(0);
  });

  test("the client's old handle leads to the good one, and the message is renewed no more", async () => {
    const { renewals, moves, pass } = setUp();
    renewals.hold("client", topic, group, [delivery]);
    await pass(58_000);
    expect(await renewals.settle("h0")).toBe("h1");
    await pass(600_000);
    expect(moves).toHaveLength(1);
    expect(renewals.count).toBe(0);
  });

  test("a second try of the same acknowledgement finds the same handle", async () => {
    const { renewals, pass } = setUp();
    renewals.hold("client", topic, group, [delivery]);
    await pass(58_000);
    await renewals.settle("h0");
    expect(await renewals.settle("h0")).toBe("h1");
  });

  test("of the handles of one call each is settled, those that nobody renews as they are", async () => {
    const { renewals, pass } = setUp();
    expect(await renewals.settleAll(["other", "h0"])).toEqual(["other", "h0"]);
    renewals.hold("client", topic, group, [delivery]);
    await pass(58_000);
    expect(await renewals.settleAll(["other", "h0", "h0"])).toEqual(["other", "h1", "h1"]);
  });

  test("an unknown or never renewed handle is itself", async () => {
    const { renewals } = setUp();
    renewals.hold("client", topic, group, [delivery]);
    expect(await renewals.settle("h0")).toBe("h0");
    expect(await renewals.settle("other")).toBe("other");
    expect(renewals.count).toBe(0);
  });

  test("what a client holds is released when it says goodbye, or was silent for 20 s", async () => {
    const goodbye = setUp();
    goodbye.renewals.hold("client", topic, group, [delivery]);
    goodbye.renewals.release("other");
    goodbye.renewals.release("client");
    await goodbye.pass(1);
    expect(goodbye.moves).toEqual(["h0 +1000"]);
    const silent = setUp();
    silent.renewals.hold("client", topic, group, [delivery]);
    await silent.pass(20_000, false);
    expect(silent.moves).toEqual([]);
    await silent.pass(5_000, false);
    expect(silent.moves).toEqual(["h0 +1000"]);
  });

  test("a void handle is forgotten, another failure is tried again", async () => {
    const { renewals, moves, pass, state } = setUp();
    renewals.hold("client", topic, group, [delivery]);
    state.fail = new SaturnError("HA_NOT_AVAILABLE", "no leader");
    await pass(52_000);
    state.fail = undefined;
    await pass(5_000);
    expect(moves).toEqual(["h0 +60000"]);
    state.fail = new SaturnError("INVALID_RECEIPT_HANDLE", "void");
    await pass(60_000);
    expect(renewals.count).toBe(0);
  });
});
