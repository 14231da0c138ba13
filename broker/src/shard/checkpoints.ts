import type { LogStore } from "@saturnmq/store";
import type { LogPoint, ShardRuntime } from "./shard-runtime.ts";

/** Writes the shards' checkpoints, one at a time. */
export class Checkpoints {
  readonly #store: LogStore;
  readonly #shards: readonly ShardRuntime[];
  /** What was written last, by shard. */
  readonly #written = new Map<number, LogPoint>();

  constructor(store: LogStore, shards: readonly ShardRuntime[]) {
    this.#store = store;
    this.#shards = shards;
  }

  /** Notes the checkpoint that a shard was opened with. */
  opened(shard: number, at: LogPoint): void {
    this.#written.set(shard, at);
  }

  /** Writes those that the store asks for. */
  async takeDue(): Promise<void> {
    const due = new Set(this.#store.checkpointsDue());
    for (const runtime of this.#shards) if (due.has(runtime.shard)) await this.#take(runtime);
  }

  /** Writes one of every shard that applied anything since its last. */
  async takeAll(): Promise<void> {
    for (const runtime of this.#shards) {
      if (runtime.appliedTo.index > (this.#written.get(runtime.shard)?.index ?? 0)) await this.#take(runtime);
    }
  }

  async #take(runtime: ShardRuntime): Promise<void> {
    if (runtime.appliedTo.index === 0) return;
    const { at, parts } = runtime.checkpoint();
    await this.#store.writeCheckpoint(runtime.shard, at.index, at.term, parts);
    this.#written.set(runtime.shard, at);
  }
}
