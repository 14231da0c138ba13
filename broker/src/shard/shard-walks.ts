import type { Cancel, Logger, Timers } from "@saturnmq/kit";
import type { ShardInfo } from "@saturnmq/wire";
import { type ConfigurationChange, type Group, nextChange, RaftError, type Readiness } from "raft-ts";
import { successorOf } from "./successor.ts";

/** How often a walk that waits is looked at. */
const everyMs = 250;
/** A replica so few entries behind is as good as there: the rest is on its way. */
const lagMax = 256;

export type ShardWalksOptions = {
  readonly self: number;
  readonly groups: ReadonlyMap<number, Group>;
  /** Hands the lead of a shard over. @throws {RaftError} */
  readonly transfer: (shard: number, to: number) => Promise<void>;
  readonly infoOf: (shard: number) => ShardInfo | undefined;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly fatal: (error: unknown) => void;
};

/**
 * Walks the configurations of the shards that are led here to where the name server wants them (design 9): one change at a time, a newcomer a voter only
 * when it holds all that the shard keeps, this replica gone last and after it has handed over.
 */
export class ShardWalks {
  readonly #options: ShardWalksOptions;
  /** By broker: the shards of which it lacks entries. One that has not told counts as lacking all. */
  readonly #filling = new Map<number, ReadonlySet<number>>();
  readonly #busy = new Set<number>();
  #cancel: Cancel | undefined;
  #closed = false;

  constructor(options: ShardWalksOptions) {
    this.#options = options;
  }

  filling(broker: number, shards: ReadonlySet<number>): void {
    this.#filling.set(broker, shards);
    this.wake();
  }

  gone(broker: number): void {
    this.#filling.delete(broker);
  }

  /** Whether another broker has all entries of a shard, as far as it has told. */
  isWhole(broker: number, shard: number): boolean {
    return this.#filling.get(broker)?.has(shard) === false;
  }

  /** Looks at every shard, and again as long as one is on its way. */
  wake(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#closed) return;
    let walking = false;
    for (const [shard, group] of this.#options.groups) {
      const info = this.#options.infoOf(shard);
      if (info === undefined || isThere(group, info)) continue;
      walking = true;
      if (group.serving && !this.#busy.has(shard)) this.#step(shard, group, info);
    }
    if (!walking) return;
    this.#cancel = this.#options.timers.after(everyMs, () => {
      this.#cancel = undefined;
      this.wake();
    });
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  #step(shard: number, group: Group, { target }: ShardInfo): void {
    const { configuration } = group.configuration;
    const step = nextChange(configuration, target, (replica) => this.#readinessOf(shard, group, replica));
    if (step.kind !== "change") return;
    const successor = this.#successor(group, step.change, target.voters);
    if (successor === undefined) this.#run(shard, "change", group.changeConfiguration(step.change));
    else this.#run(shard, "transfer", this.#options.transfer(shard, successor));
  }

  /** Whom to hand over to before a change that drops this replica: a voter that stays. */
  #successor(group: Group, { changes }: ConfigurationChange, target: readonly number[]): number | undefined {
    const { self } = this.#options;
    if (!changes.some(({ kind, replica }) => replica === self && kind !== "addVoter")) return undefined;
    return successorOf(group, (replica) => target.includes(replica));
  }

  #readinessOf(shard: number, group: Group, replica: number): Readiness {
    const follower = group.followers.find((other) => other.replica === replica);
    if (follower === undefined || follower.healing || follower.mode !== "replicate") return "behind";
    if (!this.isWhole(replica, shard)) return "behind";
    return group.commitIndex - follower.matchIndex <= lagMax ? "ready" : "behind";
  }

  #run(shard: number, step: "change" | "transfer", work: Promise<unknown>): void {
    this.#busy.add(shard);
    work
      .catch((err: unknown) => {
        // Another leader, or this one later, goes on from wherever it came to.
        if (err instanceof RaftError)
          this.#options.logger.info({ shard, step, err }, "a step of a shard's move did not come about");
        else this.#options.fatal(err);
      })
      .finally(() => {
        this.#busy.delete(shard);
      });
  }
}

/** Nothing is left to do, as far as this replica knows. */
function isThere(group: Group, { target }: ShardInfo): boolean {
  const { incoming, outgoing, learners, revision } = group.configuration.configuration;
  return (
    revision >= target.revision &&
    outgoing.length === 0 &&
    learners.length === 0 &&
    incoming.length === target.voters.length &&
    incoming.every((id) => target.voters.includes(id))
  );
}
