import { describe, expect, test } from "@jest/globals";
import { InvariantError, type Logger, SeededRandom, silentLogger } from "@saturnmq/kit";
import type { GroupId, Payload } from "../ports.ts";
import { MemoryLog } from "../testing/memory-log.ts";
import { realClock, realTimers } from "../testing/real-time.ts";
import { payloadOf, RecordingMachine } from "../testing/recording-machine.ts";
import type { Driver, DriverOptions, GroupOptions } from "./api.ts";
import { createDriver } from "./driver.ts";
import { HeardGroups, hashOf } from "./led-groups.ts";
import type { PeerMessage } from "./messages.ts";
import { immediateTurn } from "./turn.ts";

const soleVoter = (group: GroupId, machine: RecordingMachine, appliedIndex = 0): GroupOptions => ({
  group,
  self: 1,
  voters: [1],
  machine,
  appliedIndex,
});

function openDriver(log: MemoryLog, rest: Partial<DriverOptions> = {}): Driver {
  return createDriver({
    log,
    clock: realClock,
    timers: realTimers,
    turn: immediateTurn,
    random: new SeededRandom(1),
    logger: silentLogger,
    fatal: (error) => {
      throw error;
    },
    ...rest,
  });
}

/** Lets the event loop turn until `condition` holds. */
async function until(condition: () => boolean): Promise<void> {
  const endMs = Date.now() + 4_000;
  while (!condition()) {
    if (Date.now() > endMs) throw new Error("waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A log whose writes end when the test says so. */
function heldLog(): { readonly log: MemoryLog; readonly release: () => void; readonly held: () => number } {
  const ends: (() => void)[] = [];
  const log = new MemoryLog((what, done) => {
    if (what === "write") ends.push(done);
    else setImmediate(done);
  });
  return { log, release: () => ends.shift()?.(), held: () => ends.length };
}

/** The log that a process left behind which led group 1 and committed these texts after its first entry. */
async function logWith(texts: readonly string[]): Promise<MemoryLog> {
  const log = new MemoryLog();
  log.saveHardState(1, { term: 1, vote: 1 });
  log.append(1, 1, 1, undefined);
  texts.forEach((text, at) => {
    log.append(1, at + 2, 1, payloadOf(text));
  });
  await log.commit();
  return log;
}

describe("A sole voter", () => {
  test("elects itself at once, commits an empty entry, then serves", async () => {
    const log = new MemoryLog();
    const machine = new RecordingMachine();
    await using driver = openDriver(log);
    const group = driver.open(soleVoter(7, machine));
    await until(() => group.serving);
    expect(machine.calls).toEqual(["apply 1/1", "applied", "leading 1"]);
    expect(log.durable(7).hardState).toEqual({ term: 1, vote: 1 });
    expect(group).toMatchObject({ role: "leader", term: 1, leader: 1, commitIndex: 1, appliedIndex: 1 });
    expect(group.leaseUntilMonoMs).toBe(Infinity);
    expect(log.commits).toBe(2);
  });

  test("replays what its machine lacks before it leads", async () => {
    const log = await logWith(["a", "b", "c"]);
    const machine = new RecordingMachine();
    await using driver = openDriver(log);
    const group = driver.open(soleVoter(1, machine, 2));
    await until(() => group.serving);
    expect(machine.calls).toEqual(["apply 3/1 b", "apply 4/1 c", "apply 5/2", "applied", "leading 2"]);
    expect(log.appliedIndex(1)).toBe(5);
  });

  test("wakes of one turn form one entry, and each entry is durable before it is applied", async () => {
    const log = new MemoryLog();
    const machine = new RecordingMachine();
    await using driver = openDriver(log);
    const group = driver.open(soleVoter(1, machine));
    await until(() => group.serving);
    const before = log.commits;
    for (const text of ["a", "b", "c"]) {
      machine.staged.push(text);
      group.wake();
    }
    await until(() => group.appliedIndex === 2);
    expect(machine.calls.slice(3)).toEqual(["apply 2/1 a\nb\nc", "applied"]);
    expect(log.durable(1).entries.length).toBe(2);
    expect(log.commits).toBe(before + 1);
  });

  test("does nothing while it is idle", async () => {
    const log = new MemoryLog();
    await using driver = openDriver(log);
    const group = driver.open(soleVoter(1, new RecordingMachine()));
    await until(() => group.serving);
    const before = log.commits;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(log.commits).toBe(before);
  });
});

describe("The commit loop", () => {
  async function serving(groups: readonly GroupId[]) {
    const { log, release, held } = heldLog();
    const driver = openDriver(log);
    const machines = groups.map(() => new RecordingMachine());
    const handles = groups.map((group, at) => driver.open(soleVoter(group, machines[at]!)));
    for (let write = 0; write < 2; write += 1) {
      await until(() => held() === 1);
      release();
    }
    await until(() => handles.every((group) => group.serving));
    return { log, release, held, driver, machines, handles };
  }

  test("elects all groups that were opened in one turn in the same two writes", async () => {
    const { log } = await serving([1, 2, 3, 4]);
    expect(log.commits).toBe(2);
  });

  test("has one write in flight and gathers the next one meanwhile", async () => {
    const { log, release, held, machines, handles } = await serving([1, 2]);
    const [first, second] = machines;
    first!.staged.push("a");
    handles[0]!.wake();
    await until(() => held() === 1);
    second!.staged.push("b");
    handles[1]!.wake();
    first!.staged.push("c");
    handles[0]!.wake();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(held()).toBe(1);
    expect(second!.staged).toEqual(["b"]);
    release();
    await until(() => handles[0]!.appliedIndex === 2);
    // Begun before the first one's outcome was handled, with what both groups had staged.
    expect(held()).toBe(1);
    expect(second!.staged).toEqual([]);
    expect(handles[1]!.appliedIndex).toBe(1);
    release();
    await until(() => handles[1]!.appliedIndex === 2 && handles[0]!.appliedIndex === 3);
    expect(log.commits).toBe(4);
  });

  test("asks again, without another wake, while a machine has more than fits", async () => {
    const { release, held, machines, handles } = await serving([1]);
    machines[0]!.staged.push("x".repeat(60_000), "y".repeat(60_000), "z".repeat(60_000));
    handles[0]!.wake();
    for (let write = 0; write < 3; write += 1) {
      await until(() => held() === 1);
      release();
    }
    await until(() => handles[0]!.appliedIndex === 4);
  });

  test("a group that found no room comes first in the next write", async () => {
    const { release, held, machines, handles } = await serving([1, 2]);
    machines[0]!.staged.push("x".repeat(60_000), "y".repeat(60_000));
    machines[1]!.staged.push("z".repeat(60_000));
    for (const group of handles) group.wake();
    await until(() => held() === 1);
    release();
    await until(() => held() === 1 && handles[0]!.appliedIndex === 2);
    expect(machines[1]!.staged).toEqual([]);
    release();
    await until(() => held() === 1 && handles[1]!.appliedIndex === 2);
    expect(handles[0]!.appliedIndex).toBe(2);
    release();
    await until(() => handles[0]!.appliedIndex === 3);
  });

  test("tells a machine once a turn that entries were applied", async () => {
    const { release, held, machines, handles } = await serving([1]);
    machines[0]!.calls.length = 0;
    machines[0]!.staged.push("a");
    handles[0]!.wake();
    await until(() => held() === 1);
    release();
    await until(() => handles[0]!.appliedIndex === 2);
    expect(machines[0]!.calls).toEqual(["apply 2/1 a", "applied"]);
  });
});

describe("When something breaks", () => {
  test("a failed write ends it: fatal once, nothing applied, no lease, no further write", async () => {
    const { log, release, held } = heldLog();
    const errors: unknown[] = [];
    const machine = new RecordingMachine();
    const driver = openDriver(log, { fatal: (error) => errors.push(error) });
    const group = driver.open(soleVoter(1, machine));
    for (let write = 0; write < 2; write += 1) {
      await until(() => held() === 1);
      release();
    }
    await until(() => group.serving);
    machine.staged.push("a");
    group.wake();
    await until(() => held() === 1);
    log.writeError = new Error("the disk is gone");
    release();
    await until(() => errors.length > 0);
    machine.staged.push("b");
    group.wake();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(errors).toEqual([log.writeError]);
    expect(machine.calls).toEqual(["apply 1/1", "applied", "leading 1"]);
    expect(group.leaseValid(realClock.monoMs())).toBe(false);
    expect(log.commits).toBe(3);
    await driver.close();
  });

  test("a machine that throws, or gathers too much, ends it", async () => {
    const errors: unknown[] = [];
    class Bursting extends RecordingMachine {
      override gather(maxBytes: number): Payload {
        return { bytes: new Uint8Array(maxBytes + 1), start: 0, length: maxBytes + 1, crc: 0 };
      }
    }
    const driver = openDriver(new MemoryLog(), { fatal: (error) => errors.push(error) });
    driver.open(soleVoter(1, new Bursting()));
    await until(() => errors.length > 0);
    expect(errors[0]).toBeInstanceOf(InvariantError);
    expect(() => driver.open(soleVoter(2, new RecordingMachine()))).toThrow("the driver has failed");
  });

  test.each<{ readonly what: string; readonly options: Partial<GroupOptions>; readonly message: string }>([
    { what: "a group that is open", options: { group: 1 }, message: "it is open already" },
    { what: "a group id out of bounds", options: { group: 65_536 }, message: "ids are 0 to 65535" },
    { what: "a replica that is no voter", options: { voters: [2] }, message: "replica 1 is not among its voters" },
    { what: "one voter twice", options: { voters: [1, 1] }, message: "a replica is listed twice" },
    { what: "other voters without a transport", options: { voters: [1, 2] }, message: "there is no transport" },
    { what: "another replica id", options: { self: 2, voters: [2] }, message: "this driver's replica is 1, not 2" },
    { what: "a machine ahead of the log", options: { appliedIndex: 5 }, message: "its log holds 1 to 0" },
  ])("refuses to open $what", async ({ options, message }) => {
    await using driver = openDriver(new MemoryLog());
    driver.open(soleVoter(1, new RecordingMachine()));
    expect(() => driver.open({ ...soleVoter(2, new RecordingMachine()), ...options })).toThrow(message);
  });
});

describe("Closing", () => {
  test("waits for the write in flight, applies it, then tells the machine that it follows nobody", async () => {
    const { log, release, held } = heldLog();
    const machine = new RecordingMachine();
    const driver = openDriver(log);
    const group = driver.open(soleVoter(1, machine));
    for (let write = 0; write < 2; write += 1) {
      await until(() => held() === 1);
      release();
    }
    await until(() => group.serving);
    machine.staged.push("a");
    group.wake();
    await until(() => held() === 1);
    let closed = false;
    const closing = driver.close().then(() => {
      closed = true;
    });
    machine.staged.push("too late");
    group.wake();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(closed).toBe(false);
    release();
    await closing;
    expect(machine.calls.slice(3)).toEqual(["apply 2/1 a", "applied", "following 0"]);
    expect(machine.staged).toEqual(["too late"]);
    expect(group.leaseValid(realClock.monoMs())).toBe(false);
  });

  test("a closed group can be opened again", async () => {
    await using driver = openDriver(new MemoryLog());
    const first = driver.open(soleVoter(1, new RecordingMachine()));
    await until(() => first.serving);
    await first.close();
    const machine = new RecordingMachine();
    const again = driver.open(soleVoter(1, machine, 1));
    await until(() => again.serving);
    expect(machine.calls).toEqual(["apply 2/2", "applied", "leading 2"]);
  });
});

describe("Three processes", () => {
  type Process = { readonly driver: Driver; readonly machine: RecordingMachine; readonly log: MemoryLog };

  /** Three drivers joined by a transport that delivers in later turns; `cut` drops what comes from or goes to a process. */
  function cluster(groups: readonly GroupId[], logger: Logger = silentLogger) {
    const voters = [1, 2, 3];
    const sent: { readonly from: number; readonly to: number; readonly message: PeerMessage }[] = [];
    const cut = new Set<number>();
    const processes = new Map<number, Process>();
    for (const self of voters) {
      const log = new MemoryLog();
      const send = (to: number, message: PeerMessage): void => {
        sent.push({ from: self, to, message });
        const copy = structuredClone(message);
        setImmediate(() => {
          if (!cut.has(self) && !cut.has(to)) processes.get(to)?.driver.receive(self, copy);
        });
      };
      const driver = openDriver(log, { transport: { send }, random: new SeededRandom(self), logger });
      const machine = new RecordingMachine();
      processes.set(self, { driver, machine, log });
    }
    const handles = voters.map((self) => {
      const { driver, machine } = processes.get(self)!;
      return groups.map((group) => driver.open({ group, self, voters, machine, appliedIndex: 0 }));
    });
    const close = async (): Promise<void> => {
      await Promise.all([...processes.values()].map(({ driver }) => driver.close()));
    };
    return { sent, cut, processes, handles, close };
  }

  test("elect one leader, replicate, and elect another when it is gone", async () => {
    const { cut, processes, handles, close } = cluster([4]);
    const groups = handles.map(([group]) => group!);
    await until(() => groups.some((group) => group.serving));
    const leader = groups.find((group) => group.serving)!;
    const leaderId = leader.leader;
    processes.get(leaderId)!.machine.staged.push("hello");
    leader.wake();
    await until(() => groups.every((group) => group.appliedIndex === 2));
    for (const { machine } of processes.values()) expect(machine.calls).toContain("apply 2/1 hello");
    await until(() => leader.leaseValid(realClock.monoMs()));
    expect(leader.leaseUntilMonoMs).toBeLessThanOrEqual(realClock.monoMs() + 400);

    cut.add(leaderId);
    const others = groups.filter((group) => group !== leader);
    await until(() => others.some((group) => group.serving));
    expect(leader.leaseValid(realClock.monoMs())).toBe(false);
    await until(() => leader.role !== "leader");
    expect(processes.get(leaderId)!.machine.calls).toContain("following 0");
    cut.clear();
    await until(() => groups.every((group) => group.appliedIndex === 3));
    await close();
  }, 15_000);

  test("one heartbeat serves all groups of a pair", async () => {
    const { sent, handles, close } = cluster([0, 1, 2]);
    const groups = handles.flat();
    await until(() =>
      [0, 1, 2].every((id) => groups.some((group) => group.id === id && group.leaseValid(realClock.monoMs()))),
    );
    const beats = sent.filter(({ message }) => message.kind === "pairHeartbeat");
    const leaders = new Set(groups.filter((group) => group.role === "leader").map((group) => group.leader));
    // A process that leads several groups does not send one heartbeat for each.
    for (const from of leaders) {
      const led = groups.filter((group) => group.role === "leader" && group.leader === from).map(({ id }) => id);
      for (const to of [1, 2, 3]) {
        if (to === from) continue;
        const heard = new HeardGroups();
        for (const beat of beats)
          if (beat.from === from && beat.to === to && beat.message.kind === "pairHeartbeat") heard.take(beat.message);
        expect([...heard.groups].map(({ group }) => group).sort()).toEqual(led);
      }
    }
    // Nothing happens: a heartbeat says so in no more than its head.
    const quiet = (): boolean => {
      const last = sent.findLast(({ message }) => message.kind === "pairHeartbeat")?.message;
      return last?.kind === "pairHeartbeat" && last.base > 0 && last.led.length + last.ended.length === 0;
    };
    await until(quiet);
    await close();
  }, 15_000);

  test("a stranger's heartbeat is answered as not followed, and a mad peer's message is refused and logged once", async () => {
    const lines: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (_fields, message) => lines.push(message) };
    const { sent, processes, close } = cluster([4], logger);
    const { driver } = processes.get(1)!;
    const led = [{ group: 77, term: 3, commit: 0 }];
    const beat = {
      kind: "pairHeartbeat",
      sequence: 9,
      base: 0,
      version: 5,
      hash: hashOf(led),
      led,
      ended: [],
    } as const;
    driver.receive(3, beat);
    expect(sent.at(-1)).toEqual({
      from: 1,
      to: 3,
      message: { kind: "pairHeartbeatReply", sequence: 9, lost: false, refused: [{ group: 77, term: 0 }] },
    });
    driver.receive(3, { ...beat, sequence: 10, base: 4 });
    expect(sent.at(-1)?.message).toEqual({ kind: "pairHeartbeatReply", sequence: 10, lost: true, refused: [] });
    driver.receive(3, { kind: "pairHeartbeatReply", sequence: 12_345, lost: false, refused: [] });
    for (let time = 0; time < 3; time += 1) {
      const message = {
        kind: "appendRequest",
        term: 2 ** 52,
        prevIndex: 0,
        prevTerm: 0,
        entries: [],
        commit: 0,
        uncounted: false,
      } as const;
      driver.receive(2, { kind: "group", group: 4, message, payloads: [] });
    }
    const entries = [{ index: 1, term: 1 }];
    const short = {
      kind: "appendRequest",
      term: 1,
      prevIndex: 0,
      prevTerm: 0,
      entries,
      commit: 0,
      uncounted: false,
    } as const;
    driver.receive(2, { kind: "group", group: 4, message: short, payloads: [] });
    expect(lines).toEqual(["refused a message that makes no sense", "refused a message that makes no sense"]);
    await close();
  });
});
