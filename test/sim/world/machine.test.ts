import { describe, expect, test } from "@jest/globals";
import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { EventQueue, MemoryNet } from "@saturnmq/kit/testing";
import { runEvents } from "./event-loop.ts";
import { Machine, type Program } from "./machine.ts";
import { fastDisk } from "./process-disk.ts";

function machineWith(program: Program): {
  readonly machine: Machine;
  readonly runForMs: (ms: number) => Promise<void>;
} {
  const queue = new EventQueue(new SeededRandom(1));
  const time = {
    monoMs: () => queue.nowMs,
    wallMs: () => queue.nowMs,
    after: (ms: number, callback: () => void) => queue.after(ms, callback),
  };
  const machine = new Machine({
    ...{ name: "b1", seed: 1, queue, program, disk: fastDisk, skew: { wallMs: 0, rate: 1 } },
    net: new MemoryNet({ time, random: new SeededRandom(2) }),
    loggerOf: () => silentLogger,
    gaveUp: (_, error) => {
      throw error;
    },
  });
  const runForMs = async (ms: number): Promise<void> => {
    const endMs = queue.nowMs + ms;
    queue.after(ms, () => undefined);
    await runEvents(
      queue,
      () => queue.nowMs >= endMs,
      () => undefined,
    );
  };
  return { machine, runForMs };
}

describe("A simulated machine", () => {
  test("that is wanted again while its program stops starts it again once that has ended", async () => {
    let starts = 0;
    const { machine, runForMs } = machineWith(async ({ process }, stack) => {
      starts += 1;
      stack.defer(() => new Promise((resolve) => void process.after(1_000, () => resolve())));
    });
    machine.boot();
    await runForMs(10);
    const first = machine.process;
    void machine.stop();
    await runForMs(500);
    machine.boot();
    expect(machine.process).toBe(first);
    await runForMs(1_000);
    expect(machine.process).not.toBe(first);
    expect(machine.process?.ended).toBe(false);
    expect(starts).toBe(2);
  });

  test("stays down after a stop that nobody takes back", async () => {
    const { machine, runForMs } = machineWith(async () => undefined);
    machine.boot();
    await runForMs(10);
    void machine.stop();
    await runForMs(1_000);
    expect(machine.process).toBeUndefined();
  });
});
