import { describe, expect, test } from "@jest/globals";
import { SeededRandom, silentLogger } from "@saturnmq/kit";
import type { GroupId } from "../ports.ts";
import { MemoryLog } from "../testing/memory-log.ts";
import { realClock, realTimers } from "../testing/real-time.ts";
import { RecordingMachine } from "../testing/recording-machine.ts";
import type { Driver, GroupOptions } from "./api.ts";
import { createDriver } from "./driver.ts";
import { immediateTurn } from "./turn.ts";

const soleVoter = (group: GroupId, machine: RecordingMachine, appliedIndex = 0): GroupOptions => ({
  group,
  self: 1,
  voters: [1],
  machine,
  appliedIndex,
});

function openDriver(log: MemoryLog, fatal: (error: unknown) => void = fails): Driver {
  return createDriver({
    log,
    clock: realClock,
    timers: realTimers,
    turn: immediateTurn,
    random: new SeededRandom(1),
    logger: silentLogger,
    fatal,
  });
}

function fails(error: unknown): void {
  throw error;
}

/** Lets the event loop turn until `condition` holds. */
async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; !condition(); turn += 1) {
    if (turn > 2_000) throw new Error("waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
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
});
