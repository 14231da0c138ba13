import { SeededRandom } from "@saturnmq/kit";
import { step } from "../core/step.ts";
import type { GroupId, ReplicaId } from "../ports.ts";
import { EntryChain, mix } from "./entry-chain.ts";
import { EventQueue } from "./event-queue.ts";
import { commitRule } from "./invariants/commit-rule.ts";
import { commitSafety } from "./invariants/commit-safety.ts";
import { CommittedEntries } from "./invariants/committed-entries.ts";
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
import { fairWeather, Network } from "./network.ts";
import { SimulatedNode } from "./simulated-node.ts";
import { drawSwarm, type Swarm } from "./swarm.ts";
import { type Invariant, type Observation, Violation, type World } from "./world.ts";

/** What a run did: a run that claims to have checked something must have reached it. */
export type Report = {
  readonly seed: number;
  /** Equal for equal seeds: every event and what it changed is part of it. */
  readonly traceHash: number;
  readonly nodes: number;
  readonly groups: number;
  readonly events: number;
  readonly elections: number;
  readonly crashes: number;
  readonly acknowledged: number;
  readonly truncations: number;
};

/** More events than this at one instant are a loop that never lets time go on. */
const eventsAtOnceMax = 5_000;

/** In this span after the faults end, a majority must elect, answer and agree. */
const livenessMs = 10_000;

/**
 * One seeded run: size, faults and load are drawn from `seed`; every invariant is checked after every event; then faults end for a random majority,
 * which must come to serve; then one follower is cut off for a while, and must disturb nobody when it returns; then a leader goes deaf, and must be replaced.
 *
 * @throws {Violation} when an invariant is broken
 */
export async function simulate(seed: number, core: typeof step = step): Promise<Report> {
  const simulation = new Simulation(seed, core);
  await simulation.safetyPhase();
  await simulation.livenessPhase();
  await simulation.outcastPhase();
  await simulation.deafLeaderPhase();
  return simulation.report();
}

class Simulation implements World {
  readonly nodes: readonly ReplicaId[];
  readonly groups: readonly GroupId[];
  readonly #seed: number;
  readonly #random: SeededRandom;
  readonly #queue: EventQueue;
  readonly #network: Network;
  readonly #swarm: Swarm;
  readonly #all: readonly SimulatedNode[];
  readonly #chain = new EntryChain();
  readonly #invariants: readonly Invariant[];
  readonly #acknowledged = new Map<GroupId, Set<string>>();
  /** Number of the latest proposal that was answered. */
  readonly #newestAnswered = new Map<GroupId, number>();
  #slowDisks = new Set<ReplicaId>();
  #error: unknown;
  #trace = 0;
  #proposed = 0;
  #counts = { events: 0, elections: 0, crashes: 0, acknowledged: 0, truncations: 0 };
  #calm = false;

  constructor(seed: number, core: typeof step) {
    this.#seed = seed;
    this.#random = new SeededRandom(seed);
    this.#swarm = drawSwarm(this.#random);
    this.#queue = new EventQueue(this.#random);
    this.nodes = Array.from({ length: this.#swarm.nodes }, (_, at) => at + 1);
    this.groups = Array.from({ length: this.#swarm.groups }, (_, at) => at * 3);
    this.#network = new Network(this.#queue, this.#random, (to, from, message) =>
      this.#node(to).receive(from, message),
    );
    this.#network.weather = this.#swarm.weather;
    const committed = new CommittedEntries(this.#chain);
    this.#invariants = [
      electionSafety(),
      leaderAppendOnly(),
      logMatching(this.#chain),
      commitRule(),
      commitSafety(committed),
      leaderCompleteness(committed),
      stateMachineSafety(committed),
      monotony(),
      oneVoteATerm(),
      durableBeforeSent(),
      leaseExclusivity(),
      noSuspicion(),
    ];
    this.#all = this.nodes.map(
      (id) =>
        new SimulatedNode({
          id,
          voters: this.nodes,
          groups: this.groups,
          queue: this.#queue,
          random: this.#random,
          core,
          diskMs: () => this.#diskMs(id),
          send: (from, to, message) => this.#network.send(from, to, message),
          observe: (observation) => this.#observe(observation),
          fatal: (error) => {
            this.#error ??= error;
          },
          acknowledge: (group, value) => this.#acknowledge(group, value),
        }),
    );
  }

  get nowMs(): number {
    return this.#queue.nowMs;
  }

  replica(node: ReplicaId, group: GroupId): ReturnType<World["replica"]> {
    return this.#node(node).view(group);
  }

  disk(node: ReplicaId, group: GroupId): ReturnType<World["disk"]> {
    return this.#node(node).disk(group);
  }

  /** Everything may fail, at any time. */
  async safetyPhase(): Promise<void> {
    for (const node of this.#all) this.#queue.after(this.#random.below(300), () => this.#boot(node));
    this.#queue.after(0, () => this.#client());
    this.#queue.after(500, () => this.#nemesis());
    await this.#runUntil(this.#swarm.safetyMs);
  }

  /** Faults end for a random majority; the others stay as they are, maybe down for good. */
  async livenessPhase(): Promise<void> {
    this.#calm = true;
    this.#network.heal();
    this.#network.weather = fairWeather;
    this.#slowDisks = new Set();
    const shuffled = this.#shuffled(this.#all);
    const majority = Math.floor(shuffled.length / 2) + 1;
    const core = shuffled.slice(0, majority + this.#random.below(shuffled.length - majority + 1));
    for (const node of this.#all) {
      if (core.includes(node)) this.#revive(node);
      else this.#crash(node);
    }
    const mark = this.#proposed;
    const deadline = this.nowMs + livenessMs;
    // Of values proposed since: a deposed leader may apply, and so answer, older ones while it catches up.
    const reached = (): boolean =>
      this.groups.every((group) => (this.#newestAnswered.get(group) ?? 0) > mark && this.#agree(core, group));
    while (!reached()) {
      if (this.nowMs > deadline)
        throw new Violation("Liveness", `a healed majority does not serve after ${livenessMs} ms`);
      await this.#runUntil(this.nowMs + 50);
    }
    for (const group of this.groups) this.#requireAcknowledged(core[0], group);
    for (const node of this.#all) this.#revive(node);
    await this.#runUntil(this.nowMs + 2_500);
  }

  /** All is well, one follower is cut off and returns: whoever leads goes on to lead (Raft thesis §9.6). */
  async outcastPhase(): Promise<void> {
    if (this.nodes.length < 3) return;
    const leaders = new Set(this.groups.map((group) => this.#leader(group)?.id));
    const outcast = this.#all.find((node) => !leaders.has(node.id));
    if (outcast === undefined) return;
    const termsBefore = this.#terms();
    for (const other of this.nodes) {
      this.#network.cut(outcast.id, other);
      this.#network.cut(other, outcast.id);
    }
    await this.#runUntil(this.nowMs + 2_500);
    this.#network.heal();
    await this.#runUntil(this.nowMs + 1_500);
    if (this.#terms() !== termsBefore)
      throw new Violation(
        "Pre-vote (Raft thesis §9.6)",
        `node ${outcast.id} was cut off and deposed a leader on its return`,
      );
  }

  /** A leader that reaches everyone and is reached by nobody steps down, so that the others may elect (check-quorum, Raft thesis §6.2). */
  async deafLeaderPhase(): Promise<void> {
    const [group = 0] = this.groups;
    const deaf = this.#leader(group);
    if (this.nodes.length < 3 || deaf === undefined) return;
    for (const other of this.nodes) this.#network.cut(other, deaf.id);
    await this.#runUntil(this.nowMs + 4_000);
    const serves = this.#all.some((node) => node !== deaf && node.group(group)?.serving === true);
    if (!serves)
      throw new Violation("Check-quorum (Raft thesis §6.2)", `node ${deaf.id} hears nobody and blocks its group`);
  }

  report(): Report {
    return {
      seed: this.#seed,
      traceHash: this.#trace,
      nodes: this.nodes.length,
      groups: this.groups.length,
      ...this.#counts,
    };
  }

  async #runUntil(untilMs: number): Promise<void> {
    const phase = { over: false };
    this.#queue.after(untilMs - this.nowMs, () => {
      phase.over = true;
    });
    let instantMs = this.nowMs;
    let atOnce = 0;
    while (!phase.over) {
      this.#queue.runNext();
      atOnce = this.nowMs === instantMs ? atOnce + 1 : 0;
      instantMs = this.nowMs;
      if (atOnce > eventsAtOnceMax) throw new Violation("Progress", "events follow each other without time going on");
      // What the event resolved goes on before the next event, as it would in a process whose event loop is idle.
      for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
      for (const node of this.#all) node.flush();
      for (const invariant of this.#invariants) invariant.afterEvent?.(this);
      this.#counts.events += 1;
      this.#trace = mix(this.#trace, Math.floor(this.nowMs * 1_000));
      // A driver hands what is thrown to `fatal`, inside a promise or not: it ends the run here.
      if (this.#error !== undefined) throw this.#error as Error;
    }
  }

  #observe(observation: Observation): void {
    if (observation.kind === "appends") this.#noteAppend(observation);
    if (observation.kind === "stepped") this.#noteStep(observation);
    try {
      for (const invariant of this.#invariants) invariant.observe?.(observation, this);
    } catch (error) {
      this.#error ??= error;
    }
  }

  #noteAppend({ at, index, entry }: Extract<Observation, { kind: "appends" }>): void {
    this.#chain.note(entry, at.live.entries[index - 2]);
    this.#trace = mix(mix(mix(this.#trace, at.node), index), this.#chain.of(entry));
    if (index <= at.live.entries.length) this.#counts.truncations += 1;
  }

  #noteStep({ at, before }: Extract<Observation, { kind: "stepped" }>): void {
    const { role, hardState, commit } = at.state;
    if (role.kind === "leader" && before.role !== "leader") this.#counts.elections += 1;
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
      for (const node of this.#all) {
        if (this.#random.below(4) === 0) continue;
        this.#proposed += 1;
        node.propose(group, `${group}-${this.#proposed}`.padEnd(this.#random.below(80), "."));
      }
    }
    const everyMs = this.#calm ? 50 : this.#swarm.proposeEveryMs;
    this.#queue.after(this.#random.below(2 * everyMs), () => this.#client());
  }

  #nemesis(): void {
    if (this.#calm) return;
    const node = this.#pick(this.#all);
    switch (this.#pick(this.#swarm.faults)) {
      case "none":
        break;
      case "crash":
        this.#crash(node);
        this.#queue.after(this.#random.below(this.#random.below(2) === 0 ? 100 : 2_000), () =>
          this.#bootUnlessCalm(node),
        );
        break;
      case "powerCut":
        for (const one of this.#all) {
          this.#crash(one);
          this.#queue.after(this.#random.below(700), () => this.#bootUnlessCalm(one));
        }
        break;
      case "pause":
        node.pause();
        this.#queue.after(this.#random.below(2_500), () => node.resume());
        break;
      case "cutOneWay":
        this.#network.cut(node.id, this.#pick(this.#all).id);
        break;
      case "isolate":
        for (const other of this.nodes) {
          this.#network.cut(node.id, other);
          this.#network.cut(other, node.id);
        }
        break;
      case "split":
        this.#split();
        break;
      case "cutAndRestart":
        this.#cutAndRestart();
        break;
      case "heal":
        this.#network.heal();
        break;
      case "slowDisk":
        if (!this.#slowDisks.delete(node.id)) this.#slowDisks.add(node.id);
        break;
    }
    this.#queue.after(100 + this.#random.below(this.#swarm.faultEveryMs), () => this.#nemesis());
  }

  #split(): void {
    const shuffled = this.#shuffled(this.#all);
    const left = shuffled.slice(0, 1 + this.#random.below(shuffled.length));
    for (const one of left) {
      for (const other of shuffled) {
        if (left.includes(other)) continue;
        this.#network.cut(one.id, other.id);
        this.#network.cut(other.id, one.id);
      }
    }
  }

  /** Someone stops to hear a leader and campaigns; those who could elect it restart, and may have forgotten whom they promised loyalty. */
  #cutAndRestart(): void {
    const leader = this.#leader(this.#pick(this.groups));
    const [deaf, ...forgetful] = this.#shuffled(this.#all.filter((node) => node !== leader));
    if (leader === undefined || deaf === undefined) return;
    this.#network.cut(leader.id, deaf.id);
    for (let round = 0; round < 4; round += 1) {
      const delayMs = 700 + 300 * round + this.#random.below(200);
      for (const node of forgetful)
        this.#queue.after(delayMs + this.#random.below(20), () => this.#restartAtOnce(node));
    }
  }

  #restartAtOnce(node: SimulatedNode): void {
    if (this.#calm || !node.up) return;
    this.#crash(node);
    this.#queue.after(this.#random.below(60), () => this.#bootUnlessCalm(node));
  }

  #boot(node: SimulatedNode): void {
    if (!node.up) node.boot();
  }

  #bootUnlessCalm(node: SimulatedNode): void {
    if (!this.#calm) this.#boot(node);
  }

  #crash(node: SimulatedNode): void {
    if (!node.up) return;
    node.crash(this.#random.below(2) === 0);
    this.#counts.crashes += 1;
  }

  #revive(node: SimulatedNode): void {
    node.resume();
    this.#boot(node);
  }

  #agree(nodes: readonly SimulatedNode[], group: GroupId): boolean {
    const applied = new Set(nodes.map((node) => node.group(group)?.appliedIndex));
    return applied.size === 1;
  }

  #requireAcknowledged(node: SimulatedNode | undefined, group: GroupId): void {
    const values = new Set(node?.values(group));
    for (const value of this.#acknowledged.get(group) ?? []) {
      if (!values.has(value)) throw new Violation("Durability", `the acknowledged value ${value} is lost`);
    }
  }

  #leader(group: GroupId): SimulatedNode | undefined {
    return this.#all.find((node) => node.group(group)?.serving === true);
  }

  #terms(): string {
    return this.groups.map((group) => this.#leader(group)?.group(group)?.term).join();
  }

  #diskMs(node: ReplicaId): number {
    return this.#slowDisks.has(node) ? this.#random.below(400) : 0.2 + this.#random.fraction();
  }

  #node(id: ReplicaId): SimulatedNode {
    return this.#all[id - 1] as SimulatedNode;
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#random.below(from.length)] as T;
  }

  #shuffled<T>(from: readonly T[]): T[] {
    const result = [...from];
    for (let at = result.length - 1; at > 0; at -= 1) {
      const other = this.#random.below(at + 1);
      [result[at], result[other]] = [result[other] as T, result[at] as T];
    }
    return result;
  }
}
