import { type Cancel, type Clock, defined, type SeededRandom, silentLogger, type Timers } from "@saturnmq/kit";
import type { RaftState } from "../core/state.ts";
import type { step } from "../core/step.ts";
import type { Driver, Group } from "../driver/api.ts";
import { createDriverWith } from "../driver/driver.ts";
import type { PeerMessage } from "../driver/messages.ts";
import type { GroupId, LogView, ReplicaId } from "../ports.ts";
import type { EventQueue } from "./event-queue.ts";
import { emptyImage, type Image, MemoryLog } from "./memory-log.ts";
import { SimulatedMachine } from "./simulated-machine.ts";
import type { Before, Observation, ReplicaView } from "./world.ts";

export type NodeOptions = {
  readonly id: ReplicaId;
  readonly voters: readonly ReplicaId[];
  readonly groups: readonly GroupId[];
  readonly queue: EventQueue;
  readonly random: SeededRandom;
  readonly core: typeof step;
  /** Milliseconds that a disk operation takes now. */
  readonly diskMs: () => number;
  readonly send: (from: ReplicaId, to: ReplicaId, message: PeerMessage) => void;
  readonly observe: (observation: Observation) => void;
  /** A driver gave up: an invariant inside it is broken. */
  readonly fatal: (error: unknown) => void;
  readonly acknowledge: (group: GroupId, value: string) => void;
};

type Life = {
  readonly log: MemoryLog;
  readonly driver: Driver;
  readonly groups: ReadonlyMap<GroupId, Group>;
  readonly machines: ReadonlyMap<GroupId, SimulatedMachine>;
  readonly views: ReadonlyMap<GroupId, ReplicaView>;
};

/** One process: real driver and core over a simulated clock, disk and network. Its disk outlives its crashes; nothing else does. */
export class SimulatedNode {
  readonly id: ReplicaId;
  readonly #options: NodeOptions;
  /** This node's clock against true time: it started elsewhere, and runs up to 1 % too fast or slow. */
  readonly #clockOffsetMs: number;
  readonly #clockRate: number;
  #images: ReadonlyMap<GroupId, Image> = new Map();
  #life: Life | undefined;
  /** Callbacks of earlier lives are dropped. */
  #epoch = 0;
  #frozen: (() => void)[] | undefined;
  #unobserved: Extract<Observation, { kind: "stepped" }> | undefined;

  constructor(options: NodeOptions) {
    this.id = options.id;
    this.#options = options;
    this.#clockOffsetMs = options.random.below(1_000_000);
    this.#clockRate = 0.99 + 0.02 * options.random.fraction();
  }

  get up(): boolean {
    return this.#life !== undefined;
  }

  get paused(): boolean {
    return this.#frozen !== undefined;
  }

  /** The node's own monotonic clock. It goes on while the node is paused. */
  monoMs(): number {
    return this.#clockOffsetMs + this.#options.queue.nowMs * this.#clockRate;
  }

  boot(): void {
    const { queue, random, groups, voters } = this.#options;
    const log = new MemoryLog((_what, done) => this.#later(this.#options.diskMs(), done), this.#images);
    const clock: Clock = { monoMs: () => this.monoMs(), wallMs: () => queue.nowMs };
    const timers: Timers = { after: (delayMs, callback) => this.#later(delayMs / this.#clockRate, callback) };
    const views = new Map<GroupId, ReplicaView>();
    const byLog = new Map<LogView, GroupId>(groups.map((group) => [log.view(group), group]));
    const driver = createDriverWith(
      {
        log,
        clock,
        timers,
        random,
        turn: { soon: (callback) => void this.#later(0, callback) },
        transport: { send: (to, message) => this.#send(to, message, views) },
        logger: silentLogger,
        fatal: this.#options.fatal,
      },
      (state, input, view) => {
        this.#flush();
        const group = defined(byLog.get(view), "the group of a log");
        const before = beforeOf(state);
        const effects = this.#options.core(state, input, view);
        const at = views.get(group) ?? this.#view(group, state, log);
        views.set(group, at);
        this.#unobserved = { kind: "stepped", at, before, effects };
        return effects;
      },
    );
    log.onAppend = (group, index, entry) =>
      this.#options.observe({
        kind: "appends",
        at: defined(views.get(group), "the replica that appends"),
        index,
        entry,
      });
    const machines = new Map(groups.map((group) => [group, this.#machine(group, views)]));
    const handles = new Map(
      groups.map((group) => {
        const machine = defined(machines.get(group), "a machine");
        return [group, driver.open({ group, self: this.id, voters, machine, appliedIndex: 0 })];
      }),
    );
    this.#life = { log, driver, groups: handles, machines, views };
  }

  /** The process ends at once: what was not written is lost, and of a write under way all or nothing has arrived. */
  crash(writeArrived: boolean): void {
    this.#images = defined(this.#life, "a life to end").log.imagesAfterCrash(writeArrived);
    this.#life = undefined;
    this.#epoch += 1;
    this.#frozen = undefined;
    this.#unobserved = undefined;
  }

  /** Nothing runs until `resume`, as under SIGSTOP. */
  pause(): void {
    this.#frozen ??= [];
  }

  resume(): void {
    const frozen = this.#frozen ?? [];
    this.#frozen = undefined;
    // In the order in which they came, as sockets and timers keep it.
    for (const [at, run] of frozen.entries()) this.#later(at / 1_000, run);
  }

  receive(from: ReplicaId, message: PeerMessage): void {
    this.#later(0, () => this.#life?.driver.receive(from, message));
  }

  /** A client's attempt. False: this node does not serve the group. */
  propose(group: GroupId, value: string): boolean {
    if (this.#life === undefined || this.paused) return false;
    const accepted = this.#life.machines.get(group)?.propose(value) === true;
    if (accepted) this.#life.groups.get(group)?.wake();
    return accepted;
  }

  group(group: GroupId): Group | undefined {
    return this.#life?.groups.get(group);
  }

  values(group: GroupId): readonly string[] {
    return this.#life?.machines.get(group)?.values ?? [];
  }

  view(group: GroupId): ReplicaView | undefined {
    return this.#life?.views.get(group);
  }

  disk(group: GroupId): Image {
    const image = this.#life === undefined ? this.#images.get(group) : this.#life.log.durable(group);
    return image ?? emptyImage();
  }

  /** Tells what the last step did, now that its effects are carried out. */
  flush(): void {
    this.#flush();
  }

  #flush(): void {
    const observation = this.#unobserved;
    this.#unobserved = undefined;
    if (observation !== undefined) this.#options.observe(observation);
  }

  #send(to: ReplicaId, message: PeerMessage, views: ReadonlyMap<GroupId, ReplicaView>): void {
    this.#flush();
    const at = message.kind === "group" ? views.get(message.group) : views.values().next().value;
    if (at !== undefined) this.#options.observe({ kind: "sends", at, to, message });
    this.#options.send(this.id, to, message);
  }

  #machine(group: GroupId, views: ReadonlyMap<GroupId, ReplicaView>): SimulatedMachine {
    return new SimulatedMachine({
      applies: ({ index, term, payload: { bytes, start, length } }) => {
        this.#flush();
        const at = defined(views.get(group), "the replica that applies");
        this.#options.observe({ kind: "applies", at, index, term, bytes: bytes.slice(start, start + length) });
      },
      acknowledges: (value) => this.#options.acknowledge(group, value),
    });
  }

  #view(group: GroupId, state: RaftState, log: MemoryLog): ReplicaView {
    const leaseValid = (): boolean => this.group(group)?.leaseValid(this.monoMs()) ?? false;
    return {
      node: this.id,
      group,
      state,
      live: log.live(group),
      durable: log.durable(group),
      get leaseValid() {
        return leaseValid();
      },
    };
  }

  /** Runs `callback` in this life of the node, when it is not paused. */
  #later(delayMs: number, callback: () => void): Cancel {
    const epoch = this.#epoch;
    let cancelled = false;
    const run = (): void => {
      if (cancelled || epoch !== this.#epoch) return;
      if (this.#frozen === undefined) callback();
      else this.#frozen.push(run);
    };
    this.#options.queue.after(delayMs, run);
    return () => {
      cancelled = true;
    };
  }
}

function beforeOf(state: RaftState): Before {
  const { hardState, commit, lastIndex, role } = state;
  return { term: hardState.term, commit, lastIndex, role: role.kind };
}
