import { SeededRandom, silentLogger } from "@saturnmq/kit";
import {
  type ConfigurationTarget,
  createDriver,
  type Group,
  type GroupMachine,
  immediateTurn,
  nextChange,
  type Payload,
  type RaftLog,
  type Readiness,
  type ReplicaId,
} from "../index.ts";
import { realClock as clock, realTimers as timers } from "./real-time.ts";

class Counter implements GroupMachine {
  value = 0;
  #staged = 0;
  #waiting: (() => void)[] = [];

  /** Resolves when the increment is durable on a majority, and applied. */
  increment(): Promise<void> {
    this.#staged += 1;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  gather(): Payload | undefined {
    if (this.#staged === 0) return undefined;
    const bytes = Uint8Array.of(this.#staged);
    this.#staged = 0;
    return { bytes, start: 0, length: 1, crc: 0 };
  }

  apply({ payload }: { readonly payload: Payload }): void {
    if (payload.length > 0) this.value += payload.bytes[payload.start] ?? 0;
  }

  applied(): void {
    for (const answer of this.#waiting.splice(0, this.#waiting.length - this.#staged)) answer();
  }

  leading(): void {}

  following(): void {
    this.#staged = 0; // Their outcome is unknown: tell their callers so in a real machine.
  }
}

export async function count(log: RaftLog): Promise<number> {
  const fatal = (error: unknown): never => {
    throw error; // Ends the process: nothing more is promised.
  };
  const random = new SeededRandom(Date.now());
  await using driver = createDriver({ log, clock, timers, turn: immediateTurn, random, logger: silentLogger, fatal });
  const counter = new Counter();
  const group = driver.open({ group: 0, self: 1, voters: [1], machine: counter, appliedIndex: 0 });
  const increments = [counter.increment(), counter.increment(), counter.increment()];
  group.wake(); // Once the group serves it asks by itself what is staged.
  await Promise.all(increments);
  return counter.value;
}

/** One step of a leader's group towards a target. True: it is there, or an older target is not walked to any more. */
export async function walk(group: Group, self: ReplicaId, target: ConfigurationTarget): Promise<boolean> {
  const ready = group.followers.filter(({ matchIndex }) => matchIndex >= group.commitIndex);
  const isReady = (id: ReplicaId): Readiness => (ready.some(({ replica }) => replica === id) ? "ready" : "behind");
  const step = nextChange(group.configuration.configuration, target, isReady, self);
  if (step.kind === "change") await group.changeConfiguration(step.change);
  if (step.kind === "handOver") await group.transfer(step.to);
  return step.kind === "done" || step.kind === "outdated";
}
