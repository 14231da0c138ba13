import type { Cancel, Logger, Timers } from "@saturnmq/kit";
import { type Group, RaftError } from "raft-ts";
import { successorOf } from "./successor.ts";

/** How often it is looked at whether somebody else can lead. */
const everyMs = 250;

export type UnfilledLeadsOptions = {
  readonly groups: ReadonlyMap<number, Pick<Group, "serving" | "followers">>;
  /** Shards of which this broker still lacks entries. */
  readonly unfilled: () => Iterable<number>;
  /** Whether another broker has all entries of a shard, as far as it has told. */
  readonly isWhole: (broker: number, shard: number) => boolean;
  /** Hands the lead of a shard over. @throws {RaftError} */
  readonly transfer: (shard: number, to: number) => Promise<void>;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly fatal: (error: unknown) => void;
};

/**
 * Gives up the lead of shards of which this replica lacks entries, to a voter that has them all: Raft lets it lead, since it holds the state, but it cannot
 * deliver the messages that are not filled in yet. As long as nobody else can, it leads on: what it has is better than nothing.
 */
export class UnfilledLeads {
  readonly #options: UnfilledLeadsOptions;
  readonly #busy = new Set<number>();
  #cancel: Cancel | undefined;
  #closed = false;

  constructor(options: UnfilledLeadsOptions) {
    this.#options = options;
  }

  /** Looks at what is led here, and again as long as anything is unfilled. */
  wake(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#closed) return;
    const unfilled = [...this.#options.unfilled()];
    if (unfilled.length === 0) return;
    for (const shard of unfilled) this.#giveUp(shard);
    this.#cancel = this.#options.timers.after(everyMs, () => this.wake());
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  #giveUp(shard: number): void {
    const { groups, isWhole, transfer, logger, fatal } = this.#options;
    const group = groups.get(shard);
    if (group?.serving !== true || this.#busy.has(shard)) return;
    const to = successorOf(group, (replica) => isWhole(replica, shard));
    if (to === undefined) return;
    this.#busy.add(shard);
    logger.info({ shard, to }, "hands over a shard of which entries are lacking here");
    transfer(shard, to)
      .catch((err: unknown) => {
        if (err instanceof RaftError) logger.info({ shard, to, err }, "a shard was not handed over");
        else fatal(err);
      })
      .finally(() => {
        this.#busy.delete(shard);
      });
  }
}
