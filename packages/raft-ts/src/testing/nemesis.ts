import type { SeededRandom } from "@saturnmq/kit";
import type { EventQueue } from "@saturnmq/kit/testing";
import { membersOf } from "../core/membership.ts";
import type { Configuration, GroupId, ReplicaId } from "../ports.ts";
import type { Network } from "./network.ts";
import type { Placement } from "./placement.ts";
import type { SimulatedNode } from "./simulated-node.ts";
import type { Fault, Swarm } from "./swarm.ts";

/** What faults are done to. */
export interface Stage {
  readonly groups: readonly GroupId[];
  readonly random: SeededRandom;
  readonly queue: EventQueue;
  readonly network: Network;
  readonly swarm: Swarm;
  readonly placement: Placement;
  /** Nodes whose disks are not gone. */
  readonly active: readonly SimulatedNode[];
  /** Faults are over: nothing is to be done any more. */
  readonly calm: boolean;
  readonly slowDisks: Set<ReplicaId>;
  leader(group: GroupId): SimulatedNode | undefined;
  /** Configurations that may be in force somewhere: the last that is committed, and any later one. */
  configurations(group: GroupId): readonly Configuration[];
  crash(node: SimulatedNode): void;
  /** A node's disk is lost. It is no more; another one, empty, takes its place under a new id. */
  replace(node: SimulatedNode): void;
}

/** At most this many nodes in all, lost ones included. */
const nodesMax = 9;

/** Does one fault after the other, all chance drawn from the seed. */
export class Nemesis {
  readonly #stage: Stage;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  strike(): void {
    const { calm, swarm, random, queue } = this.#stage;
    if (calm) return;
    this.#do(this.#pick(swarm.faults), this.#pick(this.#stage.active));
    queue.after(100 + random.below(swarm.faultEveryMs), () => this.strike());
  }

  #do(fault: Fault, node: SimulatedNode): void {
    const { random, queue, network, active, slowDisks } = this.#stage;
    switch (fault) {
      case "none":
        return;
      case "crash":
        return this.#restart(node, random.below(random.below(2) === 0 ? 100 : 2_000));
      case "powerCut":
        for (const one of active) this.#restart(one, random.below(700));
        return;
      case "pause":
        node.pause();
        queue.after(random.below(2_500), () => node.resume());
        return;
      case "cutOneWay":
        network.cut(node.id, this.#pick(active).id);
        return;
      case "isolate":
        return this.#separate([node], active);
      case "split":
        return this.#separate(this.#shuffled(active).slice(0, 1 + random.below(active.length)), active);
      case "cutAndRestart":
        return this.#cutAndRestart();
      case "heal":
        network.heal();
        return;
      case "slowDisk":
        if (!slowDisks.delete(node.id)) slowDisks.add(node.id);
        return;
      case "checkpoint":
        return this.#checkpoint(node);
      case "transfer":
        return this.#transfer();
      case "place":
        return this.#place();
      case "loseDisk":
        return this.#loseDisk(node);
      case "damage":
        return this.#damage(node);
    }
  }

  #separate(left: readonly SimulatedNode[], all: readonly SimulatedNode[]): void {
    const { network } = this.#stage;
    for (const one of left) {
      for (const other of all) {
        if (left.includes(other)) continue;
        network.cut(one.id, other.id);
        network.cut(other.id, one.id);
      }
    }
  }

  /** Someone stops to hear a leader and campaigns; those who could elect it restart, and may have forgotten whom they promised loyalty. */
  #cutAndRestart(): void {
    const { active, groups, network, queue, random } = this.#stage;
    const leader = this.#stage.leader(this.#pick(groups));
    const [deaf, ...forgetful] = this.#shuffled(active.filter((node) => node !== leader));
    if (leader === undefined || deaf === undefined) return;
    network.cut(leader.id, deaf.id);
    for (let round = 0; round < 4; round += 1) {
      const delayMs = 700 + 300 * round + random.below(200);
      for (const node of forgetful) queue.after(delayMs + random.below(20), () => this.#restartAtOnce(node));
    }
  }

  #restartAtOnce(node: SimulatedNode): void {
    if (!this.#stage.calm && node.up) this.#restart(node, this.#stage.random.below(60));
  }

  #restart(node: SimulatedNode, afterMs: number): void {
    const { queue } = this.#stage;
    this.#stage.crash(node);
    queue.after(afterMs, () => {
      if (!this.#stage.calm && !node.up && this.#stage.active.includes(node)) node.boot();
    });
  }

  #checkpoint(node: SimulatedNode): void {
    if (node.paused) return;
    for (const group of this.#stage.groups) node.checkpoint(group);
  }

  #transfer(): void {
    const group = this.#pick(this.#stage.groups);
    const leader = this.#stage.leader(group);
    if (leader === undefined || leader.paused) return;
    // Refused, or not done in time: what becomes of it the invariants see.
    leader
      .group(group)
      ?.transfer(this.#pick(this.#stage.active).id)
      .catch(() => undefined);
  }

  /** Wants a group on other nodes. Not while one of its members is damaged: shrinking to it could leave nobody who may elect. */
  #place(): void {
    const { random, placement, active, groups } = this.#stage;
    const group = this.#pick(groups);
    if (active.some((node) => node.disk(group).damage !== "no")) return;
    const shuffled = this.#shuffled(active);
    const voters = shuffled.slice(0, 1 + random.below(Math.min(5, shuffled.length)));
    const learners = random.below(3) === 0 ? shuffled.slice(voters.length, voters.length + 1) : [];
    placement.place(
      group,
      voters.map(({ id }) => id),
      learners.map(({ id }) => id),
    );
  }

  #loseDisk(node: SimulatedNode): void {
    const { groups, placement, active } = this.#stage;
    const ids = [...active.map(({ id }) => id)];
    if (Math.max(...ids) >= nodesMax || !groups.every((group) => this.#canDoWithout(node, group))) return;
    this.#stage.crash(node);
    this.#stage.replace(node);
    for (const group of groups) {
      const { voters, learners = [] } = placement.newest(group);
      if (![...voters, ...learners].includes(node.id)) continue;
      const left = voters.filter((id) => id !== node.id);
      const spare = this.#shuffled(this.#stage.active).find(({ id }) => !left.includes(id));
      placement.place(group, spare === undefined ? left : [...left, spare.id]);
    }
  }

  /** Recovery finds that the end of a group's log cannot be read. */
  #damage(node: SimulatedNode): void {
    const { random } = this.#stage;
    const group = this.#pick(this.#stage.groups);
    if (!this.#canDoWithout(node, group)) return;
    const { entries, start } = node.disk(group);
    if (entries.length === start.index) return;
    this.#restart(node, random.below(300));
    node.damage(group, start.index + random.below(entries.length - start.index));
  }

  /** Whether all others of the group that may have to decide with it are whole, and enough to decide without it. */
  #canDoWithout(node: SimulatedNode, group: GroupId): boolean {
    const { active, placement } = this.#stage;
    const configurations = this.#stage.configurations(group);
    if (configurations.length === 0) return false;
    const since = Math.min(...configurations.map(({ revision }) => revision));
    const halves = configurations.flatMap(({ incoming, outgoing }) => [incoming, outgoing]);
    for (let { revision } = placement.newest(group); revision >= since; revision -= 1)
      halves.push(placement.target(group, revision)?.voters ?? []);
    const isWhole = (id: ReplicaId): boolean =>
      active.some((other) => other.id === id && other.disk(group).damage === "no");
    const all = configurations.flatMap((one) => membersOf(one));
    return (
      all.every((id) => isWhole(id)) &&
      halves.every((half) => half.length === 0 || half.length > 2 || !half.includes(node.id))
    );
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#stage.random.below(from.length)] as T;
  }

  #shuffled<T>(from: readonly T[]): T[] {
    return shuffled(from, this.#stage.random);
  }
}

/** In an order drawn from the seed. */
export function shuffled<T>(from: readonly T[], random: SeededRandom): T[] {
  const result = [...from];
  for (let at = result.length - 1; at > 0; at -= 1) {
    const other = random.below(at + 1);
    [result[at], result[other]] = [result[other] as T, result[at] as T];
  }
  return result;
}
