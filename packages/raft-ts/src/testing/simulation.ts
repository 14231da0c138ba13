import { defined, SeededRandom } from "@saturnmq/kit";
import { EventQueue } from "@saturnmq/kit/testing";
import { membersOf } from "../core/membership.ts";
import { votersOf } from "../core/quorum.ts";
import { step } from "../core/step.ts";
import type { ConfigurationTarget } from "../core/walker.ts";
import type { Configuration, GroupId, ReplicaId } from "../ports.ts";
import { EntryChain, mix } from "./entry-chain.ts";
import { commitRule } from "./invariants/commit-rule.ts";
import { commitSafety } from "./invariants/commit-safety.ts";
import { CommittedEntries } from "./invariants/committed-entries.ts";
import { configurationSafety } from "./invariants/configuration-safety.ts";
import { damagedElectsNobody } from "./invariants/damaged-elects-nobody.ts";
import { durableBeforeSent } from "./invariants/durable-before-sent.ts";
import { electionSafety } from "./invariants/election-safety.ts";
import { leaderAppendOnly } from "./invariants/leader-append-only.ts";
import { leaderCompleteness } from "./invariants/leader-completeness.ts";
import { leaseExclusivity } from "./invariants/lease-exclusivity.ts";
import { logMatching } from "./invariants/log-matching.ts";
import { monotony } from "./invariants/monotony.ts";
import { noSuspicion } from "./invariants/no-suspicion.ts";
import { oneVoteATerm } from "./invariants/one-vote-a-term.ts";
import { stateMachineSafety } from "./invariants/state-machine-safety.ts";
import type { Plant } from "./mutants.ts";
import { Nemesis, type Stage, shuffled } from "./nemesis.ts";
import { fairWeather, Network } from "./network.ts";
import { Placement } from "./placement.ts";
import { SimulatedNode } from "./simulated-node.ts";
import { drawSwarm, type Swarm } from "./swarm.ts";
import { type Invariant, type Observation, Violation, type World } from "./world.ts";

/** What a run did: a run that claims to have checked something must have reached it. */
export type Report = Counts & {
  readonly seed: number;
  /** Equal for equal seeds: every event and what it changed is part of it. */
  readonly traceHash: number;
  readonly nodes: number;
  readonly groups: number;
};

type Counts = {
  events: number;
  elections: number;
  crashes: number;
  acknowledged: number;
  truncations: number;
  /** Configuration entries that a leader appended. */
  changes: number;
  /** Elections that a hand-over brought about. */
  handOvers: number;
  restores: number;
  disksLost: number;
  healed: number;
};

/** More events than this at one instant are a loop that never lets time go on. */
const eventsAtOnceMax = 5_000;

/** In this span after the faults end, a majority must elect, answer and agree, and every group be where it is wanted. */
const livenessMs = 15_000;
/** How often a node's agent looks whether a group that it leads is as wanted. */
const walkEveryMs = 60;

/**
 * One seeded run: size, faults and load are drawn from `seed`; every invariant is checked after every event; then faults end for a random majority (for
 * all, where members change), which must come to serve. Then, in good weather: one follower is cut off for a while, and must disturb nobody when it returns;
 * a voter is removed, and must disturb nobody either; a follower loses the end of its log, and must heal; leadership is handed over, and must be; a leader goes deaf, and must be replaced; another
 * gets its answers late and then goes mute, and must not believe in its lease longer than those who are loyal to it.
 *
 * @throws {Violation} when an invariant is broken
 */
export async function simulate(seed: number, plant: Plant = {}): Promise<Report> {
  const simulation = new Simulation(seed, plant);
  await simulation.safetyPhase();
  await simulation.livenessPhase();
  await simulation.outcastPhase();
  await simulation.lostTailPhase();
  await simulation.removedPhase();
  await simulation.handOverPhase();
  await simulation.deafLeaderPhase();
  await simulation.muteLeaderPhase();
  return simulation.report();
}

class Simulation implements World, Stage {
  readonly groups: readonly GroupId[];
  readonly random: SeededRandom;
  readonly queue: EventQueue;
  readonly network: Network;
  readonly swarm: Swarm;
  readonly placement: Placement;
  readonly slowDisks = new Set<ReplicaId>();
  calm = false;
  readonly #seed: number;
  readonly #plant: Plant;
  readonly #all = new Map<ReplicaId, SimulatedNode>();
  readonly #gone = new Set<SimulatedNode>();
  readonly #chain = new EntryChain();
  readonly #committed = new CommittedEntries(this.#chain);
  readonly #invariants: readonly Invariant[];
  readonly #acknowledged = new Map<GroupId, Set<string>>();
  /** Number of the latest proposal that was answered. */
  readonly #newestAnswered = new Map<GroupId, number>();
  /** What a disk operation takes at a node, where a phase says so. */
  readonly #diskDelayMs = new Map<ReplicaId, number>();
  #error: unknown;
  #trace = 0;
  #proposed = 0;
  readonly #counts: Counts = {
    events: 0,
    elections: 0,
    crashes: 0,
    acknowledged: 0,
    truncations: 0,
    changes: 0,
    handOvers: 0,
    restores: 0,
    disksLost: 0,
    healed: 0,
  };

  constructor(seed: number, plant: Plant) {
    this.#seed = seed;
    this.#plant = plant;
    this.random = new SeededRandom(seed);
    this.swarm = drawSwarm(this.random);
    this.queue = new EventQueue(this.random);
    this.groups = Array.from({ length: this.swarm.groups }, (_, at) => at * 3);
    this.network = new Network(this.queue, this.random, (to, from, message) => this.#node(to).receive(from, message));
    this.network.weather = this.swarm.weather;
    const first = Array.from({ length: this.swarm.nodes }, (_, at) => at + 1);
    const { groups, random } = this;
    this.placement = new Placement({ random, groups, first, walksBack: plant.walksBack === true });
    const committed = this.#committed;
    this.#invariants = [
      electionSafety(),
      leaderAppendOnly(),
      logMatching(this.#chain),
      configurationSafety(),
      commitRule(),
      commitSafety(committed),
      leaderCompleteness(committed),
      stateMachineSafety(committed),
      monotony(),
      oneVoteATerm(),
      durableBeforeSent(),
      leaseExclusivity(),
      noSuspicion(),
      damagedElectsNobody(),
    ];
    for (let voter = 0; voter < first.length; voter += 1) this.#add(first);
    for (let spare = 0; spare < this.swarm.spares; spare += 1) this.#add(undefined);
  }

  get nowMs(): number {
    return this.queue.nowMs;
  }

  get nodes(): readonly ReplicaId[] {
    return [...this.#all.keys()];
  }

  get active(): readonly SimulatedNode[] {
    return [...this.#all.values()].filter((node) => !this.#gone.has(node));
  }

  replica(node: ReplicaId, group: GroupId): ReturnType<World["replica"]> {
    return this.#node(node).view(group);
  }

  disk(node: ReplicaId, group: GroupId): ReturnType<World["disk"]> {
    return this.#node(node).disk(group);
  }

  disksLost(node: ReplicaId): number {
    return this.#node(node).disksLost;
  }

  target(group: GroupId, revision: number): ConfigurationTarget | undefined {
    return this.placement.target(group, revision);
  }

  configurations(group: GroupId): readonly Configuration[] {
    const known = this.active.flatMap((node) => (node.view(group)?.live ?? node.disk(group)).configurations);
    const committed = this.#committed.of(group).findLastIndex(({ kind }) => kind === "configuration") + 1;
    return known.filter(({ index }) => index >= committed).map(({ configuration }) => configuration);
  }

  leader(group: GroupId): SimulatedNode | undefined {
    return this.active.find((node) => node.group(group)?.serving === true);
  }

  crash(node: SimulatedNode): void {
    if (!node.up) return;
    node.crash(this.random.below(2) === 0);
    this.#counts.crashes += 1;
  }

  replace(node: SimulatedNode): void {
    this.#counts.disksLost += 1;
    const { queue, random } = this;
    if (this.#plant.keepsIdOfLostDisk === true) node.loseDisk();
    else this.#gone.add(node);
    const fresh = this.#plant.keepsIdOfLostDisk === true ? node : this.#add(undefined);
    queue.after(random.below(500), () => {
      if (!fresh.up) fresh.boot();
    });
  }

  /** Everything may fail, at any time. */
  async safetyPhase(): Promise<void> {
    const { queue, random, active, swarm } = this;
    for (const node of active) queue.after(random.below(300), () => this.#boot(node));
    queue.after(0, () => this.#client());
    queue.after(500, () => new Nemesis(this).strike());
    if (swarm.changing) queue.after(0, () => this.#walk());
    await this.#runUntil(swarm.safetyMs);
  }

  /** Faults end for a random majority; the others stay as they are, maybe down for good. Where members change they end for all. */
  async livenessPhase(): Promise<void> {
    this.calm = true;
    this.network.heal();
    this.network.weather = fairWeather;
    this.slowDisks.clear();
    const { active, swarm, random } = this;
    const majority = Math.floor(active.length / 2) + 1;
    const size = swarm.changing ? active.length : majority + random.below(active.length - majority + 1);
    const core = shuffled(active, random).slice(0, size);
    for (const node of active) {
      if (core.includes(node)) this.#revive(node);
      else this.crash(node);
    }
    const mark = this.#proposed;
    // Of values proposed since: a deposed leader may apply, and so answer, older ones while it catches up.
    const reached = (group: GroupId): boolean =>
      (this.#newestAnswered.get(group) ?? 0) > mark && this.#isSettled(group) && this.#agree(core, group);
    await this.#waitFor("Liveness: what has healed serves", livenessMs, () => this.groups.every(reached));
    for (const group of this.groups) this.#requireAcknowledged(this.leader(group), group);
    for (const node of active) this.#revive(node);
    await this.#runUntil(this.nowMs + 2_500);
  }

  /** All is well, one follower is cut off and returns: whoever leads goes on to lead (Raft thesis §9.6). */
  async outcastPhase(): Promise<void> {
    const leaders = new Set(this.groups.map((group) => this.leader(group)));
    const outcast = this.active.find((node) => !leaders.has(node) && this.#isMember(node));
    if (outcast === undefined || this.groups.some((group) => this.#voters(group).length < 3)) return;
    const termsBefore = this.#terms();
    for (const other of this.nodes) {
      this.network.cut(outcast.id, other);
      this.network.cut(other, outcast.id);
    }
    await this.#runUntil(this.nowMs + 2_500);
    this.network.heal();
    await this.#runUntil(this.nowMs + 1_500);
    if (this.#terms() !== termsBefore)
      throw new Violation(
        "Pre-vote (Raft thesis §9.6)",
        `node ${outcast.id} was cut off and deposed a leader on its return`,
      );
  }

  /** A voter is removed, and does not learn of it: it must disturb nobody (Raft thesis §4.2.3). */
  async removedPhase(): Promise<void> {
    const [group = 0] = this.groups;
    const voters = this.#voters(group);
    const leader = this.leader(group);
    const removed = voters.find((id) => id !== leader?.id);
    if (!this.swarm.changing || removed === undefined || voters.length < 3) return;
    this.placement.place(
      group,
      voters.filter((id) => id !== removed),
    );
    const isDone = (): boolean => this.#isSettled(group);
    await this.#waitFor("Liveness: a voter can be removed", 5_000, isDone);
    const termsBefore = this.#terms();
    await this.#runUntil(this.nowMs + 3_000);
    if (this.#terms() !== termsBefore)
      throw new Violation("Removed replicas disturb nobody (Raft thesis §4.2.3)", `node ${removed} deposed a leader`);
  }

  /**
   * A follower acknowledges what is not committed yet, loses just that, and is back at once, with a slow disk: it may heal at what is committed, and its
   * leader must not count it for the rest before it has that again.
   */
  async lostTailPhase(): Promise<void> {
    const [group = 0] = this.groups;
    const leader = this.leader(group);
    const follower = this.active.find((node) => node !== leader && this.#voters(group).includes(node.id));
    if (!this.swarm.changing || this.#voters(group).length < 3 || leader === undefined || follower === undefined)
      return;
    const others = this.#voters(group).filter((id) => id !== leader.id && id !== follower.id);
    // With these, and the leader's own write, the follower would make a majority.
    const soon = [leader.id, ...others.slice(0, Math.floor(this.#voters(group).length / 2) - 1)];
    for (const { id } of this.active) this.#diskDelayMs.set(id, soon.includes(id) ? 700 : 1_500);
    this.#diskDelayMs.set(follower.id, 1);
    const commit = (): number => leader.group(group)?.commitIndex ?? 0;
    const isAhead = (): boolean => follower.disk(group).entries.length > commit();
    await this.#waitFor("Progress: a follower acknowledges before its leader's own write ends", 5_000, isAhead);
    this.crash(follower);
    follower.damage(group, Math.max(commit(), follower.disk(group).start.index));
    this.#diskDelayMs.set(follower.id, 1_500);
    follower.boot();
    await this.#runUntil(this.nowMs + 2_000);
    this.#diskDelayMs.clear();
    // Its other groups may have lost a leader, or waited for its disk.
    const isWhole = (): boolean =>
      follower.group(group)?.damage === "no" && this.groups.every((id) => this.#agree(this.active, id));
    await this.#waitFor("Liveness: a replica that lost entries heals", 8_000, isWhole);
  }

  /** Leadership moves where it is told to. */
  async handOverPhase(): Promise<void> {
    const [group = 0] = this.groups;
    const leader = this.leader(group);
    const heir = this.#voters(group).find((id) => id !== leader?.id);
    if (leader === undefined || heir === undefined) return;
    const outcome = { failed: false };
    leader
      .group(group)
      ?.transfer(heir)
      .catch(() => {
        outcome.failed = true;
      });
    const serves = (): boolean => outcome.failed || this.#node(heir).group(group)?.serving === true;
    await this.#waitFor("Hand-over (Raft thesis §3.10): in good weather it succeeds at once", 500, serves);
    if (outcome.failed) throw new Violation("Hand-over (Raft thesis §3.10)", `${leader.id} still leads, not ${heir}`);
  }

  /** A leader that reaches everyone and is reached by nobody steps down, so that the others may elect (check-quorum, Raft thesis §6.2). */
  async deafLeaderPhase(): Promise<void> {
    const [group = 0] = this.groups;
    const deaf = this.leader(group);
    if (deaf === undefined || this.#voters(group).length < 3) return;
    for (const other of this.nodes) this.network.cut(other, deaf.id);
    await this.#runUntil(this.nowMs + 4_000);
    const serves = this.active.some((node) => node !== deaf && node.group(group)?.serving === true);
    if (!serves)
      throw new Violation("Check-quorum (Raft thesis §6.2)", `node ${deaf.id} hears nobody and blocks its group`);
  }

  /** Answers that are on their way when a leader goes mute tell of a loyalty that began when they were asked for. */
  async muteLeaderPhase(): Promise<void> {
    const [group = 0] = this.groups;
    if (this.#voters(group).length < 3) return;
    this.network.heal();
    await this.#waitFor(
      "a leader after a deaf one",
      livenessMs,
      () => this.leader(group)?.group(group)?.serving === true,
    );
    const mute = defined(this.leader(group), "leader");
    this.network.delayTo(mute.id, 400 + this.random.below(150));
    await this.#runUntil(this.nowMs + 1_000);
    for (const other of this.nodes) this.network.cut(mute.id, other);
    await this.#runUntil(this.nowMs + 2_000);
  }

  report(): Report {
    return {
      seed: this.#seed,
      traceHash: this.#trace,
      nodes: this.swarm.nodes,
      groups: this.groups.length,
      ...this.#counts,
    };
  }

  async #waitFor(what: string, withinMs: number, reached: () => boolean): Promise<void> {
    const deadline = this.nowMs + withinMs;
    while (!reached()) {
      if (this.nowMs > deadline) throw new Violation(what, `not after ${withinMs} ms: ${this.#describe()}`);
      await this.#runUntil(this.nowMs + 50);
    }
  }

  async #runUntil(untilMs: number): Promise<void> {
    const phase = { over: false };
    this.queue.after(untilMs - this.nowMs, () => {
      phase.over = true;
    });
    let instantMs = this.nowMs;
    let atOnce = 0;
    while (!phase.over) {
      this.queue.runNext();
      atOnce = this.nowMs === instantMs ? atOnce + 1 : 0;
      instantMs = this.nowMs;
      if (atOnce > eventsAtOnceMax) throw new Violation("Progress", "events follow each other without time going on");
      // What the event resolved goes on before the next event, as it would in a process whose event loop is idle.
      for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
      for (const node of this.#all.values()) node.flush();
      for (const invariant of this.#invariants) invariant.afterEvent?.(this);
      this.#counts.events += 1;
      this.#trace = mix(this.#trace, Math.floor(this.nowMs * 1_000));
      // A driver hands what is thrown to `fatal`, inside a promise or not: it ends the run here.
      if (this.#error !== undefined) throw this.#error as Error;
    }
  }

  #add(voters: readonly ReplicaId[] | undefined): SimulatedNode {
    const id = this.#all.size + 1;
    const node = new SimulatedNode({
      id,
      voters,
      groups: this.groups,
      queue: this.queue,
      random: this.random,
      core: this.#plant.core ?? step,
      diskMs: () => this.#diskMs(id),
      send: (from, to, message, incarnation) =>
        this.network.send(from, to, this.#plant.alter?.(from, to, message) ?? message, incarnation),
      observe: (observation) => this.#observe(observation),
      fatal: (error) => {
        this.#error ??= error;
      },
      acknowledge: (group, value) => this.#acknowledge(group, value),
      halfSnapshots: this.#plant.halfSnapshots === true,
    });
    this.#all.set(id, node);
    return node;
  }

  #observe(observation: Observation): void {
    if (observation.kind === "appends") this.#noteAppend(observation);
    if (observation.kind === "stepped") this.#noteStep(observation);
    if (observation.kind === "restores") this.#counts.restores += 1;
    try {
      for (const invariant of this.#invariants) invariant.observe?.(observation, this);
    } catch (error) {
      this.#error ??= error;
    }
  }

  #noteAppend({ at, index, entry }: Extract<Observation, { kind: "appends" }>): void {
    const previous = at.live.entries[index - 2];
    // After a snapshot the entry before is not there; it is committed.
    const known = this.#committed.of(at.group)[index - 2]?.chain;
    this.#chain.note(entry, previous === undefined ? (known ?? EntryChain.start) : this.#chain.of(previous));
    this.#trace = mix(mix(mix(this.#trace, at.node), index), this.#chain.of(entry));
    if (index <= at.live.entries.length) this.#counts.truncations += 1;
    if (entry.kind === "configuration" && at.state.role.kind === "leader") this.#counts.changes += 1;
  }

  #noteStep({ at, before, effects }: Extract<Observation, { kind: "stepped" }>): void {
    const { role, hardState, commit } = at.state;
    if (role.kind === "leader" && before.role !== "leader") this.#counts.elections += 1;
    for (const effect of effects) {
      if (effect.kind === "healed") this.#counts.healed += 1;
      if (effect.kind === "send" && effect.message.kind === "timeoutNow") this.#counts.handOvers += 1;
    }
    this.#trace = mix(mix(mix(this.#trace, at.node), hardState.term), commit);
  }

  #acknowledge(group: GroupId, value: string): void {
    const values = this.#acknowledged.get(group) ?? new Set();
    values.add(value);
    this.#acknowledged.set(group, values);
    const number = Number.parseInt(value.slice(value.indexOf("-") + 1), 10);
    this.#newestAnswered.set(group, Math.max(number, this.#newestAnswered.get(group) ?? 0));
    this.#counts.acknowledged += 1;
  }

  /** Proposes values wherever somebody serves, for ever. */
  #client(): void {
    for (const group of this.groups) {
      for (const node of this.active) {
        if (this.random.below(4) === 0) continue;
        this.#proposed += 1;
        node.propose(group, `${group}-${this.#proposed}`.padEnd(this.random.below(80), "."));
      }
    }
    const everyMs = this.calm ? 50 : this.swarm.proposeEveryMs;
    this.queue.after(this.random.below(2 * everyMs), () => this.#client());
  }

  /** Leaders walk their groups to where they are wanted, for ever. */
  #walk(): void {
    for (const node of this.active) if (node.up && !node.paused) this.placement.walk(node, !this.calm);
    this.queue.after(this.random.below(2 * walkEveryMs), () => this.#walk());
  }

  #boot(node: SimulatedNode): void {
    if (!node.up) node.boot();
  }

  #revive(node: SimulatedNode): void {
    node.resume();
    this.#boot(node);
  }

  #voters(group: GroupId): readonly ReplicaId[] {
    return votersOf(this.#configuration(group));
  }

  #configuration(group: GroupId): Configuration {
    const known = this.leader(group)?.group(group)?.configuration.configuration;
    return known ?? { incoming: [], outgoing: [], learners: [], learnersNext: [], autoLeave: false, revision: 0 };
  }

  #isMember(node: SimulatedNode): boolean {
    return this.groups.some((group) => membersOf(this.#configuration(group)).includes(node.id));
  }

  #isSettled(group: GroupId): boolean {
    return !this.swarm.changing || this.placement.isSettled(group, this.#configuration(group));
  }

  /** Whether all members among these nodes have come equally far. */
  #agree(nodes: readonly SimulatedNode[], group: GroupId): boolean {
    const members = membersOf(this.#configuration(group));
    const applied = nodes.filter(({ id }) => members.includes(id)).map((node) => node.group(group)?.appliedIndex);
    return new Set(applied).size === 1;
  }

  #requireAcknowledged(node: SimulatedNode | undefined, group: GroupId): void {
    const values = new Set(node?.values(group));
    for (const value of this.#acknowledged.get(group) ?? []) {
      if (!values.has(value)) throw new Violation("Durability", `the acknowledged value ${value} is lost`);
    }
  }

  #terms(): string {
    return this.groups.map((group) => this.leader(group)?.group(group)?.term).join();
  }

  /** Where everyone stands, for whoever reads of a violation. */
  #describe(): string {
    const rows = this.groups.flatMap((id) =>
      this.active.map((node) => {
        const group = node.group(id);
        if (group === undefined) return `${node.id} is down`;
        const { role, term, commitIndex, configuration, damage } = group;
        const { incoming, outgoing, learners } = configuration.configuration;
        return `group ${id}: ${node.id} ${role} ${term} commit ${commitIndex} (${incoming.join(" ")})(${outgoing.join(" ")})(${learners.join(" ")}) ${damage}`;
      }),
    );
    const wanted = this.groups.map((id) => `${id}: ${JSON.stringify(this.placement.newest(id))}`);
    return `${rows.join("; ")}; wanted ${wanted.join(", ")}`;
  }

  #diskMs(node: ReplicaId): number {
    const fixed = this.#diskDelayMs.get(node);
    if (fixed !== undefined) return fixed;
    return this.slowDisks.has(node) ? this.random.below(400) : 0.2 + this.random.fraction();
  }

  #node(id: ReplicaId): SimulatedNode {
    return this.#all.get(id) as SimulatedNode;
  }
}
