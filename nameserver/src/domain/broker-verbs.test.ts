import { describe, expect, test } from "@jest/globals";
import { type ErrorCode, SaturnError } from "@saturnmq/kit";
import { type BrokerReport, emptyReport, type ReplicaReport } from "@saturnmq/wire";
import { commit, join, loneNameServer, newCluster, newcomer } from "../testing/cluster-state.ts";
import {
  checkTransfer,
  decideCancelDrain,
  decideDrain,
  decideForget,
  decideTransferLeaders,
  restartSafety,
} from "./broker-verbs.ts";
import { decideDown, decideHeartbeat, decideRegister } from "./brokers.ts";
import { describeCluster } from "./describe.ts";
import { Presence } from "./presence.ts";
import { decideRecoverShard } from "./recovery.ts";
import type { MetadataState } from "./state.ts";

/** Four brokers in three zones, three shards with three voters each. */
function cluster(brokers = 4): MetadataState {
  const state = newCluster(3);
  for (const zone of ["a", "b", "c", "a", "b"].slice(0, brokers)) join(state, zone);
  return state;
}

function refusal(decide: () => unknown): { code: ErrorCode; message: string } {
  try {
    decide();
  } catch (error) {
    if (error instanceof SaturnError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error("nothing was refused");
}

/** What the leader of a shard tells: everyone as far as it is, but those named. */
function replicaOf(state: MetadataState, shard: number, lag: Readonly<Record<number, number>> = {}): ReplicaReport {
  const { voters, leaderHint, revision } = state.shards[shard]!;
  return {
    ...{ shard, term: 1, leads: true, lastIndex: 5_000, lastTerm: 1, commitIndex: 5_000 },
    ...{ voters, outgoing: [], learners: [], revision },
    progress: voters.filter((id) => id !== leaderHint).map((broker) => ({ broker, match: 5_000 - (lag[broker] ?? 0) })),
  };
}

/** Every leader tells of its shards. */
function allTell(
  state: MetadataState,
  presence: Presence,
  nowMs: number,
  lag: Readonly<Record<number, number>> = {},
): void {
  for (const { id } of [...state.brokers.values()]) {
    const replicas = state.shards
      .filter(({ leaderHint }) => leaderHint === id)
      .map(({ shard }) => replicaOf(state, shard, lag));
    const report: BrokerReport = { ...emptyReport, replicas };
    commit(state, decideHeartbeat(state, id, 1, report));
    presence.heard(id, 1, report, state, nowMs);
  }
}

describe("verbs name what cannot be", () => {
  const verbs = {
    drain: (state: MetadataState, broker: number) => decideDrain(state, { requestId: "r", broker }),
    cancelDrain: (state: MetadataState, broker: number) => decideCancelDrain(state, { requestId: "r", broker }),
    transferLeaders: (state: MetadataState, broker: number) => decideTransferLeaders(state, { requestId: "r", broker }),
    forget: (state: MetadataState, broker: number) => decideForget(state, { requestId: "r", broker }),
    restartSafety: (state: MetadataState, broker: number) => restartSafety(state, new Presence(), broker, 0),
  };

  test.each(Object.keys(verbs) as (keyof typeof verbs)[])("%s of an unknown broker", (verb) => {
    const { code, message } = refusal(() => verbs[verb](cluster(), 9));
    expect(code).toBe("NOT_FOUND");
    expect(message).toBe("there is no broker 9: known are 1, 2, 3, 4");
  });

  test("draining below the replication factor", () => {
    const { code, message } = refusal(() => verbs.drain(cluster(3), 2));
    expect(code).toBe("FAILED_PRECONDITION");
    expect(message).toContain("each shard has 3 voters on different brokers, and only 2 others are up");
  });

  test("draining when one of the others is down, or draining too", () => {
    const state = cluster(4);
    commit(state, decideDown(state, new Map([[4, 1]])));
    expect(refusal(() => verbs.drain(state, 1)).message).toContain("only 2 others are up");
    const other = cluster(4);
    commit(other, verbs.drain(other, 4));
    expect(refusal(() => decideDrain(other, { requestId: "r2", broker: 1 })).message).toContain("only 2 others");
  });

  test("forgetting one that holds something, or lives", () => {
    const state = cluster(4);
    const holder = state.shards[0]!.voters[0]!;
    expect(refusal(() => verbs.forget(state, holder)).message).toMatch(/has a part in shards? \d/);
    const empty = newCluster(1);
    join(empty);
    join(empty);
    expect(refusal(() => verbs.forget(empty, 2)).message).toBe(
      "broker 2 still runs: stop it and wait until it is down",
    );
  });
});

describe("draining", () => {
  test("is undone by its opposite, and a repeated call does nothing more", () => {
    const state = cluster(4);
    commit(state, decideDrain(state, { requestId: "r1", broker: 4 }));
    expect(state.brokers.get(4)?.draining).toBe(true);
    commit(state, decideCancelDrain(state, { requestId: "r2", broker: 4 }));
    expect(state.brokers.get(4)?.draining).toBe(false);
    expect(decideDrain(state, { requestId: "r1", broker: 4 }).records).toEqual([]);
    expect(refusal(() => decideDrain(state, { requestId: "r1", broker: 3 })).code).toBe("BAD_REQUEST");
  });
});

describe("forgetting", () => {
  test("is for ever: its id is refused, in whatever incarnation, and never given again", () => {
    const state = newCluster(1);
    join(state);
    join(state);
    commit(state, decideDown(state, new Map([[2, 1]])));
    commit(state, decideForget(state, { requestId: "r", broker: 2 }));
    const back = { ...newcomer, brokerId: 2, incarnation: 99, clusterId: "cluster-a", process: "p9" };
    expect(refusal(() => decideRegister(state, back))).toMatchObject({
      code: "FORBIDDEN",
      message: expect.stringContaining("removed"),
    });
    expect(refusal(() => decideHeartbeat(state, 2, 1, emptyReport)).code).toBe("FORBIDDEN");
    expect(refusal(() => decideDrain(state, { requestId: "r2", broker: 2 })).message).toContain(
      "has forgotten broker 2",
    );
    expect(join(state)).toBe(3);
    expect(decideForget(state, { requestId: "r", broker: 2 }).records).toEqual([]);
  });
});

describe("restart safety", () => {
  test("is given when the others are up and as far", () => {
    const state = cluster(4);
    const presence = new Presence();
    allTell(state, presence, 0);
    for (const broker of [1, 2, 3, 4])
      expect(restartSafety(state, presence, broker, 0)).toEqual({ safe: true, shards: [] });
  });

  test("names each shard that would be left without majority: one down, one stopped", () => {
    const state = cluster(3);
    const presence = new Presence();
    allTell(state, presence, 0);
    commit(state, decideDown(state, new Map([[3, 1]])));
    const { safe, shards } = restartSafety(state, presence, 1, 0);
    expect(safe).toBe(false);
    // Of those that broker 3 led nobody has told since.
    expect(shards.map(({ shard }) => shard)).toEqual([0, 1, 2]);
    expect(shards.some(({ reason }) => reason.includes("only 2 would be up and caught up"))).toBe(true);
  });

  test.each([
    { lag: 1_000, safe: true },
    { lag: 1_001, safe: false },
  ])("a voter that is $lag entries behind: safe $safe", ({ lag, safe }) => {
    const state = cluster(3);
    const presence = new Presence();
    allTell(state, presence, 0, { 1: lag, 2: lag, 3: lag });
    expect(restartSafety(state, presence, 1, 0).safe).toBe(safe);
  });

  test("is not given on old news", () => {
    const state = cluster(3);
    const presence = new Presence();
    allTell(state, presence, 0);
    expect(restartSafety(state, presence, 1, 6_000).safe).toBe(true);
    const { shards } = restartSafety(state, presence, 1, 6_001);
    expect(shards.map(({ reason }) => reason)).toEqual(Array(3).fill("no leader has told of it lately"));
  });

  test("counts both halves of a joint configuration", () => {
    const state = cluster(5);
    const presence = new Presence();
    const { leaderHint } = state.shards[0]!;
    const others = [1, 2, 3, 4, 5].filter((id) => id !== leaderHint);
    const [a = 0, b = 0, c = 0, d = 0] = others;
    const joint = { ...replicaOf(state, 0), voters: [leaderHint, a, b], outgoing: [c, d, leaderHint] };
    const progress = others.map((broker) => ({ broker, match: broker === d ? 0 : 5_000 }));
    const report = { ...emptyReport, replicas: [{ ...joint, progress }] };
    commit(state, decideHeartbeat(state, leaderHint, 1, report));
    presence.heard(leaderHint, 1, report, state, 0);
    const endangered = (broker: number): boolean =>
      restartSafety(state, presence, broker, 0).shards.some(({ shard }) => shard === 0);
    // The new half does without b; the old one has c and the leader only.
    expect(endangered(b)).toBe(false);
    expect(endangered(c)).toBe(true);
  });
});

describe("a hand-over that is asked for", () => {
  test.each<{
    why: string;
    prepare: (state: MetadataState) => { shard: number; to: number };
    code: ErrorCode;
    says: string;
  }>([
    { why: "of no shard", prepare: () => ({ shard: 3, to: 1 }), code: "NOT_FOUND", says: "there are 0 to 2" },
    { why: "to nobody", prepare: () => ({ shard: 0, to: 9 }), code: "NOT_FOUND", says: "there is no broker 9" },
    {
      why: "to no voter",
      prepare: (state) => ({ shard: 0, to: [1, 2, 3, 4].find((id) => !state.shards[0]!.voters.includes(id))! }),
      code: "FAILED_PRECONDITION",
      says: "it is no voter",
    },
    {
      why: "to one that is down",
      prepare: (state) => {
        const to = state.shards[0]!.voters.find((id) => id !== state.shards[0]!.leaderHint)!;
        commit(state, decideDown(state, new Map([[to, 1]])));
        return { shard: 0, to };
      },
      code: "FAILED_PRECONDITION",
      says: "it is down",
    },
    {
      why: "to one that is to restart",
      prepare: (state) => {
        const to = state.shards[0]!.voters.find((id) => id !== state.shards[0]!.leaderHint)!;
        commit(state, decideTransferLeaders(state, { requestId: "r", broker: to }));
        return { shard: 0, to };
      },
      code: "FAILED_PRECONDITION",
      says: "lead nothing",
    },
    {
      why: "by a leader that is down",
      prepare: (state) => {
        const { leaderHint, voters } = state.shards[0]!;
        commit(state, decideDown(state, new Map([[leaderHint, 1]])));
        return { shard: 0, to: voters.find((id) => id !== leaderHint)! };
      },
      code: "FAILED_PRECONDITION",
      says: "no leader now",
    },
  ])("$why is refused", ({ prepare, code, says }) => {
    const state = cluster(4);
    const { shard, to } = prepare(state);
    expect(refusal(() => checkTransfer(state, shard, to))).toMatchObject({
      code,
      message: expect.stringContaining(says),
    });
  });

  test("is asked of the leader until it is done, or ten seconds have passed", () => {
    const state = cluster(4);
    const presence = new Presence();
    presence.begin(state, 0);
    const { leaderHint, voters } = state.shards[0]!;
    const to = voters.find((id) => id !== leaderHint)!;
    presence.ask([{ shard: 0, from: leaderHint, to }], 0);
    expect(presence.askedOf(leaderHint)).toEqual([{ shard: 0, to }]);
    presence.follow(state, 9_999);
    expect(presence.askedOf(leaderHint)).toHaveLength(1);
    presence.follow(state, 10_000);
    expect(presence.askedOf(leaderHint)).toEqual([]);
    presence.ask([{ shard: 0, from: leaderHint, to }], 0);
    const led = { ...replicaOf(state, 0), term: 2 };
    commit(state, decideHeartbeat(state, to, 1, { ...emptyReport, replicas: [led] }));
    presence.follow(state, 1);
    expect(presence.askedOf(leaderHint)).toEqual([]);
  });
});

describe("recovering a shard without its majority", () => {
  const request = { requestId: "r", shard: 0, unsafe: true };

  /** Shard 0's voters all told of their replicas; then two of them went down. Answers who is left. */
  function brokenCluster(): { state: MetadataState; presence: Presence; left: number; gone: readonly number[] } {
    const state = cluster(3);
    const presence = new Presence();
    presence.begin(state, 0);
    const [left = 0, ...gone] = [...state.shards[0]!.voters].sort();
    for (const id of [left, ...gone]) {
      const about = {
        leads: false,
        lastIndex: id === left ? 90 : 100,
        commitIndex: id === left ? 80 : 95,
        progress: [],
      };
      const report = { ...emptyReport, replicas: [{ ...replicaOf(state, 0), ...about }] };
      commit(state, decideHeartbeat(state, id, 1, report));
      presence.heard(id, 1, report, state, 0);
    }
    commit(state, decideDown(state, new Map(gone.map((id) => [id, 1]))));
    return { state, presence, left, gone };
  }

  test("lets the one that lives go on, and says what is lost", () => {
    const { state, presence, left, gone } = brokenCluster();
    const reply = commit(state, decideRecoverShard(state, presence, request));
    expect(reply).toMatchObject({ survivor: left, writtenOff: gone, lastIndex: 90, knownCommit: 95 });
    expect(reply.mayBeLost).toContain("entries 91 to 95 were committed and are lost");
    const { forced, target, founders } = state.shards[0]!;
    expect(forced).toEqual({ revision: target.revision, survivor: left, generation: 1 });
    expect(target.voters).toEqual([left]);
    expect(founders).toEqual([]);
    expect(decideRecoverShard(state, presence, request)).toEqual({ records: [], reply });
  });

  test("a leader of the configuration that was ended is not listened to any more", () => {
    const { state, presence, gone } = brokenCluster();
    const old = { ...replicaOf(state, 0), term: 9 };
    commit(state, decideRecoverShard(state, presence, request));
    const [id = 0] = gone;
    expect(decideHeartbeat(state, id, 1, { ...emptyReport, replicas: [old] }).records).toEqual([
      { kind: "brokerUp", id },
    ]);
  });

  test.each<{
    why: string;
    change: (at: ReturnType<typeof brokenCluster>) => typeof request;
    code: ErrorCode;
    says: string;
  }>([
    {
      why: "without saying unsafe",
      change: () => ({ ...request, unsafe: false }),
      code: "BAD_REQUEST",
      says: "may lose",
    },
    { why: "of no shard", change: () => ({ ...request, shard: 7 }), code: "NOT_FOUND", says: "no shard 7" },
    {
      why: "while a majority lives",
      change: ({ state, gone }) => {
        commit(state, decideHeartbeat(state, gone[0]!, 1, emptyReport));
        return request;
      },
      code: "FAILED_PRECONDITION",
      says: "elects a leader by itself",
    },
    {
      why: "while members may not know what it is",
      change: ({ state }) => {
        state.featureLevel = 1;
        return request;
      },
      code: "FAILED_PRECONDITION",
      says: "needs feature level 2, the cluster stands on 1",
    },
    {
      why: "when nobody is left",
      change: ({ state, left }) => {
        commit(state, decideDown(state, new Map([[left, 1]])));
        return request;
      },
      code: "FAILED_PRECONDITION",
      says: "start one that still has its disk",
    },
  ])("$why is refused", ({ change, code, says }) => {
    const at = brokenCluster();
    const asked = change(at);
    const refused = refusal(() => decideRecoverShard(at.state, at.presence, asked));
    expect(refused).toMatchObject({ code, message: expect.stringContaining(says) });
  });
});

test("a description shows what each broker holds and leads, and how far replicas are", () => {
  const state = cluster(4);
  const presence = new Presence();
  allTell(state, presence, 0, { 2: 7 });
  const { brokers, shards } = describeCluster(state, presence, [loneNameServer]);
  expect(brokers.reduce((sum, { replicas }) => sum + replicas, 0)).toBe(9);
  expect(brokers.reduce((sum, { leads }) => sum + leads, 0)).toBe(3);
  const lagOf2 = shards.flatMap(({ lags }) => lags.filter(({ broker }) => broker === 2));
  expect(lagOf2.every(({ entries }) => entries === 7)).toBe(true);
  expect(lagOf2.length).toBeGreaterThan(0);
});
