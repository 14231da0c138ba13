import { describe, expect, test } from "@jest/globals";
import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { simple } from "../core/quorum.ts";
import { raftTimes } from "../core/times.ts";
import { checkpoint, DriverCluster, type Member } from "../testing/driver-cluster.ts";
import { MemoryLog } from "../testing/memory-log.ts";
import { walk } from "../testing/readme-example.ts";
import { realClock, realTimers } from "../testing/real-time.ts";
import { payloadOf, RecordingMachine } from "../testing/recording-machine.ts";
import type { DriverOptions } from "./api.ts";
import { createDriver } from "./driver.ts";
import { RaftError } from "./errors.ts";
import { immediateTurn } from "./turn.ts";

const add = (replica: number) => ({ kind: "addVoter", replica }) as const;

/** Three voters that have committed a value. */
async function three(): Promise<{
  readonly cluster: DriverCluster;
  readonly leader: Member;
  readonly others: Member[];
}> {
  const cluster = new DriverCluster();
  cluster.start([1, 2, 3], [1, 2, 3]);
  const leader = await cluster.commit("first");
  return { cluster, leader, others: [...cluster.members.values()].filter((member) => member !== leader) };
}

describe("Changing members", () => {
  test("resolves when the change is committed, and the newcomer is a member", async () => {
    const { cluster, leader } = await three();
    cluster.start([4]);
    expect(cluster.member(4).group.configuration.configuration.incoming).toEqual([]);
    const { value } = await cluster.outcome(
      leader.group.changeConfiguration({ kind: "simple", changes: [add(4)], revision: 3 }),
    );
    expect(value).toEqual({ index: 3, configuration: simple([1, 2, 3, 4], 3) });
    await cluster.until(() => cluster.member(4).group.appliedIndex === 3);
    expect(cluster.member(4).machine.values).toEqual(["first"]);
    expect(leader.group.followers).toContainEqual(
      expect.objectContaining({ replica: 4, voter: true, matchIndex: 3, mode: "replicate", healing: false }),
    );
    await cluster[Symbol.asyncDispose]();
  });

  test("walks to an exchange of all voters, step by step", async () => {
    const { cluster } = await three();
    cluster.start([4, 5, 6]);
    const target = { voters: [4, 5, 6], revision: 1 };
    const isDone = (): boolean => cluster.leader !== undefined && [4, 5, 6].includes(cluster.leader.id);
    while (!isDone()) {
      await cluster.until(() => cluster.leader !== undefined);
      const { group, id } = cluster.leader as Member;
      await cluster.outcome(walk(group, id, target));
      cluster.time.advance(20);
    }
    const now = await cluster.commit("last");
    expect(now.machine.values).toEqual(["first", "last"]);
    expect(now.group.configuration.configuration).toEqual(simple([4, 5, 6], 1));
    expect(cluster.fatal).toEqual([]);
    await cluster[Symbol.asyncDispose]();
  });

  test("is refused with a reason, or by whoever does not lead", async () => {
    const { cluster, leader, others } = await three();
    const change = { kind: "simple", changes: [add(4), add(5)], revision: 0 } as const;
    const refused = await cluster.outcome(leader.group.changeConfiguration(change));
    expect(refused.error).toEqual(
      new RaftError("REFUSED", "more than one voter changes at once, which takes a joint configuration"),
    );
    const [follower] = others;
    const elsewhere = await cluster.outcome((follower as Member).group.changeConfiguration(change));
    expect(elsewhere.error).toMatchObject({
      code: "NOT_LEADER",
      message: expect.stringContaining(`${leader.id} does`),
    });
    await cluster[Symbol.asyncDispose]();
  });

  test("has an unknown outcome when the leadership ends before the commit", async () => {
    const { cluster, leader } = await three();
    cluster.passes = () => false;
    const change = { kind: "simple", changes: [add(4)], revision: 0 } as const;
    const { error } = await cluster.outcome(leader.group.changeConfiguration(change));
    expect(error).toMatchObject({ code: "UNKNOWN_OUTCOME" });
    await cluster[Symbol.asyncDispose]();
  });
});

describe("Handing over", () => {
  test("moves leadership at once, and resolves when the other leads", async () => {
    const { cluster, leader, others } = await three();
    const [heir] = others as [Member];
    const beganMs = cluster.time.monoMs();
    expect((await cluster.outcome(leader.group.transfer(heir.id))).error).toBeUndefined();
    expect(leader.group.leader).toBe(heir.id);
    await cluster.until(() => heir.group.serving);
    // No election timeout was waited for.
    expect(cluster.time.monoMs() - beganMs).toBeLessThan(raftTimes.leaderQuietMs / 2);
    await cluster[Symbol.asyncDispose]();
  });

  test("to one that does not answer fails, and this leader serves again in a new term", async () => {
    const { cluster, leader, others } = await three();
    const [deaf] = others as [Member];
    await cluster.turn();
    const { term } = leader.group;
    cluster.passes = (_from, to) => to !== deaf.id;
    const { error } = await cluster.outcome(leader.group.transfer(deaf.id));
    expect(error).toMatchObject({ code: "UNKNOWN_OUTCOME", message: expect.stringContaining("did not take over") });
    await cluster.until(() => leader.group.serving);
    expect(leader.group.term).toBe(term + 1);
    await cluster.commit("second");
    await cluster[Symbol.asyncDispose]();
  });

  test("to one that is behind and silent fails, and this leader serves again in the same term, once all is applied", async () => {
    const { cluster, leader, others } = await three();
    const [deaf] = others as [Member];
    cluster.passes = (_from, to) => to !== deaf.id;
    await cluster.commit("second");
    const { term } = leader.group;
    const outcome = cluster.outcome(leader.group.transfer(deaf.id));
    await cluster.turn();
    expect(leader.group.serving).toBe(false);
    expect(leader.group.leaseValid(cluster.time.monoMs())).toBe(false);
    expect((await outcome).error).toMatchObject({ message: expect.stringContaining("did not catch up") });
    await cluster.until(() => leader.group.serving);
    expect(leader.group.term).toBe(term);
    await cluster[Symbol.asyncDispose]();
  });

  test("to a stranger is refused", async () => {
    const { cluster, leader } = await three();
    const { error } = await cluster.outcome(leader.group.transfer(9));
    expect(error).toEqual(new RaftError("REFUSED", "replica 9 is not a voter"));
    await cluster[Symbol.asyncDispose]();
  });
});

describe("A read index (Raft thesis §6.4)", () => {
  test("costs nothing while the lease holds", async () => {
    const { cluster, leader } = await three();
    await cluster.until(() => leader.group.leaseValid(cluster.time.monoMs()));
    cluster.passes = () => false;
    expect(await cluster.outcome(leader.group.readIndex())).toMatchObject({ value: leader.group.commitIndex });
    await cluster[Symbol.asyncDispose]();
  });

  test("waits for a round of heartbeats that begins after it was asked for when there is no lease", async () => {
    const { cluster, leader } = await three();
    cluster.passes = () => false;
    await cluster.until(() => !leader.group.leaseValid(cluster.time.monoMs()));
    const outcome = cluster.outcome(leader.group.readIndex());
    await cluster.turn();
    cluster.passes = () => true;
    expect(await outcome).toMatchObject({ value: leader.group.commitIndex });
    await cluster[Symbol.asyncDispose]();
  });

  test("is not given by a leader that may have been replaced", async () => {
    const { cluster, leader, others } = await three();
    await cluster.until(() => leader.group.leaseValid(cluster.time.monoMs()));
    cluster.passes = (from, to) => from !== leader.id && to !== leader.id;
    await cluster.until(() => !leader.group.leaseValid(cluster.time.monoMs()));
    const { error } = await cluster.outcome(leader.group.readIndex());
    expect(error).toMatchObject({ code: "NOT_LEADER" });
    const [follower] = others as [Member];
    expect((await cluster.outcome(follower.group.readIndex())).error).toMatchObject({ code: "NOT_LEADER" });
    await cluster[Symbol.asyncDispose]();
  });

  test("and every other request end with the group", async () => {
    const { cluster, leader } = await three();
    cluster.passes = () => false;
    await cluster.until(() => !leader.group.leaseValid(cluster.time.monoMs()));
    const read = cluster.outcome(leader.group.readIndex());
    await cluster.turn();
    await leader.group.close();
    expect((await read).error).toMatchObject({ code: "CLOSED" });
    expect((await cluster.outcome(leader.group.readIndex())).error).toMatchObject({ code: "CLOSED" });
    await cluster[Symbol.asyncDispose]();
  });
});

describe("A leader whose process slept", () => {
  test.each([
    { sleptMs: raftTimes.leaderQuietMs, answers: false },
    { sleptMs: raftTimes.leaderQuietMs / 2, answers: true },
  ])("for $sleptMs ms answers what a majority stored before: $answers", async ({ sleptMs, answers }) => {
    const { cluster, leader } = await three();
    await cluster.until(() => leader.group.leaseValid(cluster.time.monoMs()));
    leader.machine.propose("before");
    leader.group.wake();
    const sent = Promise.withResolvers<undefined>();
    cluster.passes = (from, _to, message) => {
      if (from === leader.id && message.kind === "group" && message.message.kind === "appendRequest")
        sent.resolve(undefined);
      return true;
    };
    await sent.promise;
    cluster.sleep(leader.id);
    await cluster.turn();
    cluster.time.advance(sleptMs);
    expect(leader.answered.has("before")).toBe(false);
    cluster.wake(leader.id);
    await cluster.turn();
    expect(leader.answered.has("before")).toBe(answers);
    expect(leader.group.role).toBe(answers ? "leader" : "follower");
    await cluster.until(() => [...cluster.members.values()].some(({ machine }) => machine.values.includes("before")));
    await cluster[Symbol.asyncDispose]();
  });
});

describe("A snapshot", () => {
  test("brings a newcomer to where the log begins, chunk by chunk, and goes on after an interruption", async () => {
    const cluster = new DriverCluster();
    cluster.start([1], [1]);
    for (const value of ["one", "two", "three", "four"]) await cluster.commit(value);
    const leader = cluster.member(1);
    checkpoint(leader);
    cluster.start([2]);
    const pulled: number[] = [];
    let chunks = 0;
    cluster.passes = (_from, _to, message) => {
      if (message.kind === "snapshotPull") pulled.push(message.offset);
      if (message.kind === "snapshotChunk") chunks += 1;
      return !(message.kind === "snapshotChunk" && chunks === 2);
    };
    const learner = { kind: "addLearner", replica: 2 } as const;
    await cluster.outcome(leader.group.changeConfiguration({ kind: "simple", changes: [learner], revision: 0 }));
    const newcomer = cluster.member(2);
    await cluster.until(() => newcomer.group.appliedIndex === leader.group.commitIndex);
    // The second chunk was lost, and asked for again: nothing began anew.
    expect(pulled).toEqual([0, 10, 10, 20]);
    expect(newcomer.restored).toEqual([5]);
    expect(newcomer.machine.values).toEqual(["one", "two", "three", "four"]);
    await cluster.commit("five");
    await cluster.until(() => newcomer.machine.values.includes("five"));
    expect(cluster.fatal).toEqual([]);
    await cluster[Symbol.asyncDispose]();
  });
});

describe("A process that ended", () => {
  const driverOn = (log: MemoryLog, rest: Partial<DriverOptions> = {}) =>
    createDriver({
      log,
      clock: realClock,
      timers: realTimers,
      turn: immediateTurn,
      random: new SeededRandom(1),
      logger: silentLogger,
      fatal: (error: unknown) => {
        throw error;
      },
      ...rest,
    });

  test("between a snapshot's last step and the log's begins the log after the snapshot", async () => {
    const log = new MemoryLog();
    log.saveHardState(1, { term: 1, vote: 1 });
    log.append(1, 1, 1, payloadOf("before"));
    await log.commit();
    await using driver = driverOn(log);
    const at = { index: 0, configuration: simple([1]) };
    const machine = new RecordingMachine();
    const options = { group: 1, self: 1, machine, appliedIndex: 9, checkpoint: { term: 4, configuration: at } };
    const group = driver.open(options);
    while (!group.serving) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(log.view(1)).toMatchObject({ firstIndex: 10, lastIndex: 10, lastTerm: 5 });
    expect(machine.calls).toEqual(["apply 10/5", "applied", "leading 5"]);
  });

  test("keeps the members that its log names, whatever voters it is given", async () => {
    const log = new MemoryLog();
    log.saveConfiguration(1, { index: 0, configuration: simple([1]) });
    await log.commit();
    await using driver = driverOn(log, { transport: { send: () => undefined } });
    const group = driver.open({
      group: 1,
      self: 1,
      voters: [1, 2, 3],
      machine: new RecordingMachine(),
      appliedIndex: 0,
    });
    expect(group.configuration).toEqual({ index: 0, configuration: simple([1]) });
    expect(group.damage).toBe("no");
  });

  test("whose peer began anew does not follow it any more", async () => {
    const { cluster, leader, others } = await three();
    const [follower] = others as [Member];
    await cluster.turn();
    follower.driver.peerRestarted(leader.id);
    expect(follower.group).toMatchObject({ leader: 0, role: "follower" });
    follower.driver.peerRestarted(99);
    leader.driver.peerUnreachable(follower.id);
    await cluster.commit("second");
    await cluster[Symbol.asyncDispose]();
  });
});
