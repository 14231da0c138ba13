import type { SeededRandom } from "@saturnmq/kit";
import { type ConfigurationTarget, nextChange } from "../core/walker.ts";
import type { Group } from "../driver/api.ts";
import type { Configuration, GroupId, ReplicaId } from "../ports.ts";

/** What the simulated name server needs to see of a node. */
export type PlacedNode = { readonly id: ReplicaId; group(group: GroupId): Group | undefined };

export type PlacementOptions = {
  readonly random: SeededRandom;
  readonly groups: readonly GroupId[];
  readonly first: readonly ReplicaId[];
  /** A planted fault: a leader walks to whatever target it heard of last, however old. */
  readonly walksBack: boolean;
};

/** Stands in for the name server: decides who should be in which group, and has the leaders walk there, from what they heard of it, maybe late. */
export class Placement {
  readonly #options: PlacementOptions;
  readonly #targets = new Map<GroupId, ConfigurationTarget[]>();
  /** By node and group: the revision that the node heard of last. */
  readonly #heard = new Map<string, number>();
  #revision = 0;

  constructor(options: PlacementOptions) {
    this.#options = options;
    for (const group of options.groups) this.#targets.set(group, [{ voters: options.first, revision: 0 }]);
  }

  target(group: GroupId, revision: number): ConfigurationTarget | undefined {
    return this.#targets.get(group)?.find((target) => target.revision === revision);
  }

  newest(group: GroupId): ConfigurationTarget {
    return this.#targets.get(group)?.at(-1) ?? { voters: this.#options.first, revision: 0 };
  }

  /** Wants the group on `voters` from now on, and maybe a learner that stays one. */
  place(group: GroupId, voters: readonly ReplicaId[], learners: readonly ReplicaId[] = []): void {
    this.#revision += 1;
    this.#targets.get(group)?.push({ voters, learners, revision: this.#revision });
  }

  /** Whether the group is as wanted. */
  isSettled(group: GroupId, configuration: Configuration): boolean {
    const target = this.newest(group);
    return (
      nextChange(configuration, target, () => "ready").kind === "done" && configuration.revision === target.revision
    );
  }

  /** What a node's agent does now and then, for each group that the node leads. `late`: it may not have heard the newest target. */
  walk(node: PlacedNode, late: boolean): void {
    for (const id of this.#options.groups) {
      const group = node.group(id);
      const target = this.#hear(node.id, id, late);
      if (group?.role === "leader" && target !== undefined) this.#step(group, target);
    }
  }

  #step(group: Group, target: ConfigurationTarget): void {
    const { walksBack } = this.#options;
    const { configuration } = group.configuration;
    const from = walksBack ? { ...configuration, revision: 0 } : configuration;
    const ready = new Set(
      group.followers.filter(({ matchIndex }) => matchIndex >= group.commitIndex).map(({ replica }) => replica),
    );
    const readinessOf = (replica: ReplicaId) => (ready.has(replica) ? "ready" : "behind");
    // Now and then a leader is dropped without having handed over: that must do as well.
    const leader = this.#options.random.below(2) === 0 ? group.leader : undefined;
    const step = nextChange(from, target, readinessOf, leader);
    if (step.kind === "handOver") group.transfer(step.to).catch(() => undefined);
    if (step.kind !== "change") return;
    const revision = walksBack ? Math.max(configuration.revision, step.change.revision) : step.change.revision;
    // Refused, or of unknown outcome: the next round sees what has become of it.
    group.changeConfiguration({ ...step.change, revision }).catch(() => undefined);
  }

  #hear(node: ReplicaId, group: GroupId, late: boolean): ConfigurationTarget | undefined {
    const key = `${node} ${group}`;
    const targets = this.#targets.get(group) ?? [];
    const known = this.#heard.get(key) ?? 0;
    const { random, walksBack } = this.#options;
    if (walksBack && random.below(4) === 0) return targets[random.below(targets.length)];
    if (!late) this.#heard.set(key, targets.length - 1);
    else if (random.below(3) === 0) this.#heard.set(key, known + random.below(targets.length - known));
    return targets[this.#heard.get(key) ?? 0];
  }
}
