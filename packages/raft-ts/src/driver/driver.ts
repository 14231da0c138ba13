import { configurationProblem, replicaMax } from "../core/configuration-codec.ts";
import { generationMax } from "../core/generation.ts";
import { membersOf } from "../core/membership.ts";
import { simple } from "../core/quorum.ts";
import { step } from "../core/step.ts";
import { raftTimes } from "../core/times.ts";
import type { Configuration, GroupId, ReplicaId } from "../ports.ts";
import type { Driver, DriverOptions, Group, GroupOptions } from "./api.ts";
import { Arrivals } from "./arrivals.ts";
import { CommitLoop } from "./commit-loop.ts";
import { Deadlines } from "./deadlines.ts";
import { Heartbeats } from "./heartbeats.ts";
import { HeldBudget } from "./held-payloads.ts";
import { type GroupHost, LocalGroup } from "./local-group.ts";
import { type GroupMessage, type PeerMessage, snapshotChunkBytes } from "./messages.ts";
import { Replication } from "./replication.ts";

const groupMax = 65_535;

/** Runs the Raft groups of this process over one log. Nothing happens before the first `open`. */
export function createDriver(options: DriverOptions): Driver {
  return createDriverWith(options, step);
}

/** As `createDriver`, with a core of the caller's: tests watch it, and plant faults in it. */
export function createDriverWith(options: DriverOptions, core: typeof step): Driver {
  return new RaftDriver(options, core);
}

type Forced = NonNullable<GroupOptions["forced"]>;

class RaftDriver implements Driver {
  readonly #options: DriverOptions;
  readonly #groups = new Map<GroupId, LocalGroup>();
  readonly #heartbeats: Heartbeats;
  readonly #deadlines: Deadlines;
  readonly #host: GroupHost;
  readonly #arrivals: Arrivals;
  #self: ReplicaId = 0;
  #alive = true;
  readonly #failed = Promise.withResolvers<undefined>();
  readonly failed: Promise<undefined> = this.#failed.promise;

  constructor(options: DriverOptions, core: typeof step) {
    this.#options = options;
    const { log, transport, turn, timers, logger } = options;
    const monoMs = (): number => options.clock.monoMs();
    const alive = (): boolean => this.#alive;
    const guard = (callback: () => void): void => this.#guard(callback);
    const fail = (error: unknown): void => this.#fail(error);
    const replication = new Replication({ log, transport, monoMs, timers, fail, alive });
    const send = (to: ReplicaId, message: PeerMessage): void => replication.send(to, message);
    const firstSequence = options.random.below(2 ** 31);
    this.#heartbeats = new Heartbeats({ groups: this.#groups, timers, monoMs, firstSequence, send, guard });
    this.#deadlines = new Deadlines({ timers, monoMs, guard, groups: () => this.#groups.values() });
    // Of a group that is not open here: closed by now, or not placed yet. Its sender tries again.
    const deliver = (from: ReplicaId, { group, message, payloads }: GroupMessage): void =>
      this.#groups.get(group)?.receive(from, message, payloads, monoMs());
    this.#arrivals = new Arrivals({ log, deliver });
    this.#host = {
      log,
      logger,
      replication,
      monoMs,
      guard,
      fail,
      alive,
      snapshotChunkBytes: Math.min(options.snapshotChunkBytes ?? snapshotChunkBytes, snapshotChunkBytes),
      failed: this.failed,
      step: core,
      loop: new CommitLoop({ log, turn, monoMs, guard, fail, writing: () => this.#roomAgain() }),
      budget: new HeldBudget(),
      draw: () => ({
        electionJitterMs: options.random.below(raftTimes.electionJitterMs),
        retryDelayMs: raftTimes.retryMinMs + options.random.below(raftTimes.retryMaxMs - raftTimes.retryMinMs),
      }),
      deadlineChanged: (group) => {
        this.#deadlines.note(group.nextTickMs);
      },
      beat: () => {
        this.#heartbeats.start();
      },
      soon: (callback) => {
        turn.soon(() => {
          guard(callback);
        });
      },
      closed: (group) => {
        this.#groups.delete(group.id);
        this.#host.loop.leave(group);
      },
    };
  }

  open(options: GroupOptions): Group {
    this.#check(options);
    const group = new LocalGroup(options, this.#host);
    this.#self = options.self;
    this.#groups.set(group.id, group);
    this.#deadlines.note(group.nextTickMs);
    return group;
  }

  receive(from: ReplicaId, message: PeerMessage): void {
    this.#guard(() => {
      const nowMs = this.#options.clock.monoMs();
      switch (message.kind) {
        case "group":
          this.#arrivals.take(from, message);
          break;
        case "pairHeartbeat":
          this.#heartbeats.receive(from, message, nowMs);
          break;
        case "pairHeartbeatReply":
          this.#heartbeats.receiveReply(from, message, nowMs);
          break;
        case "snapshotPull":
          this.#groups.get(message.group)?.pullSnapshot(from, message);
          break;
        case "snapshotChunk":
          this.#groups.get(message.group)?.takeChunk(from, message);
          break;
      }
    });
  }

  peerRestarted(peer: ReplicaId): void {
    this.#guard(() => {
      const nowMs = this.#options.clock.monoMs();
      this.#heartbeats.reconnected(peer);
      for (const group of this.#groups.values()) group.forget(peer, nowMs);
    });
  }

  peerUnreachable(peer: ReplicaId): void {
    this.#guard(() => {
      const nowMs = this.#options.clock.monoMs();
      this.#heartbeats.reconnected(peer);
      this.#host.replication.unreachable(peer);
      for (const group of this.#groups.values()) group.unreachable(peer, nowMs);
    });
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#groups.values(), (group) => group.close()));
    this.#heartbeats.stop();
    this.#deadlines.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #check({ group, self, voters, machine, appliedIndex, checkpoint, snapshots, forced }: GroupOptions): void {
    const refuse = (why: string): never => {
      throw new RangeError(`Cannot open group ${group}: ${why}`);
    };
    if (!this.#alive) refuse("the driver has failed");
    if (!isWithin(group, 0, groupMax)) refuse(`ids are 0 to ${groupMax}`);
    if (this.#groups.has(group)) refuse("it is open already");
    if (!isWithin(self, 1, replicaMax)) refuse(`replica ids are 1 to ${replicaMax}`);
    if (voters?.includes(self) === false) refuse(`replica ${self} is not among its voters`);
    const problem = voters && configurationProblem(simple(voters));
    if (problem !== undefined) refuse(`its voters are no configuration: ${problem}`);
    const forcedProblem = forced && forcedProblemOf(forced, self);
    if (forcedProblem !== undefined) refuse(`no such configuration can be forced on it: ${forcedProblem}`);
    if (this.#groups.size > 0 && self !== this.#self) refuse(`this driver's replica is ${this.#self}, not ${self}`);
    if (snapshots !== undefined && machine.restore === undefined) refuse("its machine cannot restore snapshots");
    const view = this.#options.log.view(group);
    const known = view.configurationAt()?.configuration ?? checkpoint?.configuration.configuration;
    if (this.#options.transport === undefined && !isAlone(self, known ?? (voters && simple(voters))))
      refuse("it has other members and there is no transport");
    const { firstIndex, lastIndex } = view;
    // With its checkpoint at hand a log that ends before it can begin after it.
    if (!isWithin(appliedIndex, firstIndex - 1, checkpoint === undefined ? lastIndex : Number.MAX_SAFE_INTEGER))
      refuse(`its machine is at index ${appliedIndex}, its log holds ${firstIndex} to ${lastIndex}`);
  }

  /** What waited for room comes in a turn of its own: the outcome of the write before is not handled yet. */
  #roomAgain(): void {
    if (!this.#arrivals.waiting) return;
    this.#options.turn.soon(() => {
      this.#guard(() => {
        this.#arrivals.roomAgain();
      });
    });
  }

  /** Every callback from outside enters here. What it throws is a broken invariant: the process must end before it does harm. */
  #guard(callback: () => void): void {
    if (!this.#alive) return;
    try {
      callback();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#failed.resolve(undefined);
    this.#heartbeats.stop();
    this.#deadlines.stop();
    this.#options.fatal(error);
  }
}

function forcedProblemOf({ voters, revision, generation }: Forced, self: ReplicaId): string | undefined {
  if (!voters.includes(self)) return `replica ${self} is not among its voters`;
  if (!isWithin(generation, 1, generationMax)) return `generations are 1 to ${generationMax}`;
  return configurationProblem(simple(voters, revision));
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= least && value <= most;
}

function isAlone(self: ReplicaId, configuration: Configuration | undefined): boolean {
  return configuration !== undefined && membersOf(configuration).every((member) => member === self);
}
