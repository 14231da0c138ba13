import { type Cancel, type Clock, defined, type SeededRandom, silentLogger, type Timers } from "@saturnmq/kit";
import type { EventQueue } from "@saturnmq/kit/testing";
import type { RaftState } from "../core/state.ts";
import type { step } from "../core/step.ts";
import type { Driver, Group } from "../driver/api.ts";
import { createDriverWith } from "../driver/driver.ts";
import type { PeerMessage } from "../driver/messages.ts";
import type { AppliedEntry, GroupId, LogView, ReplicaId, SnapshotHead } from "../ports.ts";
import { damagedImage, emptyImage, type Image, MemoryLog } from "./memory-log.ts";
import { type Checkpoint, checkpointOf, SimulatedDisk, SimulatedSnapshots } from "./simulated-disk.ts";
import { SimulatedMachine } from "./simulated-machine.ts";
import { type Before, type Observation, type ReplicaView, Violation } from "./world.ts";

export type NodeOptions = {
  readonly id: ReplicaId;
  /** The first voters, for those among them; a later node has none, and waits to be made a member. */
  readonly voters: readonly ReplicaId[] | undefined;
  readonly groups: readonly GroupId[];
  readonly queue: EventQueue;
  readonly random: SeededRandom;
  readonly core: typeof step;
  /** Milliseconds that a disk operation takes now. */
  readonly diskMs: () => number;
  /** `incarnation`: counts the node's starts. */
  readonly send: (from: ReplicaId, to: ReplicaId, message: PeerMessage, incarnation: number) => void;
  readonly observe: (observation: Observation) => void;
  /** A driver gave up: an invariant inside it is broken. */
  readonly fatal: (error: unknown) => void;
  readonly acknowledge: (group: GroupId, value: string) => void;
  /** A planted fault: snapshots are installed without their end. */
  readonly halfSnapshots: boolean;
};

/** So little that appends of several leaders, or several of one, often do not fit into one write. */
const stageBytes = 300;

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
  #disk = new SimulatedDisk();
  #disksLost = 0;
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

  /** Starts so far. */
  get incarnation(): number {
    return this.#epoch;
  }

  get disksLost(): number {
    return this.#disksLost;
  }

  /** The node's own monotonic clock. It goes on while the node is paused. */
  monoMs(): number {
    return this.#clockOffsetMs + this.#options.queue.nowMs * this.#clockRate;
  }

  boot(): void {
    const { queue, random, groups } = this.#options;
    const latency = (_what: "write" | "read", done: () => void): void => void this.#later(this.#options.diskMs(), done);
    const log = new MemoryLog(latency, this.#disk.images, stageBytes);
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
        snapshotChunkBytes: 50,
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
    const snapshots = new SimulatedSnapshots(
      this.#disk,
      (done) => void this.#later(this.#options.diskMs(), done),
      this.#options.halfSnapshots,
    );
    const open = (group: GroupId): Group => this.#open(driver, group, machines, snapshots);
    this.#life = { log, driver, groups: new Map(groups.map((group) => [group, open(group)])), machines, views };
  }

  #open(
    driver: Driver,
    group: GroupId,
    machines: ReadonlyMap<GroupId, SimulatedMachine>,
    snapshots: SimulatedSnapshots,
  ): Group {
    const { id, voters } = this.#options;
    const checkpoint = this.#disk.checkpoint(group);
    try {
      return driver.open({
        group,
        self: id,
        ...(voters === undefined ? {} : { voters }),
        machine: defined(machines.get(group), "a machine"),
        appliedIndex: checkpoint?.index ?? 0,
        ...(checkpoint === undefined ? {} : { checkpoint }),
        snapshots,
      });
    } catch (error) {
      throw new Violation("Restart: what a process left is enough to start again", String(error));
    }
  }

  /** Takes a checkpoint of what is applied, and lets the log before the older one go when it is durable. */
  checkpoint(group: GroupId): void {
    const life = this.#life;
    const taken = life && this.#takeCheckpoint(life, group);
    if (life === undefined || taken === undefined) return;
    this.#later(this.#options.diskMs(), () => {
      const newest = this.#disk.checkpoint(group);
      if (newest !== undefined && newest.index >= taken.index) return;
      this.#disk.put(group, taken);
      const older = defined(this.#disk.older(group), "a checkpoint just put there");
      if (older.index >= life.log.view(group).firstIndex) life.log.compact(group, older.index);
    });
  }

  #takeCheckpoint({ log, groups, machines }: Life, group: GroupId): Checkpoint | undefined {
    const index = groups.get(group)?.appliedIndex ?? 0;
    const view = log.view(group);
    const term = view.termAt(index);
    const configuration = view.configurationAt(index);
    if (index === 0 || term === undefined || configuration === undefined) return undefined;
    return { index, term, configuration, values: [...(machines.get(group)?.values ?? [])] };
  }

  /** While it is down: recovery finds the group's log damaged after `index`. */
  damage(group: GroupId, index: number): void {
    const image = this.#disk.images.get(group);
    if (image !== undefined) this.#disk.images = new Map(this.#disk.images).set(group, damagedImage(image, index));
  }

  /** While it is down: all is lost. A planted fault: the node goes on under its old id. */
  loseDisk(): void {
    this.#disk = new SimulatedDisk();
    this.#disksLost += 1;
  }

  /** The process ends at once: what was not written is lost, and of a write under way all or nothing has arrived. */
  crash(writeArrived: boolean): void {
    this.#disk.images = defined(this.#life, "a life to end").log.imagesAfterCrash(writeArrived);
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
    const image = this.#life === undefined ? this.#disk.images.get(group) : this.#life.log.durable(group);
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
    this.#options.send(this.id, to, message, this.#epoch);
  }

  #machine(group: GroupId, views: ReadonlyMap<GroupId, ReplicaView>): SimulatedMachine {
    const events = {
      applies: ({ index, term, payload: { bytes, start, length } }: AppliedEntry) => {
        this.#flush();
        const at = defined(views.get(group), "the replica that applies");
        this.#options.observe({ kind: "applies", at, index, term, bytes: bytes.slice(start, start + length) });
      },
      acknowledges: (value: string) => this.#options.acknowledge(group, value),
      restores: (head: SnapshotHead) => this.#restore(group, head, views),
    };
    return new SimulatedMachine(events, this.#disk.checkpoint(group)?.values ?? []);
  }

  /** A machine reads the checkpoint that a snapshot left. */
  async #restore(
    group: GroupId,
    head: SnapshotHead,
    views: ReadonlyMap<GroupId, ReplicaView>,
  ): Promise<readonly string[]> {
    await new Promise<void>((resolve) => void this.#later(this.#options.diskMs(), resolve));
    this.#flush();
    const { values } = checkpointOf(this.#disk, group, head);
    const at = defined(views.get(group), "the replica that restores");
    this.#options.observe({ kind: "restores", at, index: head.index, term: head.term, values });
    return values;
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
