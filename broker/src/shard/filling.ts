import { type Clock, DiskError, type Logger, pause, type Timers } from "@saturnmq/kit";
import type { Backfill, BackfillEntry, EntryRange, LogStore } from "@saturnmq/store";

/** While messages are written, nothing is asked for until four times as long as a chunk took has passed: a fifth of the disk is guaranteed. */
const restShare = 4;
/** A chunk that took no measurable time still leaves the others a turn. */
const restMinMs = 1;
const restMaxMs = 1_000;
/** Nobody could give the next entries: a while later somebody may. */
const retryMs = 500;

/** Asks replicas for entries [from, to] of a shard: consecutive from `from` on, none if no replica that can be reached holds the first. */
export type AskEntries = (shard: number, range: EntryRange, bytes: number) => Promise<readonly BackfillEntry[]>;

export type FillingOptions = {
  readonly shard: number;
  readonly range: EntryRange;
  /** Payload bytes asked for at a time. */
  readonly chunkBytes: number;
  readonly store: Pick<LogStore, "openBackfill" | "committing">;
  readonly ask: AskEntries;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
};

/**
 * Fills in the entries that a replica lacks below its checkpoint, from other replicas, beside the log: so that it holds every message that the shard
 * keeps before it votes (design 6, "A new replica"). Yields to the shard's own traffic; goes on after a restart where it was.
 */
export class Filling {
  readonly #options: FillingOptions;
  readonly #ended = new AbortController();

  constructor(options: FillingOptions) {
    this.#options = options;
  }

  /** Resolves to true when all is there and readable; to false if it was ended before. Rejects if the disk fails. */
  async run(): Promise<boolean> {
    const { shard, range, store, logger } = this.#options;
    const backfill = await store.openBackfill(shard, range.from, range.to);
    try {
      logger.info({ shard, ...range }, "fills in the entries that this replica lacks");
      for (let next = backfill.missing()[0]; next !== undefined; next = backfill.missing()[0]) {
        if (this.#ended.signal.aborted) return false;
        await this.#fill(backfill, next);
      }
      await backfill.finish();
      logger.info({ shard, ...range }, "this replica has all entries of the shard");
      return true;
    } finally {
      await backfill[Symbol.asyncDispose]();
    }
  }

  get ended(): boolean {
    return this.#ended.signal.aborted;
  }

  /** Asks for nothing more. */
  end(): void {
    this.#ended.abort();
  }

  async #fill(backfill: Backfill, range: EntryRange): Promise<void> {
    const { shard, ask, chunkBytes, clock, store } = this.#options;
    const startedMs = clock.monoMs();
    const entries = await ask(shard, range, chunkBytes);
    if (entries.length === 0 || !(await this.#add(backfill, entries))) return this.#rest(retryMs);
    await this.#flush(backfill);
    const restMs = store.committing ? restShare * (clock.monoMs() - startedMs) : 0;
    await this.#rest(Math.min(Math.max(restMs, restMinMs), restMaxMs));
  }

  /** False when an entry is not what its checks say: whoever gave it has a fault, or the way here. */
  async #add(backfill: Backfill, entries: readonly BackfillEntry[]): Promise<boolean> {
    for (const entry of entries) {
      if (backfill.roomBytes < entry.payload.length) await this.#flush(backfill);
      try {
        backfill.add(entry);
      } catch (err) {
        if (!(err instanceof RangeError)) throw err;
        const { shard, logger } = this.#options;
        logger.error({ shard, index: entry.index, err }, "another replica gave an entry that is damaged");
        return false;
      }
    }
    return true;
  }

  async #flush(backfill: Backfill): Promise<void> {
    try {
      await backfill.flush();
    } catch (err) {
      if (!(err instanceof DiskError) || err.code !== "full") throw err;
      // Room comes by itself when the retention frees segments; until then the replica stays without a vote.
      this.#options.logger.warn(
        { shard: this.#options.shard, err },
        "the disk has no room for the entries that this replica lacks",
      );
      await this.#rest(restMaxMs);
    }
  }

  #rest(ms: number): Promise<void> {
    return pause(this.#options.timers, ms, this.#ended.signal);
  }
}
