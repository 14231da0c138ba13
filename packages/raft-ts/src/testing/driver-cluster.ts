import { SeededRandom, silentLogger } from "@saturnmq/kit";
import { ManualTime } from "@saturnmq/kit/testing";
import type { Driver, Group } from "../driver/api.ts";
import { createDriver } from "../driver/driver.ts";
import type { PeerMessage } from "../driver/messages.ts";
import type { ReplicaId } from "../ports.ts";
import { MemoryLog } from "./memory-log.ts";
import { SimulatedDisk, SimulatedSnapshots } from "./simulated-disk.ts";
import { SimulatedMachine } from "./simulated-machine.ts";

const group = 7;

export type Member = {
  readonly id: ReplicaId;
  readonly log: MemoryLog;
  readonly driver: Driver;
  readonly group: Group;
  readonly machine: SimulatedMachine;
  /** Values that were proposed here and are answered. */
  readonly answered: Set<string>;
  /** What its machine restored, by index. */
  readonly restored: number[];
  readonly disk: SimulatedDisk;
};

/** Real drivers in one process, on time that the test moves: for what the API promises. Faults are the simulation's business. */
export class DriverCluster implements AsyncDisposable {
  readonly time = new ManualTime();
  readonly members = new Map<ReplicaId, Member>();
  /** Errors of drivers that gave up. */
  readonly fatal: unknown[] = [];
  /** Answers false for a message that is to be lost. */
  passes: (from: ReplicaId, to: ReplicaId, message: PeerMessage) => boolean = () => true;
  readonly #random = new SeededRandom(4);
  /** By member whose process sleeps, what it takes up when it wakes. */
  readonly #asleep = new Map<ReplicaId, { readonly messages: (() => void)[]; readonly timers: (() => void)[] }>();

  /** Starts replicas: with first voters, or to be made members. */
  start(ids: readonly ReplicaId[], voters?: readonly ReplicaId[]): void {
    for (const id of ids) this.members.set(id, this.#open(id, voters));
  }

  member(id: ReplicaId): Member {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`there is no member ${id}`);
    return member;
  }

  get leader(): Member | undefined {
    return [...this.members.values()].find(({ group: { serving } }) => serving);
  }

  /** Lets time pass, in small steps, until `condition` holds. */
  async until(condition: () => boolean, withinMs = 5_000): Promise<void> {
    for (let passedMs = 0; !condition(); passedMs += 5) {
      if (passedMs > withinMs) throw new Error(`waited ${withinMs} ms in vain`);
      await this.turn();
      this.time.advance(5);
    }
  }

  /** Lets everything happen that needs no time. */
  async turn(): Promise<void> {
    for (let round = 0; round < 20; round += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  /** A promise's outcome, with time going on until there is one. */
  async outcome<T>(promise: Promise<T>): Promise<{ readonly value?: T; readonly error?: unknown }> {
    const settled: { value?: T; error?: unknown; done?: boolean } = {};
    promise.then(
      (value) => Object.assign(settled, { value, done: true }),
      (error: unknown) => Object.assign(settled, { error, done: true }),
    );
    await this.until(() => settled.done === true);
    return settled;
  }

  /** Elects, if need be, and has a value committed by all that are reachable. */
  async commit(value: string): Promise<Member> {
    await this.until(() => this.leader !== undefined);
    const leader = this.leader as Member;
    leader.machine.propose(value);
    leader.group.wake();
    await this.until(() => leader.answered.has(value));
    return leader;
  }

  /** Stops a member's process: messages and timers find nobody. */
  sleep(id: ReplicaId): void {
    this.#asleep.set(id, { messages: [], timers: [] });
  }

  /** Lets it go on. What came meanwhile lies in its sockets, and an event loop may read those before it looks at timers that are due. */
  wake(id: ReplicaId): void {
    const missed = this.#asleep.get(id);
    this.#asleep.delete(id);
    for (const run of [...(missed?.messages ?? []), ...(missed?.timers ?? [])]) run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Array.from(this.members.values(), ({ driver }) => driver.close()));
  }

  #open(id: ReplicaId, voters: readonly ReplicaId[] | undefined): Member {
    const log = new MemoryLog((_what, done) => setImmediate(done));
    const disk = new SimulatedDisk();
    const snapshots = new SimulatedSnapshots(disk, (done) => setImmediate(done), false);
    const answered = new Set<string>();
    const restored: number[] = [];
    const machine = new SimulatedMachine(
      {
        applies: () => undefined,
        acknowledges: (value) => answered.add(value),
        restores: ({ index }) => {
          restored.push(index);
          return Promise.resolve(disk.checkpoint(group)?.values ?? []);
        },
      },
      [],
    );
    const driver = createDriver({
      log,
      clock: this.time,
      timers: {
        after: (delayMs, callback) =>
          this.time.after(delayMs, () => {
            this.#run(id, "timers", callback);
          }),
      },
      turn: { soon: (callback) => void setImmediate(callback) },
      random: this.#random,
      logger: silentLogger,
      transport: { send: (to, message) => this.#send(id, to, message) },
      fatal: (error) => this.fatal.push(error),
      snapshotChunkBytes: 10,
    });
    const first = voters === undefined ? {} : { voters };
    const opened = driver.open({ group, self: id, ...first, machine, appliedIndex: 0, snapshots });
    return { id, log, driver, group: opened, machine, answered, restored, disk };
  }

  #send(from: ReplicaId, to: ReplicaId, message: PeerMessage): void {
    const copy = structuredClone(message);
    if (!this.passes(from, to, message)) return;
    setImmediate(() => {
      this.#run(to, "messages", () => this.members.get(to)?.driver.receive(from, copy));
    });
  }

  #run(id: ReplicaId, kind: "messages" | "timers", callback: () => void): void {
    const missed = this.#asleep.get(id);
    if (missed === undefined) callback();
    else missed[kind].push(callback);
  }
}

/** Takes a checkpoint of all that a member has applied, and drops the log up to it. */
export function checkpoint({ log, machine, disk, group: { appliedIndex } }: Member): void {
  const view = log.view(group);
  const term = view.termAt(appliedIndex) ?? 0;
  const configuration = view.configurationAt(appliedIndex);
  if (configuration === undefined) throw new Error("nothing is applied yet");
  disk.put(group, { index: appliedIndex, term, configuration, values: [...machine.values] });
  log.compact(group, appliedIndex);
}
