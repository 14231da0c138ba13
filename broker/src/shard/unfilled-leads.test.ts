import { describe, expect, test } from "@jest/globals";
import { silentLogger } from "@saturnmq/kit";
import { type FollowerStatus, RaftError } from "raft-ts";
import { ManualTime } from "../testing/manual-time.ts";
import { UnfilledLeads } from "./unfilled-leads.ts";

const shard = 3;

function follower(replica: number, about: Partial<FollowerStatus> = {}): FollowerStatus {
  return { replica, voter: true, matchIndex: 10, mode: "replicate", heardMonoMs: 0, healing: false, ...about };
}

function setUp(followers: readonly FollowerStatus[], whole: readonly number[]) {
  const time = new ManualTime();
  const state = { unfilled: new Set([shard]), whole: new Set(whole), serving: true, refuses: false };
  const given: number[] = [];
  const fatal: unknown[] = [];
  const group = {
    get serving() {
      return state.serving;
    },
    followers,
  };
  const leads = new UnfilledLeads({
    groups: new Map([[shard, group]]),
    unfilled: () => state.unfilled,
    isWhole: (broker) => state.whole.has(broker),
    transfer: (_shard, to) => {
      given.push(to);
      if (state.refuses) return Promise.reject(new RaftError("REFUSED", "another change is under way"));
      state.serving = false;
      return Promise.resolve();
    },
    timers: time,
    logger: silentLogger,
    fatal: (error) => fatal.push(error),
  });
  return { time, state, given, fatal, leads };
}

describe("A leader that lacks entries", () => {
  test("hands over to the furthest voter that has them all", () => {
    const { given, leads } = setUp(
      [follower(2), follower(4, { matchIndex: 12 }), follower(5, { matchIndex: 20 })],
      [2, 4],
    );
    leads.wake();
    expect(given).toEqual([4]);
  });

  test("leads on as long as nobody could take over, and hands over as soon as somebody can", async () => {
    const others = [
      follower(2, { voter: false }),
      follower(4),
      follower(5, { mode: "snapshot" }),
      follower(6, { healing: true }),
    ];
    const { time, state, given, leads } = setUp(others, [2, 5, 6]);
    leads.wake();
    await time.pass(1_000);
    expect(given).toEqual([]);
    state.whole.add(4);
    await time.pass(250);
    expect(given).toEqual([4]);
  });

  test("tries again when it was refused, and no more once it has all", async () => {
    const { time, state, given, fatal, leads } = setUp([follower(2)], [2]);
    state.refuses = true;
    leads.wake();
    await time.pass(250);
    expect(given).toEqual([2, 2]);
    state.unfilled.clear();
    await time.pass(1_000);
    expect({ given, fatal }).toEqual({ given: [2, 2], fatal: [] });
  });

  test("keeps what it does not lead, and does nothing any more when it is closed", async () => {
    const { time, state, given, leads } = setUp([follower(2)], [2]);
    state.serving = false;
    leads.wake();
    leads.close();
    state.serving = true;
    await time.pass(1_000);
    expect(given).toEqual([]);
  });
});
